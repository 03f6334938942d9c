"""Comparisons of two studies or two arms: which arms belong together, and how much they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import isnan

from dropexp.analysis.inference import (
    RISE_AND_FALL,
    UNDERFITTING,
    Judged,
    Question,
    Side,
    answers,
    judged,
    looks,
)
from dropexp.analysis.stats import Estimate, estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.levels import TOGETHER
from dropexp.metrics import AVERAGED

__all__ = ["Contrast", "Pair", "Side", "compare", "differing", "matched"]

# The three metrics that everything leads with, then what else summary.csv sums up, that of the test set first.
FURTHER = sorted((c for c in AVERAGED if not c.metric.counts), key=lambda column: column.on != "test")
MANY = 40  # arms, from which on not every pair is compared for the sake of one
METRICS = (*(m for m in RISE_AND_FALL if m != "memorised"), *(column.name for column in FURTHER))


@dataclass(frozen=True)
class Contrast:
    """One metric of two arms: both means, and the verdict on the difference a - b."""

    metric: str
    a: Estimate
    b: Estimate
    judged: Judged


@dataclass(frozen=True)
class Pair:
    """Two arms that agree in whatever both studies sweep, and their contrasts in every metric."""

    a: Side
    b: Side
    contrasts: tuple[Contrast, ...]


def compare(a: Sequence[Side], b: Sequence[Side], paths: Sequence[str], alone: bool = False) -> tuple[Pair, ...]:
    """Return the arms of `a` and `b` that agree on every path, each with its differences a - b.

    If seeds mean the same on both sides, differences are paired by seed, else by Welch. Within one study, an arm against
    its baseline is judged as in the study's table, and any other pair is corrected for all pairs of the study. The pairs
    of two studies are one family. `alone`: each pair is judged by itself and marked as exploratory.
    """
    pairs = list({(x.arm.arm_id, y.arm.arm_id): (x, y) for x, y in matched(a, b, paths)}.values())
    rows: list[list[Contrast]] = [[] for _ in pairs]
    for members in (TOGETHER, *((m,) for m in METRICS if m not in TOGETHER)):
        told = _answers(pairs, members, alone)
        for row, (x, y), own in zip(rows, pairs, told, strict=True):
            for metric, answer in zip(members, own, strict=True):
                if answer.difference.n or not isnan(answer.difference.mean):
                    row.append(Contrast(metric, estimate(x.values(metric)), estimate(y.values(metric)), answer))
    order = METRICS.index
    return tuple(
        Pair(x, y, tuple(sorted(row, key=lambda c: order(c.metric)))) for (x, y), row in zip(pairs, rows, strict=True)
    )


def _answers(pairs: Sequence[tuple[Side, Side]], members: Sequence[str], alone: bool) -> list[list[Judged]]:
    """Return the answers for each pair, one per member of a family of metrics."""
    within = all(x.tidy is y.tidy for x, y in pairs)
    if alone or not within:
        found = judged([Question(m, x, y) for x, y in pairs for m in members], alone=alone)
        return [found[i * len(members) :][: len(members)] for i in range(len(pairs))]
    return [[_within(x.tidy, x, y, m, tuple(members)) for m in members] for x, y in pairs]


def _within(tidy: Tidy, x: Side, y: Side, metric: str, members: tuple[str, ...]) -> Judged:
    table = answers(tidy, metric)
    for a, b, sign in ((x, y, 1), (y, x, -1)):
        if found := table.get((a.arm.arm_id, b.arm.arm_id)):
            return found if sign == 1 else turned(found, metric)
    if x.arm.arm_id == y.arm.arm_id:
        return judged([Question(metric, x, y)])[0]
    key = ("pairs", members)
    arms = list({arm.arm_id: arm for arm in tidy.arms}.values())
    if len(arms) > MANY:
        among = len(arms) * (len(arms) - 1) // 2 * len(members)
        return judged([Question(metric, x, y)], looks(tidy), among=among)[0]
    if key not in tidy.kept:
        names = [(m, i.arm_id, j.arm_id) for m in members for i, j in combinations(arms, 2)]
        sides = {arm.arm_id: Side(tidy, arm) for arm in arms}
        found_all = judged([Question(m, sides[i], sides[j]) for m, i, j in names], looks(tidy))
        tidy.kept[key] = dict(zip(names, found_all, strict=True))
    kept: dict[tuple[str, str, str], Judged] = tidy.kept[key]
    if found := kept.get((metric, x.arm.arm_id, y.arm.arm_id)):
        return found
    return turned(kept[metric, y.arm.arm_id, x.arm.arm_id], metric)


def turned(answer: Judged, metric: str) -> Judged:
    """Return the answer to the reverse question, b - a."""
    d = answer.difference
    opposite = replace(d, mean=-d.mean, low=-d.high, high=-d.low, sample=None if d.sample is None else -d.sample)
    words = RISE_AND_FALL.get(metric, ("higher", "lower"))
    word = words[0] if answer.word == UNDERFITTING else answer.word
    word = words[words[0] == answer.word] if answer.word in words else word
    low, high = answer.examples
    return replace(answer, difference=opposite, word=word, examples=(-high, -low))


def matched(a: Sequence[Side], b: Sequence[Side], paths: Sequence[str]) -> list[tuple[Side, Side]]:
    """Return the pairs of arms that agree on every path; if each side has one arm, these are a pair in any case."""
    if len({x.arm.arm_id for x in a}) == len({y.arm.arm_id for y in b}) == 1:
        return [(a[0], b[0])]
    return [(x, y) for x in a for y in b if all(x.arm.cells.get(p) == y.arm.cells.get(p) for p in paths)]


def differing(pairs: Sequence[Pair]) -> dict[str, tuple[str, str]]:
    """Return the paths on which the two sides differ in the same way in every pair, with both cells."""
    found: dict[str, tuple[str, str]] | None = None
    for pair in pairs:
        x, y = pair.a.arm.cells, pair.b.arm.cells
        here = {p: (cell, y[p]) for p, cell in x.items() if p in y and cell != y[p]}
        found = here if found is None else {p: cells for p, cells in found.items() if here.get(p) == cells}
    return found or {}
