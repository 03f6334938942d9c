"""Columns of plain text, side by side: cells with aligned numbers and the text after them."""

from __future__ import annotations

from dataclasses import dataclass

from dropexp.analysis.inference import SAME, Judged
from dropexp.wording.labels import half, signed, starred

WIDTH = 100


@dataclass(frozen=True)
class Column:
    """A heading and its cells; a cell is a number, aligned right, and the text after it."""

    heading: str
    cells: list[tuple[str, str]]

    def lines(self) -> list[str]:
        number = max(len(first) for first, _ in self.cells)
        texts = [f"{first.rjust(number)} {rest}".rstrip() if first else rest for first, rest in self.cells]
        if not any(rest for _, rest in self.cells):
            return [text.rjust(len(self.heading)) for text in [self.heading.rjust(number), *texts]]
        return [self.heading, *texts]


def difference(judged: Judged | None) -> tuple[str, str]:
    """Return the cell of a difference: its mean in points, half its interval and the verdict; empty if there is none."""
    if judged is None:
        return "", ""
    if judged.word == SAME:
        return "", SAME
    d = judged.difference
    return signed(d.mean), f"{half(d.half)} {starred(judged)}".strip()


def side_by_side(columns: list[Column]) -> list[str]:
    """Set columns side by side, three spaces apart, or two if three would be too wide."""
    rows = list(zip(*(column.lines() for column in columns), strict=True))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    between = "   " if sum(widths) + 3 * len(widths) < WIDTH else "  "
    return [(" " + between.join(cell.ljust(w) for cell, w in zip(row, widths, strict=True))).rstrip() for row in rows]


def wide(lines: list[str]) -> bool:
    """Whether any line is wider than a table may be."""
    return max(map(len, lines)) > WIDTH
