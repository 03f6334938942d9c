"""heat-AXIS-AXIS.png: test accuracy and gap over two axes at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.report.axis import across, broken
from dropexp.report.style import canvas, frame
from dropexp.report.words import file_word, footnote, half, percent, seeds
from dropexp.spec.naming import headings
from dropexp.spec.study import Arm

PAIRS = 3
CELLS = 400
WRITTEN = 120  # cells beyond which numbers would not be read


def heat_figures(tidy: Tidy) -> Iterator[tuple[str, Figure]]:
    """Yield (name, figure) for pairs of axes; with further axes only where each cell is a mean over as many arms."""
    pairs = list(combinations(tidy.axes, 2))
    for down, along in pairs[:PAIRS]:
        cells: dict[tuple[float, float], list[Arm]] = {}
        x, y = across(tidy, along), across(tidy, down)
        columns, rows = sorted(x.places, key=x.places.__getitem__), sorted(y.places, key=y.places.__getitem__)
        for arm in tidy.arms:
            cells.setdefault((rows.index(y.word(arm)), columns.index(x.word(arm))), []).append(arm)
        balanced = len(set(Counter({cell: len(arms) for cell, arms in cells.items()}).values())) == 1
        complete = balanced and len(cells) == len(columns) * len(rows)
        if (len(tidy.axes) > 2 and not complete) or len(columns) * len(rows) > CELLS:
            continue
        yield (
            f"heat-{file_word(tidy, down)}-{file_word(tidy, along)}",
            _figure(tidy, down, along, rows, columns, cells),
        )


def _figure(
    tidy: Tidy,
    down: str,
    along: str,
    rows: list[str],
    columns: list[str],
    cells: dict[tuple[float, float], list[Arm]],
) -> Figure:
    words = headings(tidy.axes)
    others = [words[path] for path in tidy.axes if path not in (down, along)]
    wide = max(0.9, 0.1 * max(len(line) for name in columns for line in broken(name).split("\n")))
    left, height = 0.09 * max(map(len, rows)) + 1.0, max(0.6 * len(rows), 1.6)
    stacked = len(columns) > max(4, len(rows))
    if stacked:
        size = (min(max(8.4, wide * len(columns) + left), 14.0), 2 * height + 3.4)
        figure, axes = canvas(2, 1, size, sharex=True)
    else:
        size = (max(8.4, min(2 * wide * len(columns) + left, 14.0)), height + 2.3)
        figure, axes = canvas(1, 2, size, sharey=True)
    gap = "clean gap" if tidy.noisy else "gap"
    panels = (
        (tidy.lead.test, "test accuracy, percent", "cividis"),
        (tidy.lead.gap, f"{gap}, points", "cividis_r"),
    )
    for ax, (metric, name, colours) in zip(axes, panels, strict=True):
        _heat(ax, tidy, metric, colours, rows, columns, cells)
        ax.set_title(name, loc="left")
        ax.set_ylabel(across(tidy, down).name if stacked or ax is axes[0] else "")
        ax.set_xlabel(across(tidy, along).name if not stacked or ax is axes[1] else "")
    mean = f", mean over {' and '.join(others)}" if others else ""
    note = footnote(tidy, "±" if not others else "") + "; light is high accuracy and a small gap"
    title = f"Test accuracy and {gap} by {words[down]} and {words[along]}{mean}, {seeds(tidy)}"
    frame(figure, title.replace("_", " "), note)
    return figure


def _heat(
    ax: Axes,
    tidy: Tidy,
    metric: str,
    colours: str,
    rows: list[str],
    columns: list[str],
    cells: dict[tuple[float, float], list[Arm]],
) -> None:
    grid = np.full((len(rows), len(columns)), np.nan)
    texts = {}
    for (i, j), arms in cells.items():
        found = [estimate(tidy.values(arm, metric)) for arm in arms]
        grid[int(i), int(j)] = 100 * float(np.mean([e.mean for e in found]))
        texts[int(i), int(j)] = half(found[0].half) if len(found) == 1 else ""
    finite = grid[np.isfinite(grid)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    ax.set_facecolor("#DDDDDD")
    image = ax.imshow(
        np.ma.masked_invalid(grid), cmap=colours, aspect="auto", vmin=low - 1e-9, vmax=max(high, low + 0.1)
    )
    ax.set_xticks(range(len(columns)), [broken(c) for c in columns], rotation=90 if len(columns) > 12 else 0)
    ax.set_yticks(range(len(rows)), rows)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if grid.size > WRITTEN:
        return
    for (i, j), text in texts.items():
        value = grid[i, j]
        if np.isnan(value):
            continue
        red, green, blue, _ = image.cmap(image.norm(value))
        ink = "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.42 else "white"
        words = f"{percent(value / 100)}\n{text}".strip()
        ax.text(j, i, words, ha="center", va="center", color=ink, fontsize=10)
