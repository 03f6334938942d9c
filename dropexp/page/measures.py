"""The verdicts that a page shows, metric by metric, against baselines and along each axis, and their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from dropexp.analysis.inference import OPEN, Judged, answers
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Verdict, along_axes
from dropexp.wording.along import against
from dropexp.wording.labels import named, signed


@dataclass(frozen=True)
class Measure:
    """The verdicts on one metric against one kind of reference, one row per comparison.

    `noun` names the metric, `unit` is that of its level. `reference` is what the arms are compared with, `what` is the word
    for the rows, arms or comparisons. `axis` is the axis along which arms are compared, '' for arms and their baselines.
    """

    metric: str
    noun: str
    unit: str
    reference: str
    axis: str
    judged: tuple[tuple[Verdict, Judged], ...]

    @property
    def what(self) -> str:
        word = "comparison" if self.axis else "arm"
        return word if len(self.judged) == 1 else f"{word}s"


def measures(tidy: Tidy, found: Sequence[Verdict]) -> list[Measure]:
    """Return the verdicts of a study; arms that are the same function count once."""
    once = list({v.arm.arm_id: v for v in reversed(found) if v.baseline}.values())[::-1]
    groups: dict[str, list[Verdict]] = {"": once} if once else {}
    for v in along_axes(tidy):
        groups.setdefault(v.axis, []).append(v)
    return [m for axis, kept in groups.items() for m in _of(tidy, axis, kept)]


def _of(tidy: Tidy, axis: str, found: Sequence[Verdict]) -> Iterator[Measure]:
    clean = "clean " if tidy.noisy else ""
    reference = against(tidy, axis) if axis else named(tidy)
    for what, metric, noun, unit in (
        ("test", tidy.lead.test, "test accuracy", "percent"),
        ("gap", tidy.lead.gap, f"{clean}gap", "points"),
    ):
        rows = tuple((v, j) for v in found if (j := getattr(v, what)))
        yield Measure(metric, noun, unit, reference, axis, rows)
    if tidy.noisy:
        rows = tuple(_memorised(tidy, found))
        yield Measure("memorised", "wrong labels memorised", "percent", reference, axis, rows)


def _memorised(tidy: Tidy, found: Sequence[Verdict]) -> Iterator[tuple[Verdict, Judged]]:
    """Yield the verdicts of the study's inference on the memorised fraction, for arms that have one."""
    told = answers(tidy, "memorised")
    for v in found:
        if v.baseline and (judged := told[v.arm.arm_id, v.baseline.arm_id]).difference.n:
            yield v, judged


def counted(measure: Measure, short: bool = False) -> str:
    """Return how many arms have each verdict, and the range of the mean differences."""
    words = Counter(judged.word for _, judged in measure.judged)
    tally = ", ".join(f"{word} in {count}" for word, count in words.most_common())
    sizes = [judged.difference.mean for _, judged in measure.judged if judged.difference.n]
    span = f"{signed(min(sizes))} to {signed(max(sizes))} points" if sizes else "no difference"
    if short:
        return f"{measure.noun}: {tally}, {span}"
    of = f"{tally} of {len(measure.judged)} {measure.what}"
    return f"{measure.noun.capitalize()} against {measure.reference}: {of}; mean differences from {span}"


def left_open(measure: Measure) -> str:
    """Return in how many comparisons nothing is established, with the range of their intervals; '' if there is none."""
    judged = [judged for _, judged in measure.judged if judged.word in OPEN]
    if not judged:
        return ""
    words = Counter(j.word for j in judged)
    tally = " and ".join(f"{word} in {count}" for word, count in words.most_common())
    text = f"{measure.noun.capitalize()} against {measure.reference}: {tally} of {len(measure.judged)} {measure.what}"
    ends = [(d.low, d.high) for d in (j.difference for j in judged) if not isnan(d.low)]
    if ends:
        many = f"their intervals reach from {signed(min(low for low, _ in ends))} to {signed(max(h for _, h in ends))}"
        text += f"; {many if len(ends) > 1 else f'the interval is {signed(ends[0][0])} to {signed(ends[0][1])}'} points"
    return text


def probability(p: float) -> str:
    """Return a p-value as text: `p = 0.031`, `p < 0.001`, `no p` if there is none."""
    return "no p" if isnan(p) else "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
