"""The family of a study: how often any word errs, how often all intervals hold, and what that costs in power; prints Markdown.

    python -m benchmarks.statistics.family --studies 10000

A study has a baseline and some arms, paired by seed; the differences in test accuracy and in the gap are one family.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from math import sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from dropexp.analysis import family as families
from dropexp.analysis.family import family
from dropexp.analysis.stats import Difference, holm
from dropexp.experiment.levels import ALPHA, FLAT

SEEDS, COMPARISONS = (3, 5, 10, 20), (1, 3, 9)
# The product draws 20,000 times, always the same. A study here takes 1,000, in turn from 20 streams: the errors of few draws
# in a level, 0.007 on 0.05, are then no longer the same for all studies of a kind. `draws` says what that changes.
DRAWS, STREAMS = 1000, 20
ACCURACY, APART = 0.95, 0.02
POSSIBLE = 0.08  # no family has a level above 0.05, and 1,000 draws find none above this
BOUND, AGAIN = 0.055, 5  # a share above the bound is found again, from other studies, five times as many
LAWS = ("normal", "t3", "tied", "200 examples", "1,000 examples")


@dataclass(frozen=True)
class Cell:
    """A kind of study: `effect` is a true difference in test accuracy, in sd of a paired difference, of `changed` arms.

    `training` is whether training accuracy varies: without it the gap is minus test accuracy. With `places` each
    comparison has a baseline of its own.
    """

    seeds: int
    comparisons: int
    law: str = "normal"
    training: bool = False
    places: bool = False
    effect: float = 0.0
    changed: int = 0


class Sample:
    """The differences by seed, with what a Series is asked for."""

    def __init__(self, values: np.ndarray, seeds: np.ndarray):
        self.values, self.index = values, seeds

    def to_numpy(self, dtype: type = float) -> np.ndarray:
        return self.values


def noise(rng: np.random.Generator, law: str, shape: tuple[int, ...], accuracy: float = ACCURACY) -> np.ndarray:
    """Return what runs scatter by: of a law's variance 1/2, or accuracies as counts over the examples of a test set."""
    if law.endswith("examples"):
        examples = int(law.split()[0].replace(",", ""))
        return np.asarray(rng.binomial(examples, accuracy, shape) / examples)
    drawn = {
        "normal": rng.standard_normal,
        "t3": lambda size: rng.standard_t(3, size) / sqrt(3),
        "tied": lambda size: np.round(rng.standard_normal(size)),
    }[law](shape)
    return np.asarray(drawn) / sqrt(2)


