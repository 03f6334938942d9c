"""What the kinds do to whole trainings: paired differences between scalings on digits, and LSTMs that learn rows."""

import math
import os
import time
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from dropexp.data import load
from dropexp.train.pack import Work, train_pack

SEEDS = range(10)
SETTINGS = {
    "relu": {"activation": "relu"},
    "tanh": {"activation": "tanh"},
    "sigmoid": {"activation": "sigmoid"},
    "relu with batch norm": {"activation": "relu", "norm": "batch"},
}
METRICS = ("test_accuracy", "test_loss")  # the negative log-likelihood in nats per example


def trained(make_run, dataset, seeds, **settings):
    runs = [make_run(seed, **settings) for seed in seeds]
    return train_pack(Work(tuple(runs), runs[0].config.data.source), dataset).runs


def paired(rows, others, metric):
    """Return n, the mean of the paired differences rows - others, and the ends of its 95% t-interval."""
    differences = np.array([getattr(a, metric) - getattr(b, metric) for a, b in zip(rows, others, strict=True)])
    n, mean = len(differences), differences.mean()
    half = stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / math.sqrt(n)
    return n, mean, mean - half, mean + half


@pytest.mark.slow
def test_what_scaling_at_test_time_or_never_changes_on_digits(make_run, tmp_path):
    common = {"data.train_size": 500, "model.hidden": [256], "training.epochs": 40, "dropout.rate": 0.5}
    dataset = load(make_run(0, **common).config.data, folder=tmp_path)
    table = {}
    for name, model in SETTINGS.items():
        rows = {
            kind: trained(make_run, dataset, SEEDS, **common, **{"dropout.kind": kind}, model=model)
            for kind in ("bernoulli", "vanilla", "unscaled")
        }
        for kind in ("vanilla", "unscaled"):
            for metric in METRICS:
                table[name, kind, metric] = paired(rows[kind], rows["bernoulli"], metric)
    print("\nminus bernoulli, paired by seed: mean [95% interval]")
    for (name, kind, metric), (n, mean, low, high) in table.items():
        print(f"{name:22} {kind:10} {metric:14} n = {n}  {mean:+.5f} [{low:+.5f}, {high:+.5f}]")
    assert len(table) == len(SETTINGS) * 2 * len(METRICS)
    assert all(n == len(SEEDS) and all(map(math.isfinite, rest)) for n, *rest in table.values())
    apart = [name for name in SETTINGS for _, _, low, high in [table[name, "unscaled", "test_loss"]] if low * high > 0]
    assert apart, "leaving the scale out changes no negative log-likelihood: it was not left out"


@pytest.mark.slow
def test_an_lstm_learns_digits_row_by_row(make_run, tmp_path):
    settings = {
        "data": {"train_size": 1000}, "model": {"kind": "lstm", "units": 32},
        "dropout": {"rate": 0.2, "placement": ["output"]},
        "training": {"optimizer": "adam", "lr": 0.01, "epochs": 25},
    }  # fmt: skip
    began = time.perf_counter()
    dataset = load(make_run(0, **settings).config.data, folder=tmp_path)
    assert dataset.example == (1, 8, 8)
    accuracies = [row.test_accuracy for row in trained(make_run, dataset, SEEDS, **settings)]
    seconds = time.perf_counter() - began
    interval = stats.ttest_1samp(accuracies, 0.95).confidence_interval(0.95)
    print(f"\ndigits, 8 steps of 8: mean {np.mean(accuracies):.4f} [{interval.low:.4f}, {interval.high:.4f}], n = 10,")
    print(f"lowest {min(accuracies):.4f}, highest {max(accuracies):.4f}, {seconds:.1f} s for 10 runs")
    assert interval.low >= 0.95


@pytest.mark.slow
def test_an_lstm_learns_mnist_row_by_row(make_run):
    if not (Path(os.environ.get("DROPEXP_DATA") or "nowhere") / "mnist").is_dir():
        pytest.skip("DROPEXP_DATA is not set to a folder that holds mnist")
    settings = {
        "data": {"source": "mnist", "train_size": 10_000}, "model": {"kind": "lstm", "units": 64},
        "dropout": {"rate": 0.2, "placement": ["output"]},
        "training": {"optimizer": "adam", "lr": 0.003, "epochs": 8, "batch_size": 128},
    }  # fmt: skip
    began = time.perf_counter()
    dataset = load(make_run(0, **settings).config.data, folder=Path(), download=False)
    assert dataset.example == (1, 28, 28)
    rows = trained(make_run, dataset, (0, 1), **settings)
    accuracies = [row.test_accuracy for row in rows]
    print(f"\nmnist, 28 steps of 28: test accuracies {accuracies}, {time.perf_counter() - began:.0f} s for 2 runs")
    assert min(accuracies) >= 0.95
