"""How every figure looks and how it is written: one palette, fixed bytes, no display."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation, Transform

# Okabe & Ito (2008), told apart in colour-blindness; training and test differ in marker and line besides
TRAIN, TEST, INK = "#D55E00", "#0072B2", "#262626"
BETTER, WORSE, UNSURE = "#0072B2", "#D55E00", "#7A7A7A"
SHADE = "#EFE5D0"
AREA: dict[str, Any] = {"facecolor": SHADE, "edgecolor": "#D8CDB8"}
TEST_LOOK: dict[str, Any] = {"color": TEST, "marker": "o", "markersize": 7, "markeredgecolor": "white"}
TRAIN_LOOK: dict[str, Any] = {
    "color": TRAIN,
    "marker": "s",
    "markersize": 6.5,
    "markeredgecolor": TRAIN,
    "markerfacecolor": "white",
}
SEED: dict[str, Any] = {"alpha": 0.55, "markersize": 5, "markeredgewidth": 0, "zorder": 2.5}
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#8C8C8C")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 3)))

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "axes.grid": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "lines.markersize": 7,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "svg.hashsalt": "dropexp",
    "svg.fonttype": "path",
    "path.simplify": True,
    "text.parse_math": False,  # a path or a word of the user's may hold a dollar sign
    "axes.unicode_minus": True,
}
METADATA: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}


@contextmanager
def styled() -> Iterator[None]:
    """Set the style for the figures made and saved within, and leave the caller's settings as they were."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a matplotlibrc of the user's would change the bytes
        matplotlib.rcParams.update(RC)
        yield


def canvas(
    rows: int = 1, columns: int = 1, size: tuple[float, float] = (8.0, 5.2), **share: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure of `size` inches and its axes in a flat list, row by row."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **share)
    return figure, list(axes.flat)


def grid(axes: Axes, axis: str = "y") -> None:
    axes.grid(axis=axis, color="#E3E3E3", linewidth=0.8)  # type: ignore[arg-type]


def frame(figure: Figure, title: str, note: str, handles: Sequence[Artist] = (), columns: int = 4) -> None:
    """Set the finding and the key above the axes and the note beneath, each in room of its own."""
    width, height = figure.get_size_inches()
    titles = textwrap.wrap(title, int(width * 8.0))
    notes = textwrap.wrap(note, int(width * 15.3))
    keys = -(-len(handles) // columns)
    key_top = 0.12 + 0.25 * len(titles)
    top, bottom = key_top + 0.24 * keys + 0.06, 0.1 + 0.16 * len(notes)
    figure.text(0.1 / width, 1 - 0.1 / height, "\n".join(titles), fontsize=14, fontweight="bold", va="top", ha="left")
    if handles:
        figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(0.05 / width, 1 - key_top / height),
            ncols=columns,
            fontsize=10,
            borderaxespad=0.0,
            columnspacing=1.4,
            handlelength=2.6,
        ).set_in_layout(False)
    figure.text(0.1 / width, 0.07 / height, "\n".join(notes), fontsize=9, color="#595959", va="bottom", ha="left")
    figure.get_layout_engine().set(  # type: ignore[union-attr]
        rect=(0, bottom / height, 1, 1 - (top + bottom) / height), w_pad=0.06, h_pad=0.06
    )


def entitle(axes: Axes, name: str) -> None:
    """Set the name above a panel, on as many lines as its width needs."""
    figure, place = axes.get_figure(root=True), axes.get_subplotspec()
    assert figure is not None
    assert place is not None
    room = int((figure.get_size_inches()[0] / place.get_gridspec().ncols - 0.5) / 0.092)
    lines = [line for part in name.split("\n") for line in textwrap.wrap(part, room)]
    axes.set_title("\n".join(lines), loc="left")


def cut(axes: Axes, lows: list[float], highs: list[float], pad: float = 0.08, cap: float | None = 100.0) -> None:
    """Cut the y axis to finite data; where the data reach `cap`, a little above it."""
    finite = [y for y in (*lows, *highs) if isfinite(y)] or [0.0, 100.0]
    low, high = min(finite), max(finite)
    space = max(pad * (high - low), 0.25)
    axes.set_ylim(low - space, min(high + space, cap + space) if cap is not None else high + space)
    if cap is not None:
        axes.set_yticks([tick for tick in axes.get_yticks() if low - space <= tick <= cap])


def aside(axes: Axes, points: float = 7.0) -> Transform:
    """Return data coordinates moved right by some points, so that seeds stand beside their interval."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return axes.transData + ScaledTranslation(points / 72, 0, figure.dpi_scale_trans)


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write NAME.png and NAME.svg, whose bytes depend on the figure alone; return their paths."""
    paths = []
    for suffix, metadata in METADATA.items():
        content = BytesIO()  # a file opened by name would get the line ends of the system
        figure.savefig(content, format=suffix, metadata=metadata)
        paths.append(folder / f"{name}.{suffix}")
        paths[-1].write_bytes(content.getvalue())
        figure.set_layout_engine("none")  # it stands; to lay it out again would take as long as drawing it
    return paths
