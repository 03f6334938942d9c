"""The row labels of a figure: one column per axis, without repeated values, and the seeds of each row as dots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes

from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import headings, value
from dropexp.figures.sheet import EDGE, GREY, TEXT, inches
from dropexp.figures.style import SEED
from dropexp.figures.text_size import height, shortened, width, wrap

WIDEST = 3.6  # inches for all columns together, before words are broken
BETWEEN = 0.18
PITCH, DENSE, MANY = 0.42, 0.3, 16  # inches a row; less where there are many
DOT = 0.05  # inches that a seed's dot takes


@dataclass(frozen=True)
class Columns:
    """Cells as they are written, `spots` of the columns in inches from the left, and `pitch` inches per row.

    `groups` are the rows that begin with a new value on the first of several axes; `shared` is what all rows share.
    """

    heads: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    spots: tuple[float, ...]
    wide: float
    pitch: float
    groups: tuple[int, ...]
    shared: str

    def spread(self, tall: float) -> Columns:
        """Return the columns in a panel of so many inches, where that is more than the rows ask for."""
        return replace(self, pitch=max(self.pitch, tall / len(self.cells)))


def columns(tidy: Tidy, arms: Sequence[Arm]) -> Columns:
    """Return the columns for arms, each another function; an axis on which all agree is no column."""
    words = headings(tidy.axes)
    table = {p: [cell(tidy, arm, p) for arm in arms] for p in tidy.axes}
    kept = [p for p in tidy.axes if len(set(table[p])) > 1] or list(tidy.axes)[:1]
    shared = ", ".join(f"{words[p]} {table[p][0]}" for p in tidy.axes if p not in kept)
    parts = [[_broken(c, _room(table, kept, p)) for c in table[p]] for p in kept] or [[""] * len(arms)]
    wides = [max(width(c, TEXT) for c in part) for part in parts]
    heads = [shortened(words[p], max(wide, 1.2), TEXT) for p, wide in zip(kept, wides, strict=False)]
    wides = [max(wide, width(head, TEXT)) for wide, head in zip(wides, heads or [""], strict=True)]
    spots = tuple(EDGE + sum(wides[:i]) + BETWEEN * i for i in range(len(wides)))
    rows = list(zip(*parts, strict=True))
    shown = [rows[0], *(_news(above, row) for above, row in pairwise(rows))]
    starts = [i for i, row in enumerate(shown) if i and row[0]]
    groups = tuple(starts) if len(kept) > 1 and len(starts) < len(rows) - 1 else ()
    pitch = max(PITCH if len(arms) <= MANY else DENSE, *map(_pitch, zip(*shown, strict=True)))
    wide = EDGE + sum(wides) + BETWEEN * len(wides) if kept else EDGE
    return Columns(tuple(heads or [""]), tuple(shown), spots, wide, pitch, groups, shared)


def _news(above: tuple[str, ...], row: tuple[str, ...]) -> tuple[str, ...]:
    """Return a row without the cells that it repeats from its left on; the last one is always written."""
    same = next((i for i, (a, b) in enumerate(zip(above, row, strict=True)) if a != b), len(row) - 1)
    same = min(same, len(row) - 1)
    return ("",) * same + row[same:]


def _pitch(column: Sequence[str]) -> float:
    """Return the inches per row in which each cell has room in its own row and the empty ones beneath."""
    starts = [i for i, text in enumerate(column) if text] or [0]
    spans = [b - a for a, b in pairwise([*starts, len(column)])]
    return max((height(column[i], TEXT) + 0.08) / span for i, span in zip(starts, spans, strict=True))


def _broken(text: str, room: float) -> str:
    """Return a cell in lines that fit, broken between twins first."""
    parts = text.replace(" = ", "\n= ") if width(text, TEXT) > room else text
    return wrap(parts, room, TEXT)


def _room(table: dict[str, list[str]], kept: list[str], path: str) -> float:
    """Return the inches for one column: what it asks for, the widest giving way until all fit."""
    need = {p: max(width(c, TEXT) for c in table[p]) for p in kept}
    limit = max(need.values(), default=0.0)
    while limit > 0.6 and sum(min(n, limit) for n in need.values()) > WIDEST:
        limit -= 0.05
    return max(min(need[path], limit), 0.4)


def cell(tidy: Tidy, arm: Arm, path: str) -> str:
    """Return an arm's value on an axis, with those of its twins; a dash where nothing is dropped to place."""
    if path.startswith("dropout.") and path != "dropout.rate" and not arm.masked:
        return "–"
    same = list(dict.fromkeys(value(a, path) for a in tidy.arms if a.arm_id == arm.arm_id)) or [value(arm, path)]
    return " = ".join(same) if len(same) < 3 else f"{same[0]} = {len(same) - 1} more"


def write(axes: Axes, book: Columns, left: float) -> None:
    """Write the columns to the left of a panel that begins `left` inches from the paper's edge."""
    wide, tall = inches(axes)
    across = axes.get_yaxis_transform()
    axes.set_ylim(len(book.cells) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    for column, (head, spot) in enumerate(zip(book.heads, book.spots, strict=True)):
        x = (spot - left) / wide
        axes.text(x, 1 + 0.06 / tall, head, transform=axes.transAxes, va="bottom", fontsize=TEXT, color=GREY)
        for y, row in enumerate(book.cells):
            if text := row[column]:
                first = y - height("x", TEXT) / 2 / book.pitch if _hangs(book, y, column) else y
                axes.text(x, first, text, transform=across, va="center" if first == y else "top", fontsize=TEXT)


def _hangs(book: Columns, row: int, column: int) -> bool:
    """Whether a cell of several lines hangs down into empty ones."""
    below = book.cells[row + 1][column] if row + 1 < len(book.cells) else "end"
    return "\n" in book.cells[row][column] and not below


def rule(axes: Axes, book: Columns, first: float, last: float) -> None:
    """Draw a thin line before each group, from `first` to `last` in widths of the panel."""
    look = {"color": "#D0D0D0", "linewidth": 0.8, "clip_on": False, "zorder": 0}
    axes.hlines([y - 0.5 for y in book.groups], first, last, transform=axes.get_yaxis_transform(), **look)


def dots(axes: Axes, values: Sequence[float], y: float, pitch: float, color: str, below: float = 0.09) -> None:
    """Draw a row's seeds under its mark, equal ones beneath each other."""
    low, high = axes.get_xlim()
    size = DOT * (high - low) / inches(axes)[0]
    room = max(pitch / 2 - below, DOT)
    placed: list[list[float]] = []
    found: list[tuple[float, int]] = []
    for v in sorted(values):
        level = next((i for i, row in enumerate(placed) if v - row[-1] >= size), len(placed))
        if level == len(placed):
            placed.append([])
        placed[level].append(v)
        found.append((v, level))
    step = min(DOT * 0.9, room / max(len(placed), 1))
    x, levels = np.array([v for v, _ in found]), np.array([level for _, level in found])
    axes.plot(x, y + (below + step * levels) / pitch, ".", color=color, **SEED)
