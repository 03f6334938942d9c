"""The tables of overfitting and of rules replayed."""

from __future__ import annotations

import pytest
from made_up_studies import CASES

from dropexp.analysis.overfit import overfit
from dropexp.analysis.replay import replay
from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import tidy
from dropexp.stopping import CRITERIA, Setting
from dropexp.tables.arms import WIDTH
from dropexp.tables.overfit import overfit_table
from dropexp.tables.stopping import stopping_table

ALL = [Setting(name, threshold) for name, row in CRITERIA.items() for threshold in row.usual]


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.split("\n")]


@pytest.mark.parametrize(  # every third in the fast suite
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (i % 3 > 0)) for i, name in enumerate(CASES)]
)
def test_every_case_has_a_table_of_overfitting(cases, name):
    assert "±: half the 95% interval over seeds" in overfit_table(cases[name]())


def test_numbers_of_overfitting_are_those_of_the_rows(cases):
    data = cases["overfitting"]()
    shown = lines(overfit_table(data))
    assert shown[0] == ["rate", "n", "gap", "area", "onset,", "epoch"]
    gap = estimate(data.values(data.arms[0], "gap"))
    row = overfit(data).iloc[0]
    assert shown[1][:5] == ["0", "10", f"{100 * gap.mean:.1f}", "±", f"{100 * gap.half:.1f}"]
    assert shown[1][5] == f"{100 * row['area_mean']:.1f}"
    assert shown[1][8] == f"{row['onset_mean']:.1f}"


def test_censored_seeds_are_counted_and_the_median_stands_for_the_mean(cases):
    data = cases["overfitting"]()
    late = data.epochs["seed"].isin([0, 1, 2, 3, 4, 5]) & (data.epochs["epoch"] == 40)
    epochs = data.epochs.assign(val_loss=data.epochs["val_loss"].mask(late, 0.0))
    text = overfit_table(tidy(data.study, data.runs, epochs))
    shown = lines(text)
    assert shown[0][-2:] == ["not", "seen"]
    assert shown[1][-3:] == ["6", "of", "10"]
    assert ">36" in shown[1]
    assert "median over seeds with an order-" in text


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("overfitting", "the epoch of minimal validation loss, mean over seeds"),
        ("overfitting-patience", "onset: only from runs trained to the end"),
        ("rates", "no onset of overfitting: there is no validation loss"),
        ("noise", "memorised, recovered, neither: percentage of wrong labels"),
        ("broken", "5 diverged runs left out"),
        ("parts-one", "one seed gives no interval"),
        ("parts", "weights that change during the epoch"),
        ("empty", "no run is stored yet"),
    ],
)
def test_says_of_overfitting(cases, name, sentence):
    assert sentence in overfit_table(cases[name]()).replace("\n   ", " ")


def test_the_parts_of_a_logs_gap_stand_in_a_second_part(cases):
    data = cases["parts"]()
    shown = lines(overfit_table(data))
    at = next(i for i, words in enumerate(shown) if "log" in words)
    row = dict(zip(["rate", "placement", "log"], shown[at + 1], strict=False))
    assert row["rate"] == "0"
    assert [w for w in shown[at] if w not in "=+"] == [
        *("rate", "placement", "in", "the", "log", "weights", "dropout", "batch", "norm", "train-val", "val-test")
    ]
    found = overfit(data).iloc[0]
    assert row["log"] == f"{100 * found['apparent_mean']:.1f}"
    assert shown[at + 1][5:8] == ["-4.0", "-6.0", "1.0"]


@pytest.mark.parametrize("name", ["overfitting", "parts", "parts-one"])
def test_the_table_of_rules_fits_a_console_and_holds_every_rule(cases, name):
    data = cases[name]()
    text = stopping_table(data, replay(data, ALL))
    assert max(map(len, text.split("\n"))) <= WIDTH
    for arm in range(min(len(data.arms), 2)):
        assert text.count(" to the end ") > arm
    assert all(f" {setting.name} " in text for setting in ALL)


def test_a_row_of_rules_by_hand(cases):
    data = cases["overfitting"]()
    found = replay(data, [Setting("patience", 5)])
    shown = lines(stopping_table(data, found))
    assert shown[0] == [
        "rule",
        "stops",
        "after",
        "epoch",
        "selects",
        "saved",
        "test",
        "regret",
        *["test", "vs", "the", "end"],
    ]
    assert shown[1] == ["rate", "0,", "n", "=", "10"]
    assert shown[2][:6] == ["to", "the", "end", "0/10", "40.0", "40.0"]
    own = found.of(data.arms[0], Setting("patience", 5))
    stop, test = estimate(own["stop_epoch"]), estimate(own["test_accuracy"])
    assert shown[3][:3] == ["patience", "5", f"{int(own['stopped'].sum())}/10"]
    assert shown[3][3:6] == [f"{stop.mean:.1f}", "±", f"{stop.half:.1f}"]
    assert f"{100 * test.mean:.1f}" in shown[3]


def test_an_oracle_and_what_is_left_out_are_named(cases):
    data = cases["overfitting-patience"]()
    text = stopping_table(data, replay(data, ALL, "test_accuracy")).replace("\n   ", " ")
    assert "oracle: test_accuracy selects the epoch on the test set itself" in text
    assert "not replayed: 20 runs trained with early stopping: 10 at patience 5, rate 0; 10 at patience 5" in text
