"""The words and numbers that tables and figures share: names of arms, percent, points and intervals."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from dropexp.analysis.inference import SEEDS, UNREACHED, Judged
from dropexp.analysis.number_format import half, percent, signed
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import verdicts
from dropexp.experiment.design import Arm
from dropexp.experiment.levels import FEWEST
from dropexp.experiment.naming import headings, keys, value

__all__ = ["half", "percent", "signed"]

OVER = "95% interval over seeds"
BY_SEED = "verdicts compare arms seed by seed, so they do not follow from these bars"
LATE = "added, or given another margin, after results were stored"
STARS = {SEEDS: "*", UNREACHED: "**"}
WHY = {
    SEEDS: "consistent across seeds, but not shown for another test set",
    UNREACHED: "no predictions are stored to show whether it holds for another test set",
}


def file_word(tidy: Tidy, path: str) -> str:
    """Return an axis as part of a file name."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", keys(tidy.axes)[path]).strip("-")[:40] or "axis"


def against(tidy: Tidy) -> str:
    """Return what the baseline is called in a heading: `0` on the only axis, `rate 0` beside others."""
    bases = [base for base in tidy.baselines if base is not None]
    if not bases:
        return ""
    words = headings(tidy.axes)
    if named := tidy.study.chosen:
        parts = [f"{words.get(path, path)} {shown}" for path, shown in named]
        return named[0][1] if len(tidy.axes) == len(named) == 1 else ", ".join(parts)
    if any(arm.masked for arm in tidy.arms) and any(not base.masked for base in bases):
        rates = {base.value("dropout.rate") for base in bases}
        if "dropout.rate" not in tidy.axes or rates != {0.0}:
            return "no dropout"
        return "0" if len(tidy.axes) == 1 else "rate 0"
    path = tidy.study.baseline_axis
    if path is None or len({base.value(path) for base in bases}) != 1:
        return "baseline"
    shown_value = value(bases[0], path)
    return shown_value if len(tidy.axes) == 1 else f"{words[path]} {shown_value}"


def named(tidy: Tidy) -> str:
    """Return what the baseline is called in a sentence: `rate 0`."""
    name = against(tidy)
    return f"{headings(tidy.axes)[tidy.axes[0]]} {name}" if len(tidy.axes) == 1 and name != "no dropout" else name


def hint(tidy: Tidy) -> str | None:
    """Return the sentence for a grid that has no arm at rate 0."""
    return tidy.study.hint


def oracle(tidy: Tidy) -> str | None:
    """Return the sentence for arms in which the test set selects the epoch."""
    found = dict.fromkeys(arm.monitor for arm in tidy.arms if arm.monitor and arm.monitor.startswith("test_"))
    return f"oracle: {' and '.join(found)} selects the epoch on the test set itself" if found else None


def epoch_rule(tidy: Tidy) -> str:
    """Return which epoch the numbers come from."""
    selected = {arm.monitor is not None for arm in tidy.arms}
    if len(selected) > 1:
        return "at the selected epoch, or at the last without early stopping"
    return "at the selected epoch" if True in selected else "at the last epoch"


def seeds(tidy: Tidy, arms: tuple[Arm, ...] | None = None) -> str:
    """Return `n = 10`, or `n = 8 to 10` where arms differ; arms without a finished run do not count."""
    counts = {len(tidy.finished(arm)) for arm in (tidy.arms if arms is None else arms)} - {0} or {0}
    return f"n = {min(counts)}" if len(counts) == 1 else f"n = {min(counts)} to {max(counts)}"


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence: `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def directed(bar: str, few: bool = False) -> str:
    """Return when a verdict names a direction; `bar` is how the interval is shown, `few` adds how many seeds it takes."""
    return f"a verdict names a direction only if {bar} excludes 0{f' over at least {FEWEST} seeds' if few else ''}"


def corrected(comparisons: int | str) -> str:
    """Return for how many comparisons verdicts are corrected."""
    return f"verdicts are corrected for {comparisons} comparisons"


def starred(judged: Judged) -> str:
    """Return the verdict on a difference, with a star if it is not shown for new test examples."""
    return f"{judged.word}{STARS[judged.reach]}" if judged.qualified else judged.word


def stars(judged: Iterable[Judged]) -> list[str]:
    """Return what the stars after some verdicts mean."""
    return stars_of({j.reach for j in judged if j.told})


def stars_of(reaches: Collection[str]) -> list[str]:
    """Return what the stars mean that mark how far verdicts reach."""
    return [f"{STARS[reach]} {reach}: {why}" for reach, why in WHY.items() if reach in reaches]


def here(judged: Sequence[Judged]) -> str:
    """Return how far verdicts reach and how many came after the fact, as the end of a title, or ''."""
    told = [j for j in judged if j.told]
    parts = []
    for reach in WHY:
        if count := sum(j.reach == reach for j in told):
            some = "" if count == len(told) else f"{count} of them "
            parts.append(f", {some}{reach}")
    if late := sum(j.after for j in told):
        parts.append(f", {'' if late == len(told) else f'{late} of them '}after the fact")
    return "".join(parts)


def footnote(
    tidy: Tidy, marks: str, left_out: int = 0, what: str = "arms", starred_words: bool = False, taken: str = ""
) -> str:
    """Return what a figure's marks are, what its stars mean, and what it does not show.

    `taken` says how numbers were measured where that is not with dropout off at the epoch that counts.
    """
    count = f"{seeds(tidy)} seed{'s' * (seeds(tidy) != 'n = 1')}"
    if seeds(tidy) == "n = 1":
        count = f"{count}, no interval"
    elif marks:
        count = f"{count}; {marks}: {OVER}"
    parts = [count]
    parts.append(taken or f"dropout off, {epoch_rule(tidy)}")
    if diverged := sum(tidy.diverged(arm) for arm in {a.arm_id: a for a in tidy.arms}.values()):
        parts.append(f"{diverged} diverged run{'s' * (diverged != 1)} left out")
    if absent := sum(tidy.finished(arm).empty for arm in tidy.arms) + tidy.study.unmade:
        parts.append(f"{absent:,} arm{'s' * (absent != 1)} without a finished run")
    if starred_words:
        parts += stars(j for v in verdicts(tidy) for j in (v.test, v.gap) if j)
    if left_out:
        parts.append(f"{left_out} more {what.removesuffix('s') if left_out == 1 else what} not shown")
    if sentence := oracle(tidy):
        parts.append(sentence)
    return "; ".join(parts)
