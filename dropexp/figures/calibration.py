"""calibration.png: how often answers of each confidence are right, one panel per arm, and the calibration error there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropexp.analysis.inference import looks
from dropexp.analysis.number_format import half, percent, typeset
from dropexp.analysis.probed import Samples, at_the_end, measured_arms, sample
from dropexp.analysis.stats import estimate, paired
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.together import Held, together
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import label
from dropexp.figures.axis import PANELS
from dropexp.figures.dumbbell import spaced
from dropexp.figures.paper import panel
from dropexp.figures.sheet import TEXT, Room, beside, mark, sheet
from dropexp.figures.style import INK, TEST, grid
from dropexp.figures.text_size import wrap
from dropexp.wording.labels import OVER, epoch_rule, seeds

PROBE = "calibration"
SIZES = {1: (4.2, 3.6), 2: (3.3, 2.8), 3: (2.5, 2.2), 4: (2.1, 1.9)}
SMALL = 0.06  # the least span of confidences that a panel shows


@dataclass(frozen=True)
class Found:
    """An arm's two differences: its calibration error minus that under perfect calibration, and confidence minus accuracy."""

    arm: Arm
    error: Held
    confidence: Held


def calibration_figure(tidy: Tidy) -> Figure | None:
    """Return a reliability diagram per arm, up to twelve; None where the probe's rows do not exist."""
    rows = at_the_end(tidy, PROBE)
    error, perfect = (sample(rows, "score", at) for at in ("ece", "ece_perfect"))
    arms = measured_arms(tidy, [error])
    if not arms:
        return None
    found = _judged(tidy, arms, rows)
    shown = spaced(arms, PANELS)
    columns = beside(len(shown))
    size = panel(SIZES[columns])
    last = sample(at_the_end(tidy, PROBE, "last"), "score", "ece")
    names = []
    for arm in shown:
        first = f"{label(arm, tidy.axes)}\n" if tidy.axes else ""
        names.append(wrap(typeset(f"{first}{_numbers(arm, error, perfect, last)}"), size[0], TEXT, listed=True))
    bins = {arm.arm_id: _bins(rows[rows["arm_id"] == arm.arm_id]) for arm in shown}
    ends = [v for own in bins.values() for c in ("confidence", "mean", "low") for v in own[c] if np.isfinite(v)]
    low = max(0.0, min([*ends, 1.0 - SMALL]))
    key = [
        mark("answers in bins of equal mass", color=TEST, marker="o", linestyle="-"),
        mark("perfect calibration", color=INK, linestyle="--"),
    ]
    room = Room(across=0.3).named(names, columns)
    note = _note(tidy, len(arms) - len(shown))
    words = ("confidence, percent", "accuracy, percent")
    figure, axes = sheet(_title(tidy, found, error, perfect), note, len(shown), columns, size, room, key, words)
    for i, (ax, arm) in enumerate(zip(axes, shown, strict=True)):
        ax.set_title(names[i], loc="left", fontsize=TEXT)
        pad = 0.04 * (1.0 - low)
        ax.set_xlim(100 * (low - pad), 100 * (1 + pad))
        ax.set_ylim(100 * (low - pad), 100 * (1 + pad))
        ax.locator_params(nbins=5, steps=[1, 2, 2.5, 5, 10])
        ax.tick_params(labelbottom=i + columns >= len(shown), labelleft=i % columns == 0)
        grid(ax)
        _panel(ax, bins[arm.arm_id])
    return figure


def _judged(tidy: Tidy, arms: list[Arm], rows: pd.DataFrame) -> list[Found]:
    """Return the differences of all arms, one family."""
    error, perfect, over = (sample(rows, "score", at) for at in ("ece", "ece_perfect", "overconfidence"))
    pairs = [(error[arm.arm_id], perfect[arm.arm_id]) for arm in arms]
    pairs += [(over[arm.arm_id], 0.0 * over[arm.arm_id]) for arm in arms]
    held, *_ = together("probe", [paired(a, b) for a, b in pairs], looks(tidy))
    return [Found(arm, held[i], held[len(arms) + i]) for i, arm in enumerate(arms)]


