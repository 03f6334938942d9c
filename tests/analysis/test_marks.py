"""What tables and titles say beside a word: from how many seeds on, how far it reaches, and what came after the fact."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dropexp.analysis.compare import Side, compare
from dropexp.analysis.history import History
from dropexp.analysis.inference import EQUAL, UNDECIDED
from dropexp.analysis.verdicts import verdicts
from dropexp.tables.arms import table
from dropexp.tables.comparison import comparison
from dropexp.wording.finding import finding

TRAIN = {0.0: [1.0, 1.0, 0.998, 1.0], 0.5: [1.0, 0.9999, 0.9979, 0.9999]}
TEST = {0.0: [0.95, 0.96, 0.95, 0.96], 0.5: [0.9501, 0.9599, 0.9501, 0.9599]}


class LateGap(History):
    """A history in which the margin of the gap was changed when results were stored."""

    def margins_after(self, metric: str) -> bool:
        return metric == "gap"


@pytest.fixture
def late(hand):
    return replace(hand(TRAIN, TEST), history=LateGap())


def compared(shown) -> str:
    base, own = (Side(shown, arm) for arm in shown.arms)
    return " ".join(comparison(compare([own], [base], []), ("a", "b")).split())


def test_a_margin_of_the_gap_that_came_later_is_named_wherever_its_word_stands(late):
    own = verdicts(late)[1]
    assert (own.test.word, own.gap.word, own.test.after, own.gap.after) == (EQUAL, EQUAL, False, True)
    assert "after the fact: rate 0.5, added, or given another margin" in " ".join(table(late).split())
    assert finding(late).endswith(f"{EQUAL}, reach unknown, after the fact, n = 4")
    assert "after the fact: gap, added, or given another margin" in compared(late)


def test_nothing_is_late_without_a_history(hand):
    shown = hand(TRAIN, TEST)
    assert "after the fact" not in table(shown) + finding(shown) + compared(shown)
    assert finding(shown).endswith(f"{EQUAL}, reach unknown, n = 4")


def test_two_seeds_say_no_word_and_the_table_says_why(hand):
    two = hand({0.0: [1.0] * 2, 0.5: [1.0, 0.99]}, {0.0: [0.8, 0.82], 0.5: [0.9, 0.921]})
    own = verdicts(two)[1].test
    assert own.word == UNDECIDED
    assert own.difference.low > 0
    assert "a verdict names a direction only if ± excludes 0 over at least 3 seeds" in " ".join(table(two).split())
    assert "a verdict names a direction only if ± excludes 0 over at least 3 seeds" in compared(two)
    assert "seeds or more" not in table(hand(TRAIN, TEST))


def test_one_function_is_not_called_undecided(hand):
    shown = hand({0.0: [1.0] * 3, 0.5: [1.0] * 3}, {0.0: [0.9, 0.91, 0.92], 0.5: [0.9, 0.91, 0.92]})
    assert "the same function" in compared(shown)
    assert "variance 0" not in compared(shown)
