"""METRICS: what a run is measured by, with its unit, direction, bounds and chance level, and the columns that makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, log, nan

SETS = {  # of examples on which each epoch is scored, with their words: of whose metric, and under which condition
    "train": ("training", ""),
    "dropout_on_train": ("training", ", dropout on"),  # the running mean while the epoch trains: in epochs.csv alone
    "val": ("validation", ""),
    "test": ("test", ""),
    "clean_train": ("training", ", correct labels only"),  # with label noise
}
WHILE_TRAINING, CLEAN, FINAL = "dropout_on_train", "clean_", "final_"


@dataclass(frozen=True)
class Metric:
    """A row of METRICS.

    `higher` is whether more is better, `low` and `high` are the bounds, `chance` is what a network has that guesses among
    K classes. `unit` is % or points where tables write a fraction 100 times, with one decimal; nats, or nothing, where
    they write the number as it stands, with three decimals. `counts` is whether it is a number of examples over a
    number of examples, or the difference of two such, so that sampling theory bounds it and equal fractions are equal
    counts. `on` are the SETS that it is measured on, a column each, by a function of each example in `train/evaluate.py`;
    without any, it is one column of its name. `averaged` are those of its columns that summary.csv has, `final` those that
    runs.csv has of the last epoch too. `of` are the two columns whose difference it is; `noisy` is whether it exists only
    with label noise, `selected` whether only in runs.csv, at the selected epoch. `since` is the version of the files that
    its columns came with: the number of entries of ADDED, in `rows.py`, up to and with theirs.
    """

    name: str
    words: str
    unit: str
    higher: bool
    low: float
    high: float
    chance: Callable[[float], float]
    counts: bool = True
    on: tuple[str, ...] = ()
    averaged: tuple[str, ...] = ()
    final: tuple[str, ...] = ()
    of: tuple[str, str] | None = None
    noisy: bool = False
    selected: bool = False
    since: int = 0

    @property
    def fraction(self) -> bool:
        """Whether tables write it in percent or points."""
        return self.unit in ("%", "points")


@dataclass(frozen=True)
class Column:
    """A metric on a set of examples, as a column; `last` names the column of epochs.csv whose last number it is."""

    name: str
    words: str
    metric: Metric
    on: str = ""
    noisy: bool = False
    of: tuple[str, str] | None = None
    last: str = ""

    @property
    def averaged(self) -> bool:
        return self.name in self.metric.averaged

    @property
    def plain(self) -> str:
        """The column that says the same of all labels, where this one is of those left alone; else ''."""
        return self.name.removeprefix(CLEAN) if self.name.startswith(CLEAN) else ""


def guessed(classes: float) -> float:
    """Return the accuracy of a guess among K classes, 1 / K."""
    return 1 / classes if classes > 1 else nan


def uniform_loss(classes: float) -> float:
    """Return the loss of equal probabilities for K classes, ln K."""
    return log(classes) if classes > 1 else nan


def no_gap(classes: float) -> float:
    """Return the gap of a network that learns nothing."""
    return 0.0


METRICS: tuple[Metric, ...] = (
    Metric(
        "loss", "loss", "nats", higher=False, low=0.0, high=inf, chance=uniform_loss, counts=False,
        on=("train", "dropout_on_train", "val", "test"), averaged=("train_loss", "test_loss"),
    ),
    Metric(
        "accuracy", "accuracy", "%", higher=True, low=0.0, high=1.0, chance=guessed,
        on=("train", "dropout_on_train", "val", "test", "clean_train"),
        averaged=("train_accuracy", "test_accuracy", "clean_train_accuracy"), final=("train_accuracy", "test_accuracy"),
    ),
    Metric(
        "gap", "gap", "points", higher=False, low=-1.0, high=1.0, chance=no_gap,
        averaged=("gap",), final=("gap",), of=("train_accuracy", "test_accuracy"),
    ),
    Metric(
        "clean_gap", "clean gap", "points", higher=False, low=-1.0, high=1.0, chance=no_gap,
        averaged=("clean_gap",), of=("clean_train_accuracy", "test_accuracy"), noisy=True, selected=True,
    ),
    Metric(
        "memorised", "wrong labels memorised", "%", higher=False, low=0.0, high=1.0, chance=guessed,
        averaged=("memorised",), noisy=True,
    ),
    Metric(
        "recovered", "true labels recovered", "%", higher=True, low=0.0, high=1.0, chance=guessed,
        averaged=("recovered",), noisy=True,
    ),
)  # fmt: skip


def _measured() -> list[Column]:
    """Return the columns of every metric: those of later files last, then set by set, then those of no set."""
    found = []
    for metric in METRICS:
        for on in metric.on:
            name, noisy, (whose, condition) = f"{on}_{metric.name}", on.startswith(CLEAN), SETS[on]
            found.append(Column(name, f"{whose} {metric.words}{condition}", metric, on, noisy))
        if not metric.on:
            found.append(Column(metric.name, metric.words, metric, noisy=metric.noisy, of=metric.of))
    order = [*SETS, ""]
    return sorted(found, key=lambda column: (column.metric.since, column.noisy, order.index(column.on)))


def _final(column: Column) -> Column:
    of = (f"{FINAL}{column.of[0]}", f"{FINAL}{column.of[1]}") if column.of else None
    words = f"{column.words}, last epoch"
    return replace(column, name=f"{FINAL}{column.name}", words=words, of=of, last=column.name)


_EACH = _measured()
EPOCHS: dict[str, Column] = {c.name: c for c in _EACH if not c.metric.selected}  # the metrics of epochs.csv
RUNS: dict[str, Column] = {  # those of runs.csv, which claims may be about
    c.name: c
    for c in (*(c for c in _EACH if c.on != WHILE_TRAINING), *(_final(c) for c in _EACH if c.name in c.metric.final))
}
SCORED = tuple(c.name for c in _EACH if c.on != WHILE_TRAINING and not c.of)  # what evaluation finds, the rest follows
AVERAGED = tuple(sorted((c for c in RUNS.values() if c.averaged), key=lambda c: not c.metric.counts))
MONITORS = {c.name: c.metric for c in _EACH if c.on in ("val", "test")}  # what may select an epoch


def averaged(noisy: bool) -> tuple[str, ...]:
    """Return the columns that summary.csv sums up; with label noise those of the labels left alone follow."""
    plain, clean = ([c.name for c in AVERAGED if c.noisy is which] for which in (False, True))
    return (*plain, *(clean if noisy else ()))


def new_in_versions() -> list[dict[str, tuple[str, ...]]]:
    """Return the columns of metrics by file that came with each version of the files, from 1 on."""
    files = {"epochs.csv": EPOCHS, "runs.csv": RUNS}
    return [
        {file: names for file, columns in files.items() if (names := _since(columns, version))}
        for version in range(1, max(metric.since for metric in METRICS) + 1)
    ]


def _since(columns: dict[str, Column], version: int) -> tuple[str, ...]:
    return tuple(name for name, column in columns.items() if column.metric.since == version)
