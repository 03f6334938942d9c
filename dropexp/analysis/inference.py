"""One inference per study: each difference with its interval, verdict and reach, which every output takes from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan

import pandas as pd

from dropexp.analysis.family import Family, family
from dropexp.analysis.reach import UNKNOWN, Shared, over_examples, shared
from dropexp.analysis.stats import Difference, difference, welch
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.levels import ALPHA, FEWEST, TOGETHER
from dropexp.metrics import AVERAGED

SAME = "the same function"
UNDECIDED = "undecided"
UNDERFITTING = "underfitting"
EQUAL = "no difference that counts"
ONE_SEED = "no interval with one seed"
NO_RUNS = "no runs"
OPEN = (UNDECIDED, ONE_SEED, NO_RUNS)  # nothing is said
RISE_AND_FALL = {
    "train": ("higher", "lower"),
    "test": ("better", "worse"),
    "gap": ("larger", "smaller"),
    "memorised": ("more", "less"),
}
EXAMPLES, SEEDS, UNREACHED = "", "for these test examples", "reach unknown"
ALL_LABELS = "gap, all labels"  # of a study with wrong labels, which leads with the gap of those left alone
BITS = tuple(column.name for column in AVERAGED if column.on and not column.noisy)


@dataclass(frozen=True)
class Side:
    """An arm and the study that it belongs to."""

    tidy: Tidy
    arm: Arm

    def column(self, metric: str) -> str:
        """Return the column of a metric: `train`, `test` and `gap` are those that the study leads with."""
        return _column(self.tidy, metric)

    def values(self, metric: str) -> pd.Series[float]:
        return self.tidy.values(self.arm, self.column(metric))

    def filled(self, metric: str) -> pd.Series[float]:
        """Return the values with chance in the place of runs that diverged."""
        rows = self.tidy.rows(self.arm)
        lost = rows.index[rows["stop_reason"] == "diverged"]
        return self.tidy.with_chance(self.arm, self.column(metric), self.values(metric), lost)

    def same_bits(self, other: Side) -> bool:
        """Whether both have the same seeds and, in each, the same bits in every loss and accuracy."""
        same = all(self.tidy.values(self.arm, m).equals(other.tidy.values(other.arm, m)) for m in BITS)
        return same and len(self.tidy.values(self.arm, "test_loss")) > 0  # equal counts alone may be chance


@dataclass(frozen=True)
class Question:
    """A difference that is asked for: of a metric, one side minus the other."""

    metric: str
    a: Side
    b: Side

    def difference(self, filled: bool = False) -> Difference:
        a, b = (side.filled(self.metric) if filled else side.values(self.metric) for side in (self.a, self.b))
        return difference(a, b) if self.a.arm.population == self.b.arm.population else welch(a, b)

    @property
    def diverged(self) -> int:
        return sum(side.tidy.diverged(side.arm) for side in (self.a, self.b))

    def shared(self, d: Difference) -> Shared:
        """Return what the differences share between seeds by being tested on the same examples."""
        if self.metric not in TOGETHER or d.sample is None or self.a.arm.population != self.b.arm.population:
            return UNKNOWN
        kept = [side.tidy.outcomes_of(side.arm) for side in (self.a, self.b)]
        return shared(((1.0, kept[0]), (-1.0, kept[1])), list(d.sample.index))


@dataclass(frozen=True)
class Judged:
    """A difference with the interval that holds together with those of its family, and the verdict on it, its `word`.

    The verdict names a direction exactly if that interval excludes 0, and is `no difference that counts` if the interval
    lies within the study's margin. `level` is the two-sided level of the interval, `p_family` the p for the family of
    `family` comparisons. `examples` is the interval over new seeds and new test examples, NaN if outcomes were not kept;
    `reach` says where the verdict does not hold over these. `with_chance` gives both verdicts if leaving diverged runs out
    and counting them as chance lead to different ones; the verdict is then undecided. `after` is whether the comparison or
    its margin was added when results were already stored.
    """

    difference: Difference
    p_family: float
    family: int
    level: float
    word: str
    reach: str = EXAMPLES
    examples: tuple[float, float] = (nan, nan)
    with_chance: str = ""
    after: bool = False
    exploratory: bool = False

    @property
    def told(self) -> bool:
        """Whether the verdict establishes something about a difference."""
        return self.word not in (*OPEN, SAME)

    @property
    def qualified(self) -> bool:
        """Whether the verdict holds for these test examples only, or is not known to reach beyond them."""
        return self.told and self.reach != EXAMPLES

    @property
    def said(self) -> str:
        word = self.word
        if self.qualified:
            word += f" {self.reach}" if self.reach == SEEDS else f", {self.reach}"
        marks = [", after the fact"] * self.after + [", exploratory"] * self.exploratory
        return word + "".join(marks) if self.told else word


def judged(
    questions: Sequence[Question], looks: Sequence[int] = (), alone: bool = False, among: int = 0
) -> list[Judged]:
    """Return the answers to questions that are one family.

    `alone`: each is judged by itself and marked as exploratory. `among` is the number of comparisons that these are part
    of, for which they are corrected by Bonferroni's bound.
    """

    def families_of(found: Sequence[Difference]) -> list[Family]:
        if alone:
            return [family([d]) for d in found]
        return [_bounded(found, among * max(len(looks), 1)) if among else family(found, looks)] * len(found)

    found = [q.difference() for q in questions]
    families = families_of(found)
    filled: Sequence[tuple[Difference, float]] = []
    if any(q.diverged for q in questions):
        again = [q.difference(filled=True) for q in questions]
        filled = [f.interval(d, nan) for f, d in zip(families_of(again), again, strict=True)]
    answers = []
    for i, (q, d, whole) in enumerate(zip(questions, found, families, strict=True)):
        adjusted = whole.adjusted[0] if alone else whole.adjusted[i]
        answer = _answer(q, d, adjusted, whole)
        if filled and q.diverged and answer.told:
            word = _word(q, filled[i][0])
            both = f"{answer.word} without them, {word} if they count as chance"
            answer = (
                answer if word == answer.word else replace(answer, word=UNDECIDED, with_chance=both, reach=EXAMPLES)
            )
        answers.append(replace(answer, exploratory=alone))
    return answers


def _bounded(found: Sequence[Difference], size: int) -> Family:
    return Family(size, ALPHA / size, tuple(min(1.0, size * d.p) for d in found))


def _answer(q: Question, d: Difference, adjusted: float, whole: Family) -> Judged:
    if q.a.same_bits(q.b):
        return Judged(d, nan, whole.size, whole.level, SAME)
    held, p = whole.interval(d, adjusted)
    word = _word(q, held)
    low, high = over_examples(d, q.shared(d), 1 - whole.level) if q.metric in TOGETHER else (nan, nan)
    reach = EXAMPLES
    if word not in OPEN and q.metric in TOGETHER:
        reach = UNREACHED if isnan(low) else EXAMPLES if _word(q, d.within(low, high)) == word else SEEDS
    return Judged(held, p, whole.size, whole.level, word, reach, (low, high), after=_after(q, word))


def _word(q: Question, d: Difference) -> str:
    word = direction("gap" if q.metric == ALL_LABELS else q.metric, d)
    small = d.n >= FEWEST and max(-d.low, d.high) < margin_of(q.a.tidy, q.metric)
    return EQUAL if word == UNDECIDED and small else word


def direction(metric: str, d: Difference) -> str:
    """Return the verdict for the side of 0 on which the interval of a difference in a metric lies."""
    if d.why in ("one seed", "no runs"):
        return ONE_SEED if d.why == "one seed" else NO_RUNS
    if d.n < FEWEST or not d.side:
        return UNDECIDED
    return RISE_AND_FALL.get(metric, ("higher", "lower"))[d.side < 0]


def margin_of(tidy: Tidy, metric: str) -> float:
    """Return the smallest difference that counts in a study, NaN if it names none."""
    return float(tidy.study.margins.get(_margin_name(tidy, metric), nan))


def _margin_name(tidy: Tidy, metric: str) -> str:
    """Return the name of a metric's margin: that of `gap` also applies to the gap of clean labels."""
    column = _column(tidy, metric)
    return column if column in tidy.study.margins else metric


