"""Seeds needed, against statsmodels, a table and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from dropexp.analysis.power import plan, power, seeds_needed, upper_limit


@pytest.mark.parametrize("n,effect", [(3, 0.5), (5, 1.0), (10, 0.8), (40, 0.3)])
def test_power_agrees_with_statsmodels(n, effect):
    assert power(n, effect * 0.01, 0.01) == pytest.approx(TTestPower().power(effect, n, 0.05), abs=1e-9)


@pytest.mark.parametrize("effect", [0.2, 0.5, 1.0, 2.0])
def test_seeds_needed_is_the_first_that_suffices(effect):
    needed = seeds_needed(effect, 1.0)
    assert power(needed, effect, 1.0) >= 0.8 > power(needed - 1, effect, 1.0)
    assert needed == int(np.ceil(TTestPower().solve_power(effect, None, 0.05, 0.8)))


def test_a_table_of_cohen():
    assert seeds_needed(0.5, 1.0) == 34  # Cohen 1988, one sample, two-sided .05, d = .50, power .80


def test_power_by_simulation():
    rng, rounds = np.random.default_rng(0), 4000
    x = rng.normal(0.5, 1.0, (rounds, 12))
    found = (stats.ttest_1samp(x, 0, axis=1).pvalue < 0.05).mean()
    assert power(12, 0.5, 1.0) == pytest.approx(found, abs=3 * np.sqrt(0.25 / rounds))


def test_edges():
    assert power(1, 1.0, 1.0) == 0.0
    assert power(5, 1.0, 0.0) == 1.0
    assert power(1000, 1.0, 1.0) == pytest.approx(1.0)
    assert seeds_needed(1e-6, 1.0) is None
    assert seeds_needed(1.0, 1e-9) == 2


def test_upper_limit_by_hand_and_by_simulation():
    # n = 5: chi2(4, .2) = 1.648777, so sd x sqrt(4 / 1.648777) = 1.557573 sd
    assert upper_limit(0.01, 5) == pytest.approx(0.01557573, rel=1e-5)
    sds = np.random.default_rng(0).normal(0, 1, (4000, 5)).std(axis=1, ddof=1)
    covered = np.mean([upper_limit(sd, 5) >= 1 for sd in sds])
    assert covered == pytest.approx(0.8, abs=3 * np.sqrt(0.16 / 4000))


def test_the_plan_is_for_the_arm_that_spreads_most_and_ignores_what_was_observed(hand):
    base = [0.90, 0.91, 0.92, 0.93]
    calm, wild = [0.95, 0.961, 0.97, 0.981], [0.90, 0.93, 0.91, 0.96]
    train = dict.fromkeys((0.0, 0.2, 0.5), [1.0] * 4)
    made = plan(hand(train, {0.0: base, 0.2: calm, 0.5: wild}), "test_accuracy", 0.005)
    assert made.arm.value("dropout.rate") == 0.5
    shifted = plan(hand(train, {0.0: base, 0.2: calm, 0.5: [x + 0.01 for x in wild]}), "test_accuracy", 0.005)
    assert (made.n, made.needed, made.power) == (4, shifted.needed, pytest.approx(shifted.power))
    sd = np.std(np.subtract(wild, base), ddof=1)
    assert made.sd == pytest.approx(sd)
    assert made.needed == seeds_needed(0.005, upper_limit(sd, 4))


def test_no_plan_without_two_shared_seeds(hand):
    assert plan(hand({0.0: [1.0], 0.5: [1.0]}, {0.0: [0.9], 0.5: [0.8]}), "gap", 0.005) is None
