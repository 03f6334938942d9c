"""How far the numbers reach: what a seed draws, new test examples, what validation chooses, and what came after the fact."""

from __future__ import annotations

from math import isnan

from dropexp.analysis.dose import Dose
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Verdict
from dropexp.experiment.naming import label, value
from dropexp.wording.labels import LATE, half, listed, percent, stars

STREAMS = {
    "init": "initial weights",
    "order": "batch order",
    "mask": "dropout masks",
    "labels": "wrong labels",
    "split": "split into training and validation examples",
}
NAMED = 3  # arms that are named one by one
ONE_SIDED = (  # why a set of the best and a comparison of two arms may seem to differ
    "an arm is ruled out by a one-sided test; 'dropexp compare' tests both directions, so it may call the pair undecided"
)


def scope(tidy: Tidy, found: tuple[Verdict, ...]) -> list[str]:
    """Return what a seed draws, how far the verdicts reach, and which of them came after results had been seen."""
    judged = [j for v in found for j in (v.test, v.gap) if j]
    lines = [redrawn(tidy)] if judged else []
    lines += stars(judged)
    if late := [label(v.arm, tidy.axes) for v in found if any(j and j.after for j in (v.test, v.gap))]:
        more = f" and {len(late) - NAMED} more" if len(late) > NAMED else ""
        lines.append(f"after the fact: {', '.join(late[:NAMED])}{more}, {LATE}")
    look = tidy.history.looks(tidy.study.seeds) if tidy.history.known else 1
    if look > 1:
        lines.append(
            f"look {look}: these arms were judged before with other seeds; each further look raises the error rate above 5%"
        )
    return [line for line in lines if line]


def redrawn(tidy: Tidy) -> str:
    """Return what each seed of this study draws for itself, '' if that is not known."""
    facts = [tidy.facts(arm) for arm in tidy.arms if len(tidy.rows(arm))]
    if not facts or any(isnan(f.test) for f in facts) or not hasattr(tidy.arms[0], "config"):
        return ""
    free = [name for name in STREAMS if all(arm.value(f"streams.{name}") is None for arm in tidy.arms)]
    words = [STREAMS[name] for name in free if name != "labels" or any(arm.label_noise for arm in tidy.arms)]
    pool = all(f.redrawn for f in facts)
    if "split" in free:
        words[-1] = "split into training, validation and test examples" if pool else words[-1]
    test = "" if pool else "; all seeds share the test examples"
    return (
        f"each seed draws its own {listed(words)}{test}"
        if words
        else f"all streams are pinned, so every seed repeats the same run{test}"
    )


def validated(dose: Dose) -> str:
    """Return what validation loss chooses in each seed, and its test accuracy, '' if no validation loss was stored."""
    if (chosen := dose.chosen) is None:
        return ""
    counts = sorted(zip(chosen.counts, dose.arms, strict=True), key=lambda pair: -pair[0])
    parts = [f"{value(arm, dose.axis)} in {count}" for count, arm in counts if count]
    reached = f"{percent(chosen.estimate.mean)} {half(chosen.estimate.half)}".strip()
    return f"validation loss chooses {listed(parts)} of {sum(chosen.counts)} seeds, with test accuracy {reached}"