def _column(tidy: Tidy, metric: str) -> str:
    return "gap" if metric == ALL_LABELS else str(getattr(tidy.lead, metric, metric))


def _after(q: Question, word: str) -> bool:
    tidy = q.a.tidy
    late = any(side.tidy.history.arm_after(side.arm.arm_id) for side in (q.a, q.b))
    return late or (word == EQUAL and tidy.history.margins_after(_margin_name(tidy, q.metric)))


Key = tuple[str, str]  # the arm_ids of an arm and of the one that it is compared with


def pairs(tidy: Tidy) -> dict[Key, tuple[Arm, Arm]]:
    """Return the comparisons of a study: each arm with its baseline, then along axes; arms that are one function once."""
    based = [(a, b) for a, b in zip(tidy.arms, tidy.baselines, strict=True) if b is not None]
    return {(a.arm_id, b.arm_id): (a, b) for a, b in (*based, *((x.arm, x.against) for x in tidy.along))}


def answers(tidy: Tidy, metric: str) -> Mapping[Key, Judged]:
    """Return the answer for each comparison of a study, those with baselines and those along axes.

    Test accuracy and the gap in all comparisons are one family, so that at most 5% of studies have any wrong verdict;
    any other metric is a family of its own. Answers are computed once per study.
    """
    members = TOGETHER if metric in TOGETHER else (metric,)
    if members not in tidy.kept:
        compared = pairs(tidy)
        questions = [Question(m, Side(tidy, a), Side(tidy, b)) for m in members for a, b in compared.values()]
        found = judged(questions, looks(tidy))
        names = [(m, key) for m in members for key in compared]
        told = {m: {key: j for (n, key), j in zip(names, found, strict=True) if n == m} for m in members}
        if members == TOGETHER:
            told["gap"] = _explained(told["test"], told["gap"], answers(tidy, "train"))
        tidy.kept[members] = told
    kept: Mapping[Key, Judged] = tidy.kept[members][metric]
    return kept


