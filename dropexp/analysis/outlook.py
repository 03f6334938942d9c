"""What a design can show before anything is trained: the |t| that a verdict takes, and the power of a paired t-test."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan, sqrt
from typing import TYPE_CHECKING

from scipy.special import gammaincinv, nctdtr, ndtr, stdtrit

from dropexp.experiment.levels import ALPHA, FEWEST, FLAT, TOGETHER

if TYPE_CHECKING:
    from dropexp.experiment.design import Design

POWER, CONFIDENCE = 0.8, 0.8
HOPELESS = 0.05  # a probability of seeing a difference of one sd below which a design is warned of
MOST = 1_000_000  # seeds


@dataclass(frozen=True)
class Outlook:
    """What a number of comparisons and seeds can show at all.

    `critical` is the |t| above which Bonferroni's interval excludes 0, infinite below three seeds; `power` is the
    probability that it does so, on the right side, where the true difference is one sd of the paired differences.
    """

    comparisons: int
    seeds: int
    critical: float
    power: float

    @property
    def hopeless(self) -> bool:
        return self.comparisons > 0 and self.power < HOPELESS


def outlook(design: Design) -> Outlook:
    """Return the outlook of a design: all of its comparisons, in test accuracy and in the gap."""
    return outlook_of(comparisons(design), len(design.seeds))


def outlook_of(count: int, seeds: int) -> Outlook:
    alpha = ALPHA / max(count, 1)
    return Outlook(count, seeds, critical(seeds, alpha), power(seeds, 1.0, 1.0, alpha))


def comparisons(design: Design) -> int:
    """Return how many differences a study judges together; arms that are the same function count once."""
    pairs = zip(design.arms, design.baselines, strict=True)
    based = {(arm.arm_id, base.arm_id) for arm, base in pairs if base is not None}
    return len(TOGETHER) * (len(based) + len(design.along))


def critical(n: int, alpha: float = ALPHA) -> float:
    """Return the |t| over n seeds above which a two-sided interval at 1 - alpha excludes 0, infinite below three."""
    return float(stdtrit(n - 1, 1 - alpha / 2)) if n >= FEWEST else inf


def power(n: int, detect: float, sd: float, alpha: float = ALPHA) -> float:
    """Return the probability that the interval over n seeds excludes 0 on the right side.

    `detect` is the true difference and `sd` that of the paired differences: by the noncentral t with n - 1 degrees of
    freedom and noncentrality detect sqrt(n) / sd (Cohen 1988, section 2.3). `alpha` is the interval's two-sided level.
    """
    if n < FEWEST:
        return 0.0
    if sd <= FLAT:
        return 1.0
    limit, shift = critical(n, alpha), detect * sqrt(n) / sd
    below = float(nctdtr(n - 1, shift, limit))
    return float(ndtr(shift - limit)) if isnan(below) else 1 - below  # far in the tail the normal says the same


def seeds_needed(detect: float, sd: float, wanted: float = POWER, alpha: float = ALPHA) -> int | None:
    """Return the fewest seeds whose power is at least `wanted`, from 3; None above a million."""
    low, high = FEWEST - 1, FEWEST
    while power(high, detect, sd, alpha) < wanted:
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, detect, sd, alpha) >= wanted else (middle, high)
    return high


def upper_limit(sd: float, n: int, confidence: float = CONFIDENCE) -> float:
    """Return the upper confidence limit of a normal sample's sd: sd sqrt((n - 1) / chi²(n - 1, 1 - confidence))."""
    return sd * sqrt((n - 1) / float(2 * gammaincinv((n - 1) / 2, 1 - confidence)))
