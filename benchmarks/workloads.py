"""WORKLOADS: what is trained, as plain numbers; as arrays for the peers, and as a study for dropexp."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

COLUMNS = ("rate", "seed", "epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy")
Row = tuple[float, int, int, float, float, float, float]


@dataclass(frozen=True)
class Workload:
    """One network, `len(rates) * seeds` times; sgd with momentum, scores with dropout off after every epoch."""

    name: str
    source: str
    hidden: tuple[int, ...]
    channels: tuple[int, ...]
    rates: tuple[float, ...]
    seeds: int
    epochs: int
    train: int
    test: int
    batch: int
    lr: float = 0.05
    momentum: float = 0.9

    @property
    def runs(self) -> list[tuple[float, int]]:
        return [(rate, seed) for rate in self.rates for seed in range(self.seeds)]


def arrays(work: Workload, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return x_train, y_train, x_test, y_test: (N, 64) or (N, 1, 28, 28) float32.

    Images, digits among them, are standardised by one mean and sd over the training examples, as dropexp does: pixel by
    pixel, those that are almost never lit would reach 30 standard deviations, and training at rate 0.7 diverges.
    """
    rng = np.random.default_rng(seed)
    if work.source == "digits":
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        order = rng.permutation(len(x))
        test, train = order[: work.test], order[work.test : work.test + work.train]
    else:
        from dropexp.data import load
        from dropexp.experiment.config import Data

        data = load(Data(source=work.source), folder=Path())
        x, y, pool = data.x, data.y, len(data.x) - data.n_test
        train, test = rng.permutation(pool)[: work.train], pool + rng.permutation(data.n_test)[: work.test]
    x_train, x_test = x[train].astype(np.float32), x[test].astype(np.float32)
    mean, sd = x_train.mean(), x_train.std()
    return (x_train - mean) / sd, y[train], (x_test - mean) / sd, y[test]


def study(work: Workload, precision: str = "float32") -> str:
    """Return the workload as dropexp's study file."""
    network = f"kind: cnn, channels: {list(work.channels)}, hidden" if work.channels else "kind: mlp, hidden"
    return f"""study: {work.name}
data: {{source: {work.source}, train_size: {work.train}, test_size: {work.test}, val_size: 0}}
model: {{{network}: {list(work.hidden)}}}
training: {{lr: {work.lr}, momentum: {work.momentum}, batch_size: {work.batch}, epochs: {work.epochs}, precision: {precision}}}
seeds: {work.seeds}
sweep: {{dropout.rate: {list(work.rates)}}}
"""


def main(train_one: Callable[[Workload, float, int], Iterable[Row]]) -> None:
    """The command of a peer: train every run in two processes of one thread, write a row a run and epoch."""
    from joblib import Parallel, delayed

    name, out = sys.argv[1:]
    work = WORKLOADS[name]
    done = Parallel(n_jobs=2)(delayed(train_one)(work, rate, seed) for rate, seed in work.runs)
    with Path(out).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for rows in done:
            writer.writerows(rows)


WORKLOADS = {
    work.name: work
    for work in (
        Workload("digits-mlp", "digits", (256, 256), (), (0.0, 0.1, 0.2, 0.3, 0.5, 0.7), 10, 40, 1000, 539, 64),
        Workload("mnist-mlp", "mnist", (1024, 1024), (), (0.0, 0.5), 2, 5, 10_000, 2000, 128),
        Workload("fashion-cnn", "fashion-mnist", (128,), (32, 64), (0.0, 0.5), 2, 3, 6000, 2000, 128),
        Workload("digits-small", "digits", (64,), (), tuple(i / 10 for i in range(10)), 20, 40, 1000, 539, 64),
    )
}
