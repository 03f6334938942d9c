"""heat-AXIS-AXIS.png: test accuracy and gap over two axes at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.report.axis import across, is_number
from dropexp.report.measure import height, whole, width, wrap
from dropexp.report.scale import scale
from dropexp.report.sheet import HEAD, NOTE, TEXT, Room, sheet
from dropexp.report.style import INK
from dropexp.report.words import file_word, footnote, half, percent, seeds
from dropexp.spec.design import Arm
from dropexp.spec.naming import headings

PAIRS = 3
CELLS = 400
WIDE, SIDE = 5.2, 9.6  # inches of a map that still stands beside another, and of the widest
Cell = tuple[int, int]


@dataclass(frozen=True)
class Map:
    """Two axes with the names of their values, and the arms in each cell."""

    down: str
    along: str
    rows: list[str]
    columns: list[str]
    cells: dict[Cell, list[Arm]]


def heat_figures(tidy: Tidy) -> Iterator[tuple[str, Figure]]:
    """Yield (name, figure) for pairs of axes; with further axes only where each cell is a mean over as many arms."""
    for down, along in list(combinations(tidy.axes, 2))[:PAIRS]:
        found = _map(tidy, down, along)
        full = len(found.cells) == len(found.columns) * len(found.rows)
        balanced = full and len(set(Counter({cell: len(arms) for cell, arms in found.cells.items()}).values())) == 1
        if (len(tidy.axes) > 2 and not balanced) or len(found.columns) * len(found.rows) > CELLS:
            continue
        yield f"heat-{file_word(tidy, down)}-{file_word(tidy, along)}", _figure(tidy, found)


def _map(tidy: Tidy, down: str, along: str) -> Map:
    """Return the cells of two axes, the one with more values across where there are many."""
    if len({arm.value(down) for arm in tidy.arms}) > max(6, len({arm.value(along) for arm in tidy.arms})):
        down, along = along, down
    x, y = across(tidy, along), across(tidy, down)
    columns, rows = (sorted(a.places, key=a.places.__getitem__) for a in (x, y))
    cells: dict[Cell, list[Arm]] = {}
    for arm in tidy.arms:
        cells.setdefault((rows.index(y.word(arm)), columns.index(x.word(arm))), []).append(arm)
    bare = [arm for arm in tidy.arms if not arm.masked]
    if (
        len(tidy.axes) == 2
        and bare
        and "dropout.rate" in (down, along)
        and all(p.startswith("dropout.") for p in (down, along))
    ):
        zero = x.word(bare[0]) if along == "dropout.rate" else y.word(bare[0])
        line = (
            [(i, columns.index(zero)) for i in range(len(rows))]
            if along == "dropout.rate"
            else [(rows.index(zero), j) for j in range(len(columns))]
        )
        cells |= {cell: bare[:1] for cell in line if cell not in cells}  # nothing dropped is nothing dropped anywhere
    return Map(down, along, rows, columns, cells)


def _figure(tidy: Tidy, found: Map) -> Figure:
    words = headings(tidy.axes)
    others = [words[path].replace("_", " ") for path in tidy.axes if path not in (found.down, found.along)]
    y_names = [wrap(name, 1.9, TEXT) for name in found.rows]
    left = max(width(name, TEXT) for name in y_names) + 0.5
    cell = min(max(0.72, (SIDE / 2 - left) / len(found.columns)), 1.05)
    cell = min(cell, (SIDE - left) / len(found.columns))
    x_names = [wrap(name, cell - 0.06, TEXT) for name in found.columns]
    turned = not all(whole(name, cell - 0.06, TEXT) for name in found.columns)
    x_names = found.columns if turned else x_names
    below = max(width(n, TEXT) for n in x_names) + 0.1 if turned else max(height(n, TEXT) for n in x_names) + 0.08
    tall = max(0.46, max(height(name, TEXT) for name in y_names) + 0.06)
    size = (cell * len(found.columns), tall * len(found.rows))
    stacked = size[0] > WIDE or (left + 2 * size[0]) > SIDE + 1
    gap = "clean gap" if tidy.noisy else "gap"
    mean = f", mean over {' and '.join(others)}" if others else ""
    note = footnote(tidy, "±" if not others else "") + "; light is high accuracy and a small gap; framed: the best mean"
    room = Room(left=left, bottom=below + 0.3, top=0.28, down=0.35, across=0.35)
    labels = (across(tidy, found.along).name, across(tidy, found.down).name)
    title = f"{_title(tidy, found)}{mean}, {seeds(tidy)}"
    figure, axes = sheet(title, note, 2, 1 if stacked else 2, size, room, (), labels)
    parts = ((tidy.lead.test, "test accuracy, percent", "cividis"), (tidy.lead.gap, f"{gap}, points", "cividis_r"))
    for i, (ax, (metric, name, colours)) in enumerate(zip(axes, parts, strict=True)):
        ax.set_title(name, loc="left", fontsize=HEAD)
        _heat(ax, tidy, found, metric, colours, cell, tall)
        shown = x_names if i or not stacked else [""] * len(x_names)
        ax.set_xticks(range(len(x_names)), shown, rotation=90 if turned else 0)
        ax.set_yticks(range(len(y_names)), y_names if stacked or not i else [""] * len(y_names))
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    return figure


def _means(tidy: Tidy, found: Map, metric: str) -> dict[Cell, float]:
    """Return the mean of each cell's arms, in percent or points; a cell without a finished run is left out."""
    samples = {cell: [tidy.values(arm, metric) for arm in arms] for cell, arms in found.cells.items()}
    return {cell: 100 * float(np.mean([x.mean() for x in xs])) for cell, xs in samples.items() if all(map(len, xs))}


