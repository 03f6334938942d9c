"""Means, intervals and corrections against hand computation, scipy and simulation."""

from __future__ import annotations

from math import inf, isfinite, isnan, nan, sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dropexp.analysis import family as families
from dropexp.analysis.stats import by_epoch, difference, estimate, holm, paired, welch

OWN = pd.Series([0.90, 0.92, 0.91, 0.93])
BASE = pd.Series([0.88, 0.91, 0.90, 0.90])


def test_paired_difference_by_hand():
    # differences 2 1 1 3 points: mean 1.75; squared deviations .0625 .5625 .5625 1.5625, sum 2.75, / 3 = .916667;
    # sd .957427, standard error .478714, t(3, .975) = 3.182446: half 1.523480
    d = paired(OWN, BASE)
    assert (d.n, d.agree, d.paired, d.why) == (4, 4, True, "")
    assert d.mean == pytest.approx(0.0175)
    assert d.sd == pytest.approx(0.00957427, abs=1e-8)
    assert d.low == pytest.approx(0.0175 - 0.01523480, abs=1e-7)
    assert d.high == pytest.approx(0.0175 + 0.01523480, abs=1e-7)
    assert d.half == pytest.approx(0.01523480, abs=1e-7)
    assert d.p == pytest.approx(0.03535, abs=1e-5)  # twice the tail of t(3) beyond 1.75 / .478714 = 3.655623


def test_paired_agrees_with_scipy():
    d, other = paired(OWN, BASE), stats.ttest_rel(OWN, BASE)
    interval = other.confidence_interval(0.95)
    assert (d.p, d.low, d.high) == pytest.approx((other.pvalue, interval.low, interval.high))


def test_estimate_agrees_with_scipy():
    e, other = estimate(OWN), stats.ttest_1samp(OWN, 0).confidence_interval(0.95)
    assert (e.mean, e.sd) == pytest.approx((0.915, sqrt(5e-4 / 3)))
    assert (e.low, e.high) == pytest.approx((other.low, other.high))


def test_pairs_are_seeds_not_places():
    shuffled = BASE.loc[[3, 1, 0, 2]]
    assert paired(OWN, shuffled) == paired(OWN, BASE)


def test_only_shared_seeds_are_paired():
    d = paired(OWN, BASE.iloc[:3])
    assert d.n == 3
    assert d.mean == pytest.approx(0.04 / 3)


def test_welch_where_seeds_differ():
    other = pd.Series([0.88, 0.95, 0.90], index=[7, 8, 9])
    d, oracle = difference(OWN, other), stats.ttest_ind(OWN, other, equal_var=False)
    interval = oracle.confidence_interval(0.95)
    assert not d.paired
    assert (d.p, d.low, d.high) == pytest.approx((oracle.pvalue, interval.low, interval.high))
    assert welch(OWN, other) == d


@pytest.mark.parametrize(
    "own,base,why",
    [
        ([], [], "no runs"),
        ([0.9], [0.8], "one seed"),
        ([0.9, 0.8], [0.8, 0.7], "variance 0"),
        ([1, 1], [1, 1], "variance 0"),
    ],
)
def test_no_interval_without_variance(own, base, why):
    d = difference(pd.Series(own, dtype=float), pd.Series(base, dtype=float))
    assert d.why == why
    assert all(isnan(x) for x in (d.low, d.high, d.p, d.half))


def test_nan_is_no_seed():
    assert estimate([0.5, nan, 0.7]).n == 2
    assert paired(OWN.mask(OWN.index == 0), BASE).n == 3


@pytest.mark.parametrize(
    "p,adjusted",
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),  # .01 x 3; .03 x 2; .04 x 1, but never below the one before
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.02], [0.02]),
        ([], []),
    ],
)
def test_holm_by_hand(p, adjusted):
    assert holm(p) == pytest.approx(adjusted)


def test_holm_leaves_out_what_has_no_p():
    found = holm([0.02, nan, 0.03])
    assert found[::2] == pytest.approx([0.04, 0.04])
    assert isnan(found[1])


@pytest.mark.parametrize("n", [3, 5, 10])
def test_interval_covers_95_percent(n):
    rounds, rng = 2000, np.random.default_rng(n)
    found = [estimate(rng.normal(0.9, 0.01, n)) for _ in range(rounds)]
    covered = np.mean([e.low <= 0.9 <= e.high for e in found])
    assert abs(covered - 0.95) < 3.3 * sqrt(0.95 * 0.05 / rounds)


def test_family_is_wrong_at_most_5_percent_of_the_time():
    rounds, rng, wrong = 600, np.random.default_rng(0), 0
    for _ in range(rounds):
        base, *arms = (pd.Series(x) for x in rng.normal(0.9, 0.01, (5, 5)))
        wrong += min(holm([paired(arm, base).p for arm in arms])) < 0.05
    assert wrong / rounds < 0.05 + 3 * sqrt(0.05 * 0.95 / rounds)


def test_a_family_is_drawn_once_however_often_it_is_asked_for(monkeypatch):
    rng, drawn = np.random.default_rng(5), []
    found = [paired(pd.Series(rng.normal(0, 1, 6)), pd.Series(np.zeros(6))) for _ in range(3)]
    normal = families._normal
    monkeypatch.setattr(families, "_normal", lambda *given: drawn.append(given) or normal(*given))
    first = families.family(found, draws=500)
    once = len(drawn)
    assert families.family(found, draws=500) == first
    assert len(drawn) == once > 0
    assert families.family(found[:2], draws=500) != first
    assert len(drawn) > once


def test_by_epoch_is_the_estimate_of_each_epoch_until_half_the_runs_are_gone():
    values, epoch = [0.5, 0.6, 0.8, 0.7, 0.9, 0.95], [1, 1, 1, 2, 2, 3]
    band = by_epoch(pd.Series(values), pd.Series(epoch))
    assert list(band.index) == [1, 2]
    for at, own in ((1, values[:3]), (2, values[3:5])):
        e = estimate(own)
        assert tuple(band.loc[at]) == pytest.approx((e.mean, e.low, e.high))
    assert by_epoch(pd.Series([0.5]), pd.Series([1])).isna().to_numpy().tolist() == [[False, True, True]]


@pytest.mark.parametrize("values", [[1.0, inf, 2.0], [inf, -inf, 0.0]])
def test_an_infinite_number_leaves_no_interval_and_no_warning(values):
    found = estimate(values)
    assert found.n == 3
    assert not isfinite(found.mean)
    assert isnan(found.sd)
    assert isnan(found.low)
    assert isnan(found.high)
