"""What a claim compares: the samples of its arms, seed by seed, and the contrast of them that it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from dropexp.analysis.stats import Difference, contrast
from dropexp.analysis.tidy import Facts, Tidy
from dropexp.experiment.claims import ALL, ALONG, Part
from dropexp.experiment.leaves import LISTS, shown
from dropexp.experiment.study import Arm
from dropexp.metrics import RUNS


class Unjudged(Exception):
    """A claim that this grid cannot judge; the sentence says why."""


@dataclass(frozen=True)
class Sample:
    """A metric by seed, of one arm or, where a claim is tuned, of each seed's best of several.

    `values` are those of runs that did not diverge; `filled` has chance in the place of the others. `there` are the
    seeds with a row for every arm; `accuracy` is the mean test accuracy.
    """

    arms: tuple[Arm, ...]
    values: pd.Series[float]
    filled: pd.Series[float]
    there: frozenset[int]
    diverged: int
    accuracy: float
    facts: Facts


@dataclass(frozen=True)
class Pair:
    """A weight and the two samples whose difference a - b it multiplies."""

    weight: float
    a: Sample
    b: Sample


@dataclass(frozen=True)
class Comparison:
    """A claim's pairs, whose weighted sum it is about; for a claim along an axis also its samples in order."""

    pairs: tuple[Pair, ...]
    along: tuple[Sample, ...] = ()
    axis: str = ""
    positions: tuple[Any, ...] = ()

    @property
    def samples(self) -> list[Sample]:
        return [*self.along, *(s for p in self.pairs for s in (p.a, p.b))]

    @property
    def steps(self) -> list[Pair]:
        """The differences from each value of the axis to the next."""
        return [Pair(1.0, b, a) for a, b in zip(self.along, self.along[1:], strict=False)]

    @property
    def complete(self) -> frozenset[int]:
        """The seeds that every sample has."""
        return frozenset.intersection(*(s.there for s in self.samples))

    @property
    def diverged(self) -> int:
        unique = {tuple(a.arm_id for a in s.arms): s.diverged for s in self.samples}
        return sum(unique.values())

    def difference(self) -> Difference:
        """Return the weighted sum of the pairs' differences over the seeds that all have."""
        return contrast([term for p in self.pairs for term in ((p.weight, p.a.values), (-p.weight, p.b.values))])

    def with_chance(self) -> Comparison:
        """Return the comparison with chance in the place of runs that diverged."""

        def filled(s: Sample) -> Sample:
            return replace(s, values=s.filled)

        pairs = tuple(Pair(p.weight, filled(p.a), filled(p.b)) for p in self.pairs)
        return replace(self, pairs=pairs, along=tuple(map(filled, self.along)))


def sides(part: Part) -> list[dict[str, tuple[Any, ...]]]:
    """Return the values that the arms of each side have, by path; an axis along which all are meant is left out."""
    if part.expect == "interaction":
        return [{p: (value, part.against[p]) for p, value in part.compare.items()}]
    found = []
    for side in (part.compare, part.against) if part.against else (part.compare,):
        several = {p for p, v in side.items() if part.expect in ALONG and isinstance(v, tuple) and p not in LISTS}
        values = {p: v if p in several else (v,) for p, v in side.items()}
        found.append({p: v for p, v in values.items() if not (part.expect in ALONG and v == (ALL,))})
    return found


def compared(tidy: Tidy, part: Part, seeds: Sequence[int]) -> Comparison:
    """Return what a part of a claim compares, over the given seeds.

    `compare` and `against` are paired where they agree in every axis that the part does not name, and the mean over
    those places is taken seed by seed. Raises Unjudged where the grid has no such arms.
    """
    grid = _Grid(tidy, part, seeds)
    if part.expect in ALONG:
        return grid.along()
    if part.expect == "interaction":
        return grid.square()
    places = [(grid.at(place, part.compare), grid.at(place, part.against)) for place in grid.places]
    found = [(a, b) for a, b in places if a and b]
    if not found:
        raise Unjudged("no arm of " + " and none ".join(_missing(grid, part)) + " that agree in every other axis")
    return Comparison(tuple(Pair(1 / len(found), grid.sample(a), grid.sample(b)) for a, b in found))


def _missing(grid: _Grid, part: Part) -> list[str]:
    sides = [side for side in (part.compare, part.against) if not any(grid.at(p, side) for p in grid.places)]
    return [", ".join(f"{p} {shown(p, v)}" for p, v in side.items()) for side in sides or (part.compare, part.against)]


