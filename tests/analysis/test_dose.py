"""Dose-response: simultaneous bands and the set of best rates, by hand and by simulation."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dropexp.analysis.best import best
from dropexp.analysis.dose import doses
from dropexp.analysis.interaction import interactions
from dropexp.analysis.tidy import tidy
from dropexp.analysis.verdicts import verdicts
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text

TRAIN = [1.0] * 4


def test_bands_by_hand(hand):
    test = {0.0: [0.88, 0.91, 0.90, 0.90], 0.2: [0.90, 0.92, 0.91, 0.93], 0.5: [0.91, 0.93, 0.90, 0.92]}
    (found,) = doses(hand(dict.fromkeys(test, TRAIN), test), "test")
    assert [a.value("dropout.rate") for a in found.arms] == [0.0, 0.2, 0.5]
    # three arms: t(3) at 1 - .05 / 6 = 4.856656; sd of .90 .92 .91 .93 is .0129099, / 2
    assert found.bands[1].half == pytest.approx(4.856656 * 0.0129099 / 2, rel=1e-4)
    assert found.estimates[1].half == pytest.approx(3.182446 * 0.0129099 / 2, rel=1e-4)


def test_bands_hold_together():
    rng, rounds, k, n = np.random.default_rng(0), 1500, 5, 5
    x = rng.normal(0, 1, (rounds, k, n))
    half = stats.t.ppf(1 - 0.05 / (2 * k), n - 1) * x.std(axis=2, ddof=1) / sqrt(n)
    assert (np.abs(x.mean(axis=2)) <= half).all(axis=1).mean() > 0.95 - 3 * sqrt(0.05 * 0.95 / rounds)


def series(*values: float) -> pd.Series:
    return pd.Series(values)


def test_best_set_by_hand():
    # b - a is .02 .021 .019 .02: t = 49, far beyond; c - b is .001 -.001 .002 -.002: nothing
    a, b, c = series(0.90, 0.91, 0.92, 0.93), series(0.92, 0.931, 0.939, 0.95), series(0.921, 0.93, 0.941, 0.948)
    assert best([a, b, c], higher=True) == (1, 2)
    assert best([a, b, c], higher=False) == (0,)
    assert best([a], higher=True) == (0,)


def test_more_looks_rule_out_less():
    rng = np.random.default_rng(0)
    x = [pd.Series(rng.normal(0.8 * (i == 0), 1, 8)) for i in range(4)]
    once, often = best(x, higher=True), best(x, higher=True, looks=50)
    assert set(once) < set(often)


def test_nothing_is_ruled_out_without_an_interval():
    assert best([series(0.9), series(0.95)], higher=True) == (0, 1)  # one seed
    assert best([series(0.9, 0.8), series(0.95, 0.85)], higher=True) == (0, 1)  # variance 0


@pytest.mark.parametrize("n", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (5, 10))])
def test_the_set_holds_the_best_rate_where_the_argmax_does_not(n):
    rng, rounds, held, hit = np.random.default_rng(n), 300, 0, 0
    true = np.array([0.0, 0.3, 0.5, 0.4])
    for _ in range(rounds):
        x = true[:, None] + rng.normal(0, 0.5, (4, n)) + rng.normal(0, 1, n)
        held += 2 in best([pd.Series(row) for row in x], higher=True, draws=1000)
        hit += x.mean(axis=1).argmax() == 2
    assert held / rounds > 0.95 - 3 * sqrt(0.05 * 0.95 / rounds)
    assert hit / rounds < 0.8


def test_the_set_never_contradicts_the_table(hand):
    rng = np.random.default_rng(3)
    for _ in range(15):
        n = int(rng.integers(3, 8))
        test = {r: list(np.round(0.9 + rng.normal(0, 0.01) + rng.normal(0, 0.004, n), 3)) for r in (0.0, 0.2, 0.5)}
        shown = hand({r: [1.0 - 0.001 * (i % 2) for i in range(n)] for r in test}, test)
        (found,) = doses(shown, "test")
        words = {v.arm.arm_id: v.test.word for v in verdicts(shown) if v.test}
        kept = {arm.arm_id for arm in found.best}
        assert (shown.arms[0].arm_id in kept) is ("better" not in words.values())
        assert not any(word == "worse" and arm in kept for arm, word in words.items())


def test_validation_chooses_without_the_test_set(hand):
    test = {0.0: [0.90, 0.91, 0.92, 0.93], 0.5: [0.95, 0.95, 0.96, 0.97]}
    shown = hand(dict.fromkeys(test, TRAIN), test)
    shown.runs["val_loss"] = [0.1, 0.1, 0.3, 0.1, 0.2, 0.2, 0.2, 0.2]
    (found,) = doses(shown, "test")
    assert (found.chosen.counts, found.chosen.often) == ((3, 1), 0)
    assert found.chosen.estimate.mean == pytest.approx((0.90 + 0.91 + 0.96 + 0.93) / 4)


def test_a_dose_for_each_combination_of_the_other_axes_and_one_arm_without_dropout():
    study = parse(
        read_text("sweep: {dropout.placement: [[hidden], [input]], dropout.rate: [0, 0.5]}\nseeds: 3", "study.yaml")
    )
    rows = pd.DataFrame(
        {"run_id": f"{a.arm_id}-{s}", "arm_id": a.arm_id, "seed": s, "stop_reason": "max_epochs"}
        | {"gap": 0.05 + 0.01 * s - a.value("dropout.rate") / 50 * (1 + s)}
        for a in {a.arm_id: a for a in study.arms}.values()
        for s in range(3)
    )
    found = doses(tidy(study, rows, pd.DataFrame()), "gap")
    assert [len(d.arms) for d in found] == [2, 2]
    assert len({d.arms[0].arm_id for d in found}) == 1


def grid(test: dict[tuple[str, float], list[float]]):
    study = parse(read_text("sweep: {model.norm: [none, batch], dropout.rate: [0, 0.5]}\nseeds: 4", "study.yaml"))
    rows = pd.DataFrame(
        {
            "run_id": f"{a.arm_id}-{s}",
            "arm_id": a.arm_id,
            "seed": s,
            "stop_reason": "max_epochs",
            "test_accuracy": x,
            "gap": 1 - x,
        }
        for a in study.arms
        for s, x in enumerate(test[a.value("model.norm"), a.value("dropout.rate")])
    )
    return tidy(study, rows, pd.DataFrame())


def test_interaction_by_hand():
    found = interactions(
        grid(
            {
                ("none", 0.0): [0.90, 0.91, 0.92, 0.93],
                ("none", 0.5): [0.92, 0.93, 0.94, 0.95],  # +2 points in each seed
                ("batch", 0.0): [0.94, 0.95, 0.96, 0.97],
                ("batch", 0.5): [0.93, 0.95, 0.95, 0.97],  # -1 0 -1 0: interaction -3 -2 -3 -2
            }
        ),
        "test",
    )
    (one,) = found
    assert (one.first, one.second) == ("model.norm", "dropout.rate")
    assert one.difference.mean == pytest.approx(-0.025)
    assert one.difference.sd == pytest.approx(0.01 / sqrt(3))
    oracle = stats.ttest_1samp([-0.03, -0.02, -0.03, -0.02], 0)
    assert (one.difference.p, one.p_family) == pytest.approx((oracle.pvalue, oracle.pvalue))
    assert one.cells[1][1].value("model.norm") == "batch"
    assert one.cells[1][1].value("dropout.rate") == 0.5
