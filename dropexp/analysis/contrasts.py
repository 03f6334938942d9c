"""What a claim compares: the samples of its arms by seed and by place, and their contrasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from math import nan
from typing import TYPE_CHECKING, Any

import pandas as pd

from dropexp.analysis.inference import identical
from dropexp.analysis.reach import Shared, over_examples, shared
from dropexp.analysis.rules import At, Evidence
from dropexp.analysis.stats import Difference, contrast
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.claims import ALL, ALONG, Part
from dropexp.experiment.leaves import LISTS, folded, shown
from dropexp.experiment.levels import FEWEST
from dropexp.experiment.naming import headings
from dropexp.experiment.study import Arm

if TYPE_CHECKING:
    from dropexp.analysis.outcomes import Outcome

Weights = tuple[float, ...]  # of the samples of a place


class Unjudged(Exception):
    """A claim that cannot be judged on this grid; the sentence says why."""


@dataclass(frozen=True)
class Sample:
    """A metric by seed, of one arm or, where a claim is tuned, of each seed's best of several.

    `values` are those of runs that did not diverge; `filled` has chance in the place of the others. `there` are the
    seeds with a row for every arm; `answers` is what the runs answered to each test example, where that was kept.
    """

    arms: tuple[Arm, ...]
    values: pd.Series[float]
    filled: pd.Series[float]
    there: frozenset[int]
    diverged: int
    answers: Mapping[int, Outcome]


@dataclass(frozen=True)
class Place:
    """What all samples of a claim agree in, by its name: '' where there is one place only."""

    name: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Comparison:
    """A claim's samples at each place, the mean over places of their weighted sum being what it is about.

    A place has as many samples as `weights` has numbers. Along an axis they are those of its `positions`, in order.
    """

    tidy: Tidy = field(repr=False)
    places: tuple[Place, ...]
    weights: Weights
    axis: str = ""
    positions: tuple[Any, ...] = ()

    @property
    def samples(self) -> list[Sample]:
        return [s for place in self.places for s in place.samples]

    @property
    def complete(self) -> frozenset[int]:
        """The seeds that every sample has."""
        return frozenset.intersection(*(s.there for s in self.samples))

    @property
    def diverged(self) -> int:
        unique = {tuple(a.arm_id for a in s.arms): s.diverged for s in self.samples}
        return sum(unique.values())

    @property
    def answered(self) -> bool:
        """Whether the answers of every run were kept."""
        return all(seed in s.answers for s in self.samples for seed in s.values.index)

    @property
    def same(self) -> bool:
        """Whether the contrast is 0 because its arms are the same function, bit by bit."""
        k = len(self.weights)
        pairs = pairwise(range(k)) if self.axis else zip(range(0, k, 2), range(1, k, 2), strict=True)
        return all(self._alike(i, j) for i, j in pairs)

    def _alike(self, i: int, j: int) -> bool:
        pairs = [(p.samples[i].arms, p.samples[j].arms) for p in self.places]
        return all(len(a) == len(b) == 1 and identical(self.tidy, a[0], b[0]) for a, b in pairs)

    def difference(self, weights: Weights = (), place: Place | None = None) -> Difference:
        """Return a weighted sum of the samples over the seeds that all have, at a place or in the mean over all."""
        return contrast([(w, s.values) for w, s in self._terms(weights or self.weights, place)])

    def _terms(self, weights: Weights, place: Place | None = None) -> list[tuple[float, Sample]]:
        places = self.places if place is None else (place,)
        return [(w / len(places), s) for p in places for w, s in zip(weights, p.samples, strict=True) if w]

    def with_chance(self) -> Comparison:
        """Return the comparison with chance in the place of runs that diverged."""
        filled = [Place(p.name, tuple(replace(s, values=s.filled) for s in p.samples)) for p in self.places]
        return replace(self, places=tuple(filled))

    def evidence(self, higher: bool, examples: bool = False, errors: float = 1.0) -> Evidence:
        """Return the intervals that a rule looks at, over new seeds or, with `examples`, over new test examples too.

        `higher` is whether more of the metric is better. `errors` is the share of its error that each interval keeps, below
        1 where it is looked at more than once.
        """

        def at(weights: Weights) -> At:
            over = self._over_both(weights) if examples else self._over_seeds(weights)
            return lambda level: over(1 - (1 - level) * errors)

        def step(i: int, j: int) -> At:
            """Return the interval of a value of the axis minus another, which is 0 for two that are one function."""
            return (lambda level: (0.0, 0.0)) if self._alike(i, j) else at(_minus(i, j, k))

        k, names = len(self.weights), [shown(self.axis, v) for v in self.positions]
        if not self.axis:
            return Evidence(at(self.weights))
        rises = {f"{names[i]} to {names[j]}": step(j, i) for j in range(k) for i in range(j)}
        gains = {
            f"{self.axis} {names[end]}": [step(i, end) if higher else step(end, i) for i in range(1, k - 1)]
            for end in (0, k - 1)
        }
        return Evidence(at(self.weights), rises, gains)

    def _over_seeds(self, weights: Weights) -> At:
        found = cache(lambda: self.difference(weights))
        return lambda level: found().at(level) if found().n >= FEWEST else (nan, nan)

    def _over_both(self, weights: Weights) -> At:
        @cache
        def found() -> tuple[Difference, Shared]:
            d = self.difference(weights)
            seeds = [] if d.sample is None else list(d.sample.index)
            return d, shared([(w, s.answers) for w, s in self._terms(weights)], seeds)

        return lambda level: over_examples(*found(), level) if found()[0].n >= FEWEST else (nan, nan)


def _minus(i: int, j: int, k: int) -> Weights:
    return tuple(float(n == i) - float(n == j) for n in range(k))


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
    if places := grid.sampled([part.compare, part.against]):
        return Comparison(tidy, places, (1.0, -1.0))
    missing = [side for side in (part.compare, part.against) if not any(grid.at(p, side) for p in grid.places)]
    words = [
        ", ".join(f"{p} {shown(p, v)}" for p, v in side.items()) for side in missing or (part.compare, part.against)
    ]
    raise Unjudged("no arm of " + " and none ".join(words) + " that agree in every other axis")


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

    def sampled(self, sides: Sequence[dict[str, Any]]) -> tuple[Place, ...]:
        """Return the samples of each side at the places that have an arm of each."""
        found = {place: [self.at(place, side) for side in sides] for place in self.places}
        found = {place: arms for place, arms in found.items() if all(arms)}
        words = headings(self.rest)
        varies = [i for i in range(len(self.rest)) if len({place[i] for place in found}) > 1]

        def name(place: tuple[Any, ...]) -> str:
            return ", ".join(f"{words[self.rest[i]]} {folded(self.rest[i], place[i])}" for i in varies)

        return tuple(Place(name(place), tuple(map(self.sample, arms))) for place, arms in found.items())

    def along(self) -> Comparison:
        """Return the rise of the least-squares line over equally spaced values, from the first to the last."""
        compare = self.part.compare
        axis = next(p for p, v in compare.items() if v == ALL or (isinstance(v, tuple) and p not in LISTS))
        fixed = {p: v for p, v in compare.items() if p != axis}
        values = compare[axis]
        if values == ALL:
            values = tuple(dict.fromkeys(arm.value(axis) for arm in self.tidy.arms))
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            raise Unjudged(f"{axis} has values that are no numbers")
        values = tuple(sorted(values))
        places = self.sampled([{**fixed, axis: v} for v in values])
        if len(values) < 2 or not places:
            raise Unjudged(
                f"no arms at {axis} {', '.join(shown(axis, v) for v in values)} that agree in every other axis"
            )
        return Comparison(self.tidy, places, _slope(len(values)), axis, values)

    def square(self) -> Comparison:
        (p, hi_p), (q, hi_q) = self.part.compare.items()
        lo_p, lo_q = self.part.against[p], self.part.against[q]
        corners = [{p: u, q: v} for u, v in ((hi_p, hi_q), (hi_p, lo_q), (lo_p, hi_q), (lo_p, lo_q))]
        places = self.sampled(corners)
        if not places:
            raise Unjudged("no four arms that agree in every other axis")
        return Comparison(self.tidy, places, (1.0, -1.0, -1.0, 1.0))

    def sample(self, arms: list[Arm]) -> Sample:
        """Return the metric of one arm, or of each seed's run with the lowest validation loss."""
        tidy, metric = self.tidy, self.part.metric
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
        filled = tidy.with_chance(arms[0], metric, values, lost)
        return Sample(tuple(arms), values, filled, there, len(lost), self._answers(arms, own))

    def _answers(self, arms: Sequence[Arm], runs: pd.DataFrame) -> dict[int, Outcome]:
        """Return the answers of each seed's run, if they were kept."""
        kept = {arm.arm_id: self.tidy.outcomes_of(arm) for arm in arms}
        owner = dict(zip(runs.index, runs["arm_id"], strict=True))
        return {seed: kept[arm][seed] for seed, arm in owner.items() if seed in kept[arm]}


def _slope(k: int) -> Weights:
    centred = [i - (k - 1) / 2 for i in range(k)]
    return tuple((k - 1) * t / sum(t * t for t in centred) for t in centred)
