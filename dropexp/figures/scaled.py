"""A figure scaled as a whole, with its text, lines, marks and ticks, so that it looks the same at another size."""

from __future__ import annotations

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from dropexp.figures.key import legend

LETTERS, TICK, WIDTH, PAD, TITLE_PAD, LABEL_PAD = 10.0, 3.5, 0.8, 3.5, 6.0, 4.0  # points, as matplotlib has them


def scaled(figure: Figure, factor: float, size: tuple[float, float]) -> Figure:
    """Return a figure with everything measured in points times `factor`, on a paper of `size` inches.

    What stands at shares of the paper or of a panel moves with it.
    """
    for key in list(figure.legends):
        _anew(figure, key, factor)
    for axes in figure.axes:
        _panel(axes, factor)
    for text in figure.texts:
        text.set_fontsize(text.get_fontsize() * factor)
    figure.set_size_inches(*size)
    return figure


def _panel(axes: Axes, factor: float) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_fontsize(axis.label.get_fontsize() * factor)
        axis.labelpad = LABEL_PAD * factor
        ticks = axis.get_major_ticks()
        for tick in ticks:
            look(tick.gridline, factor)
        letters = max((tick.label1.get_fontsize() for tick in ticks), default=LETTERS)
        length = ticks[0].tick1line.get_markersize() if ticks else TICK
        axis.set_tick_params(length=length * factor, width=WIDTH * factor, pad=PAD * factor, labelsize=letters * factor)
    title = axes._left_title  # type: ignore[attr-defined]
    title.set_fontsize(title.get_fontsize() * factor)
    axes._set_title_offset_trans(TITLE_PAD * factor)  # type: ignore[attr-defined]
    kept = {id(text) for text in (axes.title, axes._left_title, axes._right_title)}  # type: ignore[attr-defined]
    for artist in axes.get_children():
        if id(artist) not in kept:
            look(artist, factor)


def look(artist: Artist, factor: float) -> None:
    """Scale the lines, marks and letters of one artist."""
    if isinstance(artist, Line2D):
        artist.set_linewidth(artist.get_linewidth() * factor)
        artist.set_markersize(artist.get_markersize() * factor)
        artist.set_markeredgewidth(artist.get_markeredgewidth() * factor)
    elif isinstance(artist, Collection):
        artist.set_linewidth([width * factor for width in artist.get_linewidth()])
    elif isinstance(artist, Patch):
        artist.set_linewidth(artist.get_linewidth() * factor)
    elif isinstance(artist, Text):
        artist.set_fontsize(artist.get_fontsize() * factor)


def _anew(figure: Figure, old: Legend, factor: float) -> None:
    """Set a line of the key again: a legend measures its places when it is made."""
    entries = [entry for entry in old.legend_handles if entry is not None]
    for entry in entries:
        look(entry, factor)
    at = figure.transFigure.inverted().transform(old.get_bbox_to_anchor().p0)
    letters = old.get_texts()
    size = letters[0].get_fontsize() * factor
    old.remove()
    legend(figure, entries, [text.get_text() for text in letters], (float(at[0]), float(at[1])), size)
