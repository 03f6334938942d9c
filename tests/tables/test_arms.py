"""The table of arms: what a stranger reads, line by line."""

from __future__ import annotations

import pytest
from made_up_studies import CASES

from dropexp.tables.arms import WIDTH, plain, table

WIDE = (
    "hundred",
    "lstm",
    "noise",
    "oracle",
    "orders",
    "patience",
    "placement",
    "rate-placement",
    "rates",
)  # the rest is slow


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in WIDE)) for n in CASES])
def test_fits_a_console_which_may_have_ascii_only(cases, name):
    text = table(cases[name]())
    assert max(map(len, text.split("\n"))) <= WIDTH
    assert plain(text).isascii()


def test_one_axis(cases):
    lines = table(cases["rates"]()).split("\n")
    assert lines[0].split("   ")[-1].strip() == "gap vs 0"
    assert " ".join(lines[0].split()) == "rate n train test gap test vs 0 gap vs 0"
    assert [line.split()[0] for line in lines[1:4]] == ["0", "0.2", "0.5"]
    assert len(lines[1].split()) == 9  # the baseline is compared with nothing
    assert lines[3].endswith("smaller**")
    assert "better" in lines[3]


def test_numbers_are_those_of_the_rows(cases):
    tidy = cases["rates"]()
    line = table(tidy).split("\n")[1].split()
    mean = 100 * tidy.values(tidy.arms[0], "test_accuracy").mean()
    assert (line[1], line[3]) == ("10", f"{mean:.1f}")


@pytest.mark.parametrize(
    "name,sentence",
    [
        ("placement", "no arm without dropout; 'run --rates 0 0.5' adds 10 runs"),
        ("one-arm-one-seed", "no arm without dropout; 'run --rates 0 0.5' adds 1 run"),
        (
            "orders",
            "no arm without dropout; 'run --rates 0 0.5' adds 20 runs",
        ),  # relu before or after norm: two functions
        ("orders", "the same function, trained once: order norm > relu > dropout = order norm > dropout > relu"),
        ("one-seed", "one seed gives no interval"),
        ("broken", "5 diverged runs, left out of n and means: 5 at rate 0.5"),
        ("broken", "20 of 30 runs are stored"),
        ("constant", "undecided without ±"),
        ("oracle", "oracle: test_accuracy selects the epoch on the test set itself"),
        ("high-rates", "underfitting: the gap shrank because training accuracy fell"),
        ("high-rates", "all intervals hold together with 95% confidence"),
        ("rates", "each seed draws its own initial weights, batch order, dropout masks"),
        ("rates", "** reach unknown: no predictions are stored"),
        ("rates", "dropout off, at the last epoch"),
        ("patience", "at the selected epoch, or at the last"),
        ("noise", "memorised: percentage of wrong labels"),
        ("rate-placement", "test vs rate 0"),
    ],
)
def test_says(cases, name, sentence):
    assert sentence in table(cases[name]()).replace("\n   ", " ")


def test_rates_have_no_hint(cases):
    assert "no arm without" not in table(cases["rates"]())


def test_label_noise_leads_with_clean_numbers(cases):
    tidy = cases["noise"]()
    lines = table(tidy).split("\n")
    assert "clean train" in lines[0]
    assert lines[0].split()[-1] == "memorised"
    assert lines[4].split()[-1] == "80.0"


def test_a_hundred_arms(cases):
    assert sum(line.startswith(" 0.95") for line in table(cases["hundred"]()).split("\n")) == 5


def test_plain_writes_signs_in_ascii():
    assert "+/- " in plain("95.0 ± 0.3")
