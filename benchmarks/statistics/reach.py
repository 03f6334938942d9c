"""Intervals over new seeds and new test examples: how often they hold, beside those over seeds alone; prints Markdown.

    python -m benchmarks.statistics.reach --studies 2000

Whether a run is right on an example is drawn by a probit: the example's difficulty, a part of the arm and seed, a part of
the arm and example, and a part of each answer. Every study draws its own examples, and the interval is to hold the
difference over all examples.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from itertools import product
from math import sqrt
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr, stdtrit

from dropexp.analysis.reach import over_examples, shared
from dropexp.analysis.stats import Difference, paired
from dropexp.experiment.levels import LEVEL

SEEDS = (3, 5, 10, 20)
EASY, BETTER = 1.6, 0.3  # the mean difficulty of an example, of sd 1, and what the arm adds to it
RULES = ("over seeds and examples", "over seeds", "Nadeau & Bengio")


class Parts(NamedTuple):
    """The sd of what an arm and seed, an arm and example, and a single answer add."""

    seed: float
    example: float
    answer: float


class Sets(NamedTuple):
    """Test sets of `size` examples, drawn by each seed from a pool; without one, the same for all seeds."""

    size: int
    pool: int = 0

    @property
    def name(self) -> str:
        return f"{self.size} of {self.pool:,}" if self.pool else f"{self.size}, fixed"


PARTS = (Parts(0.05, 0.3, 0.5), Parts(0.1, 0.6, 0.3), Parts(0.3, 0.2, 0.5), Parts(0.02, 0.02, 0.6))
SETS = (Sets(150), Sets(500), Sets(150, 500), Sets(500, 1800))


def true_difference(parts: Parts) -> float:
    """Return the difference of accuracies over all seeds and examples."""
    spread = sqrt(1 + sum(x**2 for x in parts))
    return float(ndtr((EASY + BETTER) / spread) - ndtr(EASY / spread))


def study(rng: np.random.Generator, seeds: int, sets: Sets, parts: Parts) -> list[dict[int, SimpleNamespace]]:
    """Return for an arm and its baseline what the run of each seed answered: places of examples, and whether right."""
    count = sets.pool or sets.size
    difficulty = rng.standard_normal(count) + EASY
    own = [BETTER + parts.example * rng.standard_normal(count), parts.example * rng.standard_normal(count)]
    found: list[dict[int, SimpleNamespace]] = [{}, {}]
    for seed in range(seeds):
        place = rng.permutation(count)[: sets.size] if sets.pool else np.arange(count)
        for arm, kept in zip(own, found, strict=True):
            answer = parts.seed * rng.standard_normal() + parts.answer * rng.standard_normal(sets.size)
            kept[seed] = SimpleNamespace(place=place, right=(difficulty + arm)[place] + answer > 0)
    return found


def intervals(
    arm: dict[int, SimpleNamespace], base: dict[int, SimpleNamespace], sets: Sets
) -> list[tuple[float, float]]:
    """Return the intervals of RULES; NaN where there is none."""
    a, b = (pd.Series({seed: kept.right.mean() for seed, kept in side.items()}) for side in (arm, base))
    d = paired(a, b)
    found = shared([(1.0, arm), (-1.0, base)], list(arm))  # type: ignore[list-item]
    return [over_examples(d, found, LEVEL), d.at(LEVEL), nadeau_bengio(d, sets)]


def nadeau_bengio(d: Difference, sets: Sets) -> tuple[float, float]:
    """Return the interval over redrawn splits by Nadeau & Bengio (2003, eq. 9), for comparison."""
    if d.why or not sets.pool:
        return np.nan, np.nan
    half = float(stdtrit(d.n - 1, 0.5 + LEVEL / 2)) * d.sd * sqrt(1 / d.n + sets.size / (sets.pool - sets.size))
    return d.mean - half, d.mean + half


def simulate(seeds: int, sets: Sets, parts: Parts, studies: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each of RULES how often it holds the true difference, and its mean half width, over many studies."""
    rng = np.random.default_rng([seeds, *sets, *(int(1000 * x) for x in parts)])
    ends = np.array([intervals(*study(rng, seeds, sets, parts), sets) for _ in range(studies)])
    low, high, true = ends[..., 0], ends[..., 1], true_difference(parts)
    there = ~np.isnan(low)
    with np.errstate(all="ignore"):
        held = ((low <= true) & (true <= high) & there).sum(axis=0) / there.sum(axis=0)
        return held, np.where(there, (high - low) / 2, 0).sum(axis=0) / there.sum(axis=0)


def tables(studies: int) -> Iterator[str]:
    """Yield the lines of Markdown: the least and the largest share over PARTS, and the mean half width in points."""
    yield f"Share of {studies:,} studies whose interval holds the true difference: lowest to highest of {len(PARTS)} mixtures.\n"
    yield f"| seeds | test examples | {' | '.join(f'{rule} | ±' for rule in RULES)} |"
    yield "|---|---|" + "---|---|" * len(RULES)
    for n, sets in product(SEEDS, SETS):
        held, wide = (np.array(x) for x in zip(*(simulate(n, sets, parts, studies) for parts in PARTS), strict=True))
        cells = [
            f"{held[:, i].min():.3f} to {held[:, i].max():.3f} | {100 * wide[:, i].mean():.1f}"
            if not np.isnan(held[:, i]).any()
            else "| "
            for i in range(len(RULES))
        ]
        yield f"| {n} | {sets.name} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("--studies", type=int, default=2000, help="of each kind")
    asked = words.parse_args()
    start = time.process_time()
    for line in tables(asked.studies):
        print(line, flush=True)
    print(f"\n{time.process_time() - start:.0f} processor seconds")


if __name__ == "__main__":
    main()
