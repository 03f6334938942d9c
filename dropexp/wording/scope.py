"""How far the numbers reach and how finely they see: test sampling, other splits, and the seeds that a difference takes."""

from __future__ import annotations

from math import isnan, sqrt

from dropexp.analysis.power import Plan, plan
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import ON_THIS_DATA, Judged, Verdict
from dropexp.experiment.naming import label
from dropexp.wording.labels import percent

DETECT = 0.005  # half a point, the smallest difference that counts where nothing else is said


def scope(tidy: Tidy, found: tuple[Verdict, ...]) -> list[str]:
    """Return what stands beside the intervals over seeds: other test examples, and other splits of the pool."""
    judged = [(v, j) for v in found for j in (v.test, v.gap) if j]
    lines = []
    tests = [(j.reach.test, v) for v, j in judged if not isnan(j.reach.test)]
    if tests:
        size, verdict = max(tests, key=lambda pair: pair[0])
        count = int(tidy.facts(verdict.arm).test)
        line = f"other test examples alone may move a difference by up to ± {percent(size)} ({count} test examples)"
        if wider := _wider(tidy, judged):
            line += f"; over other splits of the pool ± is {wider} times as wide (Nadeau & Bengio)"
        lines.append(line)
    if any(j.local for _, j in judged):
        lines.append(f"{ON_THIS_DATA}: it stands over seeds, for this pool and this test set, and no further is shown")
    return lines


def _wider(tidy: Tidy, judged: list[tuple[Verdict, Judged]]) -> str:
    """Return by how much intervals over redrawn splits are wider: sqrt(1 + n n_test / n_train)."""
    factors = []
    for verdict, j in judged:
        facts = tidy.facts(verdict.arm)
        if not isnan(j.reach.low):
            factors.append(sqrt(1 + j.difference.n * facts.test / facts.train))
    if not factors:
        return ""
    low, high = f"{min(factors):.1f}", f"{max(factors):.1f}"
    return low if low == high else f"{low} to {high}"


def power_line(tidy: Tidy, found: tuple[Verdict, ...] = ()) -> list[str]:
    """Return what differences of half a point these seeds would show, and how many would."""
    made = plan(tidy, tidy.lead.test, DETECT)
    if made is None or isnan(made.power):
        return []
    return [f"test: {_seen(made)}; {needed(made)} (sd {percent(made.limit)} at most, with 80% confidence)"]


def _seen(made: Plan) -> str:
    points = f"{100 * made.detect:g} points"
    chance = "above 0.99" if made.power > 0.99 else f"{made.power:.2f}"
    return f"with {made.n} seeds a true difference of {points} would be seen with probability {chance}"


def needed(made: Plan) -> str:
    """Return the sentence on the seeds that show the difference with probability 0.8."""
    if made.needed is None:
        return "over a million seeds give 0.8"
    return f"{made.needed} seeds give 0.8"


def detectable(tidy: Tidy, detect: float) -> list[str]:
    """Return, for test accuracy and for the gap, the seeds that a true difference of `detect` takes.

    Empty where no arm shares two seeds with its baseline.
    """
    lines = []
    for name, metric in (("test accuracy", tidy.lead.test), ("gap", tidy.lead.gap)):
        made = plan(tidy, metric, detect)
        if made is None:
            continue
        if isnan(made.power):
            lines.append(f"{name}: the {made.n} seeds there are differ by the same in each, which shows no spread")
            continue
        lines += [
            f"{name}: {_seen(made)}; {needed(made)}",
            f"  from {label(made.arm, tidy.axes)}, which spreads most: sd of the paired difference "
            f"{100 * made.sd:.2f} points over {made.n} seeds, at most {100 * made.limit:.2f} with 80% confidence",
        ]
    return lines


def seeds_for(tidy: Tidy, detect: float) -> dict[str, object]:
    """Return what `check --detect --json` adds."""
    plans = [plan(tidy, metric, detect) for metric in (tidy.lead.test, tidy.lead.gap)]
    return {
        "detect": [
            {
                "metric": made.metric, "difference": made.detect, "arm_id": made.arm.arm_id, "n": made.n, "sd": made.sd,
                "sd_upper_80": made.limit, "power": None if isnan(made.power) else made.power, "seeds": made.needed,
            }
            for made in plans
            if made is not None
        ]
    }  # fmt: skip
