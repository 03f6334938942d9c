"""How far differences reach, against hand computation and simulation."""

from __future__ import annotations

from math import isnan, nan, sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dropexp.analysis import sampling
from dropexp.analysis.sampling import reach, resampled
from dropexp.analysis.stats import paired
from dropexp.analysis.tidy import Facts

POOL, OFFICIAL = Facts(500, 539, 10, True), Facts(500, 539, 10, False)


def spread(mean: float, sd: float, n: int = 5) -> pd.Series:
    x = np.linspace(-1, 1, n)
    return pd.Series(mean + sd * x / x.std(ddof=1))


def differing(mean: float, sd: float, n: int = 5):
    return paired(spread(mean, sd, n), pd.Series(np.zeros(n)))


def test_test_sampling_by_hand():
    # errors of 4 and 6 percent on 1,000 examples: 1.96 sqrt(.1 / 1000) = 1.96 x .01
    assert sampling.test_sampling(0.04, 0.06, 1000) == pytest.approx(0.0196)


def test_test_sampling_bounds_the_spread_over_test_sets():
    """Two networks wrong on disjoint sets of examples is the worst case; the bound is its normal interval."""
    rng, n = np.random.default_rng(0), 2000
    a, b = rng.random((2, 4000, n)) < np.array([0.04, 0.06])[:, None, None]
    disjoint = a.mean(1) - (b & ~a).mean(1)
    assert 1.96 * disjoint.std() < sampling.test_sampling(0.04, 0.06, n) * 1.02


def test_resampled_by_hand():
    # sd 1 point, n = 5, test 539 of train 500: half = t(4, .975) x .01 x sqrt(.2 + 1.078) = 2.776445 x .0113049
    low, high = resampled(differing(0.02, 0.01), 500, 539)
    assert (high + low) / 2 == pytest.approx(0.02)
    assert (high - low) / 2 == pytest.approx(2.776445 * 0.01 * sqrt(1.278), rel=1e-6)


def test_resampled_is_wider_than_students_by_the_overlap():
    d = differing(0.02, 0.01, 10)
    low, high = resampled(d, 1000, 100)
    assert (high - low) / 2 / d.half == pytest.approx(sqrt(1 + 10 * 100 / 1000))
    assert all(map(isnan, resampled(paired(spread(1, 0), spread(0, 0)), 500, 539)))


@pytest.mark.parametrize(
    "mean,facts,accuracies,survives",
    [
        (0.01, POOL, (0.95, 0.96), False),  # +-2.6 points by test sampling, +-3 by splits
        (0.05, POOL, (0.95, 0.90), True),
        (0.05, OFFICIAL, (0.95, 0.90), True),
        (0.03, OFFICIAL, (0.5, 0.5), False),  # +-8.4 points
        (0.05, OFFICIAL, None, False),  # a loss: no bound over test examples
        (0.5, Facts(nan, nan, nan, False), (0.9, 0.4), False),  # sizes unknown: nothing further is shown
    ],
)
def test_what_survives(mean, facts, accuracies, survives):
    assert reach(differing(mean, 0.01), facts, accuracies).survives is survives


def test_nadeau_bengio_covers_where_student_does_not():
    """Means of overlapping halves of one pool: correlated runs, whose naive interval is far too narrow."""
    rng, rounds, n = np.random.default_rng(1), 800, 10
    naive = corrected = 0
    for _ in range(rounds):
        pool = rng.standard_normal(60)
        runs = [rng.permutation(pool) for _ in range(n)]
        d = paired(pd.Series([run[:30].mean() for run in runs]), pd.Series(np.zeros(n)))
        naive += d.low <= 0 <= d.high
        low, high = resampled(d, 30, 30)
        corrected += low <= 0 <= high
    assert naive / rounds < 0.75
    assert corrected / rounds > 0.93
    assert stats.t.ppf(0.975, n - 1) == pytest.approx(2.262157)
