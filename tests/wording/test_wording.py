"""Words for readers: what a title claims, numbers as they are printed, and words that are safe in the names of files."""

from __future__ import annotations

import pytest

from dropexp.wording.finding import finding
from dropexp.wording.labels import file_word, half, percent, signed


@pytest.mark.parametrize(
    "name,title",
    [
        ("rates", "Dropout 0.5 narrows the gap from 4.7 to 3.8 points, reach unknown, n = 10"),
        ("undecided", "Rate 0.2: gap 4.3 against 4.5 points, undecided, n = 5"),
        ("one-seed", "one seed, no interval"),
        ("constant", "Rate 0.2: gap 0.0 against 0.0 points, undecided, n = 5"),
        ("one-arm-one-seed", "n = 1, no interval"),
        ("rate-orders", "Gap against rate 0: smaller in 5, undecided in 3 of 8 arms, reach unknown, n = 10"),
        ("empty", "No finished run"),
        ("lost", "No finished run"),
        ("noise", "Clean gap against rate 0: smaller in 3, undecided in 1 of 4 arms"),
    ],
)
def test_titles_say_what_the_interval_supports(cases, name, title):
    assert title in finding(cases[name]())


def test_words_of_a_users_make_safe_names(cases):
    tidy = cases["elsewhere"]()
    assert [file_word(tidy, path) for path in tidy.axes] == ["a-column-with-a-rather-long-heading", "augmentation"]


@pytest.mark.parametrize(
    "text,expected",
    [
        (percent(-0.00004), "0.0"),
        (percent(float("nan")), "-"),
        (percent(0.9567), "95.7"),
        (percent(-0.101), "-10.1"),
        (signed(0.0004), "0.0"),
        (signed(-0.0004), "0.0"),
        (signed(0.009), "+0.9"),
        (signed(-0.1004), "-10.0"),
        (half(0.0001), "± <0.1"),
        (half(0.0051), "± 0.5"),
        (half(float("nan")), ""),
    ],
)
def test_numbers_in_words(text, expected):
    assert text == expected
