"""The figures: which there are, what their titles claim, and that their bytes are fixed."""

from __future__ import annotations

from itertools import combinations

import matplotlib
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from dropexp.report.figures import FIGURES, draw
from dropexp.report.finding import finding
from dropexp.report.style import styled

NAMES = {
    "one-arm-one-seed": ["curves", "gap"],
    "constant": ["curves", "differences", "gap"],
    "broken": ["curves", "differences", "gap"],
    "empty": ["gap"],
    "parts-one": ["curves", "gap", "gap-parts", "stopping-heat"],
    "orders": ["by-order", "curves", "differences", "gap"],
    "rate-placement": ["by-placement", "curves", "differences", "gap", "heat-rate-placement"],
}


@pytest.mark.parametrize("name", NAMES)
def test_writes_png_and_svg_under_fixed_names(cases, tmp_path, name):
    paths = draw(cases[name](), tmp_path)
    expected = sorted(f"{stem}.{suffix}" for stem in NAMES[name] for suffix in ("png", "svg"))
    assert sorted(p.name for p in paths) == sorted(p.name for p in tmp_path.iterdir()) == expected


def test_bytes_depend_on_the_rows_alone(cases, tmp_path):
    before = dict(matplotlib.rcParams)
    contents = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        contents.append({p.name: p.read_bytes() for p in draw(cases["placement"](), tmp_path / folder)})
        matplotlib.rcParams["xtick.major.size"] = 30  # a setting of the user's
    matplotlib.rcParams["xtick.major.size"] = before["xtick.major.size"]
    assert contents[0] == contents[1]
    assert dict(matplotlib.rcParams) == before
    assert all(b"\r" not in c for name, c in contents[0].items() if name.endswith("svg"))
    assert not any(b"atplotlib v" in c or b"Matplotlib version" in c for c in contents[0].values())


def words_of(figure: Figure) -> list[Text]:
    """Return the texts that are drawn: tick labels beyond the limits exist, and are not."""
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for ax in figure.axes:
        if not ax.get_visible():
            continue
        found += [*ax.texts, *(t for t in ax.get_children() if isinstance(t, Text))]
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            found += [axis.label, *(t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high)]
    return [t for t in dict.fromkeys(found) if t.get_visible() and t.get_text().strip()]


OVERLAP = [
    "rates",
    "rate-orders",
    "one-seed",
    "noise",
    "placements",
    "many",
    "overfitting",
    "overfitting-patience",
    "parts",
]


@pytest.mark.parametrize("name", OVERLAP)
def test_words_do_not_overlap_and_stay_inside(cases, name):
    tidy = cases[name]()
    with styled():
        for title, figure in (pair for figures in FIGURES.values() for pair in figures(tidy)):
            figure.draw_without_rendering()
            boxes = [(t.get_text(), t.get_window_extent().shrunk(0.9, 0.9)) for t in words_of(figure)]
            meeting = [(x, y) for (x, a), (y, b) in combinations(boxes, 2) if a.overlaps(b)]
            outside = [x for x, a in boxes if a.x0 < 0 or a.y0 < 0 or a.x1 > figure.bbox.x1 or a.y1 > figure.bbox.y1]
            assert not meeting, title
            assert not outside, title


@pytest.mark.parametrize(
    "name,title",
    [
        ("rates", "Dropout 0.5 narrows the gap from 4.7 to 3.8 points, n = 10"),
        ("undecided", "Rate 0.2: gap 4.3 against 4.5 points, undecided, n = 5"),
        ("one-seed", "one seed, no interval"),
        ("constant", "Rate 0.2: gap 0.0 against 0.0 points, undecided, n = 5"),
        ("one-arm-one-seed", "n = 1, no interval"),
        ("rate-orders", "Gap against rate 0: smaller in 6, undecided in 2 of 8 arms, n = 10"),
        ("empty", "No finished run"),
        ("noise", "Clean gap against rate 0: smaller in 4 of 4 arms"),
    ],
)
def test_titles_say_what_the_interval_supports(cases, name, title):
    assert title in finding(cases[name]())


def test_limits_say_what_is_left_out(cases):
    tidy = cases["three"]()
    with styled():
        figure = dict(FIGURES["curves"](tidy))["curves"]
    assert any("9 more arms not shown" in t.get_text().replace("\n", " ") for t in figure.texts)


@pytest.mark.slow
def test_every_case_is_drawn_without_a_warning(case, tmp_path):
    paths = draw(case, tmp_path)
    assert tmp_path / "gap.png" in paths
    assert all(p.stat().st_size for p in paths)
