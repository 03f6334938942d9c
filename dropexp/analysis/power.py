"""How many seeds a difference takes: from the spread that stored runs show, never from their observed difference."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan, nan, sqrt

from scipy.special import gammaincinv, nctdtr, ndtr, stdtrit

from dropexp.analysis.stats import FLAT, Difference, difference
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.study import Arm

ALPHA, POWER, CONFIDENCE = 0.05, 0.8, 0.8
MOST = 1_000_000  # seeds


@dataclass(frozen=True)
class Plan:
    """The seeds that show a true difference of `detect` (fraction) in a metric, for the arm that spreads most.

    `sd` is the paired differences' sd over `n` seeds, `limit` its 80% upper confidence limit; `power` is the
    probability that `n` seeds show it, `needed` the seeds for 0.8, None above a million.
    """

    metric: str
    detect: float
    arm: Arm
    n: int
    sd: float
    limit: float
    power: float
    needed: int | None


def upper_limit(sd: float, n: int, confidence: float = CONFIDENCE) -> float:
    """Return the upper confidence limit of a normal sample's sd: sd sqrt((n - 1) / chi²(n - 1, 1 - confidence))."""
    return sd * sqrt((n - 1) / float(2 * gammaincinv((n - 1) / 2, 1 - confidence)))


def power(n: int, detect: float, sd: float, alpha: float = ALPHA) -> float:
    """Return the probability that a two-sided paired t-test over n seeds shows a true difference.

    By the noncentral t with n - 1 degrees of freedom and noncentrality detect sqrt(n) / sd (Cohen 1988, section 2.3).
    """
    if n < 2:
        return 0.0
    if sd <= FLAT:
        return 1.0
    critical, shift = float(stdtrit(n - 1, 1 - alpha / 2)), detect * sqrt(n) / sd
    above, below = 1 - nctdtr(n - 1, shift, critical), nctdtr(n - 1, shift, -critical)
    if isnan(above):  # far in the tail: the normal says the same
        return float(ndtr(shift - critical))
    return float(above) + (0.0 if isnan(below) else float(below))


def seeds_needed(detect: float, sd: float, wanted: float = POWER) -> int | None:
    """Return the fewest seeds whose power is at least `wanted`, from 2; None above a million."""
    low, high = 1, 2
    while power(high, detect, sd) < wanted:
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, detect, sd) >= wanted else (middle, high)
    return high


def plan(tidy: Tidy, metric: str, detect: float) -> Plan | None:
    """Return the seeds that a study's arms need, by the arm whose difference to its baseline spreads most.

    None where no arm shares two seeds with its baseline.
    """
    found: list[tuple[float, Arm, Difference]] = []
    for arm, base in zip(tidy.arms, tidy.baselines, strict=True):
        if base is None:
            continue
        d = difference(tidy.values(arm, metric), tidy.values(base, metric))
        if d.paired and d.n > 1:
            found.append((upper_limit(d.sd, d.n), arm, d))
    if not found:
        return None
    limit, arm, d = max(found, key=lambda item: -inf if isnan(item[0]) else item[0])
    needed = seeds_needed(detect, limit) if limit > FLAT else None
    return Plan(metric, detect, arm, d.n, d.sd, limit, power(d.n, detect, limit) if limit > FLAT else nan, needed)
