"""The rules of claims: from intervals written out here to verdicts, and how often they err."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.statistics.claims import CASES, DATA, SKEWED, Case, both, evidences, main, verdicts
from dropexp.analysis.rules import (
    ALONE,
    MAYBE_SMALL,
    NEAR,
    REFUTED,
    SMALL,
    SUPPORTED,
    UNDECIDED,
    Evidence,
    ruled,
)

KINDS = ("lower", "higher", "at_least", "lower_at_least", "equal", "interaction")
FLIPPED = {"lower": "higher", "higher": "lower", "at_least": "lower_at_least", "lower_at_least": "at_least"}


def at(mean: float, half: float):
    """Return intervals whose half width at 95% is given, as of many seeds: 0.839 of it at 90%, 1.43 at 99.5%."""
    wide = {0.9: 0.839, 0.95: 1.0, 0.99: 1.314, 0.995: 1.432}
    return lambda level: (mean - half * wide[round(level, 4)], mean + half * wide[round(level, 4)])


@pytest.mark.parametrize(
    "expect,mean,half,verdict,why",
    [
        ("higher", 2.0, 1.0, SUPPORTED, ""),
        ("higher", 1.0, 0.9, SUPPORTED, MAYBE_SMALL),  # [.1, 1.9]
        ("higher", 0.4, 0.3, REFUTED, SMALL),  # [.1, .7]
        ("higher", 0.55, 0.5, UNDECIDED, NEAR),  # [.05, 1.05], but 90% [.13, .97] lies within the margin
        ("higher", 0.5, 0.6, UNDECIDED, ""),
        ("higher", -0.5, 0.6, REFUTED, ""),
        ("lower", -1.0, 0.9, SUPPORTED, MAYBE_SMALL),
        ("lower", -0.4, 0.3, REFUTED, SMALL),
        ("at_least", 2.0, 0.9, SUPPORTED, ""),
        ("at_least", 2.0, 1.0, UNDECIDED, ""),  # [1, 3]: more than the margin, not as much as
        ("at_least", 0.4, 0.3, REFUTED, SMALL),
        ("lower_at_least", -2.0, 0.9, SUPPORTED, ""),
        ("lower_at_least", 2.0, 0.9, REFUTED, ""),
        ("equal", 0.0, 0.9, SUPPORTED, ""),
        ("equal", 0.0, 1.1, SUPPORTED, ""),  # 90%: ±.92
        ("equal", 0.0, 1.2, UNDECIDED, ""),  # 90%: ±1.007
        ("equal", 2.0, 0.9, REFUTED, ""),
        ("equal", -2.0, 1.1, UNDECIDED, ""),
        ("interaction", 2.0, 0.9, SUPPORTED, ""),
        ("interaction", -1.0, 0.9, SUPPORTED, MAYBE_SMALL),
        ("interaction", 0.0, 0.9, REFUTED, ""),
        ("interaction", 0.4, 0.3, REFUTED, SMALL),
        ("interaction", 0.55, 0.5, UNDECIDED, NEAR),
        ("interaction", 0.5, 0.6, UNDECIDED, ""),
    ],
)
def test_rules_of_a_difference(expect, mean, half, verdict, why):
    assert ruled(expect, 1.0, Evidence(at(mean, half))) == (verdict, why)


@pytest.mark.parametrize("expect", [*KINDS, "increasing", "decreasing", "interior_best"])
def test_nothing_follows_without_an_interval(expect):
    def none(level: float) -> tuple[float, float]:
        return float("nan"), float("nan")

    found = Evidence(none, {"0 to 1": none}, {"0": [none], "2": [none]})
    assert ruled(expect, 1.0, found)[0] == UNDECIDED


@pytest.mark.parametrize(
    "pair,verdict,why",
    [
        ((2.0, 0.5), SUPPORTED, ""),
        ((-0.2, 0.7), SUPPORTED, ""),  # it may fall, but by less than the margin
        ((-0.2, 0.9), UNDECIDED, "from 1 to 2 it may go the other way by more than the margin"),
        ((-0.7, 0.8), UNDECIDED, "from 1 to 2 it may go the other way by more than the margin"),
        ((-0.7, 0.5), REFUTED, "from 1 to 2 it goes the other way beyond doubt"),  # at 99%: [-1.36, -.04]
        ((-0.7, 0.6), UNDECIDED, "from 1 to 2 it may go the other way by more than the margin"),  # at 99% up to .09
        ((-0.2, 0.1), REFUTED, "from 1 to 2 it goes the other way beyond doubt"),
    ],
)
@pytest.mark.parametrize("expect,sign", [("increasing", 1), ("decreasing", -1)])
def test_an_order_allows_no_reversal(expect, sign, pair, verdict, why):
    fine = [f"{i} to {j}" for i in range(3) for j in range(i + 1, 3) if (i, j) != (1, 2)]
    rises = dict.fromkeys([*fine, "a", "b"], at(3.0 * sign, 0.5)) | {"1 to 2": at(sign * pair[0], pair[1])}
    assert ruled(expect, 1.0, Evidence(at(3.0 * sign, 0.5), rises)) == (verdict, why)
    assert ruled(expect, 3.6, Evidence(at(3.0 * sign, 0.5), rises)) == (REFUTED, SMALL)


@pytest.mark.parametrize(
    "first,last,verdict,why",
    [
        ([(2, 0.5), (-1, 1)], [(-1, 1), (2, 0.5)], SUPPORTED, ""),  # another value may beat each end
        ([(2, 0.5), (-1, 1)], [(1.1, 0.5), (-1, 1)], SUPPORTED, MAYBE_SMALL),
        ([(2, 0.5), (-1, 1)], [(0.4, 0.7), (0, 1.5)], UNDECIDED, ""),
        ([(2, 0.5), (-1, 1)], [(-1, 0.5), (0, 0.9)], REFUTED, "no value between is better than 0.5 by what counts"),
        ([(2, 0.5), (-1, 1)], [(0.4, 0.3), (0, 0.9)], REFUTED, "no value between is better than 0.5 by what counts"),
    ],
)
def test_the_best_inside(first, last, verdict, why):
    gains = {"0": [at(*x) for x in first], "0.5": [at(*x) for x in last]}
    assert ruled("interior_best", 1.0, Evidence(at(0, 1), gains=gains)) == (verdict, why)


def test_as_one_of_several_parts_a_claim_is_harder_to_refute_and_no_easier_to_support():
    assert ruled("higher", 1.0, Evidence(at(0.4, 0.5)), 0.05)[0] == REFUTED  # 95%: up to .9
    assert ruled("higher", 1.0, Evidence(at(0.4, 0.5)), 0.005) == (UNDECIDED, ALONE)  # 99.5%: up to 1.12
    gains = {"0": [at(0.6, 0.35)] * 2, "0.5": [at(0.6, 0.35)] * 2}
    small = Evidence(at(0, 1), gains=gains)  # better than either end, by less than 1
    assert ruled("interior_best", 1.0, small)[0] == REFUTED
    assert ruled("interior_best", 1.0, small, 0.005) == (UNDECIDED, ALONE)


def test_of_any_sample_the_rules_say_nothing_that_contradicts_itself():
    rng = np.random.default_rng(7)
    for n in (3, 5, 20):
        means = rng.normal(0, 0.6, (150, 1, 5)).round(1)
        values = means + rng.choice([0.1, 0.4, 1.0], (150, 1, 1)) * rng.standard_normal((150, n, 5))
        for x in values:
            both_ways = [next(evidences("higher", y[None, :, :2])) for y in (x, -x)]
            said = [{kind: ruled(kind, 0.5, found)[0] for kind in KINDS} for found in both_ways]
            for kind, other in FLIPPED.items():
                assert said[0][kind] == said[1][other], "the other sign is the other side"
            for one in said:
                yes = {kind for kind, verdict in one.items() if verdict == SUPPORTED}
                assert len(yes & {"higher", "lower", "equal"}) <= 1
                assert "at_least" not in yes or "higher" in yes, "at_least asks for more"
                assert one["equal"] != SUPPORTED or one["interaction"] != SUPPORTED
            for kind in ("increasing", "decreasing", "interior_best"):
                found = next(evidences(kind, x[None]))
                alone, together = (ruled(kind, 0.5, found, alpha)[0] for alpha in (0.05, 0.005))
                assert together == alone or (alone, together) == (REFUTED, UNDECIDED)
            up, down = (ruled(kind, 0.5, next(evidences(kind, x[None])))[0] for kind in ("increasing", "decreasing"))
            assert up != SUPPORTED or down == REFUTED
            assert up == ruled("decreasing", 0.5, next(evidences("decreasing", -x[None])))[0]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.expect}, {c.what}, {c.error}".replace(" ", "-"))
def test_errors_are_rare(case: Case):
    """At 5% an error, 500 studies show more than 45 with a probability below 1e-5."""
    for n in (3, 10):
        found = verdicts(case, DATA["normal"], n, 0.2, 500, np.random.default_rng(n))
        assert found.count(case.error) < 46, n


def test_a_difference_is_never_both_there_and_none():
    assert both(100, np.random.default_rng(3)) == 0


def test_the_table_of_errors_has_a_row_for_each_case(capsys):
    main(["--studies", "20"])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("| `") for line in lines) == len(CASES) + SKEWED
    assert "both supported: 0 studies" in lines[-3]
