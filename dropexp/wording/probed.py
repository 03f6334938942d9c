"""A sentence about what a probe measured: the arms against their baseline, in words that intervals support."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isnan

from dropexp.analysis.inference import ONE_SEED, SAME, UNDECIDED, Judged
from dropexp.analysis.number_format import half, percent, signed
from dropexp.analysis.probed import Samples, against_baselines, measured_arms
from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import label
from dropexp.wording.labels import here, named

LONG = 40  # letters: an arm of a longer name is not named in a title
Answered = tuple[Arm, Arm, Judged]


@dataclass(frozen=True)
class Spelling:
    """How a number, a difference and half an interval are written, and the unit behind them."""

    number: Callable[[float], str]
    signed: Callable[[float], str]
    half: Callable[[float], str]
    unit: str = ""
    units: str = ""  # of a difference


def _three(x: float) -> str:
    return "-" if isnan(x) else f"{x + 0.0:.3g}"


PERCENT = Spelling(percent, signed, half, " percent", " points")
POINTS = Spelling(signed, signed, half, " points", " points")
PLAIN = Spelling(_three, lambda x: "-" if isnan(x) else f"{x + 0.0:+.2g}", lambda x: "" if isnan(x) else f"± {x:.2g}")
TWO = Spelling(  # decimals, for ratios
    lambda x: "-" if isnan(x) else f"{x + 0.0:.2f}",
    lambda x: "-" if isnan(x) else f"{x + 0.0:+.2f}",
    lambda x: "" if isnan(x) else f"± {x:.2f}" if x >= 0.005 else "± <0.01",
)
FOLD = replace(TWO, unit="-fold")
WHOLE = Spelling(lambda x: f"{x:.1f}", lambda x: f"{x:+.1f}", lambda x: "" if isnan(x) else f"± {x:.1f}")


def sentence(tidy: Tidy, what: str, samples: Samples, spelling: Spelling = PLAIN, one: str = "{what}: {number}") -> str:
    """Return what was measured in the one arm, or how the arms differ from their baseline, as a title says it.

    `one` is how it is said of one arm.
    """
    arms = measured_arms(tidy, [samples])
    answers = against_baselines(tidy, samples)
    if answers:
        return _compared(tidy, what, samples, spelling, answers)
    means = [(estimate(samples[arm.arm_id]), arm) for arm in arms]
    n = _seeds([e.n for e, _ in means])
    if len(means) == 1:
        e = means[0][0]
        number = f"{spelling.number(e.mean)} {spelling.half(e.half)}".strip()
        return f"{one.format(what=what, number=f'{number}{spelling.unit}')}, {n}" + (
            ", no interval" if e.n == 1 else ""
        )
    low, high = (pick(means, key=lambda m: m[0].mean) for pick in (min, max))
    return f"{what}: {spelling.number(low[0].mean)} to {spelling.number(high[0].mean)}{spelling.unit} in {len(means)} arms, {n}"


def joined(first: str, second: str) -> str:
    """Return two sentences of a title as one, which says how many seeds there are once where both have as many."""
    said, _, n = first.rpartition(", n = ")
    return f"{said if said and second.endswith(f', n = {n}') else first}; {second}"


def extremes(tidy: Tidy, samples: Samples, spelling: Spelling) -> str:
    """Return the smallest and the largest mean of several arms, each with its arm; nothing is said of their difference."""
    means = [(estimate(samples[arm.arm_id]), label(arm, tidy.axes)) for arm in measured_arms(tidy, [samples])]
    told = []
    for pick in (min, max):
        e, name = pick(means, key=lambda m: m[0].mean)
        told.append(f"{spelling.number(e.mean)}{spelling.unit} at {name if len(name) <= LONG else 'one arm'}")
    return f"between {told[0]} and {told[1]}"


def _compared(tidy: Tidy, what: str, samples: Samples, spelling: Spelling, answers: list[Answered]) -> str:
    judged: list[Judged] = [answer for *_, answer in answers]
    n = _seeds([j.difference.n for j in judged])
    counts = Counter(j.word for j in judged)
    if counts[ONE_SEED] == len(judged):
        return f"{what}, against {named(tidy)}: one seed each, no interval"
    arm, base, answer = max(answers, key=lambda a: (a[2].told, abs(a[2].difference.mean)))
    name = label(arm, tidy.axes)
    change = (
        f"{spelling.signed(answer.difference.mean)} {spelling.half(answer.difference.half)}".strip() + spelling.units
    )
    if len(answers) == 1:
        own, other = (spelling.number(float(samples[a.arm_id].mean())) for a in (arm, base))
        there = "without dropout" if named(tidy) == "no dropout" else f"at {named(tidy)}"
        where = f"at {name}" if len(name) <= LONG else "in one arm"
        said = f"{' ' if answer.told else ', '}{answer.said}"
        return f"{what}: {own}{spelling.unit} {where}, {other} {there}: {change}{said}, {n}"
    order = [*sorted(set(counts) - {UNDECIDED, ONE_SEED, SAME}), UNDECIDED, ONE_SEED, SAME]
    words = ", ".join(f"{word} in {counts[word]}" for word in order if counts[word])
    text = f"{what}, against {named(tidy)}: {words} of {len(answers)} arms{here(judged)}"
    if answer.told:
        text += f", most at {name if len(name) <= LONG else 'one'}: {change}"
    return f"{text}, {n}"


def _seeds(counts: list[int]) -> str:
    low, high = min(counts, default=0), max(counts, default=0)
    return f"n = {low}" if low == high else f"n = {low} to {high}"
