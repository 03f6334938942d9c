"""The answer in sentences, numbers first: what a study establishes, what it leaves open, and what it cannot say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
    against_baselines,
)
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Verdict
from dropexp.experiment.design import Arm
from dropexp.experiment.levels import FEWEST
from dropexp.experiment.naming import label
from dropexp.wording.finding import finding, spoken_of
from dropexp.wording.labels import WHY, half, hint, listed, named, oracle, percent, signed
from dropexp.wording.power import power_line
from dropexp.wording.scope import validated

MOST = 12  # differences that are told one by one
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
    """A difference as it is read: the number, what it is of, what it rests on, and the word with its tone."""

    number: str
    of: str
    detail: str
    word: str
    tone: str


@dataclass(frozen=True)
class Answer:
    """`headline` is one sentence; `counts` sums up many arms; `limits` is what no number here can say.

    `chosen` is what validation chooses.
    """

    headline: str
    counts: tuple[str, ...]
    established: tuple[Fact, ...]
    undecided: tuple[Fact, ...]
    limits: tuple[str, ...]
    chosen: str = ""


@dataclass(frozen=True)
class Measure:
    """One metric's judgements, one row per pair of arm and baseline: `noun` names it, `unit` is that of its level."""

    metric: str
    noun: str
    unit: str
    judged: tuple[tuple[Arm, Arm, Judged], ...]


Row = tuple[Measure, Arm, Arm, Judged]


def answer(tidy: Tidy, found: Sequence[Verdict]) -> Answer:
    """Return what the verdicts say in words; each function among the arms is told once."""
    measures = _measures(tidy, found)
    if not any(len(tidy.finished(arm)) for arm in tidy.arms):
        return Answer(headline(tidy, found), (), (), (), ("Anything: no run has finished.",))
    rows = [(m, arm, base, j) for m in measures for arm, base, j in m.judged if j.difference.n or m is measures[0]]
    one = {v.arm.arm_id for v in found if v.mirrored}  # test accuracy and gap are one finding, told once
    rows = [row for row in rows if row[0].metric != tidy.lead.gap or row[1].arm_id not in one]
    counts = tuple(f"{_counted(m, tidy)}." for m in measures) if len(rows) > MOST else ()
    told, left = ([row for row in rows if (row[3].word in OPEN) is unsure] for unsure in (False, True))
    if counts:
        told, left = _largest(told), _largest(left)
    facts = (
        tuple(_with_gap(_fact(tidy, *row), row, tidy) if row[1].arm_id in one else _fact(tidy, *row) for row in kept)
        for kept in (told, left)
    )
    chosen = ""
    along = doses(tidy, "test", tidy.axes[0]) if len(tidy.axes) == 1 else ()
    if len(along) == 1 and (line := validated(along[0])):
        chosen = f"Chosen without the test set, {line}."
    return Answer(headline(tidy, found), counts, *facts, tuple(_limits(tidy, measures)), chosen)


def _with_gap(fact: Fact, row: Row, tidy: Tidy) -> Fact:
    """Return a fact of test accuracy that stands for the gap's too."""
    if row[0].metric != tidy.lead.test:
        return fact
    return replace(fact, detail=f"{fact.detail}; training accuracy is the same, so the gap is minus this")


def headline(tidy: Tidy, found: Sequence[Verdict]) -> str:
    """Return the answer in one sentence: the gap's title, then what became of the other metrics, with numbers."""
    text, v = finding(tidy), spoken_of(tidy)
    if not any(len(tidy.finished(arm)) for arm in tidy.arms):
        return text
    for measure in _measures(tidy, found):
        if measure.metric == tidy.lead.gap:
            continue
        if v is None:
            text += f"; {_counted(measure, tidy, short=True)}"
            continue
        for arm, _, judged in measure.judged:
            told = judged.word in (SAME, ONE_SEED) or (measure.metric == tidy.lead.test and "test accuracy" in text)
            if arm is v.arm and not told:
                text += f"; {measure.noun} {_size(judged)}, {judged.said}"
    return text


def _measures(tidy: Tidy, found: Sequence[Verdict]) -> list[Measure]:
    once = list({v.arm.arm_id: v for v in reversed(found) if v.baseline}.values())[::-1]
    if not once:
        return []
    measures = []
    clean = "clean " if tidy.noisy else ""
    for what, metric, noun, unit in (
        ("test", tidy.lead.test, "test accuracy", "percent"),
        ("gap", tidy.lead.gap, f"{clean}gap", "points"),
    ):
        rows = [(v.arm, v.baseline, getattr(v, what)) for v in once if v.baseline]
        measures.append(Measure(metric, noun, unit, tuple(row for row in rows if row[2])))
    if tidy.noisy:
        measures.append(Measure("memorised", "wrong labels memorised", "percent", tuple(_memorised(tidy, once))))
    return measures


def _memorised(tidy: Tidy, once: Sequence[Verdict]) -> Iterator[tuple[Arm, Arm, Judged]]:
    """Yield what the study's inference says of the memorised fraction, where arms have one."""
    found = against_baselines(tidy, "memorised")
    for v in once:
        if v.baseline and (judged := found[v.arm.arm_id, v.baseline.arm_id]).difference.n:
            yield v.arm, v.baseline, judged


