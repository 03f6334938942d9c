"""The answer in sentences, numbers first: what a study establishes, what it leaves undecided, and what it cannot say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from dropexp.analysis.dose import doses
from dropexp.analysis.inference import (
    EQUAL,
    ONE_SEED,
    OPEN,
    SAME,
    SEEDS,
    UNDECIDED,
    UNDERFITTING,
    Judged,
)
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Verdict
from dropexp.experiment.design import RATE
from dropexp.experiment.levels import FEWEST
from dropexp.experiment.naming import label
from dropexp.page.measures import Measure, counted, left_open, measures, probability
from dropexp.wording.along import chance_line, clauses
from dropexp.wording.finding import finding, spoken_of
from dropexp.wording.labels import WHY, half, hint, listed, oracle, percent, signed
from dropexp.wording.movements import levels, movements
from dropexp.wording.power import power_line
from dropexp.wording.scope import ONE_SIDED, validated

MOST = 12  # differences that are told one by one
FEW = 4  # undecided ones
TONES = {
    "better": "good",
    "smaller": "good",
    "worse": "bad",
    "larger": "bad",
    UNDERFITTING: "bad",
    SAME: "same",
    EQUAL: "same",
}


@dataclass(frozen=True)
class Fact:
    """A difference as shown: the number, what it describes, what it is based on, and the verdict with its tone."""

    number: str
    of: str
    detail: str
    word: str
    tone: str


@dataclass(frozen=True)
class Answer:
    """`headline` is a few sentences; `counts` sums up many arms; `limits` is what no number here can say.

    `open` sums up what is undecided if there is too much to list. `chosen` is what validation chooses.
    """

    headline: str
    counts: tuple[str, ...]
    established: tuple[Fact, ...]
    undecided: tuple[Fact, ...]
    open: tuple[str, ...]
    limits: tuple[str, ...]
    chosen: str = ""


Row = tuple[Measure, Verdict, Judged]


def answer(tidy: Tidy, found: Sequence[Verdict]) -> Answer:
    """Return what the verdicts say in words; arms that are the same function count once."""
    told_of = measures(tidy, found)
    if not any(len(tidy.finished(arm)) for arm in tidy.arms):
        return Answer(headline(tidy, found), (), (), (), (), ("Anything at all: no run has finished.",))
    rows = [(m, v, j) for m in told_of for v, j in m.judged if j.difference.n or m.metric == tidy.lead.test]
    # test accuracy and gap are one finding where training accuracy is the same in every run: told once
    rows = [row for row in rows if row[0].metric != tidy.lead.gap or not row[1].mirrored]
    many = len(rows) > MOST
    # what is wholly undecided is summed up under what is not established
    counts = tuple(f"{counted(m)}." for m in told_of if many and any(j.word not in OPEN for _, j in m.judged))
    told, left = ([row for row in rows if (row[2].word in OPEN) is unsure] for unsure in (False, True))
    if many:
        told = _largest(told)
    summed: tuple[str, ...] = ()
    if len(left) > FEW:
        summed, left = tuple(f"{line}." for m in told_of if (line := _left_open(tidy, m))), []
    facts = (tuple(_fact(tidy, *row) for row in kept) for kept in (told, left))
    chosen = ""
    along = doses(tidy, "test", tidy.axes[0]) if len(tidy.axes) == 1 else ()
    if len(along) == 1 and (line := validated(along[0])):
        chosen = f"Without the test set, {line}."
    return Answer(headline(tidy, found), counts, *facts, summed, tuple(_limits(tidy, told_of)), chosen)


def _left_open(tidy: Tidy, measure: Measure) -> str:
    """Return what a measure leaves undecided, '' for a gap that always changes by minus the change in test accuracy."""
    same = measure.metric == tidy.lead.gap and all(v.mirrored for v, _ in measure.judged)
    return "" if same else left_open(measure)


def headline(tidy: Tidy, found: Sequence[Verdict]) -> str:
    """Return the answer: what each axis except the rate does, what dropout does, and which arms are at chance level."""
    if not any(len(tidy.finished(arm)) for arm in tidy.arms):
        return finding(tidy)
    parts, axis = clauses(tidy), tidy.study.baseline_axis
    if not parts or (any(v.baseline for v in found) and (axis is None or axis.startswith(RATE))):
        parts.append(_dropout(tidy, found))
    parts.append(chance_line(tidy))
    return ". ".join(f"{part[:1].upper()}{part[1:]}" for part in parts if part)


def _dropout(tidy: Tidy, found: Sequence[Verdict]) -> str:
    """Return the title of the gap's figure, then how the other metrics compare with the baselines, with numbers."""
    text, v = finding(tidy), spoken_of(tidy)
    for measure in measures(tidy, found):
        if measure.axis or measure.metric == tidy.lead.gap:
            continue
        if v is None:
            text += f"; {counted(measure, short=True)}"
            continue
        for own, judged in measure.judged:
            told = judged.word in (SAME, ONE_SEED) or (measure.metric == tidy.lead.test and "but test accuracy" in text)
            if own.arm is v.arm and not told:
                text += f"; {measure.noun} {_size(judged)}, {judged.said}"
    return text


