"""A warning before a design that can hardly show anything: many comparisons, few seeds."""

from __future__ import annotations

from math import isinf

from dropexp.analysis.outlook import POWER, Outlook, outlook_of, seeds_needed
from dropexp.experiment.levels import ALPHA, FEWEST


def warning(o: Outlook) -> str:
    """Return what a word would take and how many seeds would do, '' for a design that can show something."""
    if not o.hopeless:
        return ""
    what = f"{o.comparisons} comparisons x {o.seeds} seed{'s' * (o.seeds != 1)}"
    if o.seeds < FEWEST:
        return f"{what}: a difference gets a word only with at least {FEWEST} seeds"
    others = dict.fromkeys((2 * o.seeds, max(10, 3 * o.seeds)))
    more = [f"with {n} seeds |t| > {_t(outlook_of(o.comparisons, n))}" for n in others]
    needed = seeds_needed(1.0, 1.0, alpha=ALPHA / o.comparisons)
    return (
        f"{what}: a word needs |t| > {_t(o)}; {', '.join(more)}; {needed} seeds would detect a difference of "
        f"one sd {POWER:.0%} of the time; with fewer arms, fewer seeds would do"
    )


def _t(o: Outlook) -> str:
    return f"{o.critical:.0f}" if o.critical >= 10 else f"{o.critical:.1f}"


def fact(o: Outlook) -> dict[str, object]:
    """Return the outlook as `check --json` has it."""
    return {
        "comparisons": o.comparisons, "seeds": o.seeds, "critical_t": None if isinf(o.critical) else o.critical,
        "power_one_sd": o.power, "hopeless": o.hopeless,
    }  # fmt: skip