class _Grid:
    """The arms of a study by the axes that a part of a claim does not name."""

    def __init__(self, tidy: Tidy, part: Part, seeds: Sequence[int]):
        self.tidy, self.part, self.seeds = tidy, part, seeds
        named = {*part.compare, *part.against, *part.tuned_over}
        self.rest = tuple(p for p in tidy.axes if p not in named)
        self.places = list(dict.fromkeys(self._place(arm) for arm in tidy.arms))

    def _place(self, arm: Arm) -> tuple[Any, ...]:
        return tuple(arm.value(p) for p in self.rest)

    def at(self, place: tuple[Any, ...], side: dict[str, Any]) -> list[Arm]:
        """Return the arms of one side at a place, several where tuned; one without dropout serves dropout's places."""
        there = [arm for arm in self.tidy.arms if all(arm.value(p) == v for p, v in side.items())]
        here = [arm for arm in there if self._place(arm) == place]
        if not here:
            outer = [i for i, p in enumerate(self.rest) if not p.startswith("dropout.")]
            here = [a for a in there if not a.masked and all(self._place(a)[i] == place[i] for i in outer)]
        return list({arm.arm_id: arm for arm in here}.values())

    def along(self) -> Comparison:
        """Return the linear contrast along the axis of which several values are named, over all places together."""
        compare = self.part.compare
        axis = next(p for p, v in compare.items() if v == ALL or (isinstance(v, tuple) and p not in LISTS))
        fixed = {p: v for p, v in compare.items() if p != axis}
        values = compare[axis]
        if values == ALL:
            values = tuple(dict.fromkeys(arm.value(axis) for arm in self.tidy.arms))
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            raise Unjudged(f"{axis} has values that are no numbers")
        values = tuple(sorted(values))
        columns = [[self.at(place, {**fixed, axis: v}) for v in values] for place in self.places]
        rows = [row for row in columns if all(row)]
        if len(values) < 2 or not rows:
            raise Unjudged(
                f"no arms at {axis} {', '.join(shown(axis, v) for v in values)} that agree in every other axis"
            )
        samples = tuple(_mean([self.sample(row[i]) for row in rows]) for i in range(len(values)))
        return Comparison(tuple(_rise(samples)), samples, axis, values)

    def square(self) -> Comparison:
        (p, hi_p), (q, hi_q) = self.part.compare.items()
        lo_p, lo_q = self.part.against[p], self.part.against[q]
        corners = [{p: u, q: v} for u, v in ((hi_p, hi_q), (hi_p, lo_q), (lo_p, hi_q), (lo_p, lo_q))]
        found = [[self.at(place, corner) for corner in corners] for place in self.places]
        squares = [[self.sample(arms) for arms in row] for row in found if all(row)]
        if not squares:
            raise Unjudged("no four arms that agree in every other axis")
        weight = 1 / len(squares)
        return Comparison(tuple(x for a, b, c, d in squares for x in (Pair(weight, a, b), Pair(-weight, c, d))))

    def sample(self, arms: list[Arm]) -> Sample:
        """Return the metric of one arm, or of each seed's run with the lowest validation loss."""
        tidy, metric = self.tidy, self.part.metric
        facts = tidy.facts(arms[0])
        rows = [tidy.rows(arm).loc[lambda r: r.index.isin(self.seeds)] for arm in arms]
        there = frozenset.intersection(*(frozenset(r.index) for r in rows))
        finished = [r[r["stop_reason"] != "diverged"] for r in rows]
        if len(arms) > 1 or self.part.tuned_over:
            chosen = pd.concat(finished)
            if chosen["val_loss"].isna().all() and len(chosen):
                raise Unjudged("tuned_over needs a validation set; data.val_size is 0")
            own = chosen.sort_values("val_loss", kind="stable").groupby(level=0).head(1).sort_index()
        else:
            own = finished[0]
        values = own[metric].dropna() if metric in own else pd.Series(dtype=float)
        lost = sorted(there - set(own.index))
        chance = RUNS[metric].metric.chance(facts.classes)
        filled = pd.concat([values, pd.Series(chance, index=lost, dtype=float)]) if lost else values
        return Sample(tuple(arms), values, filled, there, len(lost), float(own["test_accuracy"].mean()), facts)


def _mean(samples: Sequence[Sample]) -> Sample:
    """Return the mean over places, seed by seed."""
    if len(samples) == 1:
        return samples[0]

    def over(values: Callable[[Sample], pd.Series[float]]) -> pd.Series[float]:
        return pd.concat([values(s) for s in samples], axis=1, join="inner").mean(axis=1)

    return Sample(
        tuple(arm for s in samples for arm in s.arms),
        over(lambda s: s.values),
        over(lambda s: s.filled),
        frozenset.intersection(*(s.there for s in samples)),
        sum(s.diverged for s in samples),
        sum(s.accuracy for s in samples) / len(samples),
        samples[0].facts,
    )


def _rise(samples: Sequence[Sample]) -> Iterable[Pair]:
    """Yield weighted steps whose sum is the rise of the least-squares line over equally spaced values, end to end."""
    k = len(samples)
    centred = [i - (k - 1) / 2 for i in range(k)]
    scale = (k - 1) / sum(t * t for t in centred)
    before = 0.0
    for i in range(k - 1):
        before -= scale * centred[i]  # what all values up to i weigh together, with the opposite sign
        yield Pair(before, samples[i + 1], samples[i])
