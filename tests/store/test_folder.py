"""A study's folder: what is appended can be read, what a kill left is dropped, what is finished is never lost."""

import csv
import re
from dataclasses import replace

import numpy as np
import pytest

from dropexp.errors import StoreError
from dropexp.records import EpochRow, Failure, Outcome, ProbeRow, Provenance, RunRow
from dropexp.rows import ADDED, COLUMNS, SEAL, line_of, lines_of
from dropexp.store import seals
from dropexp.store.folder import Store, set_aside
from dropexp.store.lost_found import NAME
from dropexp.store.writer import Writer
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text

STUDY = parse(read_text("sweep: {dropout.rate: [0, 0.5, 0.1]}\nseeds: 3", "s.yaml"))


def outcome(runs):
    return Outcome(
        runs=tuple(RunRow(r.run_id, r.arm_id, r.seed, 2, "max_epochs", 2, train_loss=0.1 + r.seed) for r in runs),
        epochs=tuple(EpochRow(r.run_id, r.arm_id, r.seed, e, train_loss=1 / 3) for r in runs for e in (1, 2)),
        probes=tuple(
            ProbeRow(r.run_id, 1, "gradient_norms", layer, "", 0.5) for r in runs for layer in ("hidden.1", "output")
        ),
    )


def filled(folder, runs):
    with Writer(folder) as writer:
        for run in runs:
            writer.append([run], outcome([run]))
    return {name: (folder / name).read_bytes() for name in ("runs.csv", "epochs.csv", "probes.csv")}


def test_rows_stand_in_an_order_that_depends_on_the_rows_alone(tmp_path):
    runs = STUDY.runs()
    assert filled(tmp_path / "a", runs) == filled(tmp_path / "b", runs[::-1])
    frame = Store(tmp_path / "a").frame("runs.csv")
    assert list(frame["dropout.rate"]) == ["0"] * 3 + ["0.1"] * 3 + ["0.5"] * 3
    assert list(frame["seed"]) == [0, 1, 2] * 3
    epochs = Store(tmp_path / "a").frame("epochs.csv")
    assert list(epochs["epoch"]) == [1, 2] * 9
    assert epochs["train_loss"][0] == 1 / 3, "floats come back exactly"


def test_a_row_in_runs_is_what_done_means(tmp_path):
    runs = STUDY.runs()[:2]
    filled(tmp_path, runs[:1])
    with Writer(tmp_path) as writer:
        writer._append("epochs.csv", "orphan,arm,0,1" + "," * (len(COLUMNS["epochs.csv"]) - 4) + "\n")
        writer.append(runs[1:], outcome(runs[1:]))
    assert Store(tmp_path).done() == {r.run_id for r in runs}
    assert b"orphan" not in (tmp_path / "epochs.csv").read_bytes()


@pytest.mark.parametrize("name", ["runs.csv", "epochs.csv", "probes.csv"])
@pytest.mark.parametrize("cut", [1, 7, 30])
def test_a_torn_line_is_dropped_and_written_again(name, cut, tmp_path):
    runs = STUDY.runs()
    whole = filled(tmp_path / "whole", runs)
    filled(tmp_path / "torn", runs)
    path = tmp_path / "torn" / name
    path.write_bytes(path.read_bytes()[:-cut])
    done = Store(tmp_path / "torn").done()
    assert len(done) == len(runs) - 1
    with Writer(tmp_path / "torn") as writer:
        assert (tmp_path / "torn" / NAME).exists()
        for run in runs:
            if run.run_id not in done:
                writer.append([run], outcome([run]))
    assert {n: (tmp_path / "torn" / n).read_bytes() for n in whole} == whole
    assert not (tmp_path / "torn" / NAME).exists(), "what was lost has come again"


