"""Matrices and tables as lines of text, as a teacher writes them on the board."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor


def number(value: Any, digits: int = 4) -> str:
    """Return a number with few digits; words stay as they are."""
    if isinstance(value, str) or value is None:
        return value or ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value + 0.0:.{digits}g}"


def matrix(title: str, rows: Tensor, decimals: int = 2, row: str = "sample") -> list[str]:
    """Return a (rows, columns) matrix with a title and numbered rows; an exact 0 is shown as a dot."""
    cells = [["." if v == 0 else f"{v:.{decimals}f}" for v in line] for line in rows.tolist()]
    width = max(len(cell) for line in cells for cell in line)
    lines = [f"  {row} {i} " + " ".join(f"{cell:>{width}}" for cell in line) for i, line in enumerate(cells, 1)]
    return [title, *lines, ""]


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return rows under headings: words to the left, numbers to the right."""
    cells = [[number(value) for value in row] for row in rows]
    right = [not any(isinstance(row[i], str) for row in rows) for i in range(len(headings))]
    widths = [max(len(line[i]) for line in [list(headings), *cells]) for i in range(len(headings))]

    def line(parts: Sequence[str]) -> str:
        aligned = (f"{p:>{w}}" if r else f"{p:<{w}}" for p, w, r in zip(parts, widths, right, strict=True))
        return "  ".join(aligned).rstrip()

    return [line(headings), *(line(row) for row in cells)]
