"""Signals, a killed parent and a full disk: what was reported is kept, and the same command goes on to the same bytes."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dropexp.cli import main

ROOT = Path(__file__).parent.parent
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
PATIENCE = 300  # seconds after which a test gives up on an event, on a machine that does much else
HELD = """
import os, sys, time
from pathlib import Path

import dropexp.workflow.running
from dropexp.train.work import train_work

PLACE = Path(__file__).parent

def train(work, dataset, report=None):
    def hear(epoch, left, accuracy):
        if epoch == 3:
            (PLACE / f"begun-{os.getpid()}").touch()
            while not (PLACE / "go").exists():
                time.sleep(0.02)
        return report(epoch, left, accuracy)
    return train_work(work, dataset, hear)

dropexp.workflow.running.train_work = train
"""
START = "import held; from dropexp.cli import entry; entry()"
SLOW = pytest.mark.slow


def words(results: Path, *more: str) -> list[str]:
    base = [
        "sweep",
        "--study",
        "quickstart",
        "--rates",
        "0",
        "0.5",
        "--seeds",
        "4",
        "--results",
        str(results),
        "--no-plot",
    ]
    return [*base, "--set", "model.hidden=20", "training.epochs=6", "--pack", "2", *more]


def files(results: Path) -> dict[str, bytes]:
    folder = results / "quickstart"
    return {name: (folder / name).read_bytes() for name in ("runs.csv", "epochs.csv", "summary.csv", "study.yaml")}


def until(event, process, what):
    give_up = time.monotonic() + PATIENCE
    while not event():
        assert time.monotonic() < give_up, what
        assert process.poll() is None, what
        time.sleep(0.02)


class Held:
    """A sweep in a group of processes of its own, as a terminal has it, whose packs wait at the end of epoch 3."""

    def __init__(self, place: Path, jobs: str):
        place.mkdir()
        self.place = place
        (place / "held.py").write_text(HELD)
        with (place / "err").open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START, *words(place, "--jobs", jobs)],
                env={**ENV, "PYTHONPATH": f"{place}{os.pathsep}{ROOT}"},
                stdout=subprocess.DEVNULL, stderr=err, start_new_session=True,
            )  # fmt: skip
        until(lambda: len(list(place.glob("begun-*"))) == int(jobs), self.process, "training never began")

    def signal(self, number: int) -> None:
        os.killpg(self.process.pid, number)

    @property
    def said(self) -> str:
        return (self.place / "err").read_text()

    def hears(self, number: int) -> None:
        """Send a signal and wait until it is understood."""
        self.signal(number)
        until(
            lambda: "stopping at the end of this epoch; press Ctrl-C again to quit now" in self.said,
            self.process,
            "unheard",
        )

    def end(self) -> int:
        code = self.process.wait(PATIENCE)
        assert gone(self.process.pid), "a worker outlived its parent"
        assert "Traceback" not in self.said
        return code


def gone(group: int) -> bool:
    """Whether every process of a group ends."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


SIGNALS = [
    (signal.SIGINT, "1"),
    pytest.param(signal.SIGINT, "2", marks=SLOW),
    pytest.param(signal.SIGTERM, "2", marks=SLOW),
]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize(("number", "jobs"), SIGNALS)
def test_a_signal_finishes_the_epoch_and_says_what_is_kept(number, jobs, tmp_path, capsys):
    held = Held(tmp_path / "held", jobs)
    held.hears(number)
    (held.place / "go").touch()
    assert held.end() == 130
    count = 2 * int(jobs)
    assert re.search(f"interrupted: 0 runs of this command finished, {count} more kept at epochs? [34]", held.said)
    assert "the same command trains the rest" in held.said
    kept = list((held.place / "quickstart" / ".checkpoints").iterdir())
    assert len(kept) == count
    assert all(path.suffix == ".checkpoint" for path in kept)
    assert main(words(held.place, "--jobs", "1")) == 0
    assert f"from checkpoints: {count} runs, up to epoch " in capsys.readouterr().err
    assert main(words(tmp_path / "whole", "--jobs", "1")) == 0
    assert files(held.place) == files(tmp_path / "whole")


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@SLOW
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_second_signal_stops_now_and_keeps_what_was_reported(jobs, tmp_path):
    """The epoch does not end: the first signal alone would be waited for."""
    held = Held(tmp_path / "held", jobs)
    held.hears(signal.SIGINT)
    held.signal(signal.SIGINT)
    assert held.end() == 130
    assert "interrupted: 0 runs of this command finished; the same command trains the rest" in held.said


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.slow
def test_workers_do_not_outlive_their_parent(tmp_path):
    held = Held(tmp_path / "held", "2")
    held.process.kill()
    assert held.end() == -signal.SIGKILL


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX limits")
def test_a_full_disk_is_a_sentence_and_loses_nothing(tmp_path, capsys):
    """A limit on the size of files stands in for a full disk: the write fails half-way with an error of the system."""
    import resource

    one, wider = (words(tmp_path, "--jobs", "1", "--rates", "0", "0.5", *more) for more in ((), ("0.7",)))
    assert main(one) == 0
    before = files(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(map(len, before.values())) + 300, limits[1]))
    capsys.readouterr()
    try:
        assert main(wider) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = capsys.readouterr().err
    assert "File too large" in said
    assert "Traceback" not in said
    after = (tmp_path / "quickstart" / "runs.csv").read_bytes()
    assert set(before["runs.csv"].splitlines()) <= set(after.splitlines())
    assert main(wider) == 0
    assert main(words(tmp_path / "whole", "--jobs", "1", "--rates", "0", "0.5", "0.7")) == 0
    assert files(tmp_path) == files(tmp_path / "whole")