def drawn(rng: np.random.Generator, cell: Cell, studies: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the differences of many studies, (studies, seeds, 2 x comparisons), test before gap; and their true means."""
    shape = (studies, cell.seeds, cell.comparisons)
    bases = shape if cell.places else (*shape[:2], 1)
    true = np.where(np.arange(cell.comparisons) < cell.changed, cell.effect, 0.0)
    if cell.law.endswith("examples"):
        arms = np.stack([noise(rng, cell.law, shape[:2], ACCURACY + x) for x in true], axis=-1)
        test = arms - noise(rng, cell.law, bases)
    else:
        test = true + noise(rng, cell.law, shape) - noise(rng, cell.law, bases)
    train = (noise(rng, cell.law, shape) - noise(rng, cell.law, bases)) / 2 if cell.training else np.zeros(shape)
    return np.concatenate([test, train - test], axis=-1), np.concatenate([true, -true])


def differences(x: np.ndarray) -> list[Difference]:
    """Return the differences of one study, (seeds, comparisons), as `stats.paired` makes them, without pandas."""
    n = len(x)
    seeds, means, sds = np.arange(n), x.mean(axis=0), x.std(axis=0, ddof=1)
    errors = sds / sqrt(n)
    with np.errstate(all="ignore"):
        p = 2 * stdtr(n - 1, -np.abs(means) / errors)
    halves = stdtrit(n - 1, 1 - ALPHA / 2) * errors
    found = []
    for j, (mean, sd) in enumerate(zip(means.tolist(), sds.tolist(), strict=True)):
        flat = sd <= FLAT
        ends = (np.nan, np.nan) if flat else (mean - halves[j], mean + halves[j])
        found.append(
            Difference(
                n, mean, sd, *ends, "variance 0" if flat else "", np.nan if flat else float(p[j]), 0, True,
                float(errors[j]), n - 1, Sample(x[:, j], seeds),  # type: ignore[arg-type]
            )
        )  # fmt: skip
    return found


def remember() -> None:
    """Keep the draws of a kind of study: most of a family's time goes into making them."""
    memory: dict[tuple[int, tuple[int, ...]], np.ndarray] = {}
    original = families._normal

    def normal(raw: np.random.PCG64, shape: tuple[int, ...]) -> np.ndarray:
        key = raw.state["state"]["state"], shape
        if key in memory:
            raw.advance(int(np.prod(shape)))
            return memory[key]
        if len(memory) >= 4 * STREAMS:
            memory.clear()
        memory[key] = original(raw, shape)
        return memory[key]

    families._normal = normal


@contextmanager
def stream(number: int) -> Iterator[None]:
    """Let families draw from another stream."""
    kept = families.STREAM
    families.STREAM = kept + number
    yield
    families.STREAM = kept


@dataclass
class Counts:
    """What happened: studies with an error among their words, and with an interval that misses."""

    studies: int = 0
    errors: int = 0
    missed: int = 0


def p_values(x: np.ndarray) -> np.ndarray:
    """Return the p of every difference, x (studies, seeds, comparisons) less what it is held against."""
    n = x.shape[1]
    with np.errstate(all="ignore"):
        return np.asarray(2 * stdtr(n - 1, -np.abs(x.mean(axis=1)) / (x.std(axis=1, ddof=1) / sqrt(n))))


def level_of(x: np.ndarray, number: int, draws: int) -> float:
    """Return the level of one study's family, drawn from a stream by the study's number where the draws are few."""
    with stream(number % STREAMS if draws < families.DRAWS else 0):
        return family(differences(x), draws=draws).level


def simulate(cell: Cell, studies: int, draws: int = DRAWS, again: int = 0) -> Counts:
    """Return the counts over many studies of one kind; those that err at no possible level are not looked at."""
    made, true = drawn(np.random.default_rng([again, *map(ord, repr(cell))]), cell, studies)
    counts = Counts(studies)
    for i in np.flatnonzero((p_values(made - true) < POSSIBLE).any(axis=1)):
        level = level_of(made[i], int(i), draws)
        ends = np.array([d.at(1 - level) for d in differences(made[i])])
        low, high = ends[:, 0], ends[:, 1]
        counts.errors += bool(((low > 0) & (true <= 0)).any() or ((high < 0) & (true >= 0)).any())
        counts.missed += bool(((low > true + FLAT) | (high < true - FLAT)).any())
    return counts


def seen(cell: Cell, studies: int, draws: int = DRAWS) -> tuple[float, float]:
    """Return how often a true difference gets its word, and how often by Holm's procedure on test accuracy alone.

    The family is asked only where its level matters: it is 0.05 over their number at least.
    """
    made, _ = drawn(np.random.default_rng([0, *map(ord, repr(cell))]), cell, studies)
    p, right = p_values(made), made.mean(axis=1)[:, : cell.changed] > 0
    own, surely = p[:, : cell.changed], ALPHA / p.shape[1]
    levels = np.full(studies, surely)
    for i in np.flatnonzero(((own >= surely) & (own < POSSIBLE)).any(axis=1)):
        levels[i] = level_of(made[i], int(i), draws)
    by_holm = np.array([holm(row) for row in p[:, : cell.comparisons]])[:, : cell.changed]
    return float(((own < levels[:, None]) & right).mean()), float(((by_holm < ALPHA) & right).mean())


def share(cell: Cell, studies: int, missed: bool = False) -> str:
    """Return the share of studies that err, or whose intervals do not all hold."""
    found = simulate(cell, studies)
    if (found.missed if missed else found.errors) > BOUND * studies:
        found = simulate(cell, AGAIN * studies, again=1)
    return f"{(found.missed if missed else found.errors) / found.studies:.3f}"


def errors(studies: int, seeds: Sequence[int]) -> Iterator[str]:
    """Yield how often any word errs, and how often not all intervals hold, line by line."""
    yield (
        f"Error of a study: the share of {studies:,} studies without a true difference in which any word is said; a share "
        f"above {BOUND} is from {AGAIN * studies:,} other studies. "
        "Last column: all arms 2 points better, not all intervals hold.\n"
    )
    yield from _rows(("seeds", "comparisons", "training varies", *LAWS, "200 examples, 2 points"))
    for n, k, training in product(seeds, COMPARISONS, (False, True)):
        shares = [share(Cell(n, k, law, training), studies) for law in LAWS]
        apart = share(Cell(n, k, LAWS[3], training, effect=APART, changed=k), studies, missed=True)
        yield _row((n, f"{k} x 2", "yes" if training else "no", *shares, apart))


def places(studies: int, seeds: Sequence[int]) -> Iterator[str]:
    """Yield the errors where comparisons share no baseline."""
    yield f"The same where each comparison has a baseline of its own, {studies:,} studies.\n"
    yield from _rows(("seeds", "comparisons", "training does not vary", "training varies"))
    for n, k in product(seeds, COMPARISONS[1:]):
        yield _row((n, f"{k} x 2", *(share(Cell(n, k, training=t, places=True), studies) for t in (False, True))))


def power(studies: int, seeds: Sequence[int]) -> Iterator[str]:
    """Yield how often a true difference gets its word, in one arm or in all, and how often by Holm's procedure."""
    studies //= 2
    yield (
        f"Power to see a true difference in test accuracy, of so many sd of a paired difference, in {studies:,} studies; "
        "in brackets Holm's procedure on each metric by itself.\n"
    )
    kinds = list(product((1.0, 2.0), ("one arm", "all arms")))
    yield from _rows(("seeds", "comparisons", *(f"{effect:g} sd, {where}" for effect, where in kinds)))
    for n, k in product(seeds, COMPARISONS):
        cells = []
        for effect, where in kinds:
            changed = k if where == "all arms" else 1
            own, other = seen(Cell(n, k, training=True, effect=effect, changed=changed), studies)
            cells.append(f"{own:.2f} ({other:.2f})")
        yield _row((n, f"{k} x 2", *cells))


def draws(studies: int, seeds: Sequence[int]) -> Iterator[str]:
    """Yield what the number of draws changes, from the same studies judged with both."""
    studies //= 4
    yield f"Errors of {studies:,} studies, each judged with {DRAWS:,} and with all {families.DRAWS:,} draws.\n"
    yield from _rows(("seeds", "comparisons", f"{DRAWS:,}", f"{families.DRAWS:,}"))
    for n, k in zip(seeds, (3, 9, 3), strict=False):
        cell = Cell(n, k, training=True)
        few, many = (simulate(cell, studies, draws).errors / studies for draws in (DRAWS, families.DRAWS))
        yield _row((n, f"{k} x 2", f"{few:.3f}", f"{many:.3f}"))


def _rows(heading: Sequence[str]) -> Iterator[str]:
    yield _row(heading)
    yield "|" + "---|" * len(heading)


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


TABLES = {"errors": errors, "places": places, "power": power, "draws": draws}


def main() -> None:
    """Print the tables."""
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument(
        "--studies", type=int, default=2000, help="of each kind; power takes half, draws a quarter of it"
    )
    words.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    words.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    asked = words.parse_args()
    start = time.process_time()
    remember()
    for name in asked.tables:
        for line in TABLES[name](asked.studies, asked.seeds):
            print(line, flush=True)
        print()
    print(f"{time.process_time() - start:.0f} processor seconds")


if __name__ == "__main__":
    main()
