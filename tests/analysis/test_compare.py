"""Two studies or two arms: which belong together, paired by seed or not, and the words for their differences."""

from __future__ import annotations

import pandas as pd
import pytest
from scipy import stats

from dropexp.analysis.compare import Side, compare, differing
from dropexp.analysis.tidy import tidy
from dropexp.analysis.verdicts import verdicts
from dropexp.experiment.foreign_study import Foreign, ForeignArm
from dropexp.tables.comparison import comparison

A = {0.0: [0.90, 0.91, 0.93], 0.5: [0.92, 0.94, 0.95]}
B = {0.0: [0.88, 0.90, 0.91], 0.5: [0.93, 0.94, 0.97]}
ONES = {0.0: [1.0] * 3, 0.5: [1.0] * 3}


def sides(shown):
    return [Side(shown, arm) for arm in shown.arms]


def test_arms_are_matched_by_what_both_sweep_and_paired_by_seed(hand):
    pairs = compare(sides(hand(ONES, A)), sides(hand(ONES, B)), ["dropout.rate"])
    assert [p.a.arm.value("dropout.rate") for p in pairs] == [p.b.arm.value("dropout.rate") for p in pairs] == [0, 0.5]
    test = next(c for c in pairs[0].contrasts if c.metric == "test")
    assert test.judged.difference.paired
    assert test.judged.difference.mean == pytest.approx(0.05 / 3)  # 0.02, 0.01, 0.02
    oracle = stats.ttest_rel(A[0.0], B[0.0])
    assert test.judged.difference.p == pytest.approx(oracle.pvalue)
    gap = next(c for c in pairs[0].contrasts if c.metric == "gap")
    assert gap.judged.difference.mean == pytest.approx(-0.05 / 3)
    assert test.judged.family == 2, "two arms; training never moves, so that test and gap are one finding"
    low, high = oracle.confidence_interval(0.95)
    assert test.judged.difference.low < low < high < test.judged.difference.high


def test_alone_each_pair_is_exploratory(hand):
    pairs = compare(sides(hand(ONES, A)), sides(hand(ONES, B)), ["dropout.rate"], alone=True)
    test = next(c for c in pairs[0].contrasts if c.metric == "test")
    interval = stats.ttest_rel(A[0.0], B[0.0]).confidence_interval(0.95)
    assert (test.judged.difference.low, test.judged.difference.high) == pytest.approx(tuple(interval))
    assert test.judged.said == "better, reach unknown, exploratory"
    assert "exploratory: each interval is 95% by itself" in comparison(pairs, ("a", "b"))


def test_arms_of_a_study_are_judged_as_in_its_table(hand):
    test = {0.0: [0.90, 0.91, 0.93, 0.92], 0.2: [0.91, 0.93, 0.94, 0.93], 0.5: [0.95, 0.955, 0.97, 0.96]}
    shown = hand(dict.fromkeys(test, [1.0] * 4), test)
    none, low, high = sides(shown)
    (pair,) = compare([none], [high], [])
    told = {c.metric: c.judged for c in pair.contrasts}
    table = verdicts(shown)[2]
    assert (told["test"].word, told["gap"].word) == ("worse", "larger")
    assert (table.test.word, table.gap.word) == ("better", "smaller")
    assert told["test"].difference.high == -table.test.difference.low
    (other,) = compare([high], [low], [])
    assert next(c for c in other.contrasts if c.metric == "test").judged.family == 3, "all pairs of the study"


def test_clear_differences_have_a_word_and_others_none(hand):
    better = {0.0: [0.95, 0.96, 0.981], 0.5: [0.92, 0.94, 0.95]}
    pairs = compare(sides(hand(ONES, better)), sides(hand(ONES, A)), ["dropout.rate"])
    words = [{c.metric: c.judged.word for c in pair.contrasts} for pair in pairs]
    assert words[0] == {
        "train": "undecided", "test": "better", "gap": "smaller", "test_loss": "lower", "train_loss": "undecided"
    }  # fmt: skip
    assert set(words[1].values()) == {"the same function"}


def test_one_arm_of_each_belong_together_whatever_they_are(hand):
    one, other = hand({0.0: [1.0] * 3}, {0.0: A[0.0]}), hand({0.5: [1.0] * 3}, {0.5: A[0.5]})
    (pair,) = compare(sides(one), sides(other), ["dropout.rate"])
    assert differing([pair])["dropout.rate"] == ("0", "0.5")


def test_nothing_agrees(hand):
    one, other = hand(ONES, A), hand({0.2: [1.0] * 3, 0.7: [1.0] * 3}, {0.2: A[0.0], 0.7: A[0.5]})
    assert compare(sides(one), sides(other), ["dropout.rate"]) == ()


def test_other_seeds_are_compared_by_welch(rate_study, rows_of):
    study = rate_study((0.0,), 3)
    rows = rows_of(study, {0.0: [1.0] * 3}, {0.0: A[0.0]})
    later = rows_of(study, {0.0: [1.0] * 3}, {0.0: [0.80, 0.81, 0.85]}).assign(seed=[10, 11, 12])
    one = tidy(study, rows, pd.DataFrame())
    seeded = type(study)("later", study.folder, study.base, study.grids, (10, 11, 12), study.configs)
    other = tidy(seeded, later, pd.DataFrame())
    (pair,) = compare(sides(one), sides(other), [])
    test = pair.contrasts[1]
    assert not test.judged.difference.paired
    assert test.judged.difference.p == pytest.approx(
        stats.ttest_ind(A[0.0], [0.80, 0.81, 0.85], equal_var=False).pvalue
    )
    shown = comparison((pair,), ("x", "y"))
    assert "Welch" in shown
    assert "fewer than two seeds" in shown
    assert "3 and 3" in shown


def test_seeds_that_mean_something_else_are_not_paired(hand):
    arm = ForeignArm((("dropout.rate", 0.5),))
    rows = [
        {"run_id": f"r{s}", "arm_id": arm.arm_id, "seed": s, "stop_reason": "max_epochs", "train_accuracy": 1.0}
        | {"test_accuracy": a, "gap": 1 - a}
        for s, a in enumerate([0.80, 0.81, 0.85])
    ]
    theirs = tidy(Foreign("theirs", (0, 1, 2), (arm,)), pd.DataFrame(rows), pd.DataFrame())
    (pair,) = compare(sides(hand({0.0: [1.0] * 3}, {0.0: A[0.0]})), sides(theirs), [])
    assert {c.metric for c in pair.contrasts} == {"train", "test", "gap"}, "losses that one side lacks are left out"
    assert not any(c.judged.difference.paired for c in pair.contrasts)
    assert "different splits" in comparison((pair,), ("x", "y"))


def test_the_text_of_a_comparison(hand):
    pairs = compare(sides(hand(ONES, A)), sides(hand(ONES, B)), ["dropout.rate"])
    lines = comparison(pairs, ("results/a", "results/b")).splitlines()
    assert lines[:2] == [" A: results/a", " B: results/b"]
    rows = [" ".join(line.split()) for line in lines]
    assert "test 91.3 ± 3.8 89.7 ± 3.8 +1.7 ± 2.1 undecided 3 paired" in rows
    assert "test loss 0.087 ± 0.038 0.103 ± 0.038 -0.017 ± 0.021 undecided 3 paired" in rows
    assert " rate 0.5" in lines
    assert "verdicts are corrected for 2 comparisons, in test and gap together" in " ".join(" ".join(lines).split())