def against_baselines(tidy: Tidy, metric: str) -> Mapping[Key, Judged]:
    """Return the answer for each arm that has a baseline, arms that are one function once."""
    along = {(x.arm.arm_id, x.against.arm_id) for x in tidy.along}
    return {key: j for key, j in answers(tidy, metric).items() if key not in along}


def _explained(test: Mapping[Key, Judged], gap: Mapping[Key, Judged], train: Mapping[Key, Judged]) -> dict[Key, Judged]:
    """Return the gaps, with the verdict `underfitting` for those that are smaller only because training accuracy fell.

    That is so if the gap is smaller, test accuracy is not better, training accuracy is lower, and its fall makes up at
    least half of the change.
    """

    def fell(key: Key, j: Judged) -> bool:
        down = test[key].word != "better" and train[key].word == "lower"
        return j.word == "smaller" and down and train[key].difference.mean <= j.difference.mean / 2

    return {key: replace(j, word=UNDERFITTING) if fell(key, j) else j for key, j in gap.items()}


def looks(tidy: Tidy) -> tuple[int, ...]:
    """Return the numbers of seeds at which a study that grows may be judged, none for a study whose seeds are fixed."""
    grow = tidy.study.grow
    return grow.rounds if grow else ()


def identical(tidy: Tidy, a: Arm, b: Arm) -> bool:
    """Whether two arms of a study have the same seeds and in each the same bits everywhere."""
    return Side(tidy, a).same_bits(Side(tidy, b))
