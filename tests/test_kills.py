"""Killed at any moment and continued, in other packs too: every deterministic file is that of an uninterrupted command."""

import itertools
import os
import random
import signal
import time
from statistics import median

import pytest

from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.train.checkpoint import INTERVAL
from dropexp.workflow.planning import Options
from dropexp.workflow.running import Listener, run

KILLS = int(os.environ.get("DROPEXP_TEST_KILLS", "10"))  # over all sweeps
DATA = "data: {train_size: 200, val_size: 40, test_size: 100}\nseeds: 3\nprobes: all\n"
RATES = "sweep: {dropout.rate: [0, 0.2, 0.5]}\n"
SWEEPS = {
    "mlp": ("model: {hidden: [30, 20]}\ntraining: {epochs: 8, optimizer: adam, lr: 0.01}\n" + RATES, 1),
    "packs": (
        "model: {hidden: [20], norm: batch}\nearly_stopping: {patience: 3, min_delta: 0.02}\n"
        "training: {epochs: 20, schedule: {shape: cosine}}\nsweep: {dropout.rate: [0, 0.5], model.order: [NAD, DNA]}\n",
        4,
    ),
    "cnn": (
        "model: {kind: cnn, channels: [4], hidden: [8], norm: batch}\ndropout: {placement: [all]}\n"
        "training: {epochs: 4}\n" + RATES,
        3,
    ),
    "lstm": ("model: {kind: lstm, units: 8}\ndropout: {placement: [all]}\ntraining: {epochs: 4}\n" + RATES, 2),
    "pool": ("model: {hidden: [50, 30], norm: batch}\ntraining: {epochs: 12}\n" + RATES, 2),
}
JOBS = {"pool": 2}  # of the commands that are killed; what goes on is in this process


def study(name):
    return parse(read_text(DATA + SWEEPS[name][0], "s.yaml"), name="s")


def train(name, results, pack, heard=lambda *_: None, jobs=1):
    said = []
    run(study(name), Options(results=results, jobs=jobs, pack=pack), Listener(heard=heard, warned=said.append))
    return any("from checkpoints: " in text for text in said)


def contents(results):
    names = ("runs.csv", "epochs.csv", "probes.csv", "predictions.bin", "summary.csv", "study.yaml")
    return {name: (results / "s" / name).read_bytes() for name in names}


def killed(name, results, pack, epochs, seconds):
    """Train in a process that is killed so long after its n-th epoch; return whether it had not ended before."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            train(name, results, pack, lambda *_: os.write(theirs, b"."), jobs=JOBS.get(name, 1))
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as pipe:
        for _ in range(epochs):
            if not pipe.read(1):
                break
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("name", SWEEPS)
def test_killed_at_any_moment_and_continued_it_leaves_the_same_files(name, tmp_path, monkeypatch):
    """Two kills a folder, at any epoch and a random moment after it, then one command to the end.

    Workers of a killed pool get no time to end before the next command begins.
    """
    pack, heard = SWEEPS[name][1], []
    start = time.monotonic()
    train(name, tmp_path / "whole", pack, lambda *_: heard.append(time.monotonic()), JOBS.get(name, 1))
    first, *others = [b - a for a, b in itertools.pairwise([start, *heard])]
    monkeypatch.setenv(INTERVAL, "0")
    rng, kills, folders, went_on = random.Random(name), 0, 0, 0
    while kills < -(-KILLS // len(SWEEPS)):
        results, folders = tmp_path / str(folders), folders + 1
        for _ in range(2):
            at = rng.randrange(len(heard))
            after = rng.uniform(0, 2 * median(others) if at else first)
            kills += killed(name, results, rng.choice([pack, 1, 5]), at, after)
        went_on += train(name, results, rng.choice([pack, 1, 5]))
        assert contents(results) == contents(tmp_path / "whole")
        assert not (results / "s" / ".checkpoints").exists()
    assert KILLS < 100 or went_on > 0
    print(f"{name}: {kills} kills in {folders} folders, {went_on} continued from checkpoints, all files equal")
