"""gap.png: training and test accuracy along the swept axis, and the area between them."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dropexp.analysis.stats import Estimate, estimate
from dropexp.analysis.tidy import Tidy
from dropexp.report.axis import Across, across, main_axis, panels
from dropexp.report.finding import finding
from dropexp.report.style import INK, SHADE, TEST, TRAIN, canvas, cut, frame, grid
from dropexp.report.words import footnote, percent
from dropexp.spec.study import Arm

LABELS = 10  # gaps written out in a panel; of more every second, third, ...


def gap_figure(tidy: Tidy) -> Figure:
    """Return the picture of the project; one panel a combination of the other axes."""
    place = across(tidy, main_axis(tidy))
    parts, left_out = panels(tidy, place.path)
    columns = min(len(parts), 3)
    rows = -(-len(parts) // columns)
    size = (8.4, 5.4) if len(parts) == 1 else (max(3.7 * columns, 8.4), 3.1 * rows + 1.6)
    figure, axes = canvas(rows, columns, size, sharey=True, sharex=True)
    lows: list[float] = []
    highs: list[float] = []
    for ax, (name, arms) in zip(axes, parts, strict=False):
        _panel(ax, tidy, place, arms, lows, highs)
        if name:
            ax.set_title(name, loc="left")
    cut(axes[0], lows, highs)
    for i, ax in enumerate(axes):
        ax.set_visible(i < len(parts))
        place.dress(ax)
        if i % columns == 0:
            ax.set_ylabel("accuracy, percent")
        if i + columns >= len(parts):
            ax.set_xlabel(place.label)
            ax.tick_params(labelbottom=True)
    for ax, (_, arms) in zip(axes, parts, strict=False):
        _gaps(ax, tidy, place, arms)
    figure.legend(handles=_key(tidy), loc="outside upper left", ncols=4, fontsize=10)
    frame(figure, finding(tidy), footnote(tidy, "bars", left_out, "panels"))
    return figure


def _key(tidy: Tidy) -> list[Line2D | Patch]:
    train = "training (labels left alone)" if tidy.noisy else "training"
    return [
        Line2D([], [], color=TRAIN, marker="s", linestyle="--", label=train),
        Line2D([], [], color=TEST, marker="o", label="test"),
        Patch(facecolor=SHADE, edgecolor="#D8CDB8", label="gap, in points"),
        Line2D([], [], color="#8C8C8C", marker=".", markersize=5, linestyle="", label="a seed"),
    ]


def _means(tidy: Tidy, arms: list[Arm], metric: str) -> list[Estimate]:
    return [estimate(100 * tidy.values(arm, metric)) for arm in arms]


def _panel(
    ax: Axes, tidy: Tidy, place: Across, arms: list[Arm], lows: list[float], highs: list[float]
) -> None:
    arms = sorted(arms, key=place.at)
    x = np.array([place.at(arm) for arm in arms])
    lead = tidy.lead
    means = {metric: _means(tidy, arms, metric) for metric in (lead.train, lead.test)}
    train, test = (np.array([e.mean for e in means[m]]) for m in (lead.train, lead.test))
    joined = place.numeric and len(x) > 1
    if joined:
        ax.fill_between(x, test, train, color=SHADE, linewidth=0)
    else:
        ax.bar(x, train - test, bottom=test, width=0.5, color=SHADE, linewidth=0)
    for metric, color, marker, line in ((lead.train, TRAIN, "s", "--"), (lead.test, TEST, "o", "-")):
        y = np.array([e.mean for e in means[metric]])
        low = np.array([e.mean if np.isnan(e.low) else e.low for e in means[metric]])
        high = np.array([e.mean if np.isnan(e.high) else e.high for e in means[metric]])
        for spot, arm in zip(x, arms, strict=True):
            dots = 100 * tidy.values(arm, metric).to_numpy()
            ax.plot(np.full(len(dots), spot), dots, ".", color=color, alpha=0.35, markersize=6, zorder=2.5)
            lows += [float(v) for v in dots]
        ax.vlines(x, low, high, color=color, linewidth=2.4, zorder=3)
        ax.plot(
            x,
            y,
            color=color,
            marker=marker,
            linestyle=line if joined else "",
            zorder=4,
            markeredgecolor="white",
        )
        lows += [float(v) for v in low]
        highs += [float(v) for v in high]
    grid(ax)


def _gaps(ax: Axes, tidy: Tidy, place: Across, arms: list[Arm]) -> None:
    """Write each gap into the shaded area, or beneath it where it is too narrow for a word."""
    arms = sorted(arms, key=place.at)
    low, high = ax.get_ylim()
    room = 0.09 * (high - low) * (1 if ax.get_subplotspec().rowspan.stop == 1 else 1.6)  # type: ignore[union-attr]
    for arm in arms[:: -(-len(arms) // LABELS)]:
        train, test = (100 * tidy.values(arm, m) for m in (tidy.lead.train, tidy.lead.test))
        if train.empty or test.empty:
            continue
        gap = tidy.values(arm, tidy.lead.gap).mean()
        narrow = abs(train.mean() - test.mean()) < room
        y = min(test.min(), train.min()) - 0.01 * (high - low) if narrow else (train.mean() + test.mean()) / 2
        ax.text(
            place.at(arm),
            y,
            percent(gap),
            ha="center",
            va="top" if narrow else "center",
            fontsize=11,
            fontweight="bold",
            color=INK,
            zorder=5,
            clip_on=True,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white" if narrow else SHADE, "linewidth": 0}
            | {"alpha": 0.85},
        )
