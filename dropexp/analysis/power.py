"""How many seeds a difference takes in each arm, from the spread of stored runs and never from their observed difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import nan
from statistics import median

from dropexp.analysis.inference import answers
from dropexp.analysis.outlook import power, seeds_needed, upper_limit
from dropexp.analysis.stats import difference
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.levels import ALPHA, FLAT

NEAR = 0.05  # of chance: 5 points
APART = 5  # an sd so many times the median arm's takes 25 times its seeds, and says nothing of the other arms
STAYS, DIVERGES = "it stays near chance", "at least half of its runs diverged"
SPREADS = f"its seeds spread more than {APART} times as widely as those of the median arm"


@dataclass(frozen=True)
class Plan:
    """The seeds that show a true difference of `detect` (a fraction) between an arm and its baseline in a metric.

    `sd` is that of the paired differences over `n` seeds and `limit` its 80% upper confidence limit, with which power
    and seeds are reckoned. `level` is the two-sided level of the interval that has to exclude 0. `left_out` says why an
    arm has no part in a study's summary, '' where it has one.
    """

    metric: str
    detect: float
    arm: Arm
    n: int
    sd: float
    limit: float
    level: float
    left_out: str = ""

    @property
    def spreads(self) -> bool:
        """Whether the differences vary between seeds: if not, they say nothing about other seeds."""
        return self.limit > FLAT

    @cached_property
    def power(self) -> float:
        """The probability that `n` seeds show the difference, on its own side; NaN without spread."""
        return power(self.n, self.detect, self.limit, self.level) if self.spreads else nan

    @cached_property
    def needed(self) -> int | None:
        """The fewest seeds that show it with probability 0.8 at this level; None above a million or without spread."""
        return seeds_needed(self.detect, self.limit, alpha=self.level) if self.spreads else None


def plans(tidy: Tidy, metric: str, detect: float, comparisons: int | None = None) -> tuple[Plan, ...]:
    """Return a plan for each arm that is paired with its baseline over two seeds or more, one for each function.

    The interval is the one that holds together with all others of the study: at the nominal level that its family has
    at the present number of seeds, which changes little with more. For another study of so many `comparisons` it is
    Bonferroni's.
    """
    level = family_level(tidy) if comparisons is None else ALPHA / max(comparisons, 1)
    found = []
    for arm, base in _pairs(tidy):
        if arm.population != base.population:
            continue  # a seed means another draw in each
        d = difference(tidy.values(arm, metric), tidy.values(base, metric))
        if d.paired and d.n > 1:
            limit = upper_limit(d.sd, d.n)
            found.append(Plan(metric, detect, arm, d.n, d.sd, limit, level, _collapsed(tidy, arm, base)))
    return tuple(_apart(found))


def family_level(tidy: Tidy) -> float:
    """Return the two-sided level of each interval in a study's table, which allows for all of its comparisons and looks."""
    return next((answer.level for answer in answers(tidy, "test").values()), ALPHA)


def _pairs(tidy: Tidy) -> list[tuple[Arm, Arm]]:
    pairs = zip(tidy.arms, tidy.baselines, strict=True)
    return list({(a.arm_id, b.arm_id): (a, b) for a, b in pairs if b is not None}.values())


def _collapsed(tidy: Tidy, arm: Arm, base: Arm) -> str:
    """Return why an arm does not train, '' where it does: a baseline that is near chance as well shows hard data."""
    if len(rows := tidy.rows(arm)) and 2 * tidy.diverged(arm) >= len(rows):
        return DIVERGES
    over = [float(tidy.values(a, "test_accuracy").mean()) - 1 / tidy.facts(a).classes for a in (arm, base)]
    return STAYS if abs(over[0]) <= NEAR < over[1] else ""


def _apart(found: Sequence[Plan]) -> list[Plan]:
    """Leave out what spreads far wider than the other arms, such as one that trains with some seeds and not with others."""
    wide = APART * median([p.limit for p in found if p.spreads and not p.left_out] or [nan])
    return [replace(p, left_out=SPREADS) if not p.left_out and p.limit > wide else p for p in found]


@dataclass(frozen=True)
class Summary:
    """What a study can detect: the plan of its median arm, and the range over all arms that are not left out."""

    median: Plan
    count: int
    power: tuple[float, float]
    needed: tuple[int | None, int | None]


def summed_up(found: Sequence[Plan]) -> Summary | None:
    """Return the summary of a metric's plans, None where no arm shows a spread; of two medians the wider."""
    kept = sorted((p for p in found if p.spreads and not p.left_out), key=lambda p: p.limit)
    if not kept:
        return None
    by_power = sorted(kept, key=lambda p: p.limit / p.n**0.5)  # at equal n in the same order
    return Summary(
        kept[len(kept) // 2], len(kept), (by_power[-1].power, by_power[0].power), (kept[0].needed, kept[-1].needed)
    )
