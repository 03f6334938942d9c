"""Which rows are for test, validation and training, which labels are wrong, and the scale of the inputs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from dropexp import streams
from dropexp.data.dataset import Dataset
from dropexp.errors import DataError
from dropexp.experiment.config import Data

_CHUNK = 4096  # rows; a constant, so that no sum depends on free memory


@dataclass(frozen=True, eq=False)
class Split:
    """Rows and labels of one run.

    `train`, `val` and `test` are int64 row numbers of Dataset.x, `train` in the order of its permutation; `labels` is (N,)
    int64, those trained on; `wrong` is (N,) bool, True where a label was replaced; `mean` and `sd` are float32, (C,) for images
    and (F,) for vectors, of the training rows in the units of x, an sd of 0 counting as 1. `fill` is (F,) float32 in these
    units, what stands for blank cells, from the training rows alone; None where there are none.
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    labels: np.ndarray
    wrong: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    fill: np.ndarray | None = None


def sizes(data: Data, n_total: int, n_official_test: int | None) -> tuple[int, int, int]:
    """Return how many examples are for training, validation and test, by arithmetic alone.

    `n_total` counts all rows, the `n_official_test` of an official test set among them. Raises DataError
    where a set would be empty that was asked for, or holds more than there is.
    """
    n_test = _test_size(data, n_total, n_official_test)
    left = n_total - (n_test if n_official_test is None else n_official_test)
    aside = f"{data.source} has {n_total} examples, {n_total - left} of them for test"
    if left < 1:
        aside = f"{data.source} has {n_total} examples"
        raise DataError(
            f"data.test_size: {data.test_size} leaves nothing to train on: {aside}; use a smaller test_size"
        )
    n_val = _part("data.val_size", data.val_size, left, "the examples outside the test set")
    if n_val == 0 < data.val_size:
        raise DataError(
            f"data.val_size: {data.val_size} of {left} examples is less than one example; use a larger fraction, "
            "a number of examples, or 0 for no validation"
        )
    if n_val >= left:
        raise DataError(
            f"data.val_size: {data.val_size} leaves nothing to train on: {aside}; use 0 to {left - 1}, or a fraction "
            "below 1"
        )
    n_train = left - n_val if data.train_size is None else data.train_size
    if n_train > left - n_val:
        raise DataError(
            f"data.train_size: {n_train} is more than the {left - n_val} that are left: {aside}, {n_val} for"
            f" validation; use 1 to {left - n_val}, or null for all"
        )
    if data.label_noise > 0 and round(data.label_noise * n_train) == 0:
        raise DataError(
            f"data.label_noise: {data.label_noise:g} of {n_train} training labels is less than one label; use 0 or at "
            f"least {1 / n_train:.2g}"
        )
    return n_train, n_val, n_test


def _test_size(data: Data, n_total: int, n_official: int | None) -> int:
    if data.test_size is None:
        n_test = n_total * 3 // 10 if n_official is None else n_official
        if n_test < 1:
            raise DataError(f"{data.source} has {n_total} examples, and 30% of them is less than one test example")
        return n_test
    whole, of = (n_total, "all examples") if n_official is None else (n_official, "the official test set")
    n_test = _part("data.test_size", data.test_size, whole, of)
    if n_test < 1:
        raise DataError(f"data.test_size: {data.test_size} of {whole} examples is less than one; use a larger size")
    if n_official is not None and n_test > n_official:
        raise DataError(
            f"data.test_size: {data.test_size} is more than the {n_official} examples of the official test set of "
            f"{data.source}; use 1 to {n_official}, or null for all"
        )
    return n_test


def _part(path: str, size: int | float, whole: int, of: str) -> int:
    """Return a count, or a fraction of `whole` rounded down in decimal: 0.29 of 100 is 29, not 28."""
    if isinstance(size, int):
        return size
    if size >= 1:
        raise DataError(
            f"{path}: {size} is neither an integer nor a fraction: write {int(size)} for that many examples, or a number "
            f"below 1 for a fraction of {of}"
        )
    return int(Decimal(repr(size)) * whole)


