"""gap-parts.png: the gap that a training log shows, split into signed parts, one stack per arm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dropexp.analysis.number_format import typeset
from dropexp.analysis.overfit import PARTS, measured
from dropexp.analysis.stats import Estimate, estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import label
from dropexp.figures.axis import across, main_axis, panels
from dropexp.figures.paper import panel
from dropexp.figures.sheet import TEXT, Room, beside, mark, sheet
from dropexp.figures.style import INK, grid
from dropexp.figures.text_size import apart, height, width, wrap
from dropexp.wording.labels import footnote, percent, seeds

LOOK = {  # colour and hatch, told apart without the colour
    "train_to_val": ("#D55E00", ""),
    "val_to_test": ("#F0C05A", "\\\\\\"),
    "train_to_test": ("#D55E00", ""),
    "batch_to_running": ("#B8B8B8", "..."),
    "dropout_noise": ("#56B4E9", "///"),
    "weights_moving": ("#0B4F7A", ""),
}
MEANING = {
    "weights_moving": "weights change during the epoch",
    "dropout_noise": "dropout is on",
    "batch_to_running": "batch against running statistics",
    "train_to_val": "gap: training to validation",
    "val_to_test": "gap: validation to test",
    "train_to_test": "gap: training to test",
}
Means = dict[str, Estimate]


def parts_figure(tidy: Tidy) -> Figure | None:
    """Return one stack per arm and one panel per combination of the other axes; None without rows of the probe."""
    means = _means(tidy)
    place = across(tidy, main_axis(tidy))
    found, left_out = panels(tidy, place.path)
    shown = [(name, sorted((a for a in arms if means[a.arm_id]), key=place.at)) for name, arms in found]
    shown = [(name, arms) for name, arms in shown if arms]
    if not shown:
        return None
    columns = beside(len(shown))
    most = max(len(arms) for _, arms in shown)
    wide = min(max(2.3, 0.85 * most + 0.4), (10.0 - 0.3 * columns) / columns)
    size = panel((wide, 2.5 if len(shown) > 1 else 3.2))
    wide = size[0]
    names = [wrap(name, wide, TEXT, listed=True) for name, _ in shown]
    ticks = [[wrap(place.word(arm), max(wide / most - 0.1, 0.5), TEXT) for arm in arms] for _, arms in shown]
    tall = max(height(tick, TEXT) for row in ticks for tick in row)
    note = footnote(tidy, "bars next to the diamonds", left_out, "panels").replace("dropout off, ", "")
    note += "; measured on the labels trained on, wrong ones included" if tidy.noisy else ""
    room = Room(bottom=tall + 0.4).named(names, columns)
    room = replace(room, down=room.down + tall + 0.1)
    labels = (place.name, "points")
    figure, axes = sheet(_title(tidy, shown, means), note, len(shown), columns, size, room, _key(means), labels)
    low, high = _limits([means[arm.arm_id] for _, arms in shown for arm in arms])
    for i, (ax, (_, arms)) in enumerate(zip(axes, shown, strict=True)):
        stacks = [means[arm.arm_id] for arm in arms]
        ax.set_title(names[i], loc="left", fontsize=TEXT)
        ax.set_xlim(*((-0.6, most - 0.4) if most > 1 else (-1.4, 1.4)))
        ax.set_ylim(low, high)
        spots = [x * wide / most for x in range(len(arms))]
        kept = apart(spots, [width(tick, TEXT) for tick in ticks[i]])
        ax.set_xticks(kept, [ticks[i][k] for k in kept])
        ax.tick_params(labelleft=i % columns == 0)
        grid(ax)
        _stacks(ax, stacks)
        if wide / most > 0.5:  # inches a stack
            _numbers(ax, stacks, size[1])
    return figure


def _means(tidy: Tidy) -> dict[str, Means]:
    """Return the estimates of an arm's parts by arm_id, in points; nothing where its runs have none."""
    names = ["apparent", *PARTS]
    runs = measured(tidy).dropna(subset="apparent")
    found = {str(arm): {name: estimate(100 * own[name]) for name in names} for arm, own in runs.groupby("arm_id")}
    return {arm.arm_id: found.get(arm.arm_id, {}) for arm in tidy.arms}


