"""Two studies or two arms against each other: which arms belong together, and how far they are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

from dropexp.analysis.stats import ALPHA, Difference, Estimate, difference, estimate, holm, welch
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import ONE_SEED, RISE_AND_FALL, SAME, UNDECIDED, identical
from dropexp.experiment.design import Arm
from dropexp.metrics import AVERAGED

# The three metrics that everything leads with, then what else summary.csv sums up, that of the test set first.
FURTHER = sorted((c for c in AVERAGED if not c.metric.counts), key=lambda column: column.on != "test")
WORDS = RISE_AND_FALL | {column.name: ("higher", "lower") for column in FURTHER}


@dataclass(frozen=True)
class Side:
    """An arm and the study that it belongs to."""

    tidy: Tidy
    arm: Arm

    def column(self, metric: str) -> str:
        """Return the column of a metric: `train`, `test` and `gap` are those that the study leads with."""
        return str(getattr(self.tidy.lead, metric, metric))

    def same_bits(self, other: Side) -> bool:
        """Whether both have the same seeds and, in each, the same bits in every loss and accuracy."""
        return identical(self.tidy, self.arm, other.arm, other.tidy)


@dataclass(frozen=True)
class Contrast:
    """One metric of two arms: each mean, the difference a - b, its Holm-corrected p, and the word."""

    metric: str
    a: Estimate
    b: Estimate
    difference: Difference
    p_holm: float
    word: str


@dataclass(frozen=True)
class Pair:
    """Two arms that agree in whatever both studies sweep, and their contrasts in every metric."""

    a: Side
    b: Side
    contrasts: tuple[Contrast, ...]


def compare(a: Sequence[Side], b: Sequence[Side], paths: Sequence[str]) -> tuple[Pair, ...]:
    """Return the arms of `a` and `b` that agree on every path, each with its differences a - b.

    Where seeds mean the same, differences are paired by seed, else Welch's. All pairs' differences of one metric are
    one family for Holm's correction; a word other than `undecided` needs a corrected p below 0.05.
    """
    found = {(x.arm.arm_id, y.arm.arm_id): (x, y) for x, y in matched(a, b, paths)}
    pairs = list(found.values())
    rows: list[list[Contrast]] = [[] for _ in pairs]
    for metric in WORDS:
        differences = [_difference(x, y, metric) for x, y in pairs]
        corrected = holm([d.p for d in differences])
        for row, (x, y), d, p in zip(rows, pairs, differences, corrected, strict=True):
            if d.n or not isnan(d.mean):
                means = [estimate(side.tidy.values(side.arm, side.column(metric))) for side in (x, y)]
                row.append(Contrast(metric, means[0], means[1], d, p, SAME if x.same_bits(y) else _word(metric, d, p)))
    return tuple(Pair(x, y, tuple(row)) for (x, y), row in zip(pairs, rows, strict=True))


def matched(a: Sequence[Side], b: Sequence[Side], paths: Sequence[str]) -> list[tuple[Side, Side]]:
    """Return the pairs of arms that agree on every path; the only arm of each belongs to the other anyway."""
    if len({x.arm.arm_id for x in a}) == len({y.arm.arm_id for y in b}) == 1:
        return [(a[0], b[0])]
    return [(x, y) for x in a for y in b if all(x.arm.cells.get(p) == y.arm.cells.get(p) for p in paths)]


def _difference(x: Side, y: Side, metric: str) -> Difference:
    a, b = (side.tidy.values(side.arm, side.column(metric)) for side in (x, y))
    return difference(a, b) if x.arm.population == y.arm.population else welch(a, b)


def _word(metric: str, d: Difference, p: float) -> str:
    if d.why == "one seed":
        return ONE_SEED
    if isnan(p) or p >= ALPHA:
        return UNDECIDED
    return WORDS[metric][d.mean < 0]


def differing(pairs: Sequence[Pair]) -> dict[str, tuple[str, str]]:
    """Return the paths on which the two sides differ in one and the same way in every pair, with both cells."""
    found: dict[str, tuple[str, str]] | None = None
    for pair in pairs:
        x, y = pair.a.arm.cells, pair.b.arm.cells
        here = {p: (cell, y[p]) for p, cell in x.items() if p in y and cell != y[p]}
        found = here if found is None else {p: cells for p, cells in found.items() if here.get(p) == cells}
    return found or {}
