"""Intervals that a correct implementation leaves with a probability below one in a million."""

from __future__ import annotations

import math
from statistics import NormalDist

DOUBT = 1e-6


def errors(tests: int = 1) -> float:
    """Return how many standard errors the largest of so many normal numbers may lie off (Bonferroni)."""
    return NormalDist().inv_cdf(1.0 - DOUBT / (2 * tests))


def binomial(draws: int, probability: float, tests: int = 1) -> tuple[float, float]:
    """Return the interval of a binomial count by Chernoff's bound, exp(-n KL(a, p)) on either side, for all of `tests` counts."""
    allowed = math.log(2 * tests / DOUBT) / draws

    def divergence(a: float) -> float:
        parts = ((a, probability), (1.0 - a, 1.0 - probability))
        return sum(x * math.log(x / y) for x, y in parts if x > 0)

    def end(edge: float) -> float:
        inside, outside = probability, edge
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if divergence(middle) <= allowed else (inside, middle)
        return outside

    return draws * end(0.0), draws * end(1.0)


def variance(expected: float, draws: int) -> tuple[float, float]:
    """Return the interval of a sample variance of near-normal numbers (chi-square by Wilson & Hilferty 1931)."""
    freedom = draws - 1
    centre, spread = 1 - 2 / (9 * freedom), errors() * math.sqrt(2 / (9 * freedom))
    return expected * (centre - spread) ** 3, expected * (centre + spread) ** 3
