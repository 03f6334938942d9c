"""What each law of noise does to a healthy site: how often a unit fires, how units depend, and what count is improbable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import comb, expm1, inf, log, log1p, log2, prod, sqrt

import numpy as np

from dropexp.experiment.layout import LEVELS, keep_probability

SLACK = 3 / LEVELS  # of the events of gaussian and uniform: their levels, and the rounding of float32


@dataclass(frozen=True)
class Expected:
    """How often a unit fires (is dropped, or for gaussian and uniform lies above one standard deviation).

    Units come in blocks of `block`, independent of each other; `low` to `high` is the probability of a unit, `bits` the
    collision entropy of a block (-log2 of the chance that two are the same), `test` how a count is held against it.
    """

    low: float
    high: float
    block: int
    bits: float
    test: Callable[[int, int, Expected, float], bool]


def outside(fired: int, units: int, expected: Expected, alpha: float) -> bool:
    """Whether a count of independent units is improbable: the chance of it in a healthy run is at most alpha.

    Chernoff (1952): P(K/n >= f) <= exp(-n KL(f || p)) for f >= p, and as much below p. So n KL > ln(2 / alpha), both
    sides together, has a chance of at most alpha.
    """
    f, limit = fired / units, log(2 / alpha)
    p = expected.low if f < expected.low else expected.high
    if expected.low <= f <= expected.high:
        return False
    return units * (_term(f, p) + _term(1 - f, 1 - p)) > limit


def _term(f: float, p: float) -> float:
    return 0.0 if f == 0 else inf if p == 0 else f * log(f / p)


def blocks_outside(fired: int, units: int, expected: Expected, alpha: float) -> bool:
    """The same for units that depend on each other inside a block.

    Hoeffding (1963): the mean of N independent fractions leaves its expectation by d or more with a chance of at most
    2 exp(-2 N d^2).
    """
    away = abs(fired / units - expected.low)
    return 2 * (units // expected.block) * away * away > log(2 / alpha)


def not_exactly(fired: int, units: int, expected: Expected, alpha: float) -> bool:
    """The same for a number that is no matter of chance."""
    return fired != round(expected.low * units)


def bernoulli(rate: float, shape: tuple[int, ...], size: int) -> Expected:
    """Each unit by itself, with 1 - keep."""
    p = 1.0 - keep_probability(rate)
    return Expected(p, p, 1, _collision(p), outside)


def gaussian(rate: float, shape: tuple[int, ...], size: int) -> Expected:
    """Each unit above one standard deviation, with the standard normal's share, whatever the rate."""
    return _spread(0.158655, rate)


def uniform(rate: float, shape: tuple[int, ...], size: int) -> Expected:
    """Each unit above one standard deviation, with the uniform law's share, whatever the rate."""
    return _spread((1 - 1 / sqrt(3)) / 2, rate)


def _spread(above_one_sd: float, rate: float) -> Expected:
    p = above_one_sd if keep_probability(rate) < 1 else 0.0
    slack = SLACK if p else 0.0
    return Expected(p - slack, p + slack, 1, _collision(p), outside)


def fixed_count(rate: float, shape: tuple[int, ...], size: int) -> Expected:
    """Exactly round(rate n) of an example's n units."""
    units = prod(shape)
    dropped = round(rate * units)
    return Expected(dropped / units, dropped / units, units, log2(comb(units, dropped)), not_exactly)


def dropblock(rate: float, shape: tuple[int, ...], size: int) -> Expected:
    """A map a block; positions that far apart that no corner covers two are independent, and count as its bits."""
    height, width = shape[-2:]
    reach = min(size, height, width)
    gamma = corner_threshold(1.0 - keep_probability(rate), height, width, reach) / CORNER_LEVELS

    rows, columns = blocks_over(height, reach), blocks_over(width, reach)
    p_HW = np.array([[1.0 - (1.0 - gamma) ** (a * b) for b in columns] for a in rows])
    bits = sum(_collision(float(p)) for p in p_HW[::reach, ::reach].flat)
    return Expected(float(p_HW.mean()), float(p_HW.mean()), height * width, bits, blocks_outside)


def _collision(p: float) -> float:
    """Return -log2 of the chance that two draws of a unit are the same."""
    return -log2(p * p + (1 - p) * (1 - p))


CORNER_LEVELS = 2**32  # a corner drops a whole block: its probability is far below the rate, and needs finer levels


def blocks_over(length: int, block: int) -> list[int]:
    """Return, for each position along a side of a map, how many blocks that lie inside the map cover it."""
    return [min(i, block - 1, length - block, length - 1 - i) + 1 for i in range(length)]


@lru_cache(maxsize=4096)
def corner_threshold(rate: float, height: int, width: int, block: int) -> int:
    """Return 2^32 gamma, rounded, of dropblock's equation; solved by bisection, and at least 1 for a rate above 0."""
    if rate <= 0:
        return 0

    counts = [a * b for a in blocks_over(height, block) for b in blocks_over(width, block)]
    low, high = 0.0, 1.0 - 2.0**-53
    for _ in range(60):
        gamma = (low + high) / 2
        # 1 - (1-gamma)^n, exact for a small gamma
        dropped = -sum(expm1(n * log1p(-gamma)) for n in counts) / len(counts)
        low, high = (gamma, high) if dropped < rate else (low, gamma)
    return min(CORNER_LEVELS - 1, max(1, round(CORNER_LEVELS * (low + high) / 2)))