def _bins(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each bin's mean confidence over seeds, and mean accuracy with its interval; bins that half of the seeds have."""
    wide = rows[rows["layer"].isin(["confidence", "accuracy"])]
    wide = wide.assign(bin=wide["at"].astype(int)).pivot_table(
        index=["bin", "seed"], columns="layer", values="value", aggfunc="first"
    )
    made = []
    for _, own in wide.groupby("bin"):
        if 2 * len(own) >= rows["seed"].nunique():
            e = estimate(own["accuracy"])
            made.append((float(own["confidence"].mean()), e.mean, e.low, e.high))
    return pd.DataFrame(made, columns=["confidence", "mean", "low", "high"])


def _panel(ax: Axes, bins: pd.DataFrame) -> None:
    ax.plot([0, 100], [0, 100], color=INK, linestyle="--", linewidth=1.2, zorder=1.5)
    x, low, high = (100 * bins[c].to_numpy(dtype=float) for c in ("confidence", "low", "high"))
    ax.vlines(x, low, np.minimum(high, 100.0), color=TEST, linewidth=1.8, alpha=0.8, zorder=2.5)
    look = {"marker": "o", "markersize": 5, "markeredgecolor": "white", "linewidth": 1.2}
    ax.plot(x, 100 * bins["mean"], color=TEST, zorder=3, **look)  # type: ignore[arg-type]


def _size(samples: Samples, arm: Arm) -> str:
    e = estimate(samples[arm.arm_id])
    return f"{percent(e.mean)} {half(e.half)}".strip()


def _numbers(arm: Arm, error: Samples, perfect: Samples, last: Samples) -> str:
    """Return an arm's calibration errors, in points: selected, under perfect calibration, and at the last epoch if another."""
    text = f"error {_size(error, arm)}, if perfect {percent(estimate(perfect[arm.arm_id]).mean)}"
    own = last.get(arm.arm_id)
    if own is not None and not own.equals(error[arm.arm_id]):
        text += f", at the last epoch {percent(estimate(own).mean)}"
    return text


def _title(tidy: Tidy, found: list[Found], error: Samples, perfect: Samples) -> str:
    """Say whether the error is above that of perfect calibration, and whether answers are too sure or not sure enough."""
    n = seeds(tidy, tuple(f.arm for f in found))
    sides = {"higher": "overconfident", "lower": "underconfident"}
    if len(found) == 1:
        one = found[0]
        sure = sides.get(one.confidence.word, f"confidence minus accuracy {one.confidence.word}")
        by = f"{sure} ({one.confidence.spelt()} points)"
        beside = f"{percent(estimate(perfect[one.arm.arm_id]).mean)} under perfect calibration"
        return f"Calibration error {_size(error, one.arm)} points, {beside}: {one.error.word}; {by}; {n}"
    above = sum(f.error.word == "higher" for f in found)
    words = [sides.get(f.confidence.word, f.confidence.word) for f in found]
    counts = [f"{word} in {words.count(word)}" for word in dict.fromkeys(words)]
    return (
        f"Calibration error above that of perfect calibration in {above} of {len(found)} arms; confidence against "
        f"accuracy: {', '.join(counts)}; {n}"
    )


def _note(tidy: Tidy, left_out: int) -> str:
    parts = [
        f"{seeds(tidy)} seeds; bars and ±: {OVER}, each by itself; the title: intervals of all comparisons together (95%)",
        f"test examples, dropout off, {epoch_rule(tidy)}",
        "error: the mean of |accuracy - confidence| over bins of equal mass, in points; if perfect: of simulated answers "
        "that are right with the probability that they are given",
    ]
    if left_out:
        parts.append(f"{left_out} more arm{'s' * (left_out != 1)} not shown")
    return "; ".join(parts)
