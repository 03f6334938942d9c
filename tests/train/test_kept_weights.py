"""Which weights a run keeps, and the scale of its inputs beside them."""

import numpy as np
import pytest

from dropexp.data import split
from dropexp.train.pack import Work, train_pack

SIZES = {
    "data.test_size": 20,
    "data.val_size": 10,
    "training.batch_size": 8,
    "model.hidden": [9],
    "model.norm": "batch",
}


def kept(run, dataset, which):
    outcome = train_pack(Work((run,), dataset.source, save_weights=which), dataset)
    return dict(outcome.weights), outcome.runs[0]


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("settings, diverged", [
    ({"training.epochs": 9, "training.lr": 0.5, "early_stopping.patience": 2}, False),
    ({"training.epochs": 9, "training.lr": 1e4, "model.norm": "none"}, True),
], ids=["stopped", "diverged"])  # fmt: skip
def test_last_and_selected_are_two_of_all(settings, diverged, make_run, images):
    run = make_run(1, **{**SIZES, **settings})
    every, row = kept(run, images, "all")
    last = row.epochs_run - (row.stop_reason == "diverged")
    assert (row.stop_reason == "diverged") is diverged
    assert diverged or row.selected_epoch < last, "else the two are the same"
    (name, arrays), *more = kept(run, images, "last")[0].items()
    assert (name, more) == (f"{run.run_id}/epoch-{last:05d}", [])
    assert same(arrays, every[name])
    assert same(kept(run, images, "selected")[0][run.run_id], every[f"{run.run_id}/epoch-{row.selected_epoch:05d}"])


def test_the_scale_of_the_inputs_stands_beside(make_run, images):
    run = make_run(1, **{**SIZES, "training.epochs": 1, "streams": {"split": 4}})
    ((_, arrays),) = kept(run, images, "selected")[0].items()
    parts = split(images, run.config.data, split_seed=4, label_seed=1)
    assert np.array_equal(arrays["input.mean"], parts.mean)
    assert np.array_equal(arrays["input.sd"], parts.sd)
    assert tuple(arrays["input.shape"]) == images.example
    assert kept(run, images, "none")[0] == {}