def _fact(tidy: Tidy, measure: Measure, v: Verdict, judged: Judged) -> Fact:
    assert v.baseline is not None
    d = judged.difference
    tone = TONES.get(judged.word, {"less": "good", "more": "bad"}.get(judged.word, "open"))
    reference = measure.reference if measure.axis or len(tidy.axes) < 2 else label(v.baseline, tidy.axes)
    of = f"{measure.noun}, {label(v.arm, tidy.axes)} against {reference}"
    if judged.word == SAME:
        return Fact("0.0 points", of, "every loss and accuracy is identical in every seed", SAME, tone)
    if not d.n:
        return Fact("–", of, "no seed has a finished run of both arms", "no runs", tone)
    own, other = levels(tidy, v, measure.metric)
    parts = [f"{percent(own)} against {percent(other)} {measure.unit}", f"n = {d.n}", *_grounds(judged)]
    detail = ", ".join(parts)
    if measure.metric == tidy.lead.test and v.mirrored:
        detail += "; training accuracy is the same, so the gap changes by the opposite amount"
    if measure.metric == tidy.lead.gap and (three := movements(v)):
        detail += f"; {three}"
    return Fact(_size(judged), of, detail, judged.said, tone)


def _grounds(judged: Judged) -> Iterator[str]:
    d = judged.difference
    if d.why == "one seed":
        yield "one seed: no interval, nothing is established"
    elif d.why == "variance 0":
        yield "no interval, as the difference is the same in every seed (variance 0)"
    elif d.why:
        yield "no interval"
    else:
        yield probability(judged.p_family) + (
            f" corrected for {judged.family} comparisons" if judged.family > 1 else ""
        )
        yield f"{d.agree} of {d.n} seeds have this sign" if d.paired else "unpaired (Welch)"
        if judged.word == UNDECIDED:
            yield f"interval {signed(d.low)} to {signed(d.high)} points"
        if d.n < FEWEST:
            yield f"a verdict takes at least {FEWEST} seeds"
        low, high = judged.examples
        if not isnan(low):
            yield f"with new test examples too: {signed(low)} to {signed(high)} points"
        if judged.with_chance:
            yield f"some runs diverged: {judged.with_chance}"


def _size(judged: Judged) -> str:
    return f"{signed(judged.difference.mean)} {half(judged.difference.half)}".strip() + " points"


def _best(tidy: Tidy, told_of: Sequence[Measure], compared: int) -> Iterator[str]:
    """Yield which arms may be the best, if one axis orders them all; else that this is not known."""
    found = doses(tidy, "test", tidy.axes[0]) if len(tidy.axes) == 1 else ()
    if len(found) != 1:
        references = listed(list(dict.fromkeys(m.reference for m in told_of)))
        yield f"Which of the {compared} arms compared is the best of all: each is compared with {references} only."
    elif len(found[0].best) > 1:
        names = listed([label(arm, tidy.axes) for arm in found[0].best])
        yield f"Which arm is best in test accuracy: {names} are not ruled out."
        if len(found[0].best) < len(found[0].arms):
            yield f"How far a ruled-out arm is behind: {ONE_SIDED}."


def _largest(rows: list[Row]) -> list[Row]:
    """Return the largest differences of each metric against each reference, a few of many."""
    kinds = dict.fromkeys((m.metric, m.axis) for m, *_ in rows)
    each = MOST // 4 if len({axis for _, axis in kinds}) < 2 else MOST // 6
    found = []
    for kind in kinds:
        mine = [row for row in rows if (row[0].metric, row[0].axis) == kind]
        mine = [row for row in mine if row[2].word != SAME and row[2].difference.n]
        found += sorted(mine, key=lambda row: -abs(row[2].difference.mean))[:each]
    return found


def _limits(tidy: Tidy, told_of: Sequence[Measure]) -> Iterator[str]:
    """Yield what the numbers cannot say, as far as the rows tell."""
    yield "Other data, other networks and other settings: every interval is over seeds, for this pool of examples."
    answers = [judged for m in told_of for _, judged in m.judged if judged.told]
    for reach, why in WHY.items():
        if any(judged.reach == reach for judged in answers):
            yield f"Verdicts “{reach}” on another test set: {why}." if reach == SEEDS else f"New test examples: {why}."
    if any(judged.word == UNDECIDED for m in told_of for _, judged in m.judged):
        yield from (f"Small differences: {line}." for line in power_line(tidy))
    compared = len({v.arm.arm_id for m in told_of for v, _ in m.judged})
    if compared > 1:
        yield from _best(tidy, told_of, compared)
    if sum(len(m.judged) for m in told_of) > MOST:
        yield "The true size of the largest difference: the largest of many is likely to be overstated."
    if not told_of and len(tidy.arms) > 0:
        yield "What dropout does: there is no arm to compare with."
    rates = {arm.value("training.lr") for arm in tidy.arms}
    if compared and len(rates) == 1 and rates != {None}:
        yield f"How each arm does at its own best learning rate: all were trained at {rates.pop():g}."
    counts = {len(tidy.finished(arm)) for arm in tidy.arms}
    if 1 in counts:
        yield "Anything about an arm with one seed: a single run has no interval."
    for sentence in (hint(tidy), oracle(tidy)):
        if sentence:
            yield f"{sentence[:1].upper()}{sentence[1:]}."
