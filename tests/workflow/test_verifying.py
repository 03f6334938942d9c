"""verify: silent on what training gave, and no edited cell of any file escapes it."""

import csv
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from light_probes import LIGHT

import dropexp.nn.network
from dropexp.cli import main
from dropexp.rows import SEAL, line_of
from dropexp.store.writer import Writer
from dropexp.workflow.planning import Options
from dropexp.workflow.verifying import verify

TEXT = """
data: {train_size: 120, val_size: 40, test_size: 80}
model: {hidden: [12], norm: batch}
early_stopping: {patience: 2, min_delta: 0.02}
training: {epochs: 5}
seeds: 2
probes: {PROBES}
save_weights: selected
sweep: {dropout.rate: [0, 0.5]}
""".replace("PROBES", ", ".join(LIGHT))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with one small study, to be copied."""
    place = tmp_path_factory.mktemp("trained")
    (place / "s.yaml").write_text(TEXT)
    assert main(["run", str(place / "s.yaml"), "--results", str(place / "results"), "--no-plot"]) == 0
    return place / "results" / "s"


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "s")


def lines_of(path):
    return path.read_text().splitlines(keepends=True)


def places(found):
    return {(m.file, m.line, m.column) for m in found.mismatches}


def test_what_training_gave_is_fine_and_nothing_is_touched(folder):
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}
    found = verify(folder, None)
    assert found.fine
    assert (found.runs, len(found.equal), found.left, found.mismatches) == (4, 4, (), ())
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()} == before


def test_the_choice_is_made_by_its_seed(folder):
    chosen = {seed: verify(folder, 2, seed).equal for seed in range(4)}
    assert all(len(names) == 2 for names in chosen.values())
    assert len(set(chosen.values())) > 1
    assert verify(folder, 2, 3).equal == chosen[3]
    assert len(verify(folder, 99, 0).equal) == 4
    assert verify(folder, 0, 0).equal == ()


def edited(rng, cell):
    """Return a cell with one of its characters another one."""
    if not cell:
        return rng.choice("0123456789")
    at = rng.randrange(len(cell))
    return cell[:at] + rng.choice([c for c in "0123456789" if c != cell[at]]) + cell[at + 1 :]


@pytest.mark.parametrize("name", ["runs.csv", "epochs.csv", "probes.csv"])
@pytest.mark.parametrize("seed", [*range(2), *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 60))])
def test_an_edited_character_anywhere_is_found(name, seed, folder):
    rng = random.Random(f"{name} {seed}")
    path = folder / name
    lines = lines_of(path)
    at = rng.randrange(1, len(lines))
    cells = next(csv.reader([lines[at]]))
    column = rng.randrange(len(cells))
    cells[column] = edited(rng, cells[column])
    path.write_text("".join([*lines[:at], line_of(cells), *lines[at + 1 :]]))
    found = verify(folder, None)
    assert not found.fine
    header = next(csv.reader(lines[:1]))[column]
    named = "rows_digest" if header in SEAL else header  # the digest says that one cell of a seal is not what it was
    assert (name, at + 1, named) in places(found) or header in ("run_id", "seed", "arm_id"), found.mismatches


SPOILS = {
    "a row of epochs twice": ("epochs.csv", lambda lines: lines[:3] + lines[2:], "epochs_run"),
    "a row of epochs gone": ("epochs.csv", lambda lines: lines[:3] + lines[4:], "epochs_run"),
    "two rows changed over": ("epochs.csv", lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "epoch"),
    "a run twice": ("runs.csv", lambda lines: lines + lines[-1:], "run_id"),
    "a run gone": ("runs.csv", lambda lines: lines[:-1], "run_id"),
    "a torn line": ("epochs.csv", lambda lines: [*lines[:-1], lines[-1][:-9]], ""),
    "no end of line": ("runs.csv", lambda lines: [*lines[:-1], lines[-1][:-1]], ""),
    "a cell too many": ("runs.csv", lambda lines: [*lines[:-1], lines[-1][:-1] + ",1\n"], ""),
    "other spelling": ("runs.csv", lambda lines: [*lines[:-1], f'"{lines[-1].replace(",", chr(34) + ",", 1)}'], ""),
    "another header": ("probes.csv", lambda lines: ["a,b\n", *lines[1:]], ""),
    "a probe twice": ("probes.csv", lambda lines: lines + lines[-1:], "layer"),
    "a probe gone": ("probes.csv", lambda lines: lines[:-1], ""),
    "no provenance": ("provenance.csv", lambda lines: lines[:-1], "run_id"),
    "another summary": ("summary.csv", lambda lines: [lines[0], lines[1].replace("0.", "0.1", 1), *lines[2:]], None),
    "no study": ("study.yaml", lambda lines: ["sweep: [\n"], ""),
}


@pytest.mark.parametrize("how", SPOILS)
def test_what_does_not_agree_is_named(how, folder):
    name, spoil, column = SPOILS[how]
    (folder / name).write_text("".join(spoil(lines_of(folder / name))))
    found = verify(folder, None if how == "a probe gone" else 0)
    assert not found.fine
    assert column is None or column in {m.column for m in found.mismatches}
    assert how == "a run gone" or {name, "runs.csv"} & {m.file for m in found.mismatches}


@pytest.mark.parametrize("how", ["epochs_run", "selected_epoch", "stop_reason"])
def test_the_stopping_rule_is_replayed(how, folder):
    """One more epoch than patience allows, with its own row: only the rule itself says no."""
    runs, epochs = lines_of(folder / "runs.csv"), lines_of(folder / "epochs.csv")
    header = next(csv.reader(runs[:1]))
    row = next(csv.reader(runs[1:2]))
    column = header.index(how)
    if how == "epochs_run":
        last = max(i for i, line in enumerate(epochs) if line.startswith(row[0]))
        cells = epochs[last].split(",")
        cells[3] = str(int(cells[3]) + 1)
        epochs.insert(last + 1, ",".join(cells))
        row[column] = cells[3]
    else:
        row[column] = (
            "1"
            if how == "selected_epoch" and row[column] != "1"
            else "patience"
            if row[column] != "patience"
            else "max_epochs"
        )
    (folder / "epochs.csv").write_text("".join(epochs))
    (folder / "runs.csv").write_text("".join([runs[0], line_of(row), *runs[2:]]))
    found = verify(folder, 0)
    assert [m for m in found.mismatches if m.file == "runs.csv" and m.line == 2 and "stopping rule" in m.why]


def otherwise(folder, **changes):
    """Write another host, version or device into provenance.csv."""
    path = folder / "provenance.csv"
    with path.open() as file:
        rows = list(csv.DictReader(file))
    path.write_text(line_of(rows[0]) + "".join(line_of({**row, **changes}.values()) for row in rows))


def test_bytes_decide_where_they_agree_whatever_the_machine(folder):
    otherwise(folder, torch="1.0", host="elsewhere")
    assert verify(folder, None).fine


def test_where_versions_differ_arms_are_compared(folder, monkeypatch):
    monkeypatch.setattr(dropexp.nn.network, "MOMENTUM", 0.11)  # stands for another library: the last digits differ
    assert not verify(folder, None).fine
    otherwise(folder, torch="1.0", threads="4")
    found = verify(folder, None)
    assert found.fine
    assert found.mismatches == ()
    assert len(found.elsewhere) == 4
    assert any(text.startswith("torch 1.0 then, ") for text in found.circumstances)
    assert "threads 4 then, 1 now" in found.circumstances
    assert {arm.metric for arm in found.arms} == {"train_accuracy", "test_accuracy", "gap"}
    assert all(arm.n == 2 for arm in found.arms)


def test_a_difference_that_other_versions_do_not_explain(tmp_path, monkeypatch):
    (tmp_path / "s.yaml").write_text(TEXT.replace("seeds: 2", "seeds: 8").replace("[0, 0.5]", "[0]"))
    assert main(["run", str(tmp_path / "s.yaml"), "--results", str(tmp_path / "r"), "--no-plot"]) == 0
    folder = tmp_path / "r" / "s"
    otherwise(folder, numpy="1.0")
    monkeypatch.setattr(dropexp.nn.network, "MOMENTUM", 1e-6)  # batch norm that never learns what it saw
    found = verify(folder, None)
    assert not found.fine
    assert found.mismatches == ()
    assert [arm.metric for arm in found.arms if arm.differs]


def test_a_users_file_is_found_by_its_content(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("own.npz", x=rng.normal(size=(90, 5)), y=np.arange(90) % 3)
    (tmp_path / "f.yaml").write_text(
        "data: {source: own.npz}\nmodel: {hidden: [6]}\ntraining: {epochs: 1}\nseeds: 2\nprobes: [gap_parts]\n"
    )
    assert main(["run", "f.yaml", "--no-plot"]) == 0
    assert main(["verify", "results/f", "--all"]) == 0
    np.savez("own.npz", x=rng.normal(size=(90, 5)), y=np.arange(90) % 3)
    capsys.readouterr()
    assert main(["verify", "results/f", "--all"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "not trained again: own.npz: its content has changed since" in shown
    assert "trained again: 0 of 2" in shown
    assert "2 runs were to be trained again, but only 0 could be: nothing was verified by training" in shown
    assert main(["verify", "results/f", "--sample", "0"]) == 0, "of its files alone nothing is wrong"
    (tmp_path / "results" / "f" / "probes.csv").unlink()
    assert main(["verify", "results/f", "--sample", "0"]) == 1, "the probes of a user's own data are missed as well"


def test_a_study_without_a_finished_run_is_not_verified(folder, capsys):
    for name in ("runs.csv", "epochs.csv", "probes.csv", "provenance.csv"):
        (folder / name).write_text(lines_of(folder / name)[0])
    assert main(["verify", str(folder)]) == 1
    assert "no finished run, so nothing was verified" in capsys.readouterr().out


def test_results_of_others_hide_no_other_study(trained, capsys):
    foreign = trained.parent / "foreign"
    foreign.mkdir()
    (foreign / "epochs.csv").write_text("seed,epoch,train_accuracy,test_accuracy\n0,1,0.9,0.8\n")
    assert main(["verify", str(trained.parent), "--sample", "0"]) == 1
    shown = capsys.readouterr()
    assert "no runs.csv here, so there is nothing to verify" in shown.err
    assert "s: 4 runs" in shown.out


@pytest.mark.parametrize("name", ["probes.csv", "epochs.csv", "provenance.csv", "summary.csv", "weights/*.safetensors"])
def test_a_file_that_study_yaml_asks_for_is_missed(name, folder):
    for path in folder.glob(name):
        path.unlink()
    found = verify(folder, 0)
    assert not found.fine
    assert [m for m in found.mismatches if Path(m.file).match(name) or Path(m.why.partition(":")[0]).match(name)]


def test_rows_of_a_probe_are_missed_though_no_study_asks_for_them(folder):
    (folder / "study.yaml").write_text((folder / "study.yaml").read_text().replace("- gap_parts\n", ""))
    lines = lines_of(folder / "probes.csv")
    kept = [line for line in lines if ",4,gap_parts" not in line]
    assert len(kept) < len(lines)
    (folder / "probes.csv").write_text("".join(kept))
    losers = {line.partition(",")[0] for line in lines if line not in kept}
    found = verify(folder, 0).mismatches
    assert {m.why.partition(",")[0] for m in found if m.expected == "gap_parts"} == losers


def test_the_verb_names_place_column_and_both_values(folder, capsys):
    assert main(["verify", str(folder), "--all"]) == 0
    shown = capsys.readouterr().out
    assert "4 runs" in shown
    assert "trained again: all; equal to the byte: 4" in shown
    lines = lines_of(folder / "epochs.csv")
    cells = lines[1].split(",")
    cells[4], before = "0.5", cells[4]
    (folder / "epochs.csv").write_text("".join([lines[0], ",".join(cells), *lines[2:]]))
    assert main(["verify", str(folder), "--all"]) == 1
    shown = capsys.readouterr().out
    assert f"epochs.csv:2: train_loss: 0.5 is stored, {before} expected (trained again)" in shown
    assert main(["verify", str(folder), "--all", "--json"]) == 1
    [facts] = json.loads(capsys.readouterr().out)
    assert facts["differences"][0] == {
        "file": "epochs.csv", "line": 2, "column": "train_loss", "stored": "0.5", "expected": before, "why": "trained again"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "no such folder"),
        (["--sample", "3", "--all"], "give one of the two"),
        (["--sample", "-1"], "Invalid value"),
    ],
)
def test_wrong_words_are_a_sentence(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["verify", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_that_is_being_written_waits(folder):
    from dropexp.errors import StoreError

    with Writer(folder), pytest.raises(StoreError, match="another dropexp command is writing here"):
        verify(folder, 0)


@pytest.mark.slow
def test_a_pool_verifies_as_well(folder):
    assert verify(folder, None, 0, Options(jobs=2)).fine


def test_runs_that_are_not_trained_again_are_counted_as_stored(folder, capsys):
    assert main(["verify", str(folder), "--sample", "1"]) == 0
    assert "4 runs, 3 stored: 1 to train" in capsys.readouterr().err
