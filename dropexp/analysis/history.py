"""What was declared before training and what came after the fact: claims, arms and margins compared with design.csv."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dropexp.experiment.claims import Claim
from dropexp.experiment.growth import Grow
from dropexp.experiment.registration import DESIGN, LOOK, Entry, key, key_of_parts


@dataclass(frozen=True)
class History:
    """The rows of design.csv beside the study as it is now; empty for folders that no row was written for.

    What stands in the first row of a folder that had runs by then is not known to have come before or after them, and
    counts as neither. What stands in no row of a folder whose history is known was never declared, so it came after.
    """

    entries: tuple[Entry, ...] = ()
    arms: frozenset[str] = frozenset()  # the ids of the study's arms
    compared: Mapping[str, frozenset[str]] = field(default_factory=dict)  # key of a claim -> the arms that it is about
    margins: Mapping[str, float] = field(default_factory=dict)
    grow: Grow | None = None

    @cached_property
    def designs(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.kind == DESIGN)

    @property
    def known(self) -> bool:
        """Whether the folder's design was registered before its first run was stored."""
        return bool(self.designs) and self.designs[0].runs_stored == "0"

    def claim_after(self, claim: Claim) -> bool:
        """Whether a claim in its present form, margins included, was first made when an arm that it compares had runs."""
        name = key(claim)
        arms = self.compared.get(name, frozenset())
        return self._after(lambda entry: name in _keys(entry.said), lambda entry: bool(entry.stored & arms))

    def arm_after(self, arm_id: str) -> bool:
        """Whether an arm was first declared when the study already had runs."""
        return self._after(lambda entry: arm_id in entry.arms)

    def margins_after(self, metric: str) -> bool:
        """Whether the margin of a metric got its present value when the study already had runs."""
        now = self.margins.get(metric)
        return self._after(lambda entry: entry.said["margins"].get(metric) == now)

    def looks(self, seeds: Iterable[int]) -> int:
        """Return the number of a look at seeds: under how many other designs the study's arms were judged, and this one.

        A design names its seeds, so that other seeds are another design; all that the seeds of a study are while it grows,
        as it had declared before, is one look.
        """
        now = tuple(sorted(seeds))
        own: object = self.grow if self.grow and self.grow.is_round(now) else now
        found: list[set[object]] = [set()]
        growing: Grow | None = None  # as declared in the last design before
        for entry in self.entries:
            if entry.kind == DESIGN:
                growing = _grow(entry.said["seeds"])
                found.append(set())
            elif entry.kind == LOOK and self.arms & entry.arms:
                then = tuple(sorted(entry.said["seeds"]))
                found[-1].add(growing if growing and growing.is_round(then) else then)
        return 1 + len({frozenset(sets) for sets in found if sets and own not in sets})

    def _after(self, says: Callable[[Entry], bool], concerned: Callable[[Entry], bool] = lambda entry: True) -> bool:
        first = next((entry for entry in self.designs if says(entry)), None)
        if first is None:
            return self.known
        return first is not self.designs[0] and first.runs_stored != "0" and concerned(first)


NO_HISTORY = History()


def _keys(said: Mapping[str, Any]) -> set[str]:
    return {key_of_parts(claim["parts"]) for claim in said["claims"]}


def _grow(seeds: object) -> Grow | None:
    if not isinstance(seeds, dict) or set(seeds) != {"start", "step", "grow_to"}:
        return None
    return Grow(**seeds) if all(type(n) is int for n in seeds.values()) else None
