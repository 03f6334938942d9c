"""Kills, Ctrl-C and a full disk: what was reported is kept, and the same command goes on to the same bytes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
SWEEPS = {
    "mlp": ["--set", "model.hidden=50", "training.epochs=6", "--pack", "2", "--jobs", "1"],
    "pool": ["--set", "model.hidden=50+30", "training.epochs=6", "model.norm=batch", "--pack", "2", "--jobs", "2"],
    "cnn": ["--set", "model.kind=cnn", "model.channels=4", "model.hidden=8", "training.epochs=2", "--pack", "3"],
}


def command(results: Path, *more: str) -> list[str]:
    base = ["sweep", "--rates", "0", "0.5", "--seeds", "4", "--results", str(results), "--no-plot"]
    return [sys.executable, "-m", "dropexp", *base, *more]


def files(results: Path) -> dict[str, bytes]:
    folder = results / "quickstart"
    return {name: (folder / name).read_bytes() for name in ("runs.csv", "epochs.csv", "summary.csv", "study.yaml")}


@pytest.mark.slow
@pytest.mark.parametrize("name", SWEEPS)
def test_killed_at_any_moment_and_continued_it_gives_the_same_bytes(name, tmp_path):
    rng = random.Random(name)
    start = time.monotonic()
    subprocess.run(command(tmp_path / "whole", *SWEEPS[name]), env=ENV, check=True, capture_output=True)
    length = time.monotonic() - start
    for i in range(8):
        results = tmp_path / f"killed-{i}"
        for _ in range(2):
            process = subprocess.Popen(
                command(results, *SWEEPS[name]), env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(rng.uniform(0.3, length))
            process.kill()
            process.wait()
        subprocess.run(command(results, *SWEEPS[name]), env=ENV, check=True, capture_output=True)
        assert files(results) == files(tmp_path / "whole")


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_keeps_what_was_reported(jobs, tmp_path):
    more = ("--set", "training.epochs=40", "--pack", "1", "--jobs", jobs)
    process = subprocess.Popen(
        command(tmp_path, *more),
        env=ENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    runs = tmp_path / "quickstart" / "runs.csv"
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up and not (runs.exists() and runs.read_bytes().count(b"\n") >= 2):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "the same command trains the rest" in err
    assert 2 <= runs.read_bytes().count(b"\n") < 9
    assert gone(process.pid)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX limits")
def test_a_full_disk_is_a_sentence_and_loses_nothing(tmp_path):
    """A limit on the size of files stands in for a full disk: the write fails half-way with an error of the system."""
    import resource

    quick = ("--set", "training.epochs=2", "model.hidden=20", "--pack", "2")
    subprocess.run(command(tmp_path, *quick), env=ENV, check=True, capture_output=True)
    before = files(tmp_path)
    largest = max(map(len, before.values())) + 300

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    wider = command(tmp_path, *quick, "--rates", "0", "0.5", "0.7")
    more = subprocess.run(wider, env=ENV, capture_output=True, text=True, preexec_fn=small)
    assert more.returncode == 2
    assert "File too large" in more.stderr
    assert "run" in more.stderr
    assert "Traceback" not in more.stderr
    after = (tmp_path / "quickstart" / "runs.csv").read_bytes()
    assert set(before["runs.csv"].splitlines()) <= set(after.splitlines())
    subprocess.run(wider, env=ENV, check=True, capture_output=True)
    whole = command(tmp_path / "whole", *quick, "--rates", "0", "0.5", "0.7")
    subprocess.run(whole, env=ENV, check=True, capture_output=True)
    assert files(tmp_path) == files(tmp_path / "whole")


def gone(group: int) -> bool:
    """Whether every process of a group ends within twenty seconds."""
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.2)
    return False


def test_workers_do_not_outlive_their_parent(tmp_path):
    more = ("--set", "training.epochs=400", "--pack", "1", "--jobs", "2")
    process = subprocess.Popen(
        command(tmp_path, *more), env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(4)
    process.kill()
    process.wait()
    assert gone(process.pid), "a worker outlived its parent"
