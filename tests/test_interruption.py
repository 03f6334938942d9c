"""Kills, signals and a full disk: what was reported is kept, and the same command goes on to the same bytes."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
EAGER = {**ENV, "DROPEXP_CHECKPOINT_SECONDS": "0"}
POOL = ["--set", "model.hidden=50+30", "training.epochs=12", "model.norm=batch", "--pack", "2", "--jobs", "2"]


def command(results: Path, *more: str) -> list[str]:
    base = ["sweep", "--rates", "0", "0.5", "--seeds", "4", "--results", str(results), "--no-plot"]
    return [sys.executable, "-m", "dropexp", *base, *more]


def files(results: Path) -> dict[str, bytes]:
    folder = results / "quickstart"
    return {name: (folder / name).read_bytes() for name in ("runs.csv", "epochs.csv", "summary.csv", "study.yaml")}


@pytest.mark.slow
def test_a_killed_pool_continued_gives_the_same_bytes(tmp_path):
    """A pool of 2 with a checkpoint after every epoch, killed twice at random moments and continued, several times.

    DROPEXP_TEST_KILLS counts the kills here and in test_kills.py; a fifth of them is for the pool.
    """
    rng = random.Random(0)
    start = time.monotonic()
    subprocess.run(command(tmp_path / "whole", *POOL), env=EAGER, check=True, capture_output=True)
    length = time.monotonic() - start
    kills, went_on = 0, 0
    while kills < int(os.environ.get("DROPEXP_TEST_KILLS", "10")) // 5:
        results = tmp_path / f"killed-{kills}"
        for _ in range(2):
            process = subprocess.Popen(
                command(results, *POOL), env=EAGER, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(rng.uniform(0.3, 0.95) * length)
            process.kill()
            kills += process.wait() == -signal.SIGKILL  # one that had ended already is no kill
        last = subprocess.run(command(results, *POOL), env=EAGER, check=True, capture_output=True, text=True)
        went_on += "from checkpoints: " in last.stderr
        assert files(results) == files(tmp_path / "whole")
        assert not (results / "quickstart" / ".checkpoints").exists()
    print(f"pool: {kills} kills, {went_on} times continued from checkpoints, all files equal")


def interrupted(results, number, *more, wait_for, times=1):
    """Send a signal to the whole group of a sweep, as a terminal does, once there are so many files; return its words."""
    process = subprocess.Popen(
        command(results, *more),
        env=EAGER,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up and not wait_for(results / "quickstart"):
        time.sleep(0.05)
    for _ in range(times):
        os.killpg(process.pid, number)
        time.sleep(0.3)
    _, err = process.communicate(timeout=60)
    assert gone(process.pid)
    assert "Traceback" not in err
    return process.returncode, err


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGINT, "1"), (signal.SIGINT, "2"), (signal.SIGTERM, "2")])
def test_a_signal_finishes_the_epoch_and_says_what_is_kept(number, jobs, tmp_path):
    more = ("--set", "model.hidden=40", "training.epochs=60", "--pack", "2", "--jobs", jobs)
    code, err = interrupted(
        tmp_path, number, *more, wait_for=lambda folder: list(folder.glob(".checkpoints/*.checkpoint"))
    )
    assert code == 130
    assert "stopping at the end of the epoch; once more stops at once" in err
    assert re.search(r"interrupted: \d runs of this command done, \d more kept at epoch", err)
    assert "the same command trains the rest" in err
    kept = list((tmp_path / "quickstart" / ".checkpoints").iterdir())
    assert kept
    assert all(path.suffix == ".checkpoint" for path in kept)
    again = subprocess.run(command(tmp_path, *more[:-2]), env=ENV, check=True, capture_output=True, text=True)
    assert f"from checkpoints: {len(kept)} runs" in again.stderr
    subprocess.run(command(tmp_path / "whole", *more[:-4]), env=ENV, check=True, capture_output=True)
    assert files(tmp_path) == files(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_second_signal_stops_now_and_keeps_what_was_reported(jobs, tmp_path):
    """Epochs of minutes: the first signal alone would be waited for."""
    more = ("--set", "model.hidden=20", "training.steps_per_epoch=2000000", "--pack", "1", "--jobs", jobs)
    started = time.monotonic()
    code, err = interrupted(
        tmp_path, signal.SIGINT, *more, wait_for=lambda folder: time.monotonic() > started + 12, times=2
    )
    assert code == 130
    assert "stopping at the end of the epoch" in err
    assert "interrupted: 0 runs of this command done; the same command trains the rest" in err


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