def _shown(means: Means) -> list[str]:
    """Return the parts of an arm from the axis outwards: those of the gap first."""
    return [name for name in LOOK if means[name].n]


def _spans(means: Means) -> list[tuple[str, float, float]]:
    """Return (part, bottom, height) of a stack: positive parts above zero, negative parts below."""
    up = down = 0.0
    found = []
    for name in _shown(means):
        height = means[name].mean
        found.append((name, up if height >= 0 else down, height))
        up, down = up + max(height, 0.0), down + min(height, 0.0)
    return found


def _limits(stacks: list[Means]) -> tuple[float, float]:
    spans = [span for means in stacks for span in _spans(means)]
    ends = [bottom + height for _, bottom, height in spans] + [0.0]
    ends += [v for m in stacks for v in (m["apparent"].mean, m["apparent"].low, m["apparent"].high) if np.isfinite(v)]
    low, high = min(ends), max(ends)
    room = 0.06 * (high - low) or 1.0
    return low - room, high + 2 * room


def _stacks(ax: Axes, stacks: list[Means]) -> None:
    for x, means in enumerate(stacks):
        for name, bottom, part in _spans(means):
            color, hatch = LOOK[name]
            ax.bar(x, part, bottom=bottom, width=0.62, color=color, hatch=hatch, edgecolor="white", linewidth=0.8)
        total = means["apparent"]
        ax.vlines(x + 0.4, total.low, total.high, color=INK, linewidth=2.4)
        ax.plot([x + 0.4], [total.mean], "D", color=INK, markeredgecolor="white", markeredgewidth=0.6, markersize=5.5)
    ax.axhline(0, color=INK, linewidth=1.0)


def _numbers(ax: Axes, stacks: list[Means], tall: float) -> None:
    """Write its points into each part that is tall enough, and the sum above the stack."""
    low, high = ax.get_ylim()
    for x, means in enumerate(stacks):
        spans = _spans(means)
        for _, bottom, part in spans:
            if abs(part) * tall / (high - low) > height("x", TEXT) + 0.04:
                box = {"boxstyle": "round,pad=0.12", "facecolor": "white", "linewidth": 0}
                ax.text(
                    x,
                    bottom + part / 2,
                    typeset(percent(part / 100)),
                    ha="center",
                    va="center",
                    fontsize=TEXT,
                    bbox=box,
                )
        top = max(bottom + max(part, 0.0) for _, bottom, part in spans) + 0.04 * (high - low) / tall
        words = typeset(percent(means["apparent"].mean / 100))
        ax.text(x, top, f"= {words}", ha="center", va="bottom", fontsize=TEXT, fontweight="bold")


def _title(tidy: Tidy, shown: list[tuple[str, list[Arm]]], means: dict[str, Means]) -> str:
    """Name the arm whose log misleads most: the gap that it shows and the true gap."""

    def gap(arm: Arm) -> float:
        return sum(means[arm.arm_id][name].mean for name in PARTS[3:] if means[arm.arm_id][name].n)

    arms = [arm for _, own in shown for arm in own]
    worst = max(arms, key=lambda arm: abs(means[arm.arm_id]["apparent"].mean - gap(arm)))
    where = f"At {label(worst, tidy.axes)}, the" if tidy.axes else "The"
    log, there = percent(means[worst.arm_id]["apparent"].mean / 100), percent(gap(worst) / 100)
    return f"{where} training log shows a gap of {log} points, but the true gap is {there}, {seeds(tidy, tuple(arms))}"


def _key(means: dict[str, Means]) -> list[Patch | Line2D]:
    shown = {name for own in means.values() if own for name in _shown(own)}
    found: list[Patch | Line2D] = [
        Patch(facecolor=LOOK[name][0], hatch=LOOK[name][1], edgecolor="white", label=MEANING[name])
        for name in LOOK if name in shown
    ]  # fmt: skip
    total = "= training accuracy in the log minus test accuracy"
    return [*found, mark(total, color=INK, marker="D")]
