"""What a study says along its axes other than the rate: counts of verdicts, the largest difference, arms at chance level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from dropexp.analysis.chance import at_chance
from dropexp.analysis.inference import EQUAL, ONE_SEED, OPEN, SAME, Judged
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Verdict, along_axes, verdicts
from dropexp.experiment.design import RATE
from dropexp.experiment.naming import headings, label, value
from dropexp.wording.labels import half, here, listed, percent, signed
from dropexp.wording.movements import levels, movements

VERBS = {
    "better": "rises", "worse": "falls", "larger": "widens", "smaller": "narrows", "underfitting": "narrows",
}  # fmt: skip
NAMED = 4  # arms at chance level


def by_axis(tidy: Tidy) -> Mapping[str, tuple[Verdict, ...]]:
    """Return the verdicts along each axis except the rate, including those against baselines that differ on that axis."""
    groups: dict[str, list[Verdict]] = {}
    axis = tidy.study.baseline_axis
    if axis is not None and not axis.startswith(RATE):
        once = {v.arm.arm_id: v for v in reversed(verdicts(tidy)) if v.baseline}
        groups[axis] = list(once.values())[::-1]
    for v in along_axes(tidy):
        groups.setdefault(v.axis, []).append(v)
    return {path: tuple(groups[path]) for path in tidy.axes if groups.get(path)}


def clauses(tidy: Tidy) -> list[str]:
    """Return what the headline says along axes: the strongest comparison if there is one axis, else one clause per axis."""
    groups = by_axis(tidy)
    if not groups:
        return []
    if len(tidy.axes) == 1:
        ((path, found),) = groups.items()
        return [_strongest(tidy, path, found)]
    return [_counts(tidy, path, found) for path, found in groups.items()]


def against(tidy: Tidy, path: str) -> str:
    """Return what the reference of an axis is called: `hidden 64`."""
    reference = tidy.study.reference(path)
    arm = next(arm for arm in tidy.arms if arm.value(path) == reference)
    return f"{headings(tidy.axes)[path]} {value(arm, path)}"


def elsewhere(tidy: Tidy, v: Verdict, path: str) -> str:
    """Return what both arms of a comparison have on the other axes, '' where there are none."""
    others = tuple(p for p in tidy.axes if p != path)
    return label(v.arm, others) if others else ""


def chance_line(tidy: Tidy) -> str:
    """Return which arms are at chance level, '' if none is: `at chance level: hidden 64*8`.

    The rate is not named if a combination of the other axes is at chance level at every rate.
    """
    guessing = {arm.arm_id for arm in tidy.arms if at_chance(tidy, arm)}
    if not guessing:
        return ""
    others = tuple(p for p in tidy.axes if p != RATE)
    whole: dict[str, list[bool]] = {}
    for arm in tidy.arms:
        whole.setdefault(label(arm, others), []).append(arm.arm_id in guessing)
    names = dict.fromkeys(
        label(arm, others if others and all(whole[label(arm, others)]) else tidy.axes)
        for arm in tidy.arms
        if arm.arm_id in guessing
    )
    kept = list(names)
    more = f" and {len(kept) - NAMED} more" if len(kept) > NAMED else ""
    return f"at chance level: {'; '.join(kept[:NAMED])}{more}"


def strength(v: Verdict) -> tuple[bool, float]:
    """Return the key that sorts comparisons, the strongest first: those with a verdict on test accuracy, by size."""
    assert v.test is not None
    size = abs(v.test.difference.mean)
    return v.test.word in (*OPEN, SAME, EQUAL), -size if size == size else 0.0


def _strongest(tidy: Tidy, path: str, found: Sequence[Verdict]) -> str:
    v = min(found, key=strength)
    assert v.test is not None
    assert v.gap is not None
    said, gap = v.test, "clean gap" if tidy.noisy else "gap"
    text = f"With {_instead(tidy, path, v)}, {_moved(tidy, v, 'test accuracy', tidy.lead.test, said)}"
    if v.gap.told and not v.mirrored:
        text += f"; {_moved(tidy, v, f'the {gap}', tidy.lead.gap, v.gap)}"
    if three := movements(v):
        text += f": {three}"
    text += f", n = {said.difference.n}"
    if len(found) > 1:
        text += f". Test accuracy in all comparisons: {_tally([x.test for x in found if x.test])}"
    return text


def _instead(tidy: Tidy, path: str, v: Verdict) -> str:
    assert v.baseline is not None
    return f"{headings(tidy.axes)[path]} {value(v.arm, path)} instead of {value(v.baseline, path)}"


def _moved(tidy: Tidy, v: Verdict, noun: str, metric: str, j: Judged) -> str:
    """Return how a metric moved, with both levels, the interval and the verdict."""
    if j.word == SAME:
        return f"{noun} is the same in every run"
    if not j.difference.n:
        return f"{noun} cannot be compared: no seed has a finished run of both"
    own, base = levels(tidy, v, metric)
    unit = "percent" if metric == tidy.lead.test else "points"
    size = f"{signed(j.difference.mean)} {half(j.difference.half)}".strip()
    if j.word in VERBS:
        return f"{noun} {VERBS[j.word]} from {percent(base)} to {percent(own)} {unit} ({size}, {j.said})"
    tail = "one seed, no interval" if j.word == ONE_SEED else j.said
    return f"{noun} is {percent(own)} against {percent(base)} {unit} ({size}, {tail})"


def _counts(tidy: Tidy, path: str, found: Sequence[Verdict]) -> str:
    """Return how many comparisons along an axis have each verdict, and the largest difference among the strongest."""
    tests = [v.test for v in found if v.test]
    v = min(found, key=strength)
    text = f"Against {against(tidy, path)}: test accuracy {_tally(tests)}{here(tests)}"
    gaps = [x.gap for x in found if x.gap and not x.mirrored]
    if any(j.told and j.word != EQUAL for j in gaps):
        text += f", {'clean ' if tidy.noisy else ''}gap {_tally(gaps)}"
    if v.test is None or not v.test.difference.n or v.test.word == SAME:
        return text
    name, d = f"{value(v.arm, path)} at {elsewhere(tidy, v, path)}", v.test.difference
    if v.test.word in VERBS:
        own, base = levels(tidy, v, tidy.lead.test)
        return f"{text}; largest change: {name}, from {percent(base)} to {percent(own)} percent"
    return f"{text}; largest difference: {name}, {f'{signed(d.mean)} {half(d.half)}'.strip()} points"


def _tally(judged: Sequence[Judged]) -> str:
    words = Counter(j.word for j in judged)
    order = sorted(words, key=lambda word: (word in (*OPEN, SAME, EQUAL), -words[word]))  # what is said comes first
    return f"{listed([f'{word} in {words[word]}' for word in order])} of {len(judged)}"
