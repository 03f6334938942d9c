"""The words and numbers that tables and figures share: arms by what varies, percent, points, intervals."""

from __future__ import annotations

from dropexp.analysis.numbers import half, percent, signed
from dropexp.analysis.tidy import Tidy
from dropexp.spec.cells import spell
from dropexp.spec.identity import arm_id, canonical
from dropexp.spec.layout import site_rates
from dropexp.spec.naming import headings, value
from dropexp.spec.study import Arm

__all__ = ["half", "percent", "signed"]

OVER = "95% interval over seeds, for this pool of examples and this test set"


def file_word(tidy: Tidy, path: str) -> str:
    """Return an axis as part of a file's name."""
    return headings(tidy.axes)[path].replace(".", "-")


def against(tidy: Tidy) -> str:
    """Return how the baseline is called in a heading: `0` on the only axis, `rate 0` beside others."""
    bases = [base for base in tidy.baselines if base is not None]
    if not bases:
        return ""
    words = headings(tidy.axes)
    if named := tidy.study.chosen:
        parts = [f"{words.get(path, path)} {shown}" for path, shown in named]
        return named[0][1] if len(tidy.axes) == len(named) == 1 else ", ".join(parts)
    if any(not base.masked for base in bases):
        rates = {base.value("dropout.rate") for base in bases}
        if "dropout.rate" not in tidy.axes or rates != {0.0}:
            return "no dropout"
        return "0" if len(tidy.axes) == 1 else "rate 0"
    shared = [p for p in tidy.axes[:1] if len({base.value(p) for base in bases}) == 1]
    if not shared:
        return "baseline"
    shown_value = value(bases[0], shared[0])
    return shown_value if len(tidy.axes) == 1 else f"{words[shared[0]]} {shown_value}"


def named(tidy: Tidy) -> str:
    """Return how the baseline is called in a sentence: `rate 0`."""
    name = against(tidy)
    return f"{headings(tidy.axes)[tidy.axes[0]]} {name}" if len(tidy.axes) == 1 and name != "no dropout" else name


def hint(tidy: Tidy) -> str | None:
    """Return the sentence for a grid without an arm at rate 0, with the runs that adding one takes."""
    if any(not arm.masked for arm in tidy.arms):
        return None
    bare = []
    for arm in tidy.arms:
        dropout = arm.config.dropout.model_copy(update={"rate": 0.0})
        bare.append(canonical(arm.config.model_copy(update={"dropout": dropout})))
    if any(site_rates(config.dropout, config.model) for config in bare):
        return "no arm without dropout; a rate 0 leaves the places of dropout.rate_at masked"
    new = {arm_id(config) for config in bare} - {arm.arm_id for arm in tidy.arms}
    rates = dict.fromkeys(spell(arm.value("dropout.rate")) for arm in tidy.arms)
    count = len(new) * len(tidy.study.seeds)
    return f"no arm without dropout; --rates {' '.join(['0', *rates])} adds {count} run{'s' * (count != 1)}"


def oracle(tidy: Tidy) -> str | None:
    """Return the sentence for arms whose test set selects the epoch."""
    stops = [arm.config.early_stopping for arm in tidy.arms if arm.config.early_stopping.patience is not None]
    found = dict.fromkeys(stop.monitor for stop in stops if stop.monitor.startswith("test_"))
    return f"oracle: {' and '.join(found)} selects the epoch on the test set itself" if found else None


def epoch_rule(tidy: Tidy) -> str:
    """Return which epoch the numbers are from."""
    stopping = {arm.config.early_stopping.patience is not None for arm in tidy.arms}
    if len(stopping) > 1:
        return "at the selected epoch, or the last without early stopping"
    return "at the selected epoch" if True in stopping else "at the last epoch"


def seeds(tidy: Tidy, arms: tuple[Arm, ...] | None = None) -> str:
    """Return `n = 10`, or `n = 8 to 10` where arms differ; arms without a finished run are no part of it."""
    counts = {len(tidy.finished(arm)) for arm in (tidy.arms if arms is None else arms)} - {0} or {0}
    return f"n = {min(counts)}" if len(counts) == 1 else f"n = {min(counts)} to {max(counts)}"


def footnote(tidy: Tidy, marks: str, left_out: int = 0, what: str = "arms") -> str:
    """Return what a figure's marks are, over what, and what it does not show."""
    count = f"{seeds(tidy)} seed{'s' * (seeds(tidy) != 'n = 1')}"
    if seeds(tidy) == "n = 1":
        count = f"{count}, no interval"
    elif marks:
        count = f"{count}; {marks}: {OVER}"
    parts = [count]
    parts.append(f"dropout off, {epoch_rule(tidy)}")
    if diverged := sum(tidy.diverged(arm) for arm in {a.arm_id: a for a in tidy.arms}.values()):
        parts.append(f"{diverged} diverged run{'s' * (diverged != 1)} left out")
    if absent := sum(tidy.finished(arm).empty for arm in tidy.arms):
        parts.append(f"{absent} arm{'s' * (absent != 1)} without a finished run")
    if left_out:
        parts.append(f"{left_out} more {what} not shown")
    if sentence := oracle(tidy):
        parts.append(sentence)
    return "; ".join(parts)
