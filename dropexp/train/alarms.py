"""When the audit speaks: what a healthy site does, how improbable a count must be, and the words for it.

A run is healthy where every mask is drawn from its law. The chance that the audit accuses one is below 10^-6: half of
that is shared by the tests of the rate, half is left to the comparisons of masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import comb, inf, log, log2, prod, sqrt

import numpy as np

from dropexp.experiment.layout import LEVELS, keep_probability
from dropexp.nn.noise_laws import corner_threshold
from dropexp.records import ProbeRow

FALSE_ALARM = 1e-6  # a healthy run, at most
ENOUGH_BITS, WANTED_BITS = 64.0, 128.0  # what a mask needs to be compared, and what is compared of a larger one
SLACK = 3 / LEVELS  # of the events of gaussian and uniform: their levels, and the rounding of float32
ABOVE_ONE_SD = {"gaussian": 0.158655, "uniform": (1 - 1 / sqrt(3)) / 2}


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
    return _spread("gaussian", rate)


def uniform(rate: float, shape: tuple[int, ...], size: int) -> Expected:
    return _spread("uniform", rate)


def _spread(law: str, rate: float) -> Expected:
    p = ABOVE_ONE_SD[law] if keep_probability(rate) < 1 else 0.0
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
    gamma = corner_threshold(1.0 - keep_probability(rate), height, width, reach) / LEVELS

    def covers(length: int) -> list[int]:
        return [min(i, reach - 1, length - reach, length - 1 - i) + 1 for i in range(length)]

    p_HW = np.array([[1.0 - (1.0 - gamma) ** (a * b) for b in covers(width)] for a in covers(height)])
    bits = sum(_collision(float(p)) for p in p_HW[::reach, ::reach].flat)
    return Expected(float(p_HW.mean()), float(p_HW.mean()), height * width, bits, blocks_outside)


def _collision(p: float) -> float:
    """Return -log2 of the chance that two draws of a unit are the same."""
    return -log2(p * p + (1 - p) * (1 - p))


EXPECTED: dict[str, Callable[[float, tuple[int, ...], int], Expected]] = {
    "bernoulli": bernoulli,
    "alpha": bernoulli,
    "gaussian": gaussian,
    "uniform": uniform,
    "fixed_count": fixed_count,
    "dropblock": dropblock,
}


@lru_cache(maxsize=4096)
def expectation(law: str, rate: float, shape: tuple[int, ...], size: int) -> Expected:
    """Return what to expect at a site: `shape` is an example's own draws, `size` that of dropblock's blocks."""
    return EXPECTED[law](rate, shape, size)


SAID = {
    "audit_rate": "{layer} fired for a fraction of {value:.4g} of its units, which is not what its rate allows",
    "audit_repeat": "{layer} used {value:.0f} of its masks before",
    "audit_unused": "{layer} should be masked and never was",
    "audit_evaluation": "evaluation was not deterministic ({value:.0f} {layer})",
}


def sentences(rows: Iterable[ProbeRow], most: int = 5) -> list[str]:
    """Return what the audit found as lines for a person, one a run, finding and layer, at its first epoch."""
    first: dict[tuple[str, str, str], ProbeRow] = {}
    for row in rows:
        if row.probe in SAID:
            first.setdefault((row.run_id, row.probe, row.layer), row)
    lines = [
        f"dropout audit: {r.run_id}, epoch {r.epoch}: {SAID[r.probe].format(layer=r.layer, value=r.value)} (probes.csv)"
        for r in list(first.values())[:most]
    ]
    return lines + ([f"dropout audit: and {len(first) - most} findings more (probes.csv)"] if len(first) > most else [])
