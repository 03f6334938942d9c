"""The interface of a study and its arms, trained here or elsewhere: all that statistics and figures may ask of them."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dropexp.experiment.leaves import shown

if TYPE_CHECKING:
    from dropexp.experiment.claims import Claim
    from dropexp.experiment.growth import Grow

MARGINS: Mapping[str, float] = MappingProxyType({"test_accuracy": 0.005, "gap": 0.005})  # where a study names none


class Arm:
    """One cell of a grid; arms of one `arm_id` are one function and share their runs."""

    arm_id: str

    def value(self, path: str) -> Any:
        """Return the value on an axis."""
        raise NotImplementedError

    def shown(self, path: str) -> str:
        """Return the value on an axis as a person reads it."""
        raise NotImplementedError

    @property
    def cells(self) -> dict[str, str]:
        """Everything that is known of the arm, one cell per path; what does not apply is empty."""
        raise NotImplementedError

    @property
    def masked(self) -> bool:
        """Whether any site drops anything."""
        raise NotImplementedError

    @property
    def label_noise(self) -> float:
        """The fraction of the training labels that is wrong."""
        raise NotImplementedError

    @property
    def monitor(self) -> str | None:
        """The number that selects the epoch, None where it is the last one."""
        raise NotImplementedError

    @property
    def population(self) -> Hashable:
        """What one seed is drawn from: seeds of two arms mean the same only where this agrees."""
        raise NotImplementedError


RATE = "dropout.rate"


@dataclass(frozen=True)
class Along:
    """An arm and the one that it is compared with along an axis: they differ on that axis alone."""

    axis: str
    arm: Arm
    against: Arm


class Design:
    """Arms and seeds, and with which other arm each is compared."""

    name: str
    seeds: tuple[int, ...]
    arms: tuple[Arm, ...]
    claims: tuple[Claim, ...] = ()
    margins: Mapping[str, float] = MARGINS  # the smallest differences that count, by metric
    grow: Grow | None = None  # how seeds are added until everything is decided; None where their number is fixed
    asked: tuple[int, ...] = ()  # the seeds of the file or of --seeds, where stored ones have joined them
    chosen: tuple[tuple[str, str], ...] = ()  # values, as shown, of the arms that the command line compares with
    wanted: frozenset[tuple[str, int]] = frozenset()  # arms and seeds asked for; empty: every seed of every arm
    more_seeds = "'run --seeds 5'"  # what gives a study of one seed its intervals

    @property
    def axes(self) -> tuple[str, ...]:
        """The paths on which arms differ, in the order in which they were written."""
        raise NotImplementedError

    @property
    def hint(self) -> str | None:
        """What to do about a grid without an arm at rate 0, None where nothing is to be done."""
        raise NotImplementedError

    @property
    def data(self) -> str:
        """The data in words."""
        raise NotImplementedError

    @property
    def unmade(self) -> int:
        """How many further arms a large grid has, none of them with a row; they are counted and not made."""
        return 0

    def unmade_at(self, wanted: Mapping[str, Collection[Any]]) -> int:
        """Return how many of these have one of the values wanted on each path."""
        return 0

    @cached_property
    def baselines(self) -> tuple[Arm | None, ...]:
        """For each arm the one that it is compared with, None for a baseline itself.

        It is the arm with rate 0 at every site that agrees in every axis outside dropout, and in as many of dropout's
        axes as possible; in a grid without one, or of such arms alone, the arm with the first value of the first axis.
        Arms named on the command line come before all these.
        """
        axes = self.axes
        if self.chosen:
            named = dict(self.chosen)
            like = [arm for arm in self.arms if all(shown(p, arm.value(p)) == v for p, v in named.items())]
            return self._nearest(like, [p for p in axes if p not in named], [])
        unmasked = [arm for arm in self.arms if not arm.masked]
        if len(unmasked) == len(self.arms):
            return self._bare_baselines()
        chosen = unmasked or [a for a in self.arms if axes and a.value(axes[0]) == self.arms[0].value(axes[0])]
        outer = [p for p in axes if not p.startswith("dropout.")] if unmasked else list(axes[1:])
        inner = [p for p in axes if p.startswith("dropout.")] if unmasked else []
        return self._nearest(chosen, outer, inner)

    def _nearest(self, chosen: list[Arm], outer: list[str], inner: list[str]) -> tuple[Arm | None, ...]:
        """Return for each arm the one of `chosen` that agrees in all of `outer`, and in most of `inner`."""
        by_place: dict[tuple[Any, ...], list[Arm]] = {}
        for arm in chosen:
            by_place.setdefault(tuple(arm.value(p) for p in outer), []).append(arm)
        found: list[Arm | None] = []
        for arm in self.arms:
            near = by_place.get(tuple(arm.value(p) for p in outer), [])
            best = max(near, key=lambda a: sum(a.value(p) == arm.value(p) for p in inner), default=None)
            found.append(None if best is None or best.arm_id == arm.arm_id else best)
        return tuple(found)

    def _bare_baselines(self) -> tuple[Arm | None, ...]:
        """Return the baselines of a grid without dropout."""
        path = self.baseline_axis
        if path is None:
            return (None,) * len(self.arms)
        first = self.reference(path)
        return self._nearest([a for a in self.arms if a.value(path) == first], [p for p in self.axes if p != path], [])

    @cached_property
    def baseline_axis(self) -> str | None:
        """The axis along which the baselines compare, None where they compare along several or there is none."""
        if self.chosen:
            return self.chosen[0][0] if len(self.chosen) == 1 else None
        bare = sum(not arm.masked for arm in self.arms)
        if bare == len(self.arms):
            return next((path for path in self.axes if any(self._apart(path))), None)
        of_rates = (path for path in self.axes if path.startswith(RATE))
        return next(of_rates, None) if bare else next(iter(self.axes), None)

    @cached_property
    def along(self) -> tuple[Along, ...]:
        """The comparisons along axes, those with the baselines left out: axis by axis, in the order of the arms.

        Each arm is compared with the one that has the axis's reference value and agrees in every other axis; two
        functions are compared once.
        """
        known = {frozenset((a.arm_id, b.arm_id)) for a, b in zip(self.arms, self.baselines, strict=True) if b}
        found = []
        for path in self.axes:
            for arm, other in self._apart(path):
                pair = frozenset((arm.arm_id, other.arm_id))
                if pair not in known:
                    known.add(pair)
                    found.append(Along(path, arm, other))
        return tuple(found)

    def _apart(self, path: str) -> Iterator[tuple[Arm, Arm]]:
        """Yield each arm with the one that has the reference value of an axis and agrees in every other axis.

        Arms that are one function are no such pair; nor are arms whose seeds draw from different populations, such as two
        data sets: these are two tasks.
        """
        others = [p for p in self.axes if p != path]
        reference = self.reference(path)
        there = {tuple(arm.value(p) for p in others): arm for arm in self.arms if arm.value(path) == reference}
        for arm in self.arms:
            other = there.get(tuple(arm.value(p) for p in others))
            if other and arm.arm_id != other.arm_id and arm.population == other.population:
                yield arm, other

    def reference(self, path: str) -> Any:
        """Return the value with which the others on an axis are compared.

        It is the value that the command line names, rate 0 on an axis of rates, else the first.
        """
        values = [arm.value(path) for arm in self.arms]
        named = [v for v in values if shown(path, v) == dict(self.chosen).get(path)]
        bare = [v for v in values if path.startswith(RATE) and v == 0]
        return [*named, *bare, *values][0]
