"""The words: each follows from numbers written out here."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dropexp.analysis.inference import EQUAL, ONE_SEED, SAME, UNDECIDED, UNDERFITTING
from dropexp.analysis.tidy import tidy
from dropexp.analysis.verdicts import verdicts
from dropexp.experiment.config import Config
from dropexp.experiment.study import Study

BASE = [0.95, 0.96, 0.95, 0.96]
FULL = [1.0, 1.0, 0.998, 1.0]


def shifted(values: list[float], by: float, wobble: float = 0.001) -> list[float]:
    return [v + by + wobble * (-1) ** i for i, v in enumerate(values)]


@pytest.mark.parametrize(
    "train,test,words",
    [
        (0.0, 0.01, ("better", "smaller")),
        (0.0, -0.01, ("worse", "larger")),
        (0.0, 0.0005, (EQUAL, EQUAL)),  # within half a point
        (-0.02, -0.01, ("worse", UNDERFITTING)),  # gap -1 point, training -2: all of it
        (-0.02, 0.0, (EQUAL, UNDERFITTING)),
        (-0.02, 0.01, ("better", "smaller")),  # test rose as well: no underfitting
        (-0.01, -0.02, ("worse", "larger")),
    ],
)
def test_words(hand, train, test, words):
    wobble = 0.0005
    found = hand(
        {0.0: FULL, 0.5: [v + train + wobble * (i % 3) for i, v in enumerate(FULL)]},
        {0.0: BASE, 0.5: shifted(BASE, test)},
    )
    base, own = verdicts(found)
    assert base.test is None
    assert (own.test.word, own.gap.word) == words


def test_training_that_explains_less_than_half_is_no_underfitting(hand):
    # test rises by 1.0 with such spread that it is undecided; training falls by 0.4 in every seed
    fall = [0.9961, 0.9959, 0.9942, 0.9961]
    rise = [0.95 + 0.022, 0.96 + 0.001, 0.95 + 0.019, 0.96 - 0.001]
    train, gap = (
        {0.0: FULL, 0.5: fall},
        {0.0: [0.04] * 4, 0.5: [0.026, 0.0261, 0.0259, 0.026]},
    )
    found = hand(train, {0.0: BASE, 0.5: rise})
    found.runs["gap"] = [*gap[0.0], *gap[0.5]]
    own = verdicts(found)[1]
    assert (own.train.word, own.test.word, own.gap.word) == ("lower", UNDECIDED, "smaller")


def test_one_seed_gives_no_verdict(hand):
    own = verdicts(hand({0.0: [1.0], 0.5: [1.0]}, {0.0: [0.95], 0.5: [0.97]}))[1]
    assert own.test.word == own.gap.word == ONE_SEED


def test_variance_0_is_undecided(hand):
    found = hand({0.0: [1.0] * 3, 0.5: [1.0] * 3}, {0.0: [0.90, 0.91, 0.92], 0.5: [0.91, 0.92, 0.93]})
    own = verdicts(found)[1]
    assert (own.test.word, own.test.difference.why) == (UNDECIDED, "variance 0")


def test_equal_bits_are_the_same_function(hand):
    own = verdicts(hand({0.0: FULL, 0.5: FULL}, {0.0: BASE, 0.5: BASE}))[1]
    assert own.test.word == own.gap.word == SAME


def test_words_follow_the_interval_of_the_family(hand):
    close = shifted(BASE, 0.006, 0.0031)  # p = .03 by itself; test and gap are one finding, as training never moves
    alone = verdicts(hand({0.0: FULL, 0.2: FULL}, {0.0: BASE, 0.2: close}))[1]
    assert (alone.test.word, alone.test.family, alone.gap.family) == ("better", 1, 1)
    assert alone.test.p_family == alone.test.difference.p
    train = dict.fromkeys((0.0, 0.2, 0.4, 0.6), FULL)
    test = {0.0: BASE, 0.2: close, 0.4: shifted(BASE, 0.0, 0.003), 0.6: shifted(BASE, 0.0, 0.004)}
    found = verdicts(hand(train, test))[1]
    assert found.test.family == 3
    assert 0.05 < found.test.p_family < 3 * found.test.difference.p + 0.01
    assert found.test.word == UNDECIDED
    assert found.test.difference.low < 0 < found.test.difference.high


def test_no_p_among_many_is_smaller_than_by_itself(hand):
    train = dict.fromkeys((0.0, 0.2, 0.4), FULL)
    found = verdicts(hand(train, {0.0: BASE, 0.2: shifted(BASE, -0.5, 0.0001), 0.4: shifted(BASE, 0.0, 0.003)}))[1]
    assert found.test.family == 2
    assert 0 < found.test.difference.p <= found.test.p_family < 1e-4  # beyond what the draws can show


def test_arms_that_are_one_function_count_once(rows_of):
    """Rate 0 and 0.5 in the two orders that relu makes one: two functions, one comparison."""
    configs = []
    for order in ("norm-activation-dropout", "norm-dropout-activation"):
        for rate in (0.0, 0.5):
            given = {"model": {"norm": "batch", "order": order}, "dropout": {"rate": rate}}
            configs.append(Config.model_validate(given))
    grid = (("model.order", (1, 2)), ("dropout.rate", (0.0, 0.5)))
    study = Study("twins", Path(), configs[0], (grid,), (0, 1, 2, 3), tuple(configs))
    rows = rows_of(study, {0.0: FULL, 0.5: FULL}, {0.0: BASE, 0.5: shifted(BASE, 0.01)})
    found = verdicts(tidy(study, rows, pd.DataFrame()))
    assert [v.twin is not None for v in found] == [False, False, True, True]
    assert [v.test and (v.test.family, v.test.word) for v in found] == [None, (1, "better")] * 2
