"""How every figure looks and how it is saved: one palette, reproducible bytes, no display needed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation, Transform

from dropexp.files import write_aside

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
    "svg.hashsalt": "dropexp",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,  # TrueType: journals refuse Type 3
    "path.simplify": True,
    "text.parse_math": False,  # a path or a word of the user's may hold a dollar sign
    "axes.unicode_minus": True,
}
METADATA: dict[str, dict[str, None]] = {  # the formats, and what would make their bytes depend on day or version
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
ALWAYS = ("png", "svg")
DPI, PRINT_DPI = 150, 300  # pixels per inch on a screen, and of a figure drawn to a size


@contextmanager
def styled() -> Iterator[None]:
    """Set the style for the figures made and saved within, and leave the caller's settings as they were."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # a label in a script that the font lacks: it is drawn as a box
        warnings.filterwarnings("ignore", r"Glyph \d+ ")
        matplotlib.rcdefaults()  # a matplotlibrc of the user's would change the bytes
        matplotlib.rcParams.update(RC)
        yield


def grid(axes: Axes, axis: str = "y") -> None:
    axes.grid(axis=axis, color="#E3E3E3", linewidth=0.8)  # type: ignore[arg-type]


def aside(axes: Axes, points: float = 7.0) -> Transform:
    """Return data coordinates moved right by some points, so that seeds stand beside their interval."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    wide = figure.get_size_inches()[0]  # a share of the paper, with which it grows and shrinks
    return axes.transData + ScaledTranslation(points / 72 / wide, 0, figure.transFigure)


def save(figure: Figure, folder: Path, name: str, formats: Sequence[str] = ALWAYS, dpi: int = DPI) -> list[Path]:
    """Write NAME.png and NAME.svg, or other formats, whose bytes depend on the figure alone; return their paths."""
    paths = []
    for suffix in formats:
        content = BytesIO()  # a file opened by name would get the line ends of the system
        figure.savefig(content, format=suffix, metadata=METADATA[suffix], dpi=dpi)
        paths.append(folder / f"{name}.{suffix}")
        write_aside(paths[-1], content.getvalue())
    return paths