def rewritten(path, change):
    """Rewrite a CSV file with its header and rows changed by a function of a list of dicts."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows = change(rows) or rows
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path.read_bytes()


def without(*columns):
    return lambda rows: [{c: cell for c, cell in row.items() if c not in columns} for row in rows]


@pytest.mark.parametrize("since", range(len(ADDED)))
def test_the_header_of_each_older_version_gains_the_new_columns_with_their_defaults(since, tmp_path):
    runs = STUDY.runs()[:2]
    whole = filled(tmp_path, runs)["runs.csv"]
    later = [column for added in ADDED[since:] for column in added.get("runs.csv", ())]
    rewritten(tmp_path / "runs.csv", without(*later))
    assert Store(tmp_path).done() == {run.run_id for run in runs}
    with Writer(tmp_path):
        pass
    with (tmp_path / "whole.csv").open("wb") as file:
        file.write(whole)
    expected = rewritten(tmp_path / "whole.csv", unsealed) if "rows_digest" in later else whole
    assert (tmp_path / "runs.csv").read_bytes() == expected, "no seal is made up"


def unsealed(rows):
    return [{**row, **dict.fromkeys(SEAL, "")} for row in rows]


def test_a_new_field_is_filled_in_as_it_applies_to_the_row(tmp_path):
    study = parse(read_text("model: {kind: lstm}\ndropout: {placement: [output]}\nseeds: 1", "s.yaml"))
    filled(tmp_path, study.runs())
    rewritten(tmp_path / "runs.csv", without(*[c for added in ADDED for c in added.get("runs.csv", ())]))
    (row,) = Store(tmp_path).cells()
    assert (row["model.units"], row["model.layers"], row["dropout.block_size"]) == ("64", "1", "")


EDITS = {
    "a column removed": (without("training.l1"), "runs.csv:1: the column 'training.l1' is missing"),
    "columns moved": (lambda rows: [dict(reversed(r.items())) for r in rows], "runs.csv:1: the columns are in a different order"),
    "a rate changed": (
        lambda rows: rows[1].update({"dropout.rate": "0.7"}), "runs.csv:3: dropout.rate is '0.7' here and '0' in other rows of"
    ),
    "a rate changed in every row of an arm": (
        lambda rows: any(row.update({"dropout.rate": "0.7"}) for row in rows[:3]), "runs.csv:2: the configuration and seed are"
    ),
    "no configuration": (lambda rows: rows[0].update({"dropout.rate": "much"}), "runs.csv:2: holds no readable configuration"),
    "another seed": (lambda rows: rows[2].update(seed="7"), "runs.csv:4: the configuration and seed are not those of"),
    "no seed": (lambda rows: rows[2].update(seed="2.0"), "runs.csv:4: seed: '2.0' is no seed"),
    "another name": (lambda rows: rows[0].update(run_id="mine"), "runs.csv:2: the configuration and seed are not those of mine"),
    "another arm": (lambda rows: rows[0].update(arm_id=rows[3]["arm_id"]), "runs.csv:2: "),
    "a fraction for a count": (lambda rows: rows[3].update(epochs_run="1.5"), "runs.csv:5: epochs_run: '1.5' is not a whole"),
    "a run twice": (lambda rows: [*rows, {**rows[0], "gap": "9"}], "runs.csv:11: repeats the run of line 2"),
}  # fmt: skip


@pytest.mark.parametrize("case", EDITS)
def test_an_edited_file_is_named_by_line_and_never_written_over(case, tmp_path):
    change, says = EDITS[case]
    filled(tmp_path, STUDY.runs())
    edited = rewritten(tmp_path / "runs.csv", change)
    others = (tmp_path / "epochs.csv").read_bytes()
    for look in (lambda: Writer(tmp_path), lambda: Store(tmp_path).frame("runs.csv")):
        with pytest.raises(StoreError, match=re.escape(says)) as caught:
            look()
        assert "\n" not in str(caught.value)
    assert (tmp_path / "runs.csv").read_bytes() == edited
    assert (tmp_path / "epochs.csv").read_bytes() == others
    set_aside(tmp_path)
    assert (tmp_path.with_name(f"{tmp_path.name}.old-1") / "runs.csv").read_bytes() == edited


@pytest.mark.parametrize(
    ("name", "column", "cell"), [("runs.csv", "train_loss", "low"), ("probes.csv", "value", "low")]
)
def test_a_word_for_a_number_in_a_folder_without_seals_is_named_by_line(name, column, cell, tmp_path):
    filled(tmp_path, STUDY.runs())
    rewritten(tmp_path / "runs.csv", unsealed)
    edited = rewritten(tmp_path / name, lambda rows: rows[3].update({column: cell}))
    with pytest.raises(StoreError, match=f"{name}:5: {column}: 'low' is not a number"):
        Writer(tmp_path)
    assert (tmp_path / name).read_bytes() == edited


LINES = {
    "a line cut short": (lambda text: text.replace(b"max_epochs", b"\nmax_epochs", 1), "runs.csv:2: has"),
    "a byte that is no text": (lambda text: text.replace(b"max_epochs", b"max\xff", 1), "runs.csv:2: is not UTF-8"),
    "zeros": (lambda text: text.replace(b"max_epochs", bytes(10), 1), "runs.csv:2: holds NUL bytes"),
    "a quote": (lambda text: text.replace(b"max_epochs", b'"', 1), "runs.csv:2: is not a row of cells"),
    "a digit": (
        lambda text: text.replace(b"0.1,", b"0.7,", 1),
        "its row, or one of its rows in epochs.csv or probes.csv, differs",
    ),
    "a quote at the end": (lambda text: text[:-1] + b',"\n', "runs.csv:10: is not a row of cells"),
    "a cell without end": (
        lambda text: text.replace(b"max_epochs", b"m" * 200_000, 1),
        "runs.csv:2: is not a row of cells",
    ),
    "a line end of its own": (
        lambda text: text.replace(b"max_epochs", b"max\repochs", 1),
        "runs.csv:2: is not a row of cells",
    ),
}
REFUSED = {
    "semicolons": (lambda text: text.replace(b",", b";"), "runs.csv:1: unknown column 'run_id;arm_id"),
    "another file": (lambda text: b"name,value\na,1\n", "runs.csv:1: unknown column 'name'"),
}


@pytest.mark.parametrize("case", LINES)
def test_a_damaged_line_is_named_and_kept_and_its_run_comes_again(case, tmp_path):
    change, says = LINES[case]
    runs, whole = STUDY.runs(), filled(tmp_path, STUDY.runs())
    damaged = change(whole["runs.csv"])
    assert damaged != whole["runs.csv"]
    (tmp_path / "runs.csv").write_bytes(damaged)
    assert says in Store(tmp_path).doubts()[0]
    done = Store(tmp_path).done()
    assert len(done) == len(runs) - 1
    with Writer(tmp_path) as writer:
        assert says in writer.notes[0]
        assert f"moved to {NAME}" in writer.notes[0]
        for run in runs:
            if run.run_id not in done:
                writer.append([run], outcome([run]))
    assert {name: (tmp_path / name).read_bytes() for name in whole} == whole
    gone = set(damaged.split(b"\n")) - set(whole["runs.csv"].split(b"\n"))
    assert len((tmp_path / NAME).read_text().splitlines()) == 1 + len(gone), "what nobody understood is kept"


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_of_another_kind_is_refused_and_kept(case, tmp_path):
    change, says = REFUSED[case]
    damaged = change(filled(tmp_path, STUDY.runs())["runs.csv"])
    (tmp_path / "runs.csv").write_bytes(damaged)
    with pytest.raises(StoreError, match=re.escape(says)):
        Writer(tmp_path)
    assert (tmp_path / "runs.csv").read_bytes() == damaged


def test_what_leaves_the_rows_as_they_are_is_no_edit(tmp_path):
    """Lines in another order, with the line ends of another system, an empty line, and a line deleted to train it anew."""
    runs = STUDY.runs()
    whole = filled(tmp_path / "whole", runs)
    filled(tmp_path / "s", runs)
    header, *body = whole["runs.csv"].splitlines()
    (tmp_path / "s" / "runs.csv").write_bytes(b"\r\n".join([header, *body[:0:-1], b"", b""]))
    with Writer(tmp_path / "s") as writer:
        assert writer.store.done() == {run.run_id for run in runs} - {runs[0].run_id}
        writer.append(runs[:1], outcome(runs[:1]))
    assert {name: (tmp_path / "s" / name).read_bytes() for name in whole} == whole


@pytest.mark.parametrize("name", ["runs.csv", "epochs.csv", "probes.csv"])
def test_quoted_cells_are_understood(name, tmp_path):
    """As a spreadsheet or another library saves them; 0.2.0 cut them at their commas and dropped every row."""
    whole = filled(tmp_path, STUDY.runs())
    rows = list(csv.reader(whole[name].decode().splitlines()))
    with (tmp_path / name).open("w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    assert Store(tmp_path).done() == {run.run_id for run in STUDY.runs()}
    with Writer(tmp_path) as writer:
        assert writer.notes == []
    assert {n: (tmp_path / n).read_bytes() for n in whole} == whole
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("name", ["epochs.csv", "probes.csv"])
@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("loss", ["gone", "empty"])
def test_rows_that_are_missing_are_noticed(name, sealed, loss, tmp_path):
    """A cut of the power left 0.2.0 with files of 0 bytes beside a runs.csv that said all was done."""
    filled(tmp_path, STUDY.runs())
    if not sealed:
        rewritten(tmp_path / "runs.csv", unsealed)
    (tmp_path / name).unlink() if loss == "gone" else (tmp_path / name).write_bytes(b"")
    noticed = sealed or name == "epochs.csv"  # nothing says of an older run whether it had probes
    assert Store(tmp_path).done() == (set() if noticed else {run.run_id for run in STUDY.runs()})
    assert len(Store(tmp_path).doubts()) == (6 if noticed else 0)
    assert Store(tmp_path).done(["gradient_norms"]) == (set() if name == "probes.csv" or noticed else None)


def test_a_run_without_probes_or_weights_that_are_asked_for_is_not_done(tmp_path):
    runs = STUDY.runs()[:2]
    filled(tmp_path, runs)
    ids = {run.run_id for run in runs}
    store = Store(tmp_path)
    assert store.done(["gradient_norms"]) == ids
    assert store.done(["gradient_norms", "variance_shift"]) == set()
    assert store.done([], "selected") == set()
    kept = replace(outcome(runs[:1]), weights=((runs[0].run_id, {"w": np.arange(3.0)}),), probes=())
    with Writer(store.folder) as writer:
        assert writer.append(runs[:1], kept, ["variance_shift"], "selected") == []
    assert store.done(["gradient_norms", "variance_shift"], "selected") == {runs[0].run_id}
    path = tmp_path / "weights" / f"{runs[0].run_id}.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert store.done([], "selected") == set()
    assert "differs from what was stored" in store.lacking([], "selected")[runs[0].run_id]
    assert store.done() == ids


def test_a_run_that_comes_out_another_is_told_and_its_older_rows_are_kept(tmp_path):
    runs = STUDY.runs()[:2]
    filled(tmp_path, runs)
    first = outcome(runs[:1])
    other = replace(first, runs=(replace(first.runs[0], train_loss=7.0),))
    with Writer(tmp_path) as writer:
        (sentence,) = writer.append(runs[:1], other)
    assert f"{runs[0].run_id} was trained again with a different result: its row in runs.csv differs" in sentence
    assert [row["train_loss"] for row in Store(tmp_path).cells()] == ["7.0", "1.1"]
    assert ",0.1," in (tmp_path / NAME).read_text()


def test_a_line_torn_inside_a_character_is_dropped(tmp_path):
    (tmp_path / "failures.csv").write_bytes(",".join(COLUMNS["failures.csv"]).encode() + b"\nrun,arm,0,caf\xc3")
    with Writer(tmp_path) as writer:
        writer.append_failures([Failure("run", "arm", 1, "café", "now")])
    assert list(Store(tmp_path).frame("failures.csv")["error"]) == ["café"]


@pytest.mark.parametrize("loss", ["gone", "emptied"])
def test_epochs_are_kept_where_their_runs_have_gone(loss, tmp_path):
    kept = filled(tmp_path, STUDY.runs())["epochs.csv"]
    (tmp_path / "summary.csv").write_text("arm_id,n\na,3\n")
    runs = tmp_path / "runs.csv"
    runs.unlink() if loss == "gone" else runs.write_bytes(runs.read_bytes().partition(b"\n")[0] + b"\n")
    with pytest.raises(StoreError, match=r"runs\.csv: is missing or empty, although summary\.csv lists finished runs"):
        Writer(tmp_path)
    assert (tmp_path / "epochs.csv").read_bytes() == kept


def test_a_column_of_a_newer_version_is_refused_and_left_alone(tmp_path):
    filled(tmp_path, STUDY.runs()[:1])
    path = tmp_path / "runs.csv"
    text = path.read_text().replace("parameters", "parameters,future", 1)
    path.write_text(text)
    with pytest.raises(StoreError, match=r"runs.csv:1: unknown column 'future'"):
        Writer(tmp_path)
    assert path.read_text() == text


def test_a_folder_of_another_study_is_refused(tmp_path):
    filled(tmp_path, STUDY.runs()[:2])
    (tmp_path / "study.yaml").write_text("study: theirs\n")
    store = Store(tmp_path)
    with pytest.raises(StoreError, match=r"holds the study 'theirs' with 2 runs, none of which belongs to this study"):
        store.refuse_another("mine", ["another-run"])
    store.refuse_another("theirs", ["another-run"])  # its own name: a study that grows
    store.refuse_another("mine", [STUDY.runs()[0].run_id])  # a folder that was renamed
    (tmp_path / "study.yaml").write_text("study: [")
    store.refuse_another("mine", ["another-run"])


def test_fresh_moves_the_old_folder_aside(tmp_path):
    folder = tmp_path / "s"
    for number in (1, 2):
        filled(folder, STUDY.runs()[:1])
        set_aside(folder)
        assert not folder.exists()
        assert (tmp_path / f"s.old-{number}" / "runs.csv").exists()


def test_the_second_writer_is_refused(tmp_path):
    with Writer(tmp_path), pytest.raises(StoreError, match="in use by process"):
        Writer(tmp_path)


@pytest.mark.parametrize("name", ["epochs.csv", "probes.csv", "provenance.csv", "runs.csv"])
def test_a_column_that_a_later_version_adds_breaks_no_seal(name, tmp_path, monkeypatch):
    """Every stored run would be trained again: the column is empty in rows that are older than it."""
    new = {"epochs.csv": "recovered", "probes.csv": "at", "provenance.csv": "git_commit", "runs.csv": "recovered"}[name]
    runs = STUDY.runs()[:2]
    places = tuple(Provenance(r.run_id, 0.5, "h", "cpu", 1, 2, "0", "3", "2", "2", "", "ab", "t", "t") for r in runs)
    fewer = {**COLUMNS, name: tuple(column for column in COLUMNS[name] if column != new)}
    row = dict.fromkeys(COLUMNS["runs.csv"], "1")
    row[new if name == "runs.csv" else "memorised"] = ""
    made = outcome(runs[:1])
    lines = {
        "epochs.csv": lines_of(made.epochs),
        "probes.csv": lines_of(made.probes),
        "provenance.csv": lines_of(places[:1]),
    }

    def digests():
        epochs, probes = (lines[n].splitlines(keepends=True) for n in ("epochs.csv", "probes.csv"))
        return seals.rows_digest(row, epochs, probes), seals.provenance_digest(lines["provenance.csv"])

    with monkeypatch.context() as older:
        older.setattr(seals, "COLUMNS", fewer)
        whole = dict(lines)
        for n, text in whole.items():
            at = [i for i, column in enumerate(COLUMNS[n]) if column in fewer[n]]
            lines[n] = "".join(line_of([cells[i] for i in at]) for cells in csv.reader(text.splitlines()))
        if name == "runs.csv":
            del row[new]
            older.setattr(seals, "OWN", tuple(column for column in seals.OWN if column != new))
        before = digests()
    lines.update(whole)
    if name == "runs.csv":
        row[new] = ""
    else:
        monkeypatch.setattr(seals, "LATER", {**dict.fromkeys(seals.LATER, ()), name: (new,)})
    assert digests() == before
