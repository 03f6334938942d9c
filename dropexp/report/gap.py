"""gap.png: training and test accuracy along the swept axis, and the area between them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dropexp.analysis.stats import Estimate, estimate
from dropexp.analysis.tidy import Tidy
from dropexp.report.axis import Across, across, apart, main_axis, panels
from dropexp.report.finding import finding
from dropexp.report.style import SHADE, TEST, TRAIN, aside, canvas, cut, entitle, frame, grid
from dropexp.report.words import against, footnote, percent
from dropexp.spec.study import Arm

WORDY = 5  # up to so many gaps in one panel bear the word points
SEED = {"alpha": 0.4, "markersize": 6, "zorder": 2.5, "markeredgewidth": 0}


def gap_figure(tidy: Tidy) -> Figure:
    """Return the picture of the project; one panel a combination of the other axes."""
    place = across(tidy, main_axis(tidy))
    parts, left_out = panels(tidy, place.path)
    columns = min(len(parts), 3 if len(parts) != 4 else 2)
    rows = -(-len(parts) // columns)
    size = (8.4, 5.4) if len(parts) == 1 else (max(3.7 * columns, 8.4), 3.1 * rows + 1.6)
    figure, axes = canvas(rows, columns, size, sharey=True, sharex=True)
    lows: list[float] = []
    highs: list[float] = []
    for ax, (name, arms) in zip(axes, parts, strict=False):
        _panel(ax, tidy, place, arms, lows, highs)
        if name:
            entitle(ax, name)
    cut(axes[0], lows, highs)
    for i, ax in enumerate(axes):
        ax.set_visible(i < len(parts))
        place.dress(ax)
        if i % columns == 0:
            ax.set_ylabel("accuracy, percent")
        if i + columns >= len(parts):
            ax.set_xlabel(place.label if columns == 1 else place.name)
            ax.tick_params(labelbottom=True)
    for ax, (_, arms) in zip(axes, parts, strict=False):
        _gaps(ax, tidy, place, arms, rows, len(parts) == 1 and len(arms) <= WORDY)
    note = footnote(tidy, "bars", left_out, "panels")
    if against(tidy):
        note += "; the title compares seed by seed, which these bars do not"
    frame(figure, finding(tidy), note, _key(tidy))
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


def _panel(ax: Axes, tidy: Tidy, place: Across, arms: list[Arm], lows: list[float], highs: list[float]) -> None:
    arms = sorted((arm for arm in arms if len(tidy.values(arm, tidy.lead.gap))), key=place.at)
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
            ax.plot(np.full(len(dots), spot), dots, ".", transform=aside(ax), **SEED, color=color)
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


def _gaps(ax: Axes, tidy: Tidy, place: Across, arms: list[Arm], rows: int, wordy: bool) -> None:
    """Write each gap into the shaded area, or beneath it where it is too narrow for a number."""
    arms = sorted((arm for arm in arms if len(tidy.values(arm, tidy.lead.gap))), key=place.at)
    joined = place.numeric and len(arms) > 1
    low, high = ax.get_ylim()
    room = (0.08 if rows == 1 else 0.14) * (high - low)
    for i in apart(ax, [place.at(arm) for arm in arms], 0.95 if wordy else 0.45):
        arm = arms[i]
        train, test = (100 * tidy.values(arm, m) for m in (tidy.lead.train, tidy.lead.test))
        narrow = abs(train.mean() - test.mean()) < room
        beneath = max(min(test.min(), train.min(), *_lows(train, test)) - 0.012 * (high - low), low + room)
        side = "left" if joined and i == 0 else "right" if joined and i == len(arms) - 1 else "center"
        text = percent(tidy.values(arm, tidy.lead.gap).mean())
        ax.text(
            place.at(arm),
            beneath if narrow else (train.mean() + test.mean()) / 2,
            f"{text} points" if wordy else text,
            ha=side,
            transform=aside(ax, {"left": 6.0, "right": -6.0, "center": 0.0}[side]),
            va="top" if narrow else "center",
            fontsize=11,
            fontweight="bold",
            zorder=5,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white" if narrow else SHADE, "linewidth": 0},
        )


def _lows(*samples: pd.Series[float]) -> list[float]:
    return [e.low for e in map(estimate, samples) if not np.isnan(e.low)]
