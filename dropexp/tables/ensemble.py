"""The table of ensembles: one row per arm, one network and several that average or vote, and how they differ."""

from __future__ import annotations

import textwrap

from dropexp.analysis.ensemble import Ensembles, Versus
from dropexp.analysis.stats import Estimate
from dropexp.experiment.naming import label
from dropexp.tables.arms import WIDTH, Column, side_by_side
from dropexp.wording.labels import against, half, percent, signed


def ensemble_table(found: Ensembles) -> str:
    """Return the table as plain text: accuracies in percent, differences in points."""
    n, arms = found.members, found.arms
    base = against(found.tidy)

    def accuracy(rule: str, members: int) -> list[tuple[str, str]]:
        return [_cell(found.estimate(arm, rule, members)) for arm in arms]

    def versus(pairs: list[Versus | None]) -> list[tuple[str, str]]:
        return [_versus(v) for v in pairs]

    bases = {a.arm_id: b for a, b in zip(found.tidy.arms, found.tidy.baselines, strict=True)}
    names = Column("arm", [("", label(arm, found.tidy.axes) or found.tidy.study.name) for arm in arms])
    numbers = [
        names,
        Column("n", [(str(found.estimate(arm, "mean", n).n), "") for arm in arms]),
        Column("one", accuracy("mean", 1)),
        Column(f"mean of {n}", accuracy("mean", n)),
        Column(f"vote of {n}", accuracy("vote", n)),
    ]
    own = [
        names,
        Column(f"mean of {n} vs one", versus([found.versus((a, "mean", n), (a, "mean", 1)) for a in arms])),
        Column("vote vs mean", versus([found.versus((a, "vote", n), (a, "mean", n)) for a in arms])),
    ]
    blocks = [numbers, own]
    others = [
        [found.versus((a, "mean", m), (b, "mean", n)) if (b := bases[a.arm_id]) else None for a in arms] for m in (1, n)
    ]
    if any(v for column in others for v in column):
        titles = (f"one vs mean of {n} at {base}", f"mean of {n} vs mean of {n} at {base}")
        blocks.append([names, *(Column(t, versus(column)) for t, column in zip(titles, others, strict=True))])
    lines = [line for block in blocks for line in ["", *side_by_side(block)]][1:]
    wrapped = [part for note in notes(found) for part in textwrap.wrap(note, WIDTH - 1, subsequent_indent="  ")]
    return "\n".join([*lines, "", *(f" {line}" for line in wrapped)])


def _cell(e: Estimate) -> tuple[str, str]:
    return percent(e.mean), half(e.half)


def _versus(v: Versus | None) -> tuple[str, str]:
    return ("", "") if v is None else (signed(v.difference.mean), f"{half(v.difference.half)} {v.word}".strip())


def notes(found: Ensembles) -> list[str]:
    """Return the sentences beneath the table and at the foot of the figure."""
    n = found.members
    lines = [
        f"n: ensembles of {n} networks, each with {n} seeds of its own; one: the mean over the networks of an ensemble; "
        "±: half the 95% interval over ensembles",
        "mean: the class with the largest mean probability; vote: the class that most networks predict; a tie goes to "
        "the larger summed probability; test accuracy in percent, dropout off",
    ]
    if size := found.family:
        lines.append(
            f"differences in points, paired by seeds; the intervals of all {size} hold together (95%); "
            "a verdict names a direction only if ± excludes 0"
        )
    lines.append(
        "seeds share the split, so all this holds for these training and test examples; they differ in initial weights, "
        "batch order and masks"
    )
    if lost := sum(found.left_out.values()):
        lines.append(f"left out: {lost} ensemble{'s' * (lost != 1)} with a run that diverged or has no probabilities")
    if found.spare:
        lines.append(f"left out: {found.spare} seed{'s' * (found.spare != 1)} beyond the last whole ensemble")
    return lines
