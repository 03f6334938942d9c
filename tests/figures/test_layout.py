"""What a figure must never do: let words meet, cover data, or leave the paper."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import numpy as np
import pytest
from made_up_studies import CASES
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from dropexp.figures.all_figures import FIGURES
from dropexp.figures.paper import to_size
from dropexp.figures.style import styled

FAST = ["elsewhere", "claimed", "collapsed"]
TOUCH = 1.0  # points by which boxes may meet: they are as tall as the tallest letter


def words_of(figure: Figure) -> list[tuple[str, Bbox]]:
    """Return the texts that are drawn with their boxes: tick labels beyond the limits exist, and are not."""
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for ax in figure.axes:
        found += [*ax.texts, *(t for t in ax.get_children() if isinstance(t, Text))]
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            found += [axis.label, *(t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high)]
    kept = [t for t in dict.fromkeys(found) if t.get_visible() and t.get_text().strip()]
    pad = -TOUCH * figure.dpi / 72
    return [(t.get_text(), t.get_window_extent().padded(pad)) for t in kept]


def marks_of(figure: Figure) -> np.ndarray:
    """Return the places of all markers within the panels, in pixels."""
    places = [np.empty((0, 2))]
    for ax in figure.axes:
        for line in ax.lines:
            if line.get_marker() in ("", " ", "None", None) or not line.get_visible():
                continue
            points = line.get_transform().transform(np.ma.filled(line.get_xydata(), np.nan))
            inside = np.isfinite(points).all(axis=1)
            box = ax.bbox.padded(1.0)
            inside &= (points[:, 0] >= box.x0) & (points[:, 0] <= box.x1)
            inside &= (points[:, 1] >= box.y0) & (points[:, 1] <= box.y1)
            places.append(points[inside])
    return np.concatenate(places)


def faults(figure: Figure) -> list[str]:
    """Return in words all that is wrong with how a figure is laid out."""
    figure.draw_without_rendering()
    words, marks = words_of(figure), marks_of(figure)
    found = [f"{x!r} meets {y!r}" for (x, a), (y, b) in combinations(words, 2) if a.overlaps(b)]
    paper = figure.bbox
    for x, a in words:
        if a.x0 < paper.x0 or a.y0 < paper.y0 or a.x1 > paper.x1 or a.y1 > paper.y1:
            found.append(f"{x!r} leaves the paper")
        covered = (marks > a.min).all(axis=1) & (marks < a.max).all(axis=1)
        if covered.any():
            found.append(f"{x!r} covers {covered.sum()} marks")
    legends = [legend.get_window_extent() for legend in figure.legends]
    found += ["the key covers a panel" for box in legends for ax in figure.axes if box.overlaps(ax.bbox)]
    return found


def check(drawn, name) -> None:
    for stem, figure in (pair for kind in FIGURES for pair in drawn(name, kind)):
        with styled():
            assert not faults(figure), stem
        assert max(figure.get_size_inches()) < 24, stem
        assert figure.get_size_inches()[0] < 12.5, stem


@pytest.mark.parametrize("name", FAST)
def test_nothing_overlaps(drawn, name):
    check(drawn, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in FAST])
def test_nothing_overlaps_in_any_case(drawn, name):
    check(drawn, name)


PAPER = {
    "rates": (3.25, 2.2),
    "two": (3.25, 2.2),
    "one-arm": (3.25, 2.2),
    "rate-placement": (5.0, 4.5),
    "claimed": (7.0, 4.0),
}


@pytest.mark.parametrize("name,size", PAPER.items())
def test_nothing_overlaps_at_the_size_of_a_papers_column(cases, name, size):
    drawn = []
    with styled():
        for kind in FIGURES:
            for stem, figure in to_size(partial(FIGURES[kind], cases[name]()), *size):
                if isinstance(figure, Figure):
                    drawn.append(stem)
                    assert not faults(figure), stem
                    assert tuple(figure.get_size_inches()) == size
                    assert min(t.get_fontsize() for t in figure.findobj(Text) if t.get_text().strip()) >= 6.0
                else:
                    assert figure.startswith(f"{stem}: does not fit into"), figure
    assert {"gap", "curves"} <= {*drawn}, drawn
