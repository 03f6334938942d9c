"""Claims judged on rows: each verdict follows from numbers written out here."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from math import log

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dropexp.analysis.claims_csv import OLDER, entries, recorded, written
from dropexp.analysis.inference import SAME, UNREACHED
from dropexp.analysis.judging import HIDDEN, judge
from dropexp.analysis.rules import ALONE, MAYBE_SMALL, NEAR, SMALL
from dropexp.analysis.tidy import tidy
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text

SWEEP = "seeds: 4\nsweep: {dropout.rate: [0, 0.2, 0.5]}\n"
BASE = [0.90, 0.91, 0.92, 0.93]
PLAIN = "{metric: test_accuracy, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}, expect: %s, margin: %s}"
FACTS = {"train_examples": 500, "test_examples": 1e9, "classes": 10, "test_set": "official"}


def judged(text: str, test: dict, earlier=(), diverged=(), drop=(), **columns):
    """Judge the claims of a study whose arms have these test accuracies, by their values on the axes."""
    study = parse(read_text(text, "study.yaml"))
    rows = []
    for arm in {a.arm_id: a for a in study.arms}.values():
        key = tuple(arm.value(p) for p in study.axes)
        for seed, x in enumerate(test[key if len(key) > 1 else key[0]]):
            reason = "diverged" if (key[-1], seed) in diverged else "max_epochs"
            row = {"run_id": f"{arm.arm_id}-{seed}", "arm_id": arm.arm_id, "seed": seed, "stop_reason": reason}
            row |= {"train_accuracy": 1.0, "test_accuracy": x, "gap": 1 - x, "train_loss": x, "test_loss": 1 - x}
            row |= {name: values[key][seed] for name, values in columns.items()}
            if (key[-1], seed) not in drop:
                rows.append(row | FACTS)
    return judge(tidy(study, pd.DataFrame(rows), pd.DataFrame(), judged=earlier))


def one(expect: str, differences: list[float], margin: float = 0.005, **given):
    (found,) = judged(
        SWEEP + f"claims:\n- {PLAIN % (expect, margin)}",
        {0.0: BASE, 0.2: BASE, 0.5: [b + d for b, d in zip(BASE, differences, strict=True)]},
        **given,
    )
    return found


@pytest.mark.parametrize(
    "expect,differences,margin,verdict",
    [
        # mean 2.0, sd .8165, half t(3) = 3.182446 x .408248 = 1.2992: [.70, 3.30] points
        ("higher", [0.01, 0.02, 0.02, 0.03], 0.005, "supported"),
        ("higher", [0.01, 0.02, 0.02, 0.03], 0.033, "refuted"),  # 3.299 is below 3.3: there, but smaller than counts
        ("higher", [0.01, 0.02, 0.02, 0.03], 0.032, "undecided"),  # 90% [1.04, 2.96] lies within +-3.2: equal would be
        ("higher", [0.01, 0.02, 0.02, 0.03], 0.029, "supported"),
        ("at_least", [0.01, 0.02, 0.02, 0.03], 0.006, "supported"),
        ("at_least", [0.01, 0.02, 0.02, 0.03], 0.008, "undecided"),
        ("at_least", [0.01, 0.02, 0.02, 0.03], 0.033, "refuted"),
        ("lower_at_least", [-0.01, -0.02, -0.02, -0.03], 0.006, "supported"),
        ("lower", [0.01, 0.02, 0.02, 0.03], 0.005, "refuted"),
        ("lower", [-0.01, -0.02, -0.02, -0.03], 0.005, "supported"),
        # mean .5, sd 1.2910: half 2.0542: [-1.55, 2.55]
        ("higher", [0.02, -0.01, 0.0, 0.01], 0.005, "undecided"),
        ("lower", [0.02, -0.01, 0.0, 0.01], 0.005, "undecided"),
        ("equal", [0.02, -0.01, 0.0, 0.01], 0.005, "undecided"),
        # mean 0, sd .1155, 95% half .1837, 90% half t(3, .95) = 2.353363 x .057735 = .1359
        ("equal", [0.001, -0.001, 0.001, -0.001], 0.005, "supported"),
        ("equal", [0.001, -0.001, 0.001, -0.001], 0.0014, "supported"),
        ("equal", [0.001, -0.001, 0.001, -0.001], 0.0013, "undecided"),
        ("higher", [0.001, -0.001, 0.001, -0.001], 0.005, "refuted"),
        ("equal", [0.01, 0.02, 0.02, 0.03], 0.005, "refuted"),  # [.70, 3.30] lies outside of +-.5
        ("equal", [0.01, 0.02, 0.02, 0.03], 0.01, "undecided"),
        ("higher", [0.01, 0.01, 0.01, 0.01], 0.005, "undecided"),  # variance 0
    ],
)
def test_rule(expect, differences, margin, verdict):
    assert one(expect, differences, margin).verdict == verdict


def test_numbers_by_hand():
    found = one("higher", [0.01, 0.02, 0.02, 0.03])
    assert found.estimate.mean == pytest.approx(0.02)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((0.02 - 0.012992, 0.02 + 0.012992), abs=1e-6)
    assert found.sentence == "test accuracy +2.0 points [+0.7, +3.3], n = 4, margin 0.5; reach unknown"
    assert found.says == "test accuracy at dropout.rate 0.5 is higher than at dropout.rate 0"
    for margin, why in ((0.033, SMALL), (0.029, MAYBE_SMALL), (0.032, NEAR)):
        found = one("higher", [0.01, 0.02, 0.02, 0.03], margin)
        assert (found.why, why in found.sentence) == (why, True)
    least = one("at_least", [0.01, 0.02, 0.02, 0.03], 0.006)
    assert least.says == "test accuracy at dropout.rate 0.5 is at least 0.6 points above that at dropout.rate 0"
    assert SMALL not in one("higher", [0.001, -0.001, 0.001, -0.001]).sentence


def test_two_seeds_decide_nothing():
    (found,) = judged(
        SWEEP.replace("4", "2") + f"claims:\n- {PLAIN % ('higher', 0.005)}",
        {0.0: [0.9, 0.91], 0.2: [0.9, 0.91], 0.5: [0.95, 0.9601]},
    )
    assert (found.verdict, found.estimate.low > 0) == ("undecided", True)


def test_the_same_function():
    found = one("equal", [0.0] * 4)
    assert (found.verdict, SAME in found.sentence) == ("supported", True)
    assert one("higher", [0.0] * 4).verdict == "refuted"
    assert one("equal", [0.0] * 4).reach == ""  # on any example


def test_waits_for_all_seeds():
    found = one("higher", [0.01, 0.02, 0.02, 0.03], drop=[(0.5, 1), (0.0, 2)])
    assert (found.verdict, found.sentence) == ("waiting", "2 of 4 seeds")


def test_a_diverged_run_is_judged_without_and_with_chance():
    # without seed 3: 1.0 1.2 1.1 points, supported; with chance, 10%, in its place: -83 points more, undecided
    found = one("higher", [0.010, 0.012, 0.011, 0.5], diverged=[(0.5, 3)])
    assert (found.verdict, found.diverged, found.estimate.n) == ("undecided", 1, 3)
    assert found.notes == ("1 diverged run: supported if left out, undecided if counted as chance",)
    # -1.0 -1.2 -1.1 points and a run at chance, -83 points: both refute
    both = one("higher", [-0.010, -0.012, -0.011, 0.5], diverged=[(0.5, 3)])
    assert both.verdict == "undecided"  # with chance the interval is [-62, 20]: it does not refute


def test_chance_is_a_guess():
    text = (
        SWEEP + "claims:\n- {metric: test_loss, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}, expect: %s}"
    )
    differences = [0.010, 0.012, 0.011, 0.0]
    test = {0.0: BASE, 0.2: BASE, 0.5: [b + d for b, d in zip(BASE, differences, strict=True)]}
    (found,) = judged(text % "higher", test, diverged=[(0.5, 3)])
    d = stats.ttest_1samp([-0.010, -0.012, -0.011, log(10) - 0.07], 0).confidence_interval(0.95)
    assert found.verdict == "undecided"
    assert d.low < 0.005 < d.high


def test_parts_must_all_hold():
    text = SWEEP + "claims:\n- says: both\n  all:\n  - " + PLAIN % ("higher", 0.005) + "\n  - " + PLAIN
    test = {0.0: BASE, 0.2: BASE, 0.5: [b + d for b, d in zip(BASE, [0.01, 0.02, 0.02, 0.03], strict=True)]}
    (good,) = judged(text % ("equal", 0.04), test)
    assert (good.verdict, good.says, [p.verdict for p in good.parts]) == ("supported", "both", ["supported"] * 2)
    (bad,) = judged(text % ("lower", 0.005), test)
    assert (bad.verdict, [p.verdict for p in bad.parts]) == ("refuted", ["supported", "refuted"])
    (open_,) = judged(text % ("equal", 0.01), test)
    assert (open_.verdict, [p.verdict for p in open_.parts]) == ("undecided", ["supported", "undecided"])


def test_a_part_refutes_the_whole_at_a_corrected_level():
    """One part: 95% up to 3.3; two parts, 97.5%: half t(3, .9875) = 4.1765 x .408248 = 1.7050, up to 3.705."""
    test = {0.0: BASE, 0.2: BASE, 0.5: [b + d for b, d in zip(BASE, [0.01, 0.02, 0.02, 0.03], strict=True)]}
    text = SWEEP + "claims:\n- all: [" + PLAIN % ("higher", 0.005) + ", " + PLAIN + "]"
    for margin, verdict in ((0.036, "undecided"), (0.038, "refuted")):
        (found,) = judged(text % ("higher", margin), test)
        assert (found.verdict, found.parts[1].verdict, found.parts[1].why == ALONE) == (
            verdict,
            verdict,
            verdict == "undecided",
        )
        assert one("higher", [0.01, 0.02, 0.02, 0.03], margin).verdict == "refuted"


def along(expect: str, middle: list[float], end: list[float], margin: float = 0.005):
    text = (
        SWEEP
        + f"claims:\n- {{metric: test_accuracy, compare: {{dropout.rate: all}}, expect: {expect}, margin: {margin}}}"
    )
    given = {0.0: BASE}
    for rate, differences in ((0.2, middle), (0.5, end)):
        given[rate] = [b + d for b, d in zip(BASE, differences, strict=True)]
    return judged(text, given)[0]


def test_order_along_an_axis():
    up, more = [0.01, 0.011, 0.01, 0.009], [0.02, 0.021, 0.022, 0.019]
    rising = along("increasing", up, more)
    assert rising.verdict == "supported"
    assert rising.estimate.mean == pytest.approx(np.mean(more))  # three values: the line's rise is last minus first
    assert along("decreasing", up, more).verdict == "refuted"
    dip = along("increasing", [-0.01, -0.011, -0.01, -0.009], more)  # first step falls by a point, for sure
    assert (dip.verdict, "from 0 to 0.2 it goes the other way beyond doubt" in dip.sentence) == ("refuted", True)
    maybe = along("increasing", [-0.03, 0.01, -0.02, 0.015], more)
    assert (maybe.verdict, "from 0 to 0.2 it may go the other way" in maybe.sentence) == ("undecided", True)


def test_the_linear_contrast_is_the_least_squares_line():
    rng = np.random.default_rng(0)
    x = rng.normal(0.9, 0.02, (4, 5))
    text = (
        "seeds: 5\nsweep: {dropout.rate: [0, 0.2, 0.5, 0.8]}\nclaims:\n"
        "- {metric: test_accuracy, compare: {dropout.rate: [0.5, 0, 0.8, 0.2]}, expect: increasing}"
    )
    (found,) = judged(text, dict(zip((0.0, 0.2, 0.5, 0.8), x.tolist(), strict=True)))
    rises = [3 * np.polyfit(range(4), x[:, s], 1)[0] for s in range(5)]
    assert found.estimate.mean == pytest.approx(np.mean(rises))
    assert found.estimate.sd == pytest.approx(np.std(rises, ddof=1))


def test_interior_best():
    up, flat = [0.03, 0.031, 0.03, 0.029], [0.0, 0.001, -0.001, 0.0]
    inside = along("interior_best", up, flat)
    assert (inside.verdict, inside.estimate.n) == ("supported", 0)
    assert inside.sentence == "not ruled out as the best dropout.rate by test accuracy: {0.2}, n = 4; reach unknown"
    end = along("interior_best", flat, up)
    assert (end.verdict, end.why) == ("refuted", "no value between is better than dropout.rate 0 by what counts")
    maybe = along("interior_best", [0.01, -0.01, 0.0, 0.0], [0.0, 0.0, -0.01, 0.01])
    assert (maybe.verdict, "{0, 0.2, 0.5}" in maybe.sentence) == ("undecided", True)


def test_the_best_inside_of_a_metric_whose_lower_values_are_better():
    text = SWEEP + "claims:\n- {metric: test_loss, compare: {dropout.rate: all}, expect: interior_best}"
    given = {0.0: BASE, 0.2: [b + d for b, d in zip(BASE, [0.03, 0.031, 0.03, 0.029], strict=True)], 0.5: BASE}
    assert judged(text, given)[0].verdict == "supported"  # its loss is 1 - accuracy here
    assert judged(text.replace("test_loss", "train_loss"), given)[0].verdict == "refuted"  # and the accuracy


def test_two_values_that_are_the_same_function_are_no_reversal():
    flat = [0.0, 0.0, 0.0, 0.0]
    assert along("increasing", flat, [0.02, 0.021, 0.022, 0.019]).verdict == "supported"


GRID = "seeds: 4\nsweep: {model.norm: [none, batch], dropout.rate: [0, 0.5]}\nclaims:\n- "
TABLE = {
    ("none", 0.0): BASE,
    ("none", 0.5): [b + 0.02 for b in BASE],
    ("batch", 0.0): [b + 0.04 for b in BASE],
    ("batch", 0.5): [b + 0.04 + d for b, d in zip(BASE, [-0.01, 0.0, -0.01, 0.0], strict=True)],
}


def test_interaction():
    claim = "compare: {model.norm: batch, dropout.rate: 0.5}, against: {model.norm: none, dropout.rate: 0}"
    (found,) = judged(GRID + f"{{metric: test_accuracy, expect: interaction, {claim}}}", TABLE)
    assert (found.verdict, found.estimate.mean) == ("supported", pytest.approx(-0.025))
    (weak,) = judged(GRID + f"{{metric: test_accuracy, expect: interaction, margin: 0.04, {claim}}}", TABLE)
    assert weak.verdict == "refuted"  # [-3.4, -1.6] lies within +-4


def test_the_mean_over_places_seed_by_seed():
    (found,) = judged(GRID + PLAIN % ("higher", 0.005), TABLE)
    oracle = stats.ttest_1samp([0.005, 0.01, 0.005, 0.01], 0)
    assert (found.estimate.mean, found.estimate.p) == pytest.approx((0.0075, oracle.pvalue))
    assert "mean over 2 places" in found.sentence


def test_a_mean_that_hides_a_reversal_says_so():
    turned = TABLE | {("batch", 0.5): [b + 0.04 - 0.012 + d for b, d in zip(BASE, [0, 0.001, 0, -0.001], strict=True)]}
    turned |= {("none", 0.5): [b + 0.03 + d for b, d in zip(BASE, [0, 0.001, 0, -0.001], strict=True)]}
    (found,) = judged(GRID + PLAIN % ("higher", 0.005), turned)
    assert (found.verdict, found.reversal, HIDDEN in found.sentence) == ("supported", True, True)
    # each: sd .0816, half at 97.5% t(3, .9875) = 4.1765 x .0408 = .1705
    (note,) = found.notes
    assert (
        note == "reversal: +3.0 [+2.8, +3.2] at norm none, -1.2 [-1.4, -1.0] at norm batch, 95% together over 2 places"
    )
    (plain,) = judged(GRID + PLAIN % ("higher", 0.005), TABLE)
    assert (plain.reversal, plain.notes) == (False, ())  # -0.5 [-1.4, .4] with batch norm reverses nothing


def test_tuned_over_takes_each_seeds_best_validation_loss():
    text = (
        "seeds: 3\nsweep: {training.lr: [0.01, 0.1], dropout.rate: [0, 0.5]}\nclaims:\n- {metric: test_accuracy, "
        "compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}, expect: higher, tuned_over: [training.lr]}"
    )
    test = {
        (0.01, 0.0): [0.90, 0.80, 0.90],
        (0.1, 0.0): [0.70, 0.91, 0.99],
        (0.01, 0.5): [0.95, 0.96, 0.10],
        (0.1, 0.5): [0.20, 0.30, 0.951],
    }
    loss = {
        (0.01, 0.0): [0.1, 0.9, 0.1],
        (0.1, 0.0): [0.5, 0.2, 0.4],  # by validation: .90 .91 .90, though .99 is better on test
        (0.01, 0.5): [0.1, 0.1, 0.5],
        (0.1, 0.5): [0.2, 0.3, 0.1],  # by validation: .95 .96 .951
    }
    (found,) = judged(text, test, val_loss=loss)
    oracle = stats.ttest_1samp([0.05, 0.05, 0.051], 0).confidence_interval(0.95)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((oracle.low, oracle.high))
    assert found.verdict == "supported"


def test_an_older_ledger_is_read():
    test = {0.0: BASE, 0.2: BASE, 0.5: [b + d for b, d in zip(BASE, [0.01, 0.02, 0.02, 0.03], strict=True)]}
    (row,) = entries(judged(SWEEP + f"claims:\n- {PLAIN % ('higher', 0.005)}", test), [])
    for old, reach in (("true", UNREACHED), ("false", "")):
        text, new = io.StringIO(), row | {"reach": reach, "after_the_fact": ""}
        writer = csv.DictWriter(text, OLDER, extrasaction="ignore")
        writer.writeheader()
        writer.writerow(row | {"on_this_data": old})
        assert recorded(text.getvalue()) == [new]
        assert recorded(written(recorded(text.getvalue()))) == [new]


def test_a_second_look_is_marked_and_kept():
    test = {0.0: BASE, 0.2: BASE, 0.5: [b + d for b, d in zip(BASE, [0.01, 0.02, 0.02, 0.03], strict=True)]}
    three = {rate: values[:3] for rate, values in test.items()}
    text = SWEEP + f"claims:\n- {PLAIN % ('higher', 0.005)}"
    first = judged(text.replace("seeds: 4", "seeds: 3"), three)
    assert first[0].look == 1
    ledger = recorded(written(entries(first, [])))
    second = judged(text, test, earlier=ledger)
    assert (second[0].look, second[0].notes[0][:23]) == (2, "look 2: with 3 seeds it")
    both = recorded(written(entries(second, ledger)))
    assert [(row["look"], row["seeds"], row["n"]) for row in both] == [("1", "0 1 2", "3"), ("2", "0 1 2 3", "4")]
    assert judged(text, test, earlier=both)[0].look == 2  # the same seeds again are no new look
    assert entries(judged(text, test, earlier=both), both) == both


def test_waiting_is_no_look():
    test = {0.0: BASE, 0.2: BASE, 0.5: [b + d for b, d in zip(BASE, [0.01, 0.02, 0.02, 0.03], strict=True)]}
    text = SWEEP + f"claims:\n- {PLAIN % ('higher', 0.005)}"
    waiting = entries(judged(text, test, drop=[(0.5, 3)]), [])
    again = judged(text, test, earlier=waiting)
    assert again[0].look == 1
    assert [row["verdict"] for row in entries(again, waiting)] == ["supported"]


@pytest.mark.parametrize("bad", ["claim,part\n", written([])[:-5] + "x\n", written([]) + "a,b\n"])
def test_an_edited_ledger_is_recognised(bad):
    with pytest.raises(ValueError, match=r"cells|columns"):
        recorded(bad)


def test_a_claim_whose_arms_are_gone_is_not_judged():
    text = SWEEP + f"claims:\n- {PLAIN % ('higher', 0.005)}"
    study = parse(read_text(text, "study.yaml"))
    moved = replace(study, configs=study.configs[:2])
    (found,) = judge(tidy(moved, pd.DataFrame(columns=["run_id", "arm_id", "seed"]), pd.DataFrame()))
    assert (found.verdict, found.sentence[:10]) == ("undecided", "not judged")


def test_the_90_percent_interval_of_a_study_that_grows_is_the_one_that_decides():
    text = SWEEP.replace("seeds: 4", "seeds: {start: 4, step: 1, grow_to: 9}") + f"claims:\n- {PLAIN % ('equal', 0.01)}"
    wobble = [b + d for b, d in zip(BASE, [0.004, -0.004, 0.006, -0.006], strict=True)]  # 90%: ± 0.69 by itself
    (found,) = judged(text, {0.0: BASE, 0.2: BASE, 0.5: wobble})
    low, high = (float(x) / 100 for x in found.sentence.partition("90%: [")[2].partition("]")[0].split(", "))
    assert found.verdict == "undecided"
    assert (low > -0.01 and high < 0.01) is False
    assert one("equal", [0.004, -0.004, 0.006, -0.006], 0.01).verdict == "supported"
