"""When a study that grows is decided, and the level of claims that hold wherever it stops."""

import numpy as np
import pytest
from scipy import stats

from dropexp.analysis.family import level_of_one
from dropexp.analysis.growing import decided
from dropexp.experiment.growth import Grow


@pytest.mark.parametrize(("by", "found"), [(0.1, True), (0.0, False)])
def test_a_study_is_decided_once_every_word_is(hand, by, found):
    noise = np.array([0.01, -0.01, 0.005, -0.004, 0.002])
    test = {0.0: list(0.8 + noise), 0.5: list(0.8 + by + noise[::-1])}
    train = {0.0: [0.99, 0.98, 0.99, 0.97, 0.98], 0.5: [0.98, 0.99, 0.97, 0.98, 0.99]}
    assert decided(hand(train, test)) is found


def test_one_arm_has_nothing_to_decide_and_one_seed_decides_nothing(hand):
    assert decided(hand({0.0: [0.9, 0.8]}, {0.0: [0.9, 0.8]}))
    assert not decided(hand({0.0: [0.9], 0.5: [0.9]}, {0.0: [0.9], 0.5: [0.8]}))


def claim_level(grow):
    return level_of_one(grow.rounds)


def test_the_level_is_below_that_of_one_look_and_above_bonferronis():
    grow = Grow(5, 5, 30)
    assert 0.05 / 26 < claim_level(grow) < 0.05
    assert claim_level(grow) > claim_level(Grow(5, 1, 30))  # only whole rounds are looked at
    assert claim_level(Grow(3, 1, 40)) < claim_level(grow) < claim_level(Grow(5, 1, 10))


def test_a_comparison_looked_at_with_every_seed_errs_in_one_study_of_twenty():
    grow = Grow(5, 1, 20)
    x = np.random.default_rng(5).standard_normal((20_000, 20))
    n = np.arange(5, 21)
    sums, squares = x.cumsum(1)[:, n - 1], (x**2).cumsum(1)[:, n - 1]
    t = sums / np.sqrt(n * (squares - sums**2 / n) / (n - 1))
    p = 2 * stats.t.sf(np.abs(t), n - 1)
    assert 0.045 < (p < claim_level(grow)).any(1).mean() < 0.055
