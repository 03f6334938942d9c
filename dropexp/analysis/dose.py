"""Dose-response: a metric along one axis with simultaneous bands, and the set of values that no other beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from dropexp.analysis.stats import ALPHA, Estimate, estimate, paired
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.study import Arm
from dropexp.metrics import RUNS


@dataclass(frozen=True)
class Dose:
    """The arms along one axis, all else equal, in the order of its values.

    `estimates` have 95% intervals each, `bands` intervals that hold together with 95% at least (Bonferroni).
    `best` are the arms that none of the others beats: a set that holds the best one with 95% at least.
    """

    axis: str
    arms: tuple[Arm, ...]
    estimates: tuple[Estimate, ...]
    bands: tuple[Estimate, ...]
    best: tuple[Arm, ...]


def doses(tidy: Tidy, metric: str, axis: str = "dropout.rate") -> tuple[Dose, ...]:
    """Return a dose-response for each combination of the other axes that has two values of `axis` or more.

    What is best, high or low, stands on the metric's row. An arm at rate 0 joins each combination of dropout's
    other axes.
    """
    others = tuple(p for p in tidy.axes if p != axis)
    groups: dict[tuple[object, ...], dict[str, Arm]] = {}
    for arm, base in zip(tidy.arms, tidy.baselines, strict=True):
        group = groups.setdefault(tuple(arm.value(p) for p in others), {})
        group.setdefault(arm.arm_id, arm)
        if axis == "dropout.rate" and base is not None and not base.masked:
            group.setdefault(base.arm_id, base)
    found: dict[tuple[str, ...], Dose] = {}
    for group in groups.values():
        arms = tuple(sorted((a for a in group.values() if len(tidy.values(a, metric))), key=lambda a: _place(a, axis)))
        if len({a.value(axis) for a in arms}) > 1:
            found.setdefault(tuple(a.arm_id for a in arms), _dose(tidy, metric, axis, arms))
    return tuple(found.values())


def _place(arm: Arm, axis: str) -> tuple[bool, float]:
    value = arm.value(axis)
    number = isinstance(value, int | float)
    return (number, float(value)) if number else (False, 0.0)  # words keep their order: sorting is stable


def _dose(tidy: Tidy, metric: str, axis: str, arms: tuple[Arm, ...]) -> Dose:
    samples = [tidy.values(arm, metric) for arm in arms]
    level = 1 - ALPHA / len(arms)
    kept = best(samples, higher=RUNS[metric].metric.higher)
    return Dose(
        axis,
        arms,
        tuple(estimate(x) for x in samples),
        tuple(estimate(x, level) for x in samples),
        tuple(arms[i] for i in kept),
    )


def best(samples: Sequence[pd.Series[float]], higher: bool) -> tuple[int, ...]:
    """Return which samples no other beats in a paired one-sided t-test at 0.05 / (k - 1).

    By Bonferroni the sample with the best true mean is among them with probability 0.95 at least; the one with the
    best observed mean always is. Where two share no interval (one seed, variance 0), neither beats the other.
    """
    direction, alpha = (1 if higher else -1), ALPHA / max(len(samples) - 1, 1)
    return tuple(
        i
        for i, own in enumerate(samples)
        if not any(j != i and paired(other, own).one_sided(direction) < alpha for j, other in enumerate(samples))
    )
