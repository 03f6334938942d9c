"""heat-AXIS-AXIS.png: test accuracy and gap over two axes at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from matplotlib.figure import Figure

from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import headings
from dropexp.figures.axis import across, number
from dropexp.figures.heatmap import Cell, Measure, maps
from dropexp.wording.labels import OVER, file_word, footnote, half, percent, seeds

PAIRS = 3
CELLS = 400


@dataclass(frozen=True)
class Map:
    """Two axes with the names of their values, and the arms in each cell."""

    down: str
    along: str
    rows: list[str]
    columns: list[str]
    cells: dict[Cell, list[Arm]]


def heat_figures(tidy: Tidy) -> Iterator[tuple[str, Figure]]:
    """Yield (name, figure) for pairs of axes; with more axes only if each cell is a mean over equally many arms."""
    for down, along in list(combinations(tidy.axes, 2))[:PAIRS]:
        found = _map(tidy, down, along)
        full = len(found.cells) == len(found.columns) * len(found.rows)
        balanced = full and len(set(Counter({cell: len(arms) for cell, arms in found.cells.items()}).values())) == 1
        if (
            not _means(tidy, found, tidy.lead.test)
            or (len(tidy.axes) > 2 and not balanced)
            or len(found.columns) * len(found.rows) > CELLS
        ):
            continue
        yield f"heat-{file_word(tidy, down)}-{file_word(tidy, along)}", _figure(tidy, found)


def _map(tidy: Tidy, down: str, along: str) -> Map:
    """Return the cells of two axes; if there are many values, the axis with more of them is horizontal."""
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
    others = [words[path] for path in tidy.axes if path not in (found.down, found.along)]
    mean = f", mean over {' and '.join(others)}" if others else ""
    note = (
        footnote(tidy, "")
        + ("" if others or seeds(tidy) == "n = 1" else f"; ±: half the {OVER}")
        + "; light: high accuracy, small gap; frame: best mean"
    )
    labels = (across(tidy, found.along).name, across(tidy, found.down).name)
    gap = "clean gap" if tidy.noisy else "gap"
    measures = (
        _measure(tidy, found, tidy.lead.test, "test accuracy, percent", max, "cividis"),
        _measure(tidy, found, tidy.lead.gap, f"{gap}, points", min, "cividis_r"),
    )
    title = f"{_title(tidy, found)}{mean}, {seeds(tidy)}"
    return maps(title, note, found.rows, found.columns, labels, measures)


def _measure(tidy: Tidy, found: Map, metric: str, name: str, best: Callable[..., Cell], colours: str) -> Measure:
    means = _means(tidy, found, metric)
    alone = {cell: arms[0] for cell, arms in found.cells.items() if len(arms) == 1}
    halves = {cell: half(estimate(tidy.values(arm, metric)).half) for cell, arm in alone.items()}
    return Measure(name, means, halves, colours, best(means, key=means.__getitem__) if means else None)


def _means(tidy: Tidy, found: Map, metric: str) -> dict[Cell, float]:
    """Return the mean of each cell's arms, in percent or points; a cell without a finished run is left out."""
    samples = {cell: [tidy.values(arm, metric) for arm in arms] for cell, arms in found.cells.items()}
    return {cell: 100 * float(np.mean([x.mean() for x in xs])) for cell, xs in samples.items() if all(map(len, xs))}


def _title(tidy: Tidy, found: Map) -> str:
    """Return where test accuracy is lowest and where it is highest."""
    means = _means(tidy, found, tidy.lead.test)
    if len({percent(v / 100) for v in means.values()}) == 1:
        return f"Test accuracy {percent(next(iter(means.values())) / 100)} percent everywhere"
    low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    names = [_named(tidy, found, cell) for cell in (low, high)]
    return (
        f"Test accuracy {percent(means[low] / 100)} percent ({names[0]}) to {percent(means[high] / 100)} ({names[1]})"
    )


def _named(tidy: Tidy, found: Map, cell: Cell) -> str:
    """Return the name of a cell: its values, with the axis before numbers: `rate 0.5, input+hidden`."""
    words = headings(tidy.axes)
    pairs = ((found.down, found.rows[cell[0]]), (found.along, found.columns[cell[1]]))
    counted = {
        path for path in (found.down, found.along) if any(number(arm.value(path)) is not None for arm in tidy.arms)
    }
    return ", ".join(f"{words[path]} {name}" if path in counted else name for path, name in pairs)
