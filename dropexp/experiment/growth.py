"""Seeds added until everything is decided, as declared in advance: how many at first, how many more at a time, how many at most."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

START, STEP = 5, 5


@dataclass(frozen=True)
class Grow:
    """A study that begins with `start` seeds and adds `step` at a time, until all is decided or it has `grow_to`."""

    start: int
    step: int
    grow_to: int

    @property
    def rounds(self) -> tuple[int, ...]:
        """The numbers of seeds at which the study is judged, and at which its intervals must hold: between them none is shown."""
        return (*range(self.start, self.grow_to, self.step), self.grow_to)

    def after(self, seeds: int) -> int | None:
        """Return the number of seeds of the round after the one with so many, None after the last."""
        return next((n for n in self.rounds if n > seeds), None)

    def reached(self, stored: Collection[Collection[int]]) -> int:
        """Return the number of seeds of the last round that every arm has all seeds of, of the first where there is none.

        `stored` are the seeds of each arm.
        """
        whole = [n for n in self.rounds if all(set(range(n)).issubset(seeds) for seeds in stored)]
        return max(whole, default=self.start) if stored else self.start

    def is_round(self, seeds: Collection[int]) -> bool:
        """Whether seeds are those that this study has at some time: 0, 1, 2 and on, neither too few nor too many."""
        return self.start <= len(seeds) <= self.grow_to and set(seeds) == set(range(len(seeds)))
