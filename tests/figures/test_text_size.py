"""What layout is built from: how wide words are, what fits, what keeps apart, and which part of a scale is shown."""

from __future__ import annotations

from itertools import pairwise

import pytest
from matplotlib.figure import Figure

from dropexp.figures.axis_range import scale
from dropexp.figures.columns import columns
from dropexp.figures.sheet import beside
from dropexp.figures.style import styled
from dropexp.figures.text_size import apart, shortened, spread, whole, width, wrap


@pytest.mark.parametrize("size", [9.0, 14.0])
@pytest.mark.parametrize("text", ["iiillll", "Dropout 0.5 narrows the gap, n = 10", "norm > relu > dropout", "± −0.4"])
def test_no_text_is_drawn_wider_than_measured(text, size):
    with styled():
        figure = Figure(figsize=(9, 2), dpi=150)
        drawn = figure.text(0, 0, text, fontsize=size).get_window_extent().width / 150
    assert 0.9 * width(text, size) < drawn <= width(text, size) + 0.03


def test_wraps_at_spaces_then_within_words():
    assert wrap("a b", 5.0) == "a b"
    lines = wrap("one two three four five six", 0.8).split("\n")
    assert " ".join(lines) == "one two three four five six"
    assert all(width(line) <= 0.8 for line in lines)
    assert all(width(line) <= 0.8 for line in wrap("x" * 50, 0.8).split("\n"))
    assert wrap("x" * 50, 0.8).replace("\n", "") == "x" * 50
    assert wrap("input+hidden", 0.6) == "input+\nhidden"
    assert wrap("rate 0.5, placement input, lr 0.1", 1.5, listed=True) == "rate 0.5,\nplacement input,\nlr 0.1"


def test_knows_what_fits_without_a_broken_word():
    assert whole("input+hidden", 0.6)
    assert not whole("inputandhidden", 0.6)


def test_shortens_in_the_middle():
    short = shortened("a/very/long/path/to/a/file.csv", 1.0)
    assert width(short) <= 1.0
    assert short[0] == "a"
    assert short.endswith("csv")
    assert "…" in short


def test_words_that_would_meet_are_thinned_evenly():
    assert apart([0, 1, 2, 3, 4], [0.5] * 5) == [0, 1, 2, 3, 4]
    assert apart([0, 1, 2, 3, 4], [1.5] * 5) == [0, 2, 4]
    assert apart([2, 0, 1], [9.0] * 3) == [1]
    assert apart([], []) == []


@pytest.mark.parametrize("spots", [[1.0, 1.0, 1.0], [0.0, 0.05, 3.0], [3.0, 2.99, 0.5], [5.0, 6.0, 7.0]])
def test_heights_are_spread_in_their_order(spots):
    found = spread(spots, 0.3, 0.0, 3.0)
    order = sorted(range(3), key=lambda i: spots[i])
    assert all(found[j] - found[i] > 0.3 - 1e-6 for i, j in pairwise(order))
    assert min(found) >= -1e-9
    assert max(found) <= 3.0 + 1e-9


def test_heights_that_are_apart_stay():
    assert spread([0.5, 1.5], 0.3, 0.0, 3.0) == [0.5, 1.5]


def test_a_few_arms_far_from_the_others_stand_off_the_scale():
    arms = [([95.0, 97.0], []), ([95.5, 96.5], []), ([96.0, 98.0], [90.0, 99.0]), ([9.0, 10.0], [0.0, 20.0])]
    view = scale(arms, cap=100.0)
    assert view.off(9.5) == -1
    assert view.off(95.0) == view.off(98.0) == 0
    assert 91.0 < view.low + 0.5 < 95.0, "an interval counts no further than the values do once more"


def test_half_of_the_arms_do_not():
    view = scale([([95.0], []), ([96.0], []), ([10.0], []), ([11.0], [])])
    assert not any(view.off(v) for v in (10.0, 11.0, 95.0, 96.0))
    assert scale([([95.0], []), ([10.0], [])]).off(10.0) == 0, "two arms are all there is"


def test_nothing_and_no_variance_have_a_scale():
    assert scale([]).low < scale([]).high
    flat = scale([([100.0], [float("nan")])], cap=100.0)
    assert flat.low < 100.0 < flat.high


@pytest.mark.parametrize(
    "count,inner,found", [(1, 0, 1), (2, 0, 2), (4, 0, 2), (6, 0, 3), (12, 0, 4), (12, 3, 3), (3, 3, 3)]
)
def test_panels_beside_each_other(count, inner, found):
    assert beside(count, inner) == found


def test_columns_leave_out_what_repeats_and_what_is_shared(cases):
    tidy = cases["lstm"]()
    found = columns(tidy, tidy.arms[1:])
    assert found.heads == ("placement", "recurrent")
    assert found.shared == "rate 0.3"
    assert found.cells == (
        ("input", "step"),
        ("output", "step"),
        ("recurrent", "step"),
        ("", "sequence"),
        ("", "candidate"),
    )


def test_a_row_without_dropout_has_no_placement(cases):
    tidy = cases["lstm"]()
    assert columns(tidy, tidy.arms).cells[0] == ("0", "–", "–")


def test_a_row_names_its_twins(cases):
    tidy = cases["orders"]()
    once = list({arm.arm_id: arm for arm in reversed(tidy.arms)}.values())
    assert columns(tidy, once).cells[-1][0] == "norm > relu > dropout = norm > dropout > relu"
