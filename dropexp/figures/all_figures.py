"""FIGURES: every figure of a study, drawn where it applies, under fixed names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from matplotlib.figure import Figure

from dropexp.analysis.tidy import Tidy
from dropexp.figures.by_axis import side_figures
from dropexp.figures.claims import claims_figure
from dropexp.figures.curves import curves_figure
from dropexp.figures.differences import differences_figure
from dropexp.figures.dose import dose_figures
from dropexp.figures.examples import examples_figure
from dropexp.figures.gap import gap_figure
from dropexp.figures.gap_parts import parts_figure
from dropexp.figures.heat import heat_figures
from dropexp.figures.interaction import interaction_figure
from dropexp.figures.stopping_heat import NAME, replay_figure
from dropexp.figures.style import save, styled

Drawn = Iterator[tuple[str, Figure]]


def draw(tidy: Tidy, folder: Path, rows: Iterable[str] | None = None) -> list[Path]:
    """Write each figure that applies, of some rows or all, as PNG and SVG into an existing folder; return their paths."""
    paths: list[Path] = []
    with styled():
        for row in FIGURES if rows is None else rows:
            names: list[str] = []
            for name, figure in FIGURES[row](tidy):
                names.append(name)
                again = names.count(name)  # two columns of a user's that read alike; no two rows share a name
                paths += save(figure, folder, f"{name}-{again}" if again > 1 else name)
    return paths


def _one(name: str, figure: Callable[[Tidy], Figure | None]) -> Callable[[Tidy], Drawn]:
    def drawn(tidy: Tidy) -> Drawn:
        if (made := figure(tidy)) is not None:
            yield name, made

    return drawn


FIGURES: dict[str, Callable[[Tidy], Drawn]] = {
    "claims": _one("claims", claims_figure),
    "gap": _one("gap", gap_figure),
    "dose-AXIS": dose_figures,
    "differences": _one("differences", differences_figure),
    "interaction": _one("interaction", interaction_figure),
    "by-AXIS": side_figures,
    "heat-AXIS-AXIS": heat_figures,
    "curves": _one("curves", curves_figure),
    "examples": _one("examples", examples_figure),
    NAME: _one(NAME, replay_figure),
    "gap-parts": _one("gap-parts", parts_figure),
}
