"""Dose-response: a metric along one axis with simultaneous bands, the arms that may be the best, and what validation chose."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from dropexp.analysis.best import best
from dropexp.analysis.inference import answers, looks
from dropexp.analysis.stats import Estimate, estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.levels import ALPHA
from dropexp.metrics import RUNS


@dataclass(frozen=True)
class Chosen:
    """What each seed's validation loss chooses among several arms: how often each arm, in order, and the metric there."""

    counts: tuple[int, ...]
    estimate: Estimate

    @property
    def often(self) -> int:
        """The place of the arm that is chosen most often, the first of several."""
        return self.counts.index(max(self.counts))


@dataclass(frozen=True)
class Dose:
    """The arms along one axis, all else equal, in the order of its values.

    `estimates` have intervals of 95% each, `bands` have intervals that hold together with at least 95% (Bonferroni).
    `best` are the arms not ruled out as the best, a set that contains the best one with at least 95%. `chosen` is what
    validation chooses without the test set, None if no validation loss was stored.
    """

    axis: str
    arms: tuple[Arm, ...]
    estimates: tuple[Estimate, ...]
    bands: tuple[Estimate, ...]
    best: tuple[Arm, ...]
    chosen: Chosen | None


def doses(tidy: Tidy, metric: str, axis: str = "dropout.rate") -> tuple[Dose, ...]:
    """Return a dose-response for each combination of the other axes that has at least two values of `axis`.

    `metric` is `test` or `gap`, with the columns that the study leads with. Whether high or low is best is a field of the
    metric. An arm at rate 0 belongs to each combination of dropout's other axes.
    """
    if (metric, axis) not in tidy.kept:
        tidy.kept[metric, axis] = _doses(tidy, metric, axis)
    found: tuple[Dose, ...] = tidy.kept[metric, axis]
    return found


def _doses(tidy: Tidy, metric: str, axis: str) -> tuple[Dose, ...]:
    others = tuple(p for p in tidy.axes if p != axis)
    column = str(getattr(tidy.lead, metric))
    groups: dict[tuple[object, ...], dict[str, Arm]] = {}
    for arm, base in zip(tidy.arms, tidy.baselines, strict=True):
        group = groups.setdefault(tuple(arm.value(p) for p in others), {})
        group.setdefault(arm.arm_id, arm)
        if axis == "dropout.rate" and base is not None and not base.masked:
            group.setdefault(base.arm_id, base)
    found: dict[tuple[str, ...], Dose] = {}
    for group in groups.values():
        arms = tuple(sorted((a for a in group.values() if len(tidy.values(a, column))), key=lambda a: _place(a, axis)))
        if len({a.value(axis) for a in arms}) > 1:
            found.setdefault(tuple(a.arm_id for a in arms), _dose(tidy, metric, axis, arms))
    return tuple(found.values())


def _place(arm: Arm, axis: str) -> tuple[bool, float]:
    value = arm.value(axis)
    number = isinstance(value, int | float)
    return (number, float(value)) if number else (False, 0.0)  # words keep their order: sorting is stable


def _dose(tidy: Tidy, metric: str, axis: str, arms: tuple[Arm, ...]) -> Dose:
    column = str(getattr(tidy.lead, metric))
    samples = [tidy.values(arm, column) for arm in arms]
    higher = RUNS[column].metric.higher
    table = answers(tidy, metric)

    def known(j: int, i: int) -> bool | None:
        """Whether the table says that arm j is better than arm i, None where it does not compare them."""
        for a, b, sign in ((j, i, 1), (i, j, -1)):
            answer = table.get((arms[a].arm_id, arms[b].arm_id))
            if answer is not None:
                return answer.told and sign * answer.difference.side == (1 if higher else -1)
        return None

    level = 1 - ALPHA / len(arms)
    return Dose(
        axis,
        arms,
        tuple(estimate(x) for x in samples),
        tuple(estimate(x, level) for x in samples),
        tuple(arms[i] for i in best(samples, higher, known, max(1, len(looks(tidy))))),
        _chosen(tidy, column, arms),
    )


def _chosen(tidy: Tidy, column: str, arms: tuple[Arm, ...]) -> Chosen | None:
    """Return what the lowest validation loss chooses in each seed that all arms have."""
    losses = pd.concat([tidy.values(arm, "val_loss") for arm in arms], axis=1, join="inner")
    if losses.empty:
        return None
    places = losses.to_numpy().argmin(axis=1)
    values = [
        tidy.values(arms[i], column).get(seed, float("nan")) for i, seed in zip(places, losses.index, strict=True)
    ]
    counts = Counter(places.tolist())
    return Chosen(tuple(counts[i] for i in range(len(arms))), estimate(values))