def _fact(tidy: Tidy, measure: Measure, arm: Arm, base: Arm, judged: Judged) -> Fact:
    d = judged.difference
    tone = TONES.get(judged.word, {"less": "good", "more": "bad"}.get(judged.word, "open"))
    of = f"{measure.noun}, {label(arm, tidy.axes)} against {named(tidy) if len(tidy.axes) < 2 else label(base, tidy.axes)}"
    if judged.word == SAME:
        return Fact("0.0 points", of, "the same bits in every loss and accuracy of every seed", SAME, tone)
    if not d.n:
        return Fact("–", of, "no seed has a finished run of both", "no runs", tone)
    own, other = (tidy.values(a, measure.metric) for a in (arm, base))
    if d.paired:
        shared = own.index.intersection(other.index)
        own, other = own.loc[shared], other.loc[shared]
    parts = [f"{percent(own.mean())} against {percent(other.mean())} {measure.unit}", f"n = {d.n}", *_grounds(judged)]
    return Fact(_size(judged), of, ", ".join(parts), judged.said, tone)


def _grounds(judged: Judged) -> Iterator[str]:
    d = judged.difference
    if d.why == "one seed":
        yield "one seed: no interval, nothing is established"
    elif d.why == "variance 0":
        yield "the same difference in every seed (variance 0): no interval"
    elif d.why:
        yield "no interval"
    else:
        yield probability(judged.p_family) + (f" in the family of {judged.family}" if judged.family > 1 else "")
        yield f"{d.agree} of {d.n} seeds have this sign" if d.paired else "unpaired (Welch)"
        if judged.word == UNDECIDED:
            yield f"the interval leaves {signed(d.low)} to {signed(d.high)} points open"
        if d.n < FEWEST:
            yield f"{FEWEST} or more seeds decide"
        low, high = judged.examples
        if not isnan(low):
            yield f"over new test examples too: {signed(low)} to {signed(high)} points"
        if judged.with_chance:
            yield f"runs diverged: {judged.with_chance}"


def probability(p: float) -> str:
    """Return a p-value as it is read: `p = 0.031`, `p < 0.001`, `no p` where there is none."""
    return "no p" if isnan(p) else "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _size(judged: Judged) -> str:
    return f"{signed(judged.difference.mean)} {half(judged.difference.half)}".strip() + " points"


def _counted(measure: Measure, tidy: Tidy, short: bool = False) -> str:
    """Return how many arms each word is said of, and the span of the mean differences."""
    words = Counter(judged.word for _, _, judged in measure.judged)
    tally = ", ".join(f"{word} in {count}" for word, count in words.most_common())
    sizes = [judged.difference.mean for _, _, judged in measure.judged if judged.difference.n]
    span = f"{signed(min(sizes))} to {signed(max(sizes))} points" if sizes else "no difference"
    if short:
        return f"{measure.noun}: {tally}, {span}"
    return f"{measure.noun.capitalize()} against {named(tidy)}: {tally} of {len(measure.judged)} arms; mean differences {span}"


def _best(tidy: Tidy, compared: int) -> Iterator[str]:
    """Yield which arms may be the best, where one axis orders them all; else that nothing is said of that."""
    found = doses(tidy, "test", tidy.axes[0]) if len(tidy.axes) == 1 else ()
    if len(found) != 1:
        yield f"Which of the {compared} arms compared is best of all: each is held against {named(tidy)} alone."
    elif len(found[0].best) > 1:
        names = listed([label(arm, tidy.axes) for arm in found[0].best])
        yield f"Which arm is best in test accuracy: not ruled out are {names}."


def _largest(rows: list[Row]) -> list[Row]:
    """Return the largest differences of each metric, a few of many."""
    found = []
    for metric in dict.fromkeys(m.metric for m, *_ in rows):
        mine = [row for row in rows if row[0].metric == metric and row[3].word != SAME and row[3].difference.n]
        found += sorted(mine, key=lambda row: -abs(row[3].difference.mean))[: MOST // 4]
    return found


def _limits(tidy: Tidy, measures: Sequence[Measure]) -> Iterator[str]:
    """Yield what the numbers cannot say, as far as the rows tell."""
    yield (
        "Other data, other networks and other training settings: every interval is over seeds, for this pool of "
        "examples."
    )
    answers = [judged for m in measures for _, _, judged in m.judged if judged.told]
    for reach, why in WHY.items():
        if any(judged.reach == reach for judged in answers):
            yield f"What reads “{reach}”, beyond them: {why}." if reach == SEEDS else f"New test examples: {why}."
    if any(judged.word == UNDECIDED for m in measures for _, _, judged in m.judged):
        yield from (f"Small differences: {line}." for line in power_line(tidy))
    compared = len(measures[0].judged) if measures else 0
    if compared > 1:
        yield from _best(tidy, compared)
    if compared * len(measures) > MOST:
        yield "How large the largest difference is: picked out of many, it is likely to be overstated."
    if not measures and len(tidy.arms) > 0:
        yield "What dropout does: there is no arm to compare with."
    rates = {arm.value("training.lr") for arm in tidy.arms}
    if compared and len(rates) == 1 and rates != {None}:
        yield f"What each arm does at its own best learning rate: all were trained at {rates.pop():g}."
    counts = {len(tidy.finished(arm)) for arm in tidy.arms}
    if 1 in counts:
        yield "Anything of an arm with one seed: a single run has no interval."
    for sentence in (hint(tidy), oracle(tidy)):
        if sentence:
            yield f"{sentence[:1].upper()}{sentence[1:]}."