def split(dataset: Dataset, data: Data, *, split_seed: int, label_seed: int) -> Split:
    """Return the rows, labels and scale of one run, a pure function of the arguments.

    Each row has its own draw in each stream, so that test and validation do not move with train_size or label
    noise, smaller training sets are the beginning of larger ones, and the wrong labels at a lower noise are
    among those at a higher one, wrong in the same way. Raises DataError as `sizes` does, and where no training example
    says what to fill a column in with.
    """
    n_total = len(dataset.x)
    n_train, n_val, _ = sizes(data, n_total, dataset.n_test)
    rows = np.arange(n_total)
    pool = rows if dataset.n_test is None else rows[: n_total - dataset.n_test]
    test = test_rows(dataset, data, split_seed)
    left = np.setdiff1d(pool, test, assume_unique=True)
    val = np.sort(_shuffled(left, _draws(split_seed, "split", "validation", n_total))[:n_val])
    rest = np.setdiff1d(left, val, assume_unique=True)
    train = _shuffled(rest, _draws(split_seed, "split", "train", n_total))[:n_train]
    noisy = (train, val) if data.noisy_validation else (train,)
    labels, wrong = _noise(dataset, data.label_noise, label_seed, noisy)
    fill = _fill(dataset, data, train) if dataset.has_blanks else None
    mean, sd = _scale(dataset, train, fill)
    return Split(train, val, test, labels, wrong, mean, sd, fill)


def test_rows(dataset: Dataset, data: Data, split_seed: int) -> np.ndarray:
    """Return the rows of a run's test examples, ascending."""
    n_total = len(dataset.x)
    _, _, n_test = sizes(data, n_total, dataset.n_test)
    held = np.arange(0 if dataset.n_test is None else n_total - dataset.n_test, n_total)
    return np.sort(_shuffled(held, _draws(split_seed, "split", "test", n_total))[:n_test])


def _draws(seed: int, purpose: str, place: str, count: int) -> np.ndarray:
    # whole words rather than a distribution: numpy may change how it turns words into numbers
    return streams.generator(seed, purpose, place).bit_generator.random_raw(count)


def _shuffled(rows: np.ndarray, draws: np.ndarray) -> np.ndarray:
    return rows[np.argsort(draws[rows], kind="stable")]


def _noise(dataset: Dataset, noise: float, seed: int, subsets: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (N,) and a mask (N,) of the wrong ones: in each subset the round(noise · n) of smallest draw."""
    count, classes = len(dataset.y), len(dataset.classes)
    labels, wrong = dataset.y.copy(), np.zeros(count, bool)
    if noise == 0:
        return labels, wrong
    draws = _draws(seed, "labels", "which", count)
    for rows in subsets:
        wrong[_shuffled(rows, draws)[: round(noise * len(rows))]] = True
    steps = 1 + (_draws(seed, "labels", "class", count) % np.uint64(classes - 1)).astype(np.int64)
    labels[wrong] = (labels[wrong] + steps[wrong]) % classes
    return labels, wrong


def _fill(dataset: Dataset, data: Data, rows: np.ndarray) -> np.ndarray:
    """Return the mean or median of each column over the training rows in which it is not blank, (F,) float32."""
    columns = []
    for at in range(dataset.x.shape[1]):
        column = dataset.x[rows, at]
        there = column[~np.isnan(column)].astype(np.float64)
        if not len(there):
            raise DataError(
                f"data.blanks: no training example has a number in input {at + 1} of {dataset.x.shape[1]} of {data.source}, so "
                f"there is no {data.blanks} to fill in; train on more examples, or leave that column out with data.ignore"
            )
        columns.append(np.median(there) if data.blanks == "median" else there.mean())
    return np.array(columns).astype(np.float32)


def _scale(dataset: Dataset, rows: np.ndarray, fill: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and sd (divisor n) over the training rows, blanks filled in, (C,) or (F,) float32."""
    if dataset.x.dtype == np.uint8 and dataset.kind == "image":
        total, squares = dataset.pixel_sums[:, rows].sum(1)
        count = len(rows) * int(np.prod(dataset.x.shape[2:]))
        mean = np.array([int(s) / count for s in total])
        # Python's whole numbers: the difference of two large squares is exact
        var = np.array([(int(q) * count - int(s) ** 2) / count**2 for s, q in zip(total, squares, strict=True)])
        return _single(mean, var)
    axes = (0, 2, 3) if dataset.kind == "image" else (0,)
    keep = (slice(None), None, None) if dataset.kind == "image" else (slice(None),)
    starts = range(0, len(rows), _CHUNK)

    def chunk(start: int) -> np.ndarray:
        values = dataset.x[rows[start : start + _CHUNK]]
        return values if fill is None else np.where(np.isnan(values), fill, values)

    count = len(rows) * int(np.prod([dataset.x.shape[a] for a in axes[1:]]))
    mean = np.sum([chunk(s).sum(axes, dtype=np.float64) for s in starts], axis=0) / count
    var = np.sum([((chunk(s) - mean[keep]) ** 2).sum(axes) for s in starts], axis=0) / count
    return _single(mean, var)


def _single(mean: np.ndarray, var: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sd = np.sqrt(var).astype(np.float32)
    sd[sd == 0] = 1
    return mean.astype(np.float32), sd
