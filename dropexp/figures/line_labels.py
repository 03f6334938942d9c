"""Labels next to the ends of lines, which replace a legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from matplotlib.axes import Axes

from dropexp.figures.sheet import TEXT, inches
from dropexp.figures.text_size import height, spread, width

NEAR = 0.08  # inches from the panel to its words


@dataclass(frozen=True)
class End:
    """Where a line ends, in data units, and its label."""

    y: float
    text: str
    color: str
    bold: bool = False


def needed(texts: Sequence[str], size: float = TEXT, bold: bool = False) -> float:
    """Return the inches to leave free right of a panel for the widest of its words."""
    return NEAR + max((width(text, size, bold) for text in texts), default=0.0)


def write_ends(ax: Axes, ends: Sequence[End], size: float = TEXT) -> None:
    """Write each end beside the panel at its height, moved as far as it must be to stand alone."""
    ends = [end for end in ends if isfinite(end.y)]
    wide, tall = inches(ax)
    low, high = ax.get_ylim()
    shares = [(end.y - low) / (high - low) for end in ends]
    at = [(min(max(share, 0.0), 1.0) + 1e-6 * share) * tall for share in shares]  # beyond the panel in their order
    line = max((height(end.text, size) for end in ends), default=0.0)
    for y, end in zip(spread(at, line, line / 2, tall - line / 2), ends, strict=True):
        bold = "bold" if end.bold else "normal"
        place = {"transform": ax.transAxes, "va": "center", "fontsize": size, "fontweight": bold}
        ax.text(1 + NEAR / wide, y / tall, end.text, color=end.color, **place)
