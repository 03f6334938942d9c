"""Comparisons along axes in a study's family: how often any word errs, and what they cost in power; prints Markdown.

    python -m benchmarks.statistics.axes --studies 2000

A study compares each arm with its arm at rate 0 and, along its other axis, with the arm at the first value. All of these
differences, in test accuracy and in the gap, are one family.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from benchmarks.statistics.family import AGAIN, BOUND, DRAWS, POSSIBLE, differences, level_of, noise, p_values, remember
from dropexp.experiment.levels import ALPHA, FLAT

SEEDS = (3, 5, 10)
LAWS = ("normal", "t3", "tied", "200 examples", "1,000 examples")
APART = 0.02  # by how much arms differ where coverage is counted
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Grid:
    """A grid of arms: `bases` are the pairs of arms and their baselines, `along` those along the other axis."""

    name: str
    arms: int
    bases: Pairs
    along: Pairs


GRIDS = (
    Grid("2 kinds x 3 rates", 5, ((1, 0), (2, 0), (3, 0), (4, 0)), ((3, 1), (4, 2))),  # at rate 0 both are one function
    Grid(
        "4 depths x 2 rates", 8, tuple((2 * d + 1, 2 * d) for d in range(4)),
        tuple((2 * d + r, r) for d, r in product((1, 2, 3), (0, 1))),
    ),
    Grid("4 depths", 4, (), ((1, 0), (2, 0), (3, 0))),
)  # fmt: skip


def contrasts(pairs: Pairs, arms: int) -> np.ndarray:
    """Return the weights (arms, pairs) that make differences of pairs out of arms."""
    made = np.zeros((arms, len(pairs)))
    for i, (a, b) in enumerate(pairs):
        made[a, i], made[b, i] = 1.0, -1.0
    return made


def drawn(
    grid: Grid, pairs: Pairs, seeds: int, law: str, training: bool, shift: np.ndarray, studies: int, again: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return differences (studies, seeds, 2 x pairs), test before gap, and their true means; `shift` is that of each arm."""
    name = f"{grid.name} {seeds} {law} {training} {shift.tolist()}"
    rng, shape = np.random.default_rng([again, *map(ord, name)]), (studies, seeds, grid.arms)
    if law.endswith("examples"):
        test = np.stack([noise(rng, law, shape[:2], 0.95 - x) for x in shift], axis=-1)
        true = -shift
    else:
        test, true = shift + noise(rng, law, shape), shift
    train = noise(rng, law, shape) / 2 if training else np.zeros(shape)
    w = contrasts(pairs, grid.arms)
    own, gap, moved = test @ w, (train - test) @ w, true @ w
    return np.concatenate([own, gap], axis=-1), np.concatenate([moved, -moved])


def missed(made: np.ndarray, true: np.ndarray) -> float:
    """Return the share of studies in which not all intervals hold: without true differences, that of any wrong word."""
    count = 0
    for i in np.flatnonzero((p_values(made - true) < POSSIBLE).any(axis=1)):
        level = level_of(made[i], int(i), DRAWS)
        low, high = np.array([d.at(1 - level) for d in differences(made[i])]).T
        count += bool(((low > true + FLAT) | (high < true - FLAT)).any())
    return count / len(made)


def share(grid: Grid, seeds: int, law: str, training: bool, shift: np.ndarray, studies: int) -> str:
    """Return the share that misses; one above the bound is found again, from other studies."""
    of = grid, grid.bases + grid.along, seeds, law, training, shift
    found = missed(*drawn(*of, studies))
    return f"{found if found <= BOUND else missed(*drawn(*of, AGAIN * studies, again=1)):.3f}"


def seen(made: np.ndarray, true: np.ndarray, count: int) -> float:
    """Return how often the first `count` differences in test accuracy that are there get their word."""
    p, right, there = p_values(made), made.mean(axis=1) * np.sign(true) > 0, np.flatnonzero(true[:count])
    surely = ALPHA / p.shape[1]
    levels = np.full(len(made), surely)
    for i in np.flatnonzero(((p[:, there] >= surely) & (p[:, there] < POSSIBLE)).any(axis=1)):
        levels[i] = level_of(made[i], int(i), DRAWS)
    return float(((p[:, there] < levels[:, None]) & right[:, there]).mean())


def errors(studies: int) -> Iterator[str]:
    """Yield the errors, line by line."""
    yield (
        f"The share of {studies:,} studies without a true difference in which any word is said; a share above {BOUND} is "
        f"from {AGAIN * studies:,} other studies. Last column: arms differ by up to 6 points; the share in which not all "
        "intervals hold.\n"
    )
    yield from _rows(("seeds", "grid", "differences", "training varies", *LAWS, "200 examples, apart"))
    for n, grid, training in product(SEEDS, GRIDS, (False, True)):
        still, apart = np.zeros(grid.arms), APART * (np.arange(grid.arms) % 4)
        shares = [share(grid, n, law, training, still, studies) for law in LAWS]
        shares.append(share(grid, n, LAWS[3], training, apart, studies))
        yield _row((n, grid.name, f"{len(grid.bases + grid.along)} x 2", "yes" if training else "no", *shares))


def power(studies: int) -> Iterator[str]:
    """Yield how often a true difference to rate 0 gets its word, and how often where nothing is compared along axes."""
    yield (
        f"Power to see a true difference to rate 0 in test accuracy, in all arms, of so many sd of a paired difference, in "
        f"{studies:,} studies; in brackets with comparisons with rate 0 alone. Last column: along the axis, 2 sd.\n"
    )
    yield from _rows(("seeds", "grid", "differences", "1 sd", "2 sd", "along the axis, 2 sd"))
    for n, grid in product((*SEEDS, 20), GRIDS[:2]):
        cells = []
        for effect in (1.0, 2.0):
            shift = np.zeros(grid.arms)
            shift[[a for a, _ in grid.bases]] = effect
            own, other = (
                seen(*drawn(grid, pairs, n, "normal", True, shift, studies), len(grid.bases))
                for pairs in (grid.bases + grid.along, grid.bases)
            )
            cells.append(f"{own:.2f} ({other:.2f})")
        shift = np.zeros(grid.arms)
        shift[[a for a, b in grid.along if b == 1]] = 2.0
        found = seen(*drawn(grid, grid.along + grid.bases, n, "normal", True, shift, studies), len(grid.along))
        yield _row(
            (n, grid.name, f"{len(grid.bases + grid.along)} x 2 ({len(grid.bases)} x 2)", *cells, f"{found:.2f}")
        )


def _rows(heading: Sequence[str]) -> Iterator[str]:
    yield _row(heading)
    yield "|" + "---|" * len(heading)


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


TABLES = {"errors": errors, "power": power}


def main() -> None:
    """Print the tables."""
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("--studies", type=int, default=2000, help="of each kind")
    words.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    asked = words.parse_args()
    start = time.process_time()
    remember()
    for name in asked.tables:
        for line in TABLES[name](asked.studies):
            print(line, flush=True)
        print()
    print(f"{time.process_time() - start:.0f} processor seconds")


if __name__ == "__main__":
    main()
