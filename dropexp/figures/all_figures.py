"""FIGURES: every figure of a study, drawn if it applies, under fixed names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from matplotlib.figure import Figure

from dropexp.analysis.number_format import untypeset
from dropexp.analysis.tidy import Tidy
from dropexp.errors import UsageError
from dropexp.experiment.vocabulary import meant
from dropexp.figures.activations import activations_figure
from dropexp.figures.by_axis import side_figures
from dropexp.figures.calibration import calibration_figure
from dropexp.figures.claims import claims_figure
from dropexp.figures.co_adaptation import co_adaptation_figure
from dropexp.figures.curves import curves_figure, loss_figure
from dropexp.figures.differences import differences_figure
from dropexp.figures.dose import dose_figures
from dropexp.figures.ensemble import ENSEMBLE, ensemble_figure
from dropexp.figures.examples import examples_figure
from dropexp.figures.gap import gap_figure
from dropexp.figures.gap_parts import parts_figure
from dropexp.figures.gradient_noise import gradient_noise_figure
from dropexp.figures.gradient_norms import gradient_norms_figure
from dropexp.figures.heat import heat_figures
from dropexp.figures.interaction import interaction_figure
from dropexp.figures.mc_dropout import passes_figure
from dropexp.figures.mc_uncertainty import uncertainty_figure
from dropexp.figures.memorisation import memorisation_figure
from dropexp.figures.paper import to_size
from dropexp.figures.stopping_heat import NAME, replay_figure
from dropexp.figures.style import DPI, PRINT_DPI, save, styled
from dropexp.figures.variance_shift import variance_shift_figure
from dropexp.figures.weights import first_layer_figure, weights_figure
from dropexp.quoting import spelt

Drawn = Iterator[tuple[str, Figure]]
T = TypeVar("T")


def draw(tidy: Tidy, folder: Path, rows: Iterable[str] | None = None) -> list[Path]:
    """Write each figure that applies, of some rows or all, as PNG and SVG into an existing folder; return their paths."""
    paths: list[Path] = []
    with styled():
        for row in FIGURES if rows is None else rows:
            for name, figure in _numbered(FIGURES[row](tidy)):
                paths += save(figure, folder, name)
    return paths


def draw_to_order(
    tidy: Tidy,
    folder: Path,
    wanted: Mapping[str, tuple[str, ...]],
    formats: Sequence[str],
    size: tuple[float, float] | None,
) -> tuple[list[Path], dict[str, tuple[str, str]], list[str]]:
    """Write some figures into an existing folder, in the given formats, at a size in inches or at their own size.

    `wanted` is what `chosen` returns. Returns the paths; the title and note of each figure by name, which are not in a
    picture drawn to a size; and a sentence for each figure that is not drawn.
    """
    paths: list[Path] = []
    captions: dict[str, tuple[str, str]] = {}
    left_out = []
    with styled():
        for row, begins in wanted.items():
            drawn = to_size(partial(FIGURES[row], tidy), *size) if size else FIGURES[row](tidy)
            found = list(_numbered(drawn))
            left_out += [
                f"{w}: does not apply to this study" for w in begins if not any(_is(name, w) for name, _ in found)
            ]
            for name, figure in found:
                if isinstance(figure, str):
                    left_out.append(figure)
                elif any(_is(name, w) for w in begins):
                    title, note = (untypeset(" ".join(figure.texts[i].get_text().split("\n"))) for i in (0, -1))
                    captions[name] = title, note
                    paths += save(figure, folder, name, formats, PRINT_DPI if size else DPI)
    return paths, captions, left_out


def _numbered(drawn: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    names: list[str] = []
    for name, figure in drawn:
        names.append(name)
        again = names.count(name)  # two columns of a user's that read alike; no two rows share a name
        yield (f"{name}-{again}" if again > 1 else name), figure


def chosen(names: Sequence[str], metric: str = "") -> dict[str, tuple[str, ...]]:
    """Return the rows of FIGURES that `names` select, each with the beginnings of the names wanted; all rows if none is given.

    A name is that of a figure (`dose-rate`), or the same without its axes (`dose`). If a figure exists for accuracy and
    for loss, `metric` says which; without names it selects the figures that show it. Raises UsageError for a name that no
    figure can have.
    """
    if metric and metric not in SHOWN:
        raise UsageError(f"--metric: {spelt(metric)} is not one of {', '.join(SHOWN)}{meant(metric, SHOWN)}")
    if not names:
        rows = LIKE.values() if metric == "loss" else [r for r in FIGURES if not metric or r not in LIKE.values()]
        return {row: (_short(row),) for row in rows}
    other = {"loss": LIKE, "accuracy": {loss: row for row, loss in LIKE.items()}}.get(metric, {})
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        row = next((r for r in FIGURES if name in (r, _short(r))), None)
        whole = row is not None
        row = row or next((r for r in FIGURES if r != _short(r) and name.startswith(f"{_short(r)}-")), None)
        if row is None:
            known = [_short(r) for r in FIGURES]
            hint = meant(name, known, f"they are {', '.join(known)}; the folder goes before the list")
            raise UsageError(f"--only: no figure is called {spelt(name)}{hint}")
        row = other.get(row, row)
        found[row] = (*found.get(row, ()), _short(row) if whole else name)
    return found


def _short(row: str) -> str:
    """Return a row's name without its axes: `dose` of `dose-AXIS`."""
    return row.partition("-AXIS")[0]


def _is(name: str, wanted: str) -> bool:
    return name == wanted or name.startswith(f"{wanted}-")


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
    "curves-loss": _one("curves-loss", loss_figure),
    "examples": _one("examples", examples_figure),
    NAME: _one(NAME, replay_figure),
    ENSEMBLE: _one(ENSEMBLE, ensemble_figure),
    "gap-parts": _one("gap-parts", parts_figure),
    "gradient-norms": _one("gradient-norms", gradient_norms_figure),
    "variance-shift": _one("variance-shift", variance_shift_figure),
    "gradient-noise": _one("gradient-noise", gradient_noise_figure),
    "activations": _one("activations", activations_figure),
    "weights": _one("weights", weights_figure),
    "first-layer": _one("first-layer", first_layer_figure),
    "co-adaptation": _one("co-adaptation", co_adaptation_figure),
    "memorisation": _one("memorisation", memorisation_figure),
    "mc-dropout": _one("mc-dropout", passes_figure),
    "mc-uncertainty": _one("mc-uncertainty", uncertainty_figure),
    "calibration": _one("calibration", calibration_figure),
}
ABSENT = "does not apply to this study"
SHOWN = ("accuracy", "loss")
LIKE = {"curves": "curves-loss"}  # figures of accuracy, each with its like of losses
