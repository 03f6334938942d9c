"""The answer in words: each number by hand or by scipy, and what is not established said as plainly as what is."""

from __future__ import annotations

import pytest
from scipy import stats

from dropexp.analysis.verdicts import verdicts
from dropexp.page.answer import answer, headline
from dropexp.page.measures import probability
from dropexp.page.question import question

BASE, BETTER = [0.90, 0.91, 0.92, 0.93], [0.91, 0.93, 0.95, 0.95]  # differences 0.01, 0.02, 0.03, 0.02


def said(tidy):
    return answer(tidy, verdicts(tidy))


def test_a_difference_by_hand(hand):
    # mean 0.02, sd sqrt(2 / 3) / 100, half t(3) sd / 2 = 3.182 x 0.00408 = 0.0130; t = 4.90 at 3 degrees: p = 0.016
    (test,) = said(hand({0.0: BASE, 0.5: BETTER})).established  # training never moves: the gap is the same finding
    assert (test.number, test.word, test.tone) == ("+2.0 ± 1.3 points", "better, reach unknown", "good")
    assert test.of == "test accuracy, rate 0.5 against rate 0"
    assert test.detail == (
        "93.5 against 91.5 percent, n = 4, p = 0.016, 4 of 4 seeds have this sign; "
        "training accuracy is the same, so the gap changes by the opposite amount"
    )


def test_what_the_interval_leaves_open_is_said(hand):
    found = said(hand({0.0: BASE, 0.5: [0.91, 0.90, 0.94, 0.93]}))  # differences 0.01, -0.01, 0.02, 0
    assert not found.established
    (test,) = found.undecided
    assert (test.number, test.word, test.tone) == ("+0.5 ± 2.1 points", "undecided", "open")
    # mean 0.005, sd 0.0129, half 3.182 x 0.00645 = 0.0205; t = 0.775 at 3 degrees: p = 0.495
    assert "p = 0.50, 2 of 4 seeds have this sign, interval -1.6 to +2.6 points" in test.detail
    assert "undecided" in found.headline


def test_two_seeds_decide_nothing(hand):
    found = said(hand({0.0: [0.9, 0.91], 0.5: [0.92, 0.9301]}, {0.0: [0.8, 0.81], 0.5: [0.4, 0.4101]}))
    assert not found.established
    assert all("a verdict takes at least 3 seeds" in f.detail for f in found.undecided)
    assert len(found.undecided) == 2


def test_memorised_labels_are_judged_like_accuracies(hand):
    memorised = {0.0: [0.80, 0.82, 0.85, 0.81], 0.5: [0.40, 0.41, 0.47, 0.42]}
    found = said(hand({0.0: BASE, 0.5: BETTER}, memorised))
    p = stats.ttest_rel(memorised[0.5], memorised[0.0]).pvalue
    fact = found.established[-1]
    assert fact.number == "-39.5 ± 2.1 points"  # differences -0.40, -0.41, -0.38, -0.39; sd 0.0129
    assert (fact.word, fact.tone) == ("less", "good")
    assert fact.detail.startswith(f"42.5 against 82.0 percent, n = 4, {probability(p)}")
    assert found.headline.endswith(
        "test accuracy +2.0 ± 1.3 points, better, reach unknown; wrong labels memorised -39.5 ± 2.1 points, less"
    )


def test_an_arm_compared_over_the_seeds_that_both_have(hand):
    (test,) = said(hand({0.0: [*BASE, 0.10], 0.5: BETTER})).established
    assert test.detail.startswith("93.5 against 91.5 percent, n = 4")


@pytest.mark.parametrize(
    "name,sentence",
    [
        ("one-seed", "one seed: no interval, nothing is established"),
        ("constant", "no interval, as the difference is the same in every seed (variance 0)"),
        ("broken", "no seed has a finished run of both"),
        ("undecided", "this sign, interval "),
    ],
)
def test_what_is_not_established(cases, name, sentence):
    found = said(cases[name]())
    assert any(sentence in fact.detail for fact in found.undecided)


