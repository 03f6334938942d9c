"""A run at fault is found by splitting its pack: its neighbours finish, failures.csv has the error, the next command retries."""

import csv
import importlib
import os
import sys

import pytest

import dropexp.train.pack
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.train.checkpoint import INTERVAL
from dropexp.workflow.planning import Options
from dropexp.workflow.running import Listener, run

TEXT = """
data: {source: digits, train_size: 149, val_size: 51, test_size: 101}
model: {hidden: [20]}
training: {epochs: 5}
seeds: 4
sweep: {dropout.rate: [0, 0.5]}
"""
MODULE = """
import os, signal
from pathlib import Path

from dropexp.train.pack import train_pack

def out_of_memory():
    raise MemoryError("cannot allocate 3 TB")

def bug():
    raise ZeroDivisionError("float division by zero")

def killed():
    os.kill(os.getpid(), signal.SIGKILL)

def killed_once():
    flag = Path(__file__).with_name("killed")
    if not flag.exists():
        flag.touch()
        killed()

def train(work, dataset, report=None):
    place = Path(__file__).parent
    fault, seeds = (place / "fault").read_text().split(":")

    def hear(epoch, left, accuracy):
        with (place / "heard").open("a") as file:
            file.write("".join(f"{run_id},{epoch}\\n" for run_id in accuracy))
        if epoch == 3 and fault and any(f"-s{seed}-" in run_id for seed in seeds.split() for run_id in accuracy):
            globals()[fault]()
        return report(epoch, left, accuracy)

    return train_pack(work, dataset, hear)
"""


@pytest.fixture
def faults(tmp_path, monkeypatch):
    """Training that goes wrong in epoch 3 of some seeds, in this process and in workers, which import it too."""
    place = tmp_path / "faults"
    place.mkdir()
    (place / "training_with_faults.py").write_text(MODULE)
    monkeypatch.syspath_prepend(place)
    importlib.invalidate_caches()
    module = importlib.import_module("training_with_faults")
    monkeypatch.setitem(module.__dict__, "__file__", str(place / "training_with_faults.py"))
    monkeypatch.setattr(dropexp.workflow.running, "train_work", module.train)
    monkeypatch.setenv(INTERVAL, "0")
    yield place
    sys.modules.pop("training_with_faults")


def study():
    return parse(read_text(TEXT, "s.yaml"), name="s")


def contents(folder):
    return {name: (folder / name).read_bytes() for name in ("runs.csv", "epochs.csv", "summary.csv")}


SLOW = pytest.mark.slow
FAULTS = [
    ("out_of_memory", 1, "0 3", "MemoryError: cannot allocate 3 TB"),
    ("bug", 1, "2", "ZeroDivisionError: float division by zero"),
    pytest.param("killed", 2, "2", "SIGKILL; the system kills processes when memory runs out", marks=SLOW),
    pytest.param("bug", 2, "0 3", "ZeroDivisionError: float division by zero", marks=SLOW),
    pytest.param("killed", 2, "0 3", "SIGKILL; the system kills processes when memory runs out", marks=SLOW),
]


@pytest.mark.parametrize(("fault", "jobs", "seeds", "error"), FAULTS)
def test_a_run_at_fault_is_found_and_its_neighbours_finish(fault, jobs, seeds, error, faults, tmp_path):
    if fault == "killed" and os.name == "nt":
        pytest.skip("needs POSIX signals")
    (faults / "fault").write_text(":")
    whole = run(study(), Options(results=tmp_path / "whole"))
    (faults / "heard").unlink()
    (faults / "fault").write_text(f"{fault}:{seeds}")
    done = run(study(), Options(results=tmp_path, jobs=jobs, pack=8 // jobs))
    bad = {int(seed) for seed in seeds.split()}
    assert {f.seed for f in done.failures} == bad
    assert len(done.failures) == 2 * len(bad), "both rates"
    assert done.trained == 8 - len(done.failures)
    with (done.folder / "failures.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {int(row["seed"]) for row in rows} == bad
    assert all(error in row["error"] for row in rows)
    heard = [line.split(",") for line in (faults / "heard").read_text().split()]
    assert [run_id for run_id, epoch in heard if epoch == "1"] == sorted({r for r, _ in heard}, key=[r for r, _ in heard].index), (
        "no run begins twice: the parts of a split pack go on from its checkpoint"
    )  # fmt: skip

    (faults / "fault").write_text(":")
    again = run(study(), Options(results=tmp_path))
    assert (again.trained, again.failures) == (len(done.failures), ())
    assert contents(again.folder) == contents(whole.folder)
    assert not (again.folder / ".checkpoints").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_worker_that_is_killed_once_costs_nothing(faults, tmp_path):
    (faults / "fault").write_text(":")
    whole = run(study(), Options(results=tmp_path / "whole"))
    (faults / "fault").write_text("killed_once:1")
    done = run(study(), Options(results=tmp_path, jobs=2, pack=4))
    assert (done.trained, done.failures) == (8, ())
    assert contents(done.folder) == contents(whole.folder)


def test_without_a_checkpoint_the_parts_start_over(faults, tmp_path, monkeypatch):
    monkeypatch.setenv(INTERVAL, "1000")
    (faults / "fault").write_text("bug:2")
    done = run(study(), Options(results=tmp_path))
    assert (done.trained, {f.seed for f in done.failures}) == (6, {2})


def test_a_command_with_failures_ends_with_1_and_names_them(faults, tmp_path, monkeypatch, capsys):
    from dropexp.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text(TEXT)
    (faults / "fault").write_text("bug:2")
    assert main(["run", "s.yaml", "--no-plot"]) == 1
    err = capsys.readouterr().err
    assert "2 runs failed (failures.csv); the same command tries them again" in err
    assert "ZeroDivisionError: float division by zero" in err
    (faults / "fault").write_text(":")
    assert main(["run", "s.yaml", "--no-plot"]) == 0
    assert "from checkpoints: 2 runs, up to epoch 2" in capsys.readouterr().err


def test_a_bad_checkpoint_is_told_once(faults, tmp_path):
    (faults / "fault").write_text("bug:2")
    done = run(study(), Options(results=tmp_path))
    kept = sorted((done.folder / ".checkpoints").iterdir())
    assert len(kept) == 2
    kept[0].write_bytes(kept[0].read_bytes()[:-5])
    (faults / "fault").write_text(":")
    told = []
    again = run(study(), Options(results=tmp_path), Listener(warned=told.append))
    assert again.trained == 2
    assert [line for line in told if "the checkpoint is torn" in line] == told[:1]
