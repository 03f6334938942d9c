"""What a law is: a sentence, its source, an experiment, and what the experiment found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import SupportsFloat


@dataclass(frozen=True)
class Check:
    """One number of an experiment, and the interval [`low`, `high`] in which it must lie; None leaves an end open."""

    what: str
    expected: float
    measured: float
    low: float | None
    high: float | None

    @property
    def holds(self) -> bool:
        """Whether the number lies in its interval; NaN lies nowhere."""
        above = self.low is None or self.measured >= self.low
        below = self.high is None or self.measured <= self.high
        return above and below and self.measured == self.measured


@dataclass(frozen=True)
class Result:
    """What an experiment found; a law holds where all its checks do.

    The numbers of the whole are those of the first check that fails, else of the first.
    """

    checks: tuple[Check, ...]

    @property
    def headline(self) -> Check:
        return next((check for check in self.checks if not check.holds), self.checks[0])

    def numbers(self) -> dict[str, float | None]:
        """Return what was expected and measured, and the ends of the interval."""
        return {name: getattr(self.headline, name) for name in ("expected", "measured", "low", "high")}

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)


@dataclass(frozen=True)
class Law:
    """One row of the table: `run` makes the experiment, `board` draws it in lines of text where there is more to see."""

    id: str
    says: str
    source: str
    run: Callable[[], Result]
    board: Callable[[], list[str]] | None = None


def exactly(what: str, measured: SupportsFloat, expected: float = 0.0) -> Check:
    """Return a check that allows nothing but the expected number."""
    return Check(what, float(expected), float(measured), float(expected), float(expected))


def close(what: str, measured: SupportsFloat, tolerance: float = 1e-12) -> Check:
    """Return a check of a largest difference, which must not exceed a tolerance."""
    return Check(what, 0.0, float(measured), 0.0, tolerance)


def around(what: str, measured: SupportsFloat, expected: float, reach: float) -> Check:
    """Return a check that allows `reach` on either side of the expected number."""
    return Check(what, expected, float(measured), expected - reach, expected + reach)


def between(what: str, measured: SupportsFloat, expected: float, ends: Sequence[float]) -> Check:
    """Return a check against an interval."""
    return Check(what, float(expected), float(measured), ends[0], ends[1])


def more_than(what: str, measured: SupportsFloat, low: float) -> Check:
    """Return a check that a difference is there: that it is not below `low`."""
    return Check(what, float(low), float(measured), float(low), None)