def _title(tidy: Tidy, found: Map) -> str:
    """Return where test accuracy is highest and where lowest."""
    means = _means(tidy, found, tidy.lead.test)
    if not means:
        return "No finished run"
    if len({percent(v / 100) for v in means.values()}) == 1:
        return f"Test accuracy {percent(next(iter(means.values())) / 100)} percent everywhere"
    low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    names = [_named(tidy, found, cell) for cell in (low, high)]
    return (
        f"Test accuracy {percent(means[low] / 100)} percent ({names[0]}) to {percent(means[high] / 100)} ({names[1]})"
    )


def _named(tidy: Tidy, found: Map, cell: Cell) -> str:
    """Return a cell by its values, numbers with their axis: `rate 0.5, input+hidden`."""
    words = headings(tidy.axes)
    pairs = ((found.down, found.rows[cell[0]]), (found.along, found.columns[cell[1]]))
    return ", ".join(
        f"{words[path]} {name}".replace("_", " ") if is_number(tidy, path) else name for path, name in pairs
    )


def _heat(ax: Axes, tidy: Tidy, found: Map, metric: str, colours: str, wide: float, tall: float) -> None:
    means = _means(tidy, found, metric)
    grid = np.full((len(found.rows), len(found.columns)), np.nan)
    for c, mean in means.items():
        grid[c] = mean
    view = scale([([v], []) for v in means.values()])
    ax.set_facecolor("#DDDDDD")
    image = ax.imshow(np.ma.masked_invalid(grid), cmap=colours, aspect="auto", vmin=view.low, vmax=view.high)
    best = (max if metric == tidy.lead.test else min)(means, key=means.__getitem__, default=None)
    for c, mean in means.items():
        error = half(estimate(tidy.values(found.cells[c][0], metric)).half) if len(found.cells[c]) == 1 else ""
        red, green, blue, _ = image.cmap(image.norm(mean))
        ink = "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.42 else "white"
        number = percent(mean / 100)
        text = f"{number}\n{error}" if error and width(error, NOTE) < wide - 0.04 else number
        size = next((s for s in (NOTE, 8.0, 7.0) if width(text, s) < wide - 0.03 and height(text, s) < tall), 0.0)
        if size:
            ax.text(c[1], c[0], text, ha="center", va="center", color=ink, fontsize=size)
        if c == best:
            ax.add_patch(
                Rectangle(
                    (c[1] - 0.5, c[0] - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=2.6, clip_on=False, zorder=5
                )
            )
