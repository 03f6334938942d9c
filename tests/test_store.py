"""A study's folder: what is appended can be read, what a kill left is dropped, what is finished is never lost."""

import pytest

from dropexp.errors import StoreError
from dropexp.records import EpochRow, Outcome, ProbeRow, RunRow
from dropexp.rows import COLUMNS
from dropexp.spec.parse import parse
from dropexp.spec.reader import read_text
from dropexp.store import Store, set_aside

STUDY = parse(read_text("sweep: {dropout.rate: [0, 0.5, 0.1]}\nseeds: 3", "s.yaml"))


def outcome(runs):
    return Outcome(
        runs=tuple(RunRow(r.run_id, r.arm_id, r.seed, 2, "max_epochs", 2, train_loss=0.1 + r.seed) for r in runs),
        epochs=tuple(EpochRow(r.run_id, r.arm_id, r.seed, e, train_loss=1 / 3) for r in runs for e in (1, 2)),
        probes=tuple(
            ProbeRow(r.run_id, 1, "gradient_norms", layer, 0.5) for r in runs for layer in ("hidden.1", "output")
        ),
    )


def filled(folder, runs):
    with Store(folder).writing() as writer:
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
    with Store(tmp_path).writing() as writer:
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
    again = [r for r in runs if r.run_id not in done] if name == "runs.csv" else []
    with Store(tmp_path / "torn").writing() as writer:
        for run in again:
            writer.append([run], outcome([run]))
    if name == "runs.csv":
        assert {n: (tmp_path / "torn" / n).read_bytes() for n in whole} == whole
    assert (tmp_path / "torn" / "runs.csv").read_bytes() == whole["runs.csv"]


def test_an_older_header_gains_the_new_columns_with_their_defaults(tmp_path):
    filled(tmp_path, STUDY.runs()[:1])
    path = tmp_path / "runs.csv"
    header, row = path.read_text().splitlines()
    drop = header.split(",").index("training.l1")
    path.write_text(
        "".join(",".join(c for i, c in enumerate(line.split(",")) if i != drop) + "\n" for line in (header, row))
    )
    assert Store(tmp_path).cells()[0]["training.l1"] == "0"
    with Store(tmp_path).writing():
        pass
    assert path.read_text().splitlines() == [header, row]


def test_a_column_of_a_newer_version_is_refused_and_left_alone(tmp_path):
    filled(tmp_path, STUDY.runs()[:1])
    path = tmp_path / "runs.csv"
    text = path.read_text().replace("parameters", "parameters,future", 1)
    path.write_text(text)
    with pytest.raises(StoreError, match=r"runs.csv:1: unknown column 'future'"):
        Store(tmp_path).writing()
    assert path.read_text() == text


def test_a_folder_that_is_no_study_is_refused(tmp_path):
    (tmp_path / "runs.csv").write_text("name,value\na,1\n")
    with pytest.raises(StoreError, match="unknown column"):
        Store(tmp_path).writing()


def test_fresh_moves_the_old_folder_aside(tmp_path):
    folder = tmp_path / "s"
    for number in (1, 2):
        filled(folder, STUDY.runs()[:1])
        set_aside(folder)
        assert not folder.exists()
        assert (tmp_path / f"s.old-{number}" / "runs.csv").exists()


def test_the_second_writer_is_refused(tmp_path):
    with Store(tmp_path).writing(), pytest.raises(StoreError, match="in use by process"):
        Store(tmp_path).writing()
