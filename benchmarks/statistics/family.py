"""The family of a study: how often any word errs, how often all intervals hold, and what that costs in power; prints Markdown.

    python -m benchmarks.statistics.family --studies 10000

A study has a baseline and some arms, paired by seed; the differences in test accuracy and in the gap are one family.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from dropexp.analysis import family as families
from dropexp.analysis.family import family
from dropexp.analysis.stats import ALPHA, FLAT, Difference, holm

SEEDS, COMPARISONS = (3, 5, 10, 20), (1, 3, 9)
DRAWS = 1000  # a study, where the product draws 20,000: --full says what that changes
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

    @property
    def counted(self) -> bool:
        """Whether words for true differences are counted."""
        return self.changed > 0 and not self.law.endswith("examples")


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
    """Keep the draws: every family is judged on the same ones, and most of its time goes into making them."""
    memory: dict[tuple[int, tuple[int, ...]], np.ndarray] = {}
    original = families._normal

    def normal(raw: np.random.PCG64, shape: tuple[int, ...]) -> np.ndarray:
        key = raw.state["state"]["state"], shape
        if key in memory:
            raw.advance(int(np.prod(shape)))
        else:
            memory[key] = original(raw, shape)
        return memory[key]

    families._normal = normal


@dataclass
class Counts:
    """What happened: studies with an error among their words, with an interval that misses; words for true differences."""

    studies: int = 0
    errors: int = 0
    missed: int = 0
    seen: float = 0.0
    holm: float = 0.0


def _doubtful(x: np.ndarray) -> np.ndarray:
    """Return the studies, of x (studies, seeds, comparisons) less what is true, that could err at any level."""
    n = x.shape[1]
    with np.errstate(all="ignore"):
        t = np.abs(x.mean(axis=1)) / (x.std(axis=1, ddof=1) / sqrt(n))
    return np.flatnonzero((t > stdtrit(n - 1, 1 - POSSIBLE / 2)).any(axis=1))


def simulate(cell: Cell, studies: int, draws: int = DRAWS, stream: int = 0) -> Counts:
    """Return the counts over many studies of one kind."""
    rng = np.random.default_rng([stream, *map(ord, repr(cell))])
    made, true = drawn(rng, cell, studies)
    counts, half = Counts(studies), cell.comparisons
    for x in made if cell.counted else made[_doubtful(made - true)]:
        found = differences(x)
        level = family(found, draws=draws).level
        ends = np.array([d.at(1 - level) for d in found])
        low, high = ends[:, 0], ends[:, 1]
        counts.errors += bool(((low > 0) & (true <= 0)).any() or ((high < 0) & (true >= 0)).any())
        counts.missed += bool(((low > true + FLAT) | (high < true - FLAT)).any())
        if cell.counted:
            counts.seen += float((low[: cell.changed] > 0).mean())
            p = np.array(holm([d.p for d in found[:half]])[: cell.changed])
            counts.holm += float(((p < ALPHA) & (x[:, : cell.changed].mean(axis=0) > 0)).mean())
    return counts


def share(cell: Cell, studies: int, missed: bool = False) -> str:
    """Return the share of studies that err, or whose intervals do not all hold."""
    found = simulate(cell, studies)
    if (found.missed if missed else found.errors) > BOUND * studies:
        found = simulate(cell, AGAIN * studies, stream=1)
    return f"{(found.missed if missed else found.errors) / found.studies:.3f}"


def tables(studies: int) -> Iterator[str]:
    """Yield the lines of Markdown, each table when it is done."""
    yield (
        f"Error of a study: the share of {studies:,} studies without a true difference in which any word is said; a share "
        f"above {BOUND} is from {AGAIN * studies:,} other studies. "
        "Last column: all arms 2 points better, not all intervals hold.\n"
    )
    yield from _rows(("seeds", "comparisons", "training varies", *LAWS, "200 examples, 2 points"))
    for n, k, training in product(SEEDS, COMPARISONS, (False, True)):
        shares = [share(Cell(n, k, law, training), studies) for law in LAWS]
        apart = share(Cell(n, k, LAWS[3], training, effect=APART, changed=k), studies, missed=True)
        yield _row((n, f"{k} x 2", "yes" if training else "no", *shares, apart))
    yield f"\nThe same where each comparison has a baseline of its own, {studies:,} studies.\n"
    yield from _rows(("seeds", "comparisons", "training does not vary", "training varies"))
    for n, k in product(SEEDS, COMPARISONS[1:]):
        yield _row((n, f"{k} x 2", *(share(Cell(n, k, training=t, places=True), studies) for t in (False, True))))
    yield f"\nPower to see a true difference in test accuracy, {studies // 2:,} studies; Holm: each metric by itself.\n"
    yield from _rows(("seeds", "comparisons", "sd", "in", "family", "Holm", "lost"))
    for n, k, effect in product(SEEDS, COMPARISONS, (1.0, 2.0)):
        for changed in dict.fromkeys((1, k)):
            found = simulate(Cell(n, k, training=True, effect=effect, changed=changed), studies // 2)
            own, other = found.seen / found.studies, found.holm / found.studies
            where = "one arm" if changed < k or k == 1 else "all arms"
            yield _row((n, f"{k} x 2", f"{effect:g}", where, f"{own:.2f}", f"{other:.2f}", f"{other - own:.2f}"))


def full(studies: int) -> Iterator[str]:
    """Yield what the number of draws changes, from the same studies judged with both."""
    yield f"\n{families.DRAWS:,} draws a study in place of {DRAWS:,}: errors of {studies:,} studies, and mean level.\n"
    yield from _rows(("seeds", "comparisons", f"{DRAWS:,}", f"{families.DRAWS:,}"))
    for n, k in ((3, 3), (5, 9), (10, 3)):
        cell = Cell(n, k, training=True)
        few, many = (simulate(cell, studies, draws).errors / studies for draws in (DRAWS, families.DRAWS))
        yield _row((n, f"{k} x 2", f"{few:.3f}", f"{many:.3f}"))


def _rows(heading: Sequence[str]) -> Iterator[str]:
    yield _row(heading)
    yield "|" + "---|" * len(heading)


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Print the tables."""
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("--studies", type=int, default=2000, help="of each kind")
    words.add_argument(
        "--full", type=int, default=300, help="studies of each kind judged with all draws too, 0 for none"
    )
    asked = words.parse_args()
    start = time.process_time()
    remember()
    for line in tables(asked.studies):
        print(line, flush=True)
    for line in full(asked.full) if asked.full else ():
        print(line, flush=True)
    print(f"\n{time.process_time() - start:.0f} processor seconds")


if __name__ == "__main__":
    main()
