"""One torch thread for every test, and small runs and data to train on."""

import dropexp.nn  # noqa: F401 - sets how matrix products round, before torch is imported  # isort: skip

import signal
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_studies import CASES, WORDY, ready

from dropexp.data.dataset import Dataset
from dropexp.experiment.config import Config
from dropexp.experiment.identity import arm_id, run_id
from dropexp.experiment.study import Run
from dropexp.records import EpochRow, Failure, Outcome, Provenance, RunRow
from dropexp.store.folder import Store
from dropexp.study_files.parse import parse
from dropexp.study_files.writing import to_yaml
from dropexp.study_files.yaml_reader import read_text

sys.path.append(
    str(Path(__file__).parent.parent)
)  # where benchmarks/ lies; last, so that the installed dropexp is tested


if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as in a shell's background job, whose children would ignore Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def make_run():
    """Make a run of a seed from sections as YAML has them, or from names with dots such as `training.lr`."""

    def make(seed=0, **settings):
        sections = {}
        for path, value in settings.items():
            section, _, name = path.partition(".")
            if name:
                sections.setdefault(section, {})[name] = value
            else:
                sections[section] = {**sections.get(section, {}), **value}
        config = Config.model_validate(sections)
        return Run(config, seed, arm_id(config), run_id(config, seed))

    return make


def _drawn(shape, classes=5):
    """Classes that can be learnt, with much noise: half of each example is its class's own pattern."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(shape[0]) % classes)
    patterns = rng.standard_normal((classes, *shape[1:]))
    x = (3.0 + patterns[y] + 1.5 * rng.standard_normal(shape)).astype(np.float32)
    return Dataset("toy", x, y.astype(np.int64), None, tuple(map(str, range(classes))))


@pytest.fixture(scope="session")
def images():
    """60 images of 6 x 7 pixels in 2 channels and 5 classes."""
    return _drawn((60, 2, 6, 7))


@pytest.fixture(scope="session")
def vectors():
    """120 vectors of 11 features and 5 classes."""
    return _drawn((120, 11))


@pytest.fixture(scope="session", params=list(CASES))
def case(request):
    """Each made-up study of `made_up/made_up_studies.py` in turn, as its tidy tables."""
    return ready(request.param)


@pytest.fixture(scope="session")
def cases():
    """The same studies by name, each a function that returns its tidy tables, made once."""
    return {name: partial(ready, name) for name in (*CASES, *WORDY)}


@pytest.fixture(scope="session")
def store_study():
    """Write a made-up study into a folder through the store, as training would; see `stored`."""
    return stored


def stored(folder, text, epochs=4, diverged=(), missing=(), failed=(), error="boom"):
    """Store runs of the study that YAML text describes, and return it.

    Test accuracy is 0.90 + 0.02 rate + 0.001 times the seed's own number, training accuracy 1. `diverged`, `missing`
    and `failed` hold (index of an arm, seed).
    """
    rows, curves, places, failures = [], [], [], []
    study = parse(read_text(text, "made-up.yaml"), large=True)
    index = {arm_id: i for i, arm_id in enumerate(dict.fromkeys(a.arm_id for a in study.arms))}
    runs = [r for r in study.runs() if (index[r.arm_id], r.seed) not in {*missing, *failed}]
    for run in runs:
        ended = (index[run.arm_id], run.seed) in diverged
        rng = np.random.default_rng([run.seed, index[run.arm_id]])
        test = 0.90 + 0.02 * run.config.dropout.rate + 0.001 * rng.standard_normal() + 0.01 * np.sin(run.seed)
        name = (run.run_id, run.arm_id, run.seed)
        for epoch in range(1, epochs + 1):
            at = float(test - 0.2 / epoch)
            numbers = (0.5 / epoch, 1.0, 0.6 / epoch, 0.9, 0.7, at, 0.7, at, 1 - at)
            curves.append(EpochRow(*name, epoch, *numbers, run.config.dropout.rate))
        last = curves[-1]
        metrics = {m: getattr(last, m) for m in ("train_loss", "train_accuracy", "val_loss", "val_accuracy")}
        metrics |= {"test_loss": 0.7, "test_accuracy": last.test_accuracy, "gap": last.gap}
        reason, selected = ("diverged", None) if ended else ("max_epochs", epochs)
        rows.append(RunRow(*name, epochs, reason, selected, **({} if ended else metrics), parameters=1234))
        versions = ("0.1.0", "3.12.1", "2.9.1+cpu", "2.1.0", "", "ab12" * 16)
        places.append(Provenance(run.run_id, 0.5, "host", "cpu", 1, 4, *versions, "2030-01-01T09:00:00", "2030-01-02"))
    for run in study.runs():
        if (index[run.arm_id], run.seed) in failed:
            failures.append(Failure(run.run_id, run.arm_id, run.seed, error, "2030-01-02"))
    with Store(folder).writing() as writer:
        writer.write("study.yaml", to_yaml(study))
        writer.append(runs, Outcome(tuple(rows), tuple(curves), (), tuple(places)))
        writer.append_failures(failures)
    return study
