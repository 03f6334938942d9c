"""Maps of numbers: two measures over the same rows and columns, each cell a mean with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dropexp.analysis.number_format import typeset
from dropexp.figures.axis_range import scale
from dropexp.figures.paper import given, most, panel
from dropexp.figures.sheet import HEAD, NOTE, TEXT, Room, sheet
from dropexp.figures.style import INK
from dropexp.figures.text_size import apart, height, whole, width, wrap
from dropexp.wording.labels import percent

WIDE, SIDE = 5.2, 9.6  # inches of a map that still stands beside another, and of the widest
NARROW, BROAD, SINGLE, TALL = 0.72, 1.05, 1.5, 0.46  # inches of a cell
LONGEST = 1.7  # inches of a name that runs upwards, before it is broken
Cell = tuple[int, int]


@dataclass(frozen=True)
class Measure:
    """One of the maps: its name, the mean of each cell, half its interval in words, and the cell to be framed."""

    name: str
    means: Mapping[Cell, float]
    halves: Mapping[Cell, str] = field(default_factory=dict)
    colours: str = "cividis"
    framed: Cell | None = None


def maps(
    title: str,
    note: str,
    rows: Sequence[str],
    columns: Sequence[str],
    labels: tuple[str, str],
    measures: tuple[Measure, Measure],
) -> Figure:
    """Return two maps side by side, or one above the other if they are wide.

    `labels` name the horizontal and the vertical axis; `means` are written with one decimal.
    """
    y_names = [wrap(name, 1.9, TEXT) for name in rows]
    tall = max(TALL, max(height(name, TEXT) for name in y_names) + 0.06)
    down = wrap(labels[1], tall * len(rows) + 0.2, HEAD)
    left = max(width(name, TEXT) for name in y_names) + height(down, HEAD) + 0.3
    broad = BROAD if len(columns) > 2 else SINGLE
    cell = min(max(NARROW, (SIDE / 2 - left) / len(columns)), broad, (SIDE - left) / len(columns))
    size = panel((cell * len(columns), tall * len(rows)), rows=True)
    cell, tall = size[0] / len(columns), size[1] / len(rows)
    turned = not all(whole(name, cell - 0.06, TEXT) for name in columns)
    x_names = [_turned(name, cell) if turned else wrap(name, cell - 0.06, TEXT) for name in columns]
    below = max(width(n, TEXT) + 0.1 if turned else height(n, TEXT) + 0.08 for n in x_names)
    stacked = most() < 2 or (given() is None and (size[0] > WIDE or left + 2 * size[0] > SIDE + 1))
    names = [
        wrap(m.name, max(size[0], SIDE / 2 if given() is None else 0.0) if stacked else size[0] + 0.25, HEAD)
        for m in measures
    ]
    top = 0.1 + max(height(name, HEAD) for name in names)
    room = Room(left=left, bottom=below + 0.3, top=top, down=top + 0.07, across=0.35)
    figure, axes = sheet(title, note, 2, 1 if stacked else 2, size, room, (), (labels[0], down))
    for i, (ax, measure) in enumerate(zip(axes, measures, strict=True)):
        ax.set_title(names[i], loc="left", fontsize=HEAD)
        _draw(ax, measure, (len(rows), len(columns)), (cell, tall))
        ax.set_xticks([], [])
        ax.set_yticks([], [])
        if i or not stacked:
            breadths = [height(n, TEXT) if turned else width(n, TEXT) for n in x_names]
            kept = apart([cell * k for k in range(len(x_names))], breadths, 0.0)
            ax.set_xticks(kept, [x_names[k] for k in kept], rotation=90 if turned else 0)
        if stacked or not i:
            ax.set_yticks(range(len(y_names)), y_names)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    return figure


def _turned(name: str, cell: float) -> str:
    """Return a name that runs upwards in a column, in lines where these fit beside each other."""
    lines = wrap(name, LONGEST, TEXT, listed=True)
    return lines if height(lines, TEXT) < cell else name


def _draw(ax: Axes, measure: Measure, shape: tuple[int, int], size: tuple[float, float]) -> None:
    grid = np.full(shape, np.nan)
    for cell, mean in measure.means.items():
        grid[cell] = mean
    view = scale([([v], []) for v in measure.means.values()])
    ax.set_facecolor("#DDDDDD")
    colours = {"cmap": measure.colours, "vmin": view.low, "vmax": view.high}
    image = ax.imshow(np.ma.masked_invalid(grid), aspect="auto", **colours)
    for (row, column), mean in measure.means.items():
        red, green, blue, _ = image.cmap(image.norm(mean))
        ink = "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.42 else "white"
        text, points = _fitted(typeset(percent(mean / 100)), measure.halves.get((row, column), ""), *size)
        if points:
            ax.text(column, row, text, ha="center", va="center", color=ink, fontsize=points)
    if measure.framed:
        row, column = measure.framed
        look = {"fill": False, "edgecolor": INK, "linewidth": 2.6, "clip_on": False, "zorder": 5}
        ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **look))


def _fitted(number: str, half: str, wide: float, tall: float) -> tuple[str, float]:
    """Return what a cell has room for and its size in points, 0 where it has none."""
    text = f"{number}\n{half}" if half and width(half, NOTE) < wide - 0.04 else number
    return text, next((s for s in (NOTE, 8.0, 7.0) if width(text, s) < wide - 0.03 and height(text, s) < tall), 0.0)
