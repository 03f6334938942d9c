"""How far the numbers reach and how finely they see: what a seed redraws, new test examples, and the seeds it takes."""

from __future__ import annotations

from math import isnan

from dropexp.analysis.power import Plan, plan
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Verdict
from dropexp.experiment.naming import label
from dropexp.wording.labels import listed, percent, stars

STREAMS = {
    "init": "initial weights",
    "order": "batch order",
    "mask": "dropout masks",
    "labels": "wrong labels",
    "split": "which examples are for training and validation",
}
NAMED = 3  # arms that are named one by one
DETECT = 0.005  # half a point, the smallest difference that counts where nothing else is said


def scope(tidy: Tidy, found: tuple[Verdict, ...]) -> list[str]:
    """Return what a seed redraws, how far the words reach, and which of them came after results had been seen."""
    judged = [j for v in found for j in (v.test, v.gap) if j]
    lines = [redrawn(tidy)] if judged else []
    lines += stars(judged)
    if late := [label(v.arm, tidy.axes) for v in found if v.test and v.test.after]:
        more = f" and {len(late) - NAMED} more" if len(late) > NAMED else ""
        lines.append(
            f"after the fact: {', '.join(late[:NAMED])}{more}, added or given another margin when results were stored"
        )
    look = tidy.history.looks(tidy.study.seeds) if tidy.history.known else 1
    if look > 1:
        lines.append(
            f"look {look}: these arms were judged before, with fewer seeds; looking again makes errors likelier than 5%"
        )
    return [line for line in lines if line]


def redrawn(tidy: Tidy) -> str:
    """Return what a seed of this study draws anew, '' where that is not known."""
    facts = [tidy.facts(arm) for arm in tidy.arms if len(tidy.rows(arm))]
    if not facts or any(isnan(f.test) for f in facts) or not hasattr(tidy.arms[0], "config"):
        return ""
    free = [name for name in STREAMS if all(arm.value(f"streams.{name}") is None for arm in tidy.arms)]
    words = [STREAMS[name] for name in free if name != "labels" or any(arm.label_noise for arm in tidy.arms)]
    pool = all(f.redrawn for f in facts)
    if "split" in free:
        words[-1] = "the split into training, validation and test examples" if pool else words[-1]
    test = "" if pool else "; the test examples stay the same"
    return f"a seed redraws {listed(words)}{test}" if words else f"every stream is pinned: seeds repeat one run{test}"


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
