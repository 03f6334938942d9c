"""The key of a figure: its entries in one line, each as wide as its text."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.legend import Legend

HANDLE, SPACE = 0.36, 0.22  # inches of a mark and between two entries, at letters of 10 points
POINTS = 10.0


def legend(
    figure: Figure, entries: Sequence[Artist], labels: Sequence[str], at: tuple[float, float], size: float
) -> Legend:
    """Write one line of the key in letters of `size` points, its upper left corner `at` shares of the paper."""
    return figure.legend(
        handles=list(entries),
        labels=list(labels),
        loc="upper left",
        bbox_to_anchor=at,
        ncols=len(entries),
        fontsize=size,
        borderaxespad=0.0,
        borderpad=0.0,
        handlelength=HANDLE * 72 / POINTS,
        handletextpad=0.1 * 72 / POINTS,
        columnspacing=SPACE * 72 / POINTS,
    )
