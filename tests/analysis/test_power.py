"""Power and seeds needed, against statsmodels, by hand, a table and simulation; and which arms say nothing of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from dropexp.analysis import outlook as before
from dropexp.analysis.family import family
from dropexp.analysis.outlook import comparisons, critical, outlook, outlook_of, power, seeds_needed, upper_limit
from dropexp.analysis.power import DIVERGES, SPREADS, STAYS, family_level, plans, summed_up
from dropexp.analysis.stats import difference
from dropexp.analysis.verdicts import verdicts
from dropexp.experiment.levels import ALPHA, FEWEST
from dropexp.wording.outlook import warning
from dropexp.wording.power import detectable, how_often, power_line, seeds_for

BASE = [0.90, 0.91, 0.92, 0.93]
CALM, WILD = [0.95, 0.961, 0.97, 0.981], [0.90, 0.93, 0.91, 0.96]


def ones(*rates):
    return {rate: [1.0] * 4 for rate in rates}


def facts(**more):
    return {"train_examples": 400, "test_examples": 500, "classes": 10, "test_set": "given"} | more


@pytest.mark.parametrize("n,effect", [(3, 0.5), (5, 1.0), (10, 0.8), (40, 0.3)])
@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.05 / 18])
def test_power_is_that_of_the_one_sided_test_that_the_right_end_makes(n, effect, alpha):
    expected = TTestPower().power(effect, n, alpha / 2, alternative="larger")
    assert power(n, effect * 0.01, 0.01, alpha) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n,shift", [(3, 1.0), (10, 2.0), (30, 5.0)])
def test_power_by_the_noncentral_t_by_hand(n, shift):
    # t = (z + shift) / sqrt(chi²(n - 1) / (n - 1)) exceeds c: the mean over chi² of the normal tail beyond it
    c = stats.t.ppf(0.975, n - 1)
    q = (np.arange(200_000) + 0.5) / 200_000
    found = stats.norm.sf(c * np.sqrt(stats.chi2.ppf(q, n - 1) / (n - 1)) - shift).mean()
    assert power(n, shift / np.sqrt(n), 1.0) == pytest.approx(found, abs=1e-5)


@pytest.mark.parametrize("effect", [0.2, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 18])
def test_seeds_needed_is_the_first_that_suffices(effect, alpha):
    needed = seeds_needed(effect, 1.0, alpha=alpha)
    assert power(needed, effect, 1.0, alpha) >= 0.8
    assert needed == 3 or power(needed - 1, effect, 1.0, alpha) < 0.8


def test_a_table_of_cohen():
    assert seeds_needed(0.5, 1.0) == 34  # Cohen 1988, one sample, two-sided .05, d = .50, power .80


@pytest.mark.parametrize("arms, n", [(1, 6), pytest.param(3, 8, marks=pytest.mark.slow)])
def test_power_by_simulation_is_how_often_the_familys_interval_lies_above_zero(arms, n):
    rng, rounds, effect = np.random.default_rng(0), 400, 1.5
    hits, levels = 0, []
    for _ in range(rounds):
        test = rng.normal(effect, 1.0, (arms, n))
        train = rng.normal(0, 1.0, (arms, n))
        found = [paired_of(x) for x in (*test, *(train - test))]
        level = family(found, draws=1000).level
        hits += found[0].at(1 - level)[0] > 0
        levels.append(level)
    assert power(n, effect, 1.0, float(np.median(levels))) == pytest.approx(
        hits / rounds, abs=4 * np.sqrt(0.25 / rounds)
    )


def paired_of(x):
    import pandas as pd

    return difference(pd.Series(x), pd.Series(np.zeros(len(x))))


def test_edges():
    assert power(2, 1.0, 1.0) == 0.0  # no word below three seeds
    assert power(5, 1.0, 0.0) == 1.0
    assert power(1000, 1.0, 1.0) == pytest.approx(1.0)
    assert power(5, 1e9, 1.0) == pytest.approx(1.0)
    assert seeds_needed(1e-6, 1.0) is None
    assert seeds_needed(1.0, 1e-9) == 3
    assert (before.ALPHA, before.FEWEST) == (ALPHA, FEWEST)


def test_upper_limit_by_hand_and_by_simulation():
    # n = 5: chi2(4, .2) = 1.648777, so sd x sqrt(4 / 1.648777) = 1.557573 sd
    assert upper_limit(0.01, 5) == pytest.approx(0.01557573, rel=1e-5)
    sds = np.random.default_rng(0).normal(0, 1, (4000, 5)).std(axis=1, ddof=1)
    covered = np.mean([upper_limit(sd, 5) >= 1 for sd in sds])
    assert covered == pytest.approx(0.8, abs=3 * np.sqrt(0.16 / 4000))


def test_each_arm_has_a_plan_at_the_familys_level_whatever_was_observed(hand):
    made = hand(ones(0.0, 0.2, 0.5), {0.0: BASE, 0.2: CALM, 0.5: WILD})
    calm, wild = plans(made, "test_accuracy", 0.005)
    assert [p.arm.value("dropout.rate") for p in (calm, wild)] == [0.2, 0.5]
    sd = np.std(np.subtract(WILD, BASE), ddof=1)
    assert (wild.n, wild.sd, wild.limit) == (4, pytest.approx(sd), pytest.approx(upper_limit(sd, 4)))
    assert 0.05 / 4 <= calm.level == wild.level == family_level(made) < 0.05
    assert wild.power == power(4, 0.005, wild.limit, wild.level)
    assert wild.needed == seeds_needed(0.005, wild.limit, alpha=wild.level)
    shifted = hand(ones(0.0, 0.2, 0.5), {0.0: BASE, 0.2: CALM, 0.5: [x + 0.01 for x in WILD]})
    assert [p.needed for p in plans(shifted, "test_accuracy", 0.005)] == [calm.needed, wild.needed]


def test_the_level_is_that_of_the_studys_table(hand):
    made = hand(ones(0.0, 0.2, 0.5), {0.0: BASE, 0.2: CALM, 0.5: WILD})
    assert {j.level for v in verdicts(made) for j in (v.test, v.gap) if j} == {family_level(made)}
    assert family_level(hand(ones(0.0), {0.0: BASE})) == 0.05


def test_another_number_of_comparisons_takes_bonferronis_level(hand):
    made = hand(ones(0.0, 0.2), {0.0: BASE, 0.2: WILD})
    (one,), (many,) = plans(made, "gap", 0.005), plans(made, "gap", 0.005, comparisons=40)
    assert many.level == 0.05 / 40
    assert many.needed > one.needed
    assert many.power < one.power


def test_no_plan_without_two_shared_seeds(hand):
    made = hand({0.0: [1.0], 0.5: [1.0]}, {0.0: [0.9], 0.5: [0.8]})
    assert plans(made, "gap", 0.005) == ()
    assert power_line(made) == []
    assert detectable(made, 0.005) == []
    assert seeds_for(made, 0.005) == {"detect": []}


CHANCE = [0.11, 0.10, 0.09, 0.12]
LUCKY = [0.95, 0.20, 0.94, 0.30]  # trains with some seeds only


@pytest.mark.parametrize(
    "test, classes, expected",
    [
        ({0.2: CALM, 0.5: WILD, 0.9: CHANCE}, 10, ["", "", STAYS]),
        ({0.2: CALM, 0.5: WILD, 0.9: CHANCE}, None, ["", "", ""]),  # chance is not known
        ({0.2: CALM, 0.5: WILD, 0.9: LUCKY}, 10, ["", "", SPREADS]),
        ({0.2: CALM, 0.9: LUCKY}, 10, ["", ""]),  # of two, neither is the rule
    ],
)
def test_arms_that_say_nothing_of_the_others_are_left_out_and_named(hand, test, classes, expected):
    wild = [0.90, 0.915, 0.91, 0.94]
    test = {0.0: BASE} | {rate: wild if values is WILD else values for rate, values in test.items()}
    made = hand(ones(*test), test, facts(classes=classes))
    found = plans(made, "test_accuracy", 0.005)
    assert [p.left_out for p in found] == expected
    (line,) = power_line(made)
    assert (f"rate 0.9 left out: {expected[-1]}" in line) == bool(expected[-1])


def test_hard_data_is_no_collapse(hand):
    test = {0.0: CHANCE, 0.5: [0.12, 0.10, 0.10, 0.11]}
    assert [p.left_out for p in plans(hand(ones(*test), test, facts()), "test_accuracy", 0.005)] == [""]


def test_an_arm_whose_runs_diverge_is_left_out(hand):
    made = hand(ones(0.0, 0.2, 0.5), {0.0: BASE, 0.2: CALM, 0.5: WILD}, facts())
    rows = made.runs["arm_id"] == made.arms[2].arm_id
    made.runs.loc[rows & (made.runs["seed"] < 2), "stop_reason"] = "diverged"
    assert [p.left_out for p in plans(made, "test_accuracy", 0.005)] == ["", DIVERGES]
    assert "rate 0.5 left out: at least half of its runs diverged" in power_line(made)[0]


def test_the_summary_is_the_median_arm_and_the_ends(hand):
    test = {0.0: BASE} | {r: [b + s * e for b, e in zip(BASE, (1, -1, 2, 0), strict=True)] for r, s in
                          ((0.1, 0.001), (0.2, 0.003), (0.3, 0.002))}  # fmt: skip
    found = plans(hand(ones(*test), test), "test_accuracy", 0.005)
    summary = summed_up(found)
    assert summary.median is found[2]
    assert summary.needed == (found[0].needed, found[1].needed)
    assert summary.power == (found[1].power, found[0].power)
    assert summed_up(()) is None


def test_a_summary_in_words(hand):
    base = [0.90] * 10
    spread = [0.91, 0.90, 0.905, 0.915, 0.90, 0.903, 0.907, 0.912, 0.899, 0.91]
    made = hand({0.0: [1.0] * 10, 0.5: [1.0] * 10}, {0.0: base, 0.5: spread})
    (p,) = plans(made, "test_accuracy", 0.005)
    assert p.level == 0.05  # the gap is the same finding with the other sign
    (line,) = power_line(made)
    assert line == (
        f"with 10 seeds you would detect a true 0.5-point difference in test accuracy {how_often(p.power)}; "
        f"{p.needed} seeds raise that to 80%"
    )


@pytest.mark.parametrize(
    "p, words",
    [(0.001, "hardly ever"), (0.31, "31% of the time"), (0.5, "about half the time"), (0.995, "nearly always")],
)
def test_probabilities_in_words(p, words):
    assert how_often(p) == words


def test_no_spread_is_said_and_makes_no_number(hand):
    made = hand(ones(0.0, 0.5), {0.0: [0.5] * 4, 0.5: [0.75] * 4})
    assert power_line(made) == []
    assert detectable(made, 0.005)[0] == "test accuracy: no arm varies between seeds"
    entry = seeds_for(made, 0.005)["detect"][0]
    assert (entry["power"], entry["seeds"], entry["sd"]) == (None, None, 0.0)


def test_detect_lists_each_arm_with_its_numbers(hand):
    made = hand(ones(0.0, 0.2, 0.5), {0.0: BASE, 0.2: CALM, 0.5: WILD})
    lines = detectable(made, 0.005)
    (p, _) = plans(made, "test_accuracy", 0.005)
    assert lines[1].split() == ["arm", "seeds", "sd", "at", "most", "power", "seeds", "for", "80%"]
    assert lines[2].split() == [
        *("rate", "0.2", "4", f"{100 * p.sd:.2f}", f"{100 * p.limit:.2f}", f"{p.power:.2f}", str(p.needed))
    ]
    entries = seeds_for(made, 0.005)["detect"]
    assert [(e["metric"], e["arm"]) for e in entries] == [
        *(("test_accuracy", "rate 0.2"), ("test_accuracy", "rate 0.5"), ("gap", "rate 0.2"), ("gap", "rate 0.5"))
    ]
    assert entries[0]["power"] == p.power


def test_the_outlook_of_a_design_by_hand(rate_study):
    made = rate_study((0.0, 0.2, 0.5), 3)
    found = outlook(made)
    assert (found.comparisons, found.seeds) == (comparisons(made), 3) == (4, 3)
    assert found.critical == pytest.approx(stats.t.ppf(1 - 0.025 / 4, 2))
    assert found.power == pytest.approx(stats.nct.sf(found.critical, 2, np.sqrt(3)), abs=1e-6)
    assert critical(2) == np.inf


@pytest.mark.parametrize(
    "count, seeds, words",
    [
        (90, 3, "90 comparisons x 3 seeds: a word needs |t| > 42; with 6 seeds |t| > 7.8, with 10 seeds |t| > 5.2"),
        (4, 10, ""),
        (2, 3, ""),
        (0, 1, ""),
        (4, 1, "4 comparisons x 1 seed: a difference gets a word only with at least 3 seeds"),
    ],
)
def test_a_hopeless_design_is_warned_of(count, seeds, words):
    found = warning(outlook_of(count, seeds))
    assert found.startswith(words) if words else found == ""
