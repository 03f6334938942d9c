"""How finely a study sees: how often its seeds would show a difference, and how many would."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from dropexp.analysis.outlook import POWER
from dropexp.analysis.power import Plan, Summary, plans, summed_up
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Verdict
from dropexp.experiment.naming import label

DETECT = 0.005  # half a point, the smallest difference that counts where nothing else is said
NAMED = 3  # arms left out


def power_line(tidy: Tidy, found: tuple[Verdict, ...] = ()) -> list[str]:
    """Return how often differences of half a point in test accuracy would get a word, and the seeds for four in five."""
    made = plans(tidy, tidy.lead.test, DETECT)
    summary = summed_up(made)
    if summary is None:
        return []
    parts = [f"{seen(summary.median, 'test accuracy')}{_range(summary)}", *_left_out(tidy, made)]
    return ["; ".join(parts)]


def seen(made: Plan, what: str) -> str:
    """Return the sentence on one arm: with so many seeds how often, and with how many four times in five."""
    often = f"with {made.n} seeds you would detect a true {100 * made.detect:g}-point difference in {what}"
    if made.needed is None:
        return f"{often} {how_often(made.power)}; over a million seeds would raise that to {POWER:.0%}"
    more = f"{made.needed:,} seeds" + (f" raise that to {POWER:.0%}" if made.power < POWER else f" do for {POWER:.0%}")
    return f"{often} {how_often(made.power)}; {more}"


def how_often(p: float) -> str:
    """Return a probability in words."""
    if p < 0.005:
        return "hardly ever"
    if p > 0.99:
        return "nearly always"
    return "about half the time" if 0.45 <= p <= 0.55 else f"{p:.0%} of the time"


def _range(summary: Summary) -> str:
    if summary.count < 2:
        return ""
    low, high = (f"{p:.0%}" for p in summary.power)
    few, many = ("over a million" if n is None else f"{n:,}" for n in summary.needed)
    often = low if low == high else f"{low} to {high}"
    seeds = few if few == many else f"{few} to {many}"
    return f" (median of {summary.count} arms; all: {often}, {seeds} seeds)"


def _left_out(tidy: Tidy, made: Sequence[Plan]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for p in made:
        if p.left_out:
            reasons.setdefault(p.left_out, []).append(label(p.arm, tidy.axes))
    lines = []
    for why, names in reasons.items():
        more = f" and {len(names) - NAMED} more arms" if len(names) > NAMED else ""
        lines.append(f"{', '.join(names[:NAMED])}{more} left out: {why}")
    return lines


def detectable(tidy: Tidy, detect: float, comparisons: int | None = None) -> list[str]:
    """Return, for test accuracy and for the gap, a line an arm: the seeds that a true difference of `detect` takes.

    Empty where no arm shares two seeds with its baseline. `comparisons` is how many the study asked about makes, where
    the runs are another study's.
    """
    lines: list[str] = []
    for name, metric in (("test accuracy", tidy.lead.test), ("the gap", tidy.lead.gap)):
        if made := plans(tidy, metric, detect, comparisons):
            summary = summed_up(made)
            lines += [
                seen(summary.median, name) if summary else f"{name}: no arm varies between seeds",
                *_rows(tidy, made),
                "",
            ]
            level = made[0].level
    return [*lines, *_legend(level)] if lines else []


def _legend(level: float) -> list[str]:
    return [
        (
            "sd: standard deviation of the paired differences, in points; at most: its 80% upper limit, from "
            "which power and seeds follow"
        ),
        (
            "power: the chance that the interval excludes 0 on the correct side; each interval is at "
            f"{100 * (1 - level):.4g}%, so that all hold together"
        ),
    ]


def _rows(tidy: Tidy, made: Sequence[Plan]) -> list[str]:
    rows: list[tuple[str, ...]] = [("arm", "seeds", "sd", "at most", "power", f"seeds for {POWER:.0%}")]
    for p in made:
        sd = [f"{100 * x:.2f}" for x in (p.sd, p.limit)]
        power = f"{p.power:.2f}" if p.spreads else "-"
        needed = "-" if not p.spreads else "over a million" if p.needed is None else f"{p.needed:,}"
        rows.append((label(p.arm, tidy.axes), str(p.n), *sd, power, needed))
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    notes = ["", *(f"  ({p.left_out})" if p.left_out else "" for p in made)]
    found = []
    for (first, *rest), note in zip(rows, notes, strict=True):
        cells = "  ".join(cell.rjust(w) for cell, w in zip(rest, wide[1:], strict=True))
        found.append(f"  {first.ljust(wide[0])}  {cells}{note}")
    return found


def seeds_for(tidy: Tidy, detect: float, comparisons: int | None = None) -> dict[str, object]:
    """Return what `check --detect --json` adds: an entry for each arm in test accuracy and in the gap."""
    metrics = (tidy.lead.test, tidy.lead.gap)
    return {"detect": [_entry(tidy, p) for metric in metrics for p in plans(tidy, metric, detect, comparisons)]}


def _entry(tidy: Tidy, p: Plan) -> dict[str, object]:
    return {
        "metric": p.metric, "difference": p.detect, "arm_id": p.arm.arm_id, "arm": label(p.arm, tidy.axes), "n": p.n,
        "sd": p.sd, "sd_upper_80": p.limit, "level": p.level, "power": None if isnan(p.power) else p.power,
        "seeds": p.needed, "left_out": p.left_out,
    }  # fmt: skip
