"""Differences that a figure or table speaks of beside the study's own: one family, each with its interval and its word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

from dropexp.analysis.family import family
from dropexp.analysis.inference import UNDECIDED, direction
from dropexp.analysis.number_format import half
from dropexp.analysis.stats import Difference


@dataclass(frozen=True)
class Held:
    """A difference with the interval that holds together with all others, and the word where it excludes 0."""

    difference: Difference
    word: str

    @property
    def told(self) -> bool:
        """Whether the interval excludes 0."""
        return bool(self.difference.side) and self.word != UNDECIDED

    def spelt(self, unit: float = 100.0, digits: int = 1) -> str:
        """Return the difference times `unit` and half its interval: `+0.5 ± 0.3`."""
        d = self.difference
        number = f"{unit * d.mean + 0.0:+.{digits}f}"
        if isnan(d.half):
            return number
        return f"{number} {half(d.half) if (unit, digits) == (100.0, 1) else f'± {unit * d.half:.{digits}f}'}"


def together(metric: str, found: Sequence[Difference], looks: Sequence[int] = ()) -> tuple[list[Held], int, float]:
    """Return differences of a kind with intervals that hold together, how many these are, and the level of each.

    The words are those of a difference in `metric`, `test` or any other.
    """
    whole = family(found, tuple(looks))
    held = [whole.interval(d, p)[0] for d, p in zip(found, whole.adjusted, strict=True)]
    return [Held(d, direction(metric, d)) for d in held], whole.size, whole.level