@pytest.mark.parametrize(
    "name,sentence",
    [
        ("rates", "every interval is over seeds, for this pool of examples"),
        ("rates", "New test examples: no predictions are stored"),
        ("rate-placement", "arms compared is the best of all: each is compared with rate 0 and placement hidden only."),
        ("rates", "at its own best learning rate: all were trained at 0.05."),
        ("one-seed", "a single run has no interval"),
        ("one-arm", "there is no arm to compare with"),
        ("one-arm", "No arm without dropout; 'run --rates 0 0.5' adds 10 runs."),
        ("oracle", "Oracle: test_accuracy selects the epoch on the test set itself."),
        ("hundred", "is likely to be overstated"),
        ("empty", "no run has finished"),
    ],
)
def test_limits(cases, name, sentence):
    assert any(sentence in line for line in said(cases[name]()).limits)


def test_what_is_not_ruled_out_as_the_best_is_named(hand):
    found = said(hand({0.0: BASE, 0.2: BETTER, 0.5: [0.92, 0.92, 0.95, 0.96]}))
    assert "Which arm is best in test accuracy: rate 0.2 and rate 0.5 are not ruled out." in found.limits
    assert any("may call the pair undecided" in line for line in found.limits)


def test_a_swept_learning_rate_is_no_common_one(cases):
    assert not any("learning rate" in line for line in said(cases["hundred"]()).limits)


def test_many_arms_are_counted_and_the_largest_told(cases):
    found = said(cases["hundred"]())
    assert len(found.counts) == 4  # against rate 0 and along the learning rates, in test accuracy and gap
    assert "of 95 arms; mean differences" in found.counts[0]
    assert "against lr 0.01" in found.counts[2]
    assert all("undecided in 77" in line for line in found.open[2:])
    sizes = [abs(float(f.number.split()[0])) for f in found.established if f.of.startswith("test accuracy")]
    assert sizes == sorted(sizes, reverse=True)
    assert len(found.established) <= 12
    assert not found.undecided
    assert found.open[0].startswith(
        "Test accuracy against rate 0: undecided in 54 of 95 arms; their intervals reach from "
    )


def test_arms_that_are_one_function_are_told_once(cases):
    tidy = cases["orders"]()
    found = said(tidy)
    assert len(found.established) + len(found.undecided) == 2 * (len({a.arm_id for a in tidy.arms}) - 1)


@pytest.mark.parametrize(
    "name,text",
    [
        (
            "rates",
            "Dropout 0.5 narrows the gap from 4.7 to 3.8 points, reach unknown, n = 10; "
            "test accuracy +0.9 ± 0.3 points, better, reach unknown",
        ),
        ("empty", "No finished run"),
        ("one-arm-one-seed", "Gap 4.1 points: training 100.0, test 95.9 percent, n = 1, no interval"),
    ],
)
def test_headline(cases, name, text):
    tidy = cases[name]()
    assert headline(tidy, verdicts(tidy)) == text


@pytest.mark.parametrize(
    "p,text",
    [(0.00004, "p < 0.001"), (0.0314, "p = 0.031"), (0.25, "p = 0.25"), (1.0, "p = 1.00"), (float("nan"), "no p")],
)
def test_probabilities(p, text):
    assert probability(p) == text


@pytest.mark.parametrize(
    "name,text",
    [
        ("rates", "depend on dropout rate (0, 0.2, 0.5)?"),
        ("noise", "depend on wrong labels (0, 0.2) and dropout rate (0, 0.2, 0.5)?"),
        ("hundred", "dropout rate (0, 0.05, 0.1, 0.15, 0.2, 0.25, …, 0.95)"),
        ("one-arm", "What are training accuracy, test accuracy and the gap between them?"),
    ],
)
def test_a_question_is_made_from_the_axes(cases, name, text):
    assert text in question(cases[name](), ())
