"""The test examples that an arm gets right and its baseline gets wrong in the run with the same seed, and the reverse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dropexp.analysis.outcomes import Outcome
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm


@dataclass(frozen=True)
class Count:
    """How many of `shared` pairs of answers are fixed, wrong before and right now, and how many are broken."""

    shared: int
    fixed: int
    broken: int

    @property
    def net(self) -> int:
        return self.fixed - self.broken


@dataclass(frozen=True)
class Example:
    """One test example: its place, its class, in how many seeds both arms answered it, and what became of it."""

    place: int
    label: int
    seeds: int
    fixed: int
    broken: int


@dataclass(frozen=True, eq=False)
class FixedBroken:
    """An arm against another over the examples that both answered in a seed, summed over seeds.

    `place`, `label`, `shared`, `fixed` and `broken` are (E,) arrays, one entry for each example, ascending in place.
    """

    seeds: tuple[int, ...]
    place: np.ndarray
    label: np.ndarray
    shared: np.ndarray
    fixed: np.ndarray
    broken: np.ndarray

    @property
    def all(self) -> Count:
        return self._of(slice(None))

    @property
    def classes(self) -> dict[int, Count]:
        """The counts of each true class, ascending."""
        return {int(k): self._of(self.label == k) for k in np.unique(self.label)}

    def _of(self, which: slice | np.ndarray) -> Count:
        shared, fixed, broken = (int(counts[which].sum()) for counts in (self.shared, self.fixed, self.broken))
        return Count(shared, fixed, broken)

    def most(self, what: str, count: int) -> list[Example]:
        """Return the examples most often `fixed` or `broken`, of equals those with fewer of the other; never those with none."""
        own, other = (self.fixed, self.broken) if what == "fixed" else (self.broken, self.fixed)
        order = np.lexsort((self.place, other, -own))[:count]
        return [
            Example(*(int(of[i]) for of in (self.place, self.label, self.shared, self.fixed, self.broken)))
            for i in order
            if own[i]
        ]


def fixed_broken(own: Mapping[int, Outcome], base: Mapping[int, Outcome]) -> FixedBroken | None:
    """Compare the outcomes of two arms seed by seed; None if no seed has an example in both."""
    seeds, parts = [], []
    for seed in sorted(own.keys() & base.keys()):
        one, other = own[seed], base[seed]
        place, i, j = np.intersect1d(one.place, other.place, assume_unique=True, return_indices=True)
        if len(place) and np.array_equal(one.label[i], other.label[j]):
            seeds.append(seed)
            parts.append((place, one.label[i], one.right[i] & ~other.right[j], ~one.right[i] & other.right[j]))
    if not parts:
        return None
    places, labels, fixed, broken = (np.concatenate(part) for part in zip(*parts, strict=True))
    place, first, at = np.unique(places, return_index=True, return_inverse=True)
    counts = (np.bincount(at, weights, len(place)).astype(np.int64) for weights in (None, fixed, broken))
    return FixedBroken(tuple(seeds), place, labels[first], *counts)


def against_baseline(tidy: Tidy, arm: Arm, baseline: Arm) -> FixedBroken | None:
    """Compare an arm with its baseline; None if seeds mean different data, or outcomes were not kept."""
    if arm.population != baseline.population:
        return None
    return fixed_broken(tidy.outcomes_of(arm), tidy.outcomes_of(baseline))


def each_arm(tidy: Tidy) -> list[tuple[Arm, FixedBroken]]:
    """Return every function among the arms that has a baseline and outcomes, with the comparison."""
    if "fixed_broken" not in tidy.kept:
        pairs: dict[str, tuple[Arm, Arm]] = {}
        for arm, base in zip(tidy.arms, tidy.baselines, strict=True):
            if base is not None:
                pairs.setdefault(arm.arm_id, (arm, base))
        found = [(arm, against_baseline(tidy, arm, base)) for arm, base in pairs.values()]
        tidy.kept["fixed_broken"] = [(arm, made) for arm, made in found if made is not None]
    kept: list[tuple[Arm, FixedBroken]] = tidy.kept["fixed_broken"]
    return kept
