"""Arms at chance level: those whose test accuracy is clearly no better than a guess."""

from __future__ import annotations

from math import isnan

import numpy as np

from dropexp.analysis.power import NEAR
from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.levels import FEWEST


def at_chance(tidy: Tidy, arm: Arm) -> bool:
    """Whether an arm's test accuracy is clearly that of a guess, over at least three seeds.

    Its 95% interval reaches down to chance and stays less than 5 points above it; if all seeds agree, the accuracy itself
    does. Chance is the larger of 1 / K, for K classes, and the share of the largest class among the test examples, if
    outcomes were kept: a network that learns nothing may always answer with that class.
    """
    e = estimate(tidy.values(arm, "test_accuracy"))
    chance = _chance(tidy, arm)
    if e.n < FEWEST or isnan(chance):
        return False
    low, high = (e.mean, e.mean) if isnan(e.half) else (e.low, e.high)
    return low <= chance and high <= chance + NEAR


def _chance(tidy: Tidy, arm: Arm) -> float:
    classes = tidy.facts(arm).classes
    if not classes > 1:
        return float("nan")
    shares = [
        float(np.bincount(outcome.label).max() / len(outcome.label))
        for outcome in tidy.outcomes_of(arm).values()
        if len(outcome.label)
    ]
    return max([1 / classes, *([sum(shares) / len(shares)] if shares else [])])
