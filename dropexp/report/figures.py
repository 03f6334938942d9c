"""FIGURES: every figure of a study, drawn where it applies, under fixed names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from matplotlib.figure import Figure

from dropexp.analysis.tidy import Tidy
from dropexp.report.gap import gap_figure
from dropexp.report.style import save, styled

Drawn = Iterator[tuple[str, Figure]]


def draw(tidy: Tidy, folder: Path) -> list[Path]:
    """Write each figure that applies as PNG and SVG into an existing folder; return the paths written."""
    paths = []
    with styled():
        for figures in FIGURES.values():
            for name, figure in figures(tidy):
                paths += save(figure, folder, name)
    return paths


def _gap(tidy: Tidy) -> Drawn:
    yield "gap", gap_figure(tidy)


FIGURES: dict[str, Callable[[Tidy], Drawn]] = {"gap": _gap}
