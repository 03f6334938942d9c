"""by-AXIS.png: the orders, kinds or placements of a study side by side."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.report.axis import Across, across, is_number, main_axis
from dropexp.report.style import LINES, MARKERS, SERIES, SHADE, TEST, TRAIN, canvas, cut, entitle, frame, grid
from dropexp.report.words import file_word, footnote, half, percent, seeds
from dropexp.spec.naming import headings, label, value
from dropexp.spec.study import Arm

MOST = 8  # lines that can be told apart
ROWS = 3


def side_figures(tidy: Tidy) -> Iterator[tuple[str, Figure]]:
    """Yield (name, figure) for each axis of words: lines along the main axis, or rows on its own."""
    for path in tidy.axes:
        if is_number(tidy, path):
            continue
        others = [p for p in tidy.axes if p != path]
        main = main_axis(tidy)
        along = main if main != path else next((p for p in others if is_number(tidy, p)), others[0] if others else "")
        figure = _lines(tidy, path, along) if along else _rows(tidy, path)
        yield f"by-{file_word(tidy, path)}", figure


def _rows(tidy: Tidy, path: str) -> Figure:
    """A row a value, its training and test accuracy and the gap between them."""
    once = list({arm.arm_id: arm for arm in reversed(tidy.arms)}.values())[::-1]
    names = [" =\n".join(value(a, path) for a in tidy.arms if a.arm_id == arm.arm_id) for arm in once]
    lines = sum(1 + name.count("\n") for name in names)
    figure, (ax,) = canvas(1, 1, (8.4, 0.34 * lines + 0.3 * len(once) + 2.0))
    seen: list[float] = []
    for y, arm in enumerate(once):
        train, test = (estimate(100 * tidy.values(arm, m)) for m in (tidy.lead.train, tidy.lead.test))
        gap = estimate(tidy.values(arm, tidy.lead.gap))
        if not train.n:
            continue
        ax.barh(y, train.mean - test.mean, left=test.mean, height=0.5, color=SHADE, linewidth=0)
        words = f"{percent(gap.mean)} {half(gap.half)} points".replace("  ", " ")
        ax.text(1.02, y, words, transform=ax.get_yaxis_transform(), va="center", fontweight="bold")
        for e, metric, color, marker in (
            (train, tidy.lead.train, TRAIN, "s"),
            (test, tidy.lead.test, TEST, "o"),
        ):
            dots = 100 * tidy.values(arm, metric).to_numpy()
            ax.plot(
                dots,
                np.full(len(dots), y + 0.36),
                ".",
                color=color,
                alpha=0.4,
                markersize=6,
                markeredgewidth=0,
            )
            ax.hlines(y, e.low, e.high, color=color, linewidth=2.4, zorder=3)
            ax.plot([e.mean], [y], marker, color=color, markeredgecolor="white", zorder=4)
            seen += [float(v) for v in (*dots, e.low, e.high) if np.isfinite(v)]
    ax.set_yticks(range(len(once)), names)
    ax.set_ylim(len(once) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    low, high = (min(seen), max(seen)) if seen else (0.0, 1.0)
    ax.set_xlim(low - 0.06 * (high - low) - 0.2, high + 0.06 * (high - low) + 0.2)
    ax.set_xlabel("accuracy, percent")
    grid(ax, "x")
    train_word = "training (labels left alone)" if tidy.noisy else "training"
    key = [
        Line2D([], [], color=TEST, marker="o", linestyle="", label="test"),
        Line2D([], [], color=TRAIN, marker="s", linestyle="", label=train_word),
    ]
    word = headings(tidy.axes)[path].replace("_", " ")
    frame(figure, f"Gap by {word}, {seeds(tidy)}", footnote(tidy, "dots are seeds, bars"), key)
    return figure


def _lines(tidy: Tidy, path: str, along: str) -> Figure:
    """Test accuracy and gap along one axis, a line a value of `path`, a row of panels a combination of the rest."""
    rest = tuple(p for p in tidy.axes if p not in (path, along))
    combos: dict[str, list[Arm]] = {}
    for arm in tidy.arms:
        combos.setdefault(label(arm, rest) if rest else "", []).append(arm)
    shown = list(combos.items())[:ROWS]
    place, values = across(tidy, along), _series(tidy, path)
    figure, axes = canvas(len(shown), 2, (9.6, 3.2 * len(shown) + 2.0), sharex=True, sharey="col")
    series = {name: i for i, name in enumerate(list(values)[:MOST])}
    gap = "clean gap" if tidy.noisy else "gap"
    heights: tuple[list[float], list[float]] = ([], [])
    for i, ax in enumerate(axes):
        name, arms = shown[i // 2]
        metric = (tidy.lead.test, tidy.lead.gap)[i % 2]
        heights[i % 2].extend(_panel(ax, tidy, place, path, metric, arms, series))
        ax.set_ylabel(("test accuracy, percent", f"{gap}, points")[i % 2])
        entitle(ax, name)
        place.dress(ax)
        if i >= len(axes) - 2:
            ax.set_xlabel(place.name)
    for ax, seen in zip(axes, heights, strict=False):
        cut(ax, seen, [], cap=None)
    key = [
        Line2D([], [], color=SERIES[i], marker=MARKERS[i], linestyle=LINES[i], label=values[name])
        for name, i in series.items()
    ]
    words = headings(tidy.axes)
    left_out = len(values) - len(series)
    what = words[path] if left_out else "combinations"
    note = footnote(tidy, "bars", left_out or len(combos) - len(shown), what)
    title = f"Test accuracy and {gap} by {words[path]}, along {words[along]}, {seeds(tidy)}".replace("_", " ")
    frame(figure, title, note, key, columns=max(1, int(110 / (max(map(len, values.values())) + 10))))
    return figure


def _series(tidy: Tidy, path: str) -> dict[str, str]:
    """Return the values of an axis with their names; those that are one function everywhere are one line."""
    arms: dict[str, list[str]] = {}
    for arm in tidy.arms:
        arms.setdefault(value(arm, path), []).append(arm.arm_id)
    names: dict[tuple[str, ...], list[str]] = {}
    for name, ids in arms.items():
        names.setdefault(tuple(ids), []).append(name)
    return {same[0]: " = ".join(same) for same in names.values()}


def _panel(
    ax: Axes, tidy: Tidy, place: Across, path: str, metric: str, arms: list[Arm], series: dict[str, int]
) -> list[float]:
    """Draw a line a value, each moved aside a little so that equal ones show; return the heights to hold."""
    heights: list[float] = []
    step = 0.012 * (max(place.places.values()) - min(place.places.values()) or 1.0)
    for name, i in series.items():
        mine = sorted((arm for arm in arms if value(arm, path) == name), key=place.at)
        if not mine:
            continue
        found = [estimate(100 * tidy.values(arm, metric)) for arm in mine]
        moved = (i - (len(series) - 1) / 2) * step
        x = np.array([place.at(arm) * (1 + 0.02 * i if place.log else 1) for arm in mine])
        x = x if place.log else x + moved
        y = [e.mean for e in found]
        heights += [v for e in found for v in (e.mean, e.low, e.high)]
        ax.vlines(x, [e.low for e in found], [e.high for e in found], color=SERIES[i], linewidth=1.8)
        ax.plot(
            x,
            y,
            color=SERIES[i],
            marker=MARKERS[i],
            linestyle=LINES[i],
            linewidth=1.6,
            markeredgecolor="white",
        )
    grid(ax)
    return heights
