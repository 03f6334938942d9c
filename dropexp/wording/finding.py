"""The title of the gap's figure: what the intervals support, and no more."""

from __future__ import annotations

from collections import Counter

from dropexp.analysis.inference import EQUAL, ONE_SEED, SAME, UNDECIDED, UNDERFITTING
from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Verdict, verdicts
from dropexp.experiment.naming import label
from dropexp.wording.labels import half, here, named, percent, seeds
from dropexp.wording.movements import levels, movements

FIRST = ("smaller", UNDERFITTING, "larger", EQUAL, UNDECIDED, ONE_SEED, SAME)  # what a title would rather speak of


def finding(tidy: Tidy) -> str:
    """Return the title of the gap's figure: the strongest arm if one axis varies, else how many arms have each verdict."""
    judged = _judged(tidy)
    gap = "clean gap" if tidy.noisy else "gap"
    if not judged:
        return _alone(tidy, gap)
    if strongest := spoken_of(tidy):
        return _sentence(tidy, strongest, gap)
    words = Counter(v.gap.word for v in judged.values() if v.gap)
    parts = [f"{word} in {words[word]}" for word in FIRST if words[word]]
    arms = f"{len(judged)} arm{'s' * (len(judged) != 1)}"
    local = here([v.gap for v in judged.values() if v.gap])
    return f"{gap.capitalize()} against {named(tidy)}: {', '.join(parts)} of {arms}{local}, {seeds(tidy)}"


def spoken_of(tidy: Tidy) -> Verdict | None:
    """Return the verdict that `finding` states if it is about a single arm."""
    judged = _judged(tidy)
    return min(judged.values(), key=_strength) if judged and len(tidy.axes) == 1 else None


def _judged(tidy: Tidy) -> dict[str, Verdict]:
    return {v.arm.arm_id: v for v in verdicts(tidy) if v.gap and v.gap.word in FIRST}


def _strength(v: Verdict) -> tuple[int, float]:
    assert v.gap is not None
    return FIRST.index(v.gap.word), -abs(v.gap.difference.mean)


def _alone(tidy: Tidy, gap: str) -> str:
    found = [arm for arm in tidy.arms if len(tidy.finished(arm))]
    if not found:
        return "No finished run"
    if len({arm.arm_id for arm in found}) > 1:
        return f"Training and test accuracy, {seeds(tidy)}"
    e = estimate(tidy.values(found[0], tidy.lead.gap))
    train, test = (tidy.values(found[0], m).mean() for m in (tidy.lead.train, tidy.lead.test))
    size = f"{percent(e.mean)} {half(e.half)}".strip()
    text = f"{gap.capitalize()} {size} points: training {percent(train)}, test {percent(test)} percent"
    return f"{text}, {seeds(tidy, (found[0],))}" + (", no interval" if e.n == 1 else "")


def _sentence(tidy: Tidy, v: Verdict, gap: str) -> str:
    assert v.gap is not None
    assert v.test is not None
    assert v.baseline is not None
    now, there = (percent(x) for x in levels(tidy, v, tidy.lead.gap))
    n = v.gap.difference.n
    name = label(v.arm, tidy.axes)
    name = name[:1].upper() + name[1:]
    if v.gap.word in (EQUAL, UNDECIDED, ONE_SEED, SAME):
        tail = "one seed, no interval" if v.gap.word == ONE_SEED else f"{v.gap.word}{here([v.gap])}, n = {n}"
        return f"{name}: {gap} {now} against {there} points, {tail}"
    if tidy.axes == ("dropout.rate",):
        name = name.replace("Rate", "Dropout")
    verb = "widens" if v.gap.word == "larger" else "narrows"
    text = f"{name} {verb} the {gap} from {there} to {now} points{here([v.gap])}, n = {n}"
    if three := movements(v):
        return f"{text}: {UNDERFITTING}, {three}" if v.gap.word == UNDERFITTING else f"{text}: {three}"
    return f"{text}, but test accuracy falls" if v.test.word == "worse" else text
