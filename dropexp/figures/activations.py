"""activations.png: how large the outputs of units are, how many are zero or constant, and how many directions they use."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropexp.analysis.probed import at_the_end, measured_arms, sample
from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.figures.beside_arms import MOST, key, look, places
from dropexp.figures.dumbbell import spaced
from dropexp.figures.paper import panel
from dropexp.figures.sheet import TEXT, Room, sheet
from dropexp.figures.style import SERIES, grid
from dropexp.figures.text_size import wrap
from dropexp.wording.labels import footnote
from dropexp.wording.probed import PERCENT, sentence

COUNTS = {
    "zeros": "outputs that are 0, percent",
    "dead": "units that give one number everywhere, percent",
    "participation": "participation ratio: directions in use",
}
BINS = {"bin": "outputs of {}, percent in each bin", "means": "mean outputs of its units, percent in each bin"}


def activations_figure(tidy: Tidy) -> Figure | None:
    """Return histograms of the last hidden layer, and three numbers per layer; None where the probe's rows do not exist."""
    rows = at_the_end(tidy, "activations")
    layers = list(dict.fromkeys(rows.loc[rows["at"] == "zeros", "layer"]))
    if not layers:
        return None
    zeros = [sample(rows, layer, "zeros") for layer in layers]
    arms = measured_arms(tidy, zeros)
    shown = spaced(arms, MOST)
    binned = {what: edges for what in BINS if (edges := _edges(rows, layers[-1], what))}
    size = panel((3.6, 2.2))
    names = [
        wrap(text, size[0], TEXT) for text in (*(BINS[what].format(layers[-1]) for what in binned), *COUNTS.values())
    ]
    note = footnote(tidy, "bars", len(arms) - len(shown))
    note += "; on test examples; a bin is named by its edge away from 0, its other edge is the next one towards 0"
    room = Room(bottom=0.4, across=0.55, down=0.35).named(names, 2)
    what = f"Outputs of {layers[-1]} that are 0"
    figure, axes = sheet(sentence(tidy, what, zeros[-1], PERCENT), note, len(names), 2, size, room, key(tidy, shown))
    for ax, name, part in zip(axes, names, [*binned, *COUNTS], strict=True):
        ax.set_title(name, loc="left", fontsize=TEXT)
        if part in binned:
            _histogram(ax, rows, layers[-1], part, binned[part], shown)
        else:
            scale = 1 if part == "participation" else 100
            samples = [sample(rows, layer, part) for layer in layers]
            places(ax, shown, layers, [{arm: scale * own for arm, own in found.items()} for found in samples])
    return figure


def _edges(rows: pd.DataFrame, layer: str, what: str) -> list[str]:
    """Return the names of the bins from the lowest to the highest that holds anything, the empty ones between them too."""
    own = rows[(rows["layer"] == layer) & rows["at"].str.startswith(f"{what}.")]
    names = sorted({str(at).partition(".")[2] for at in own["at"]}, key=float)
    if not names:
        return []
    known = sorted(
        {str(at).partition(".")[2] for at in rows["at"] if str(at).startswith(("bin.", "means."))} | {"0"}, key=float
    )
    return [name for name in known if float(names[0]) <= float(name) <= float(names[-1])]


def _histogram(ax: Axes, rows: pd.DataFrame, layer: str, what: str, names: list[str], arms: list[Arm]) -> None:
    """Draw the mean share of each bin as a line per arm; a run without a bin's row has nothing there."""
    counts = {arm.arm_id: len(rows.loc[rows["arm_id"] == arm.arm_id, "seed"].unique()) for arm in arms}
    found = [sample(rows, layer, f"{what}.{name}") for name in names]
    for i, arm in enumerate(arms):
        shares = [own.get(arm.arm_id, pd.Series(dtype=float)) for own in found]
        every = [[*own, *[0.0] * (counts[arm.arm_id] - len(own))] for own in shares]
        means = [estimate([100 * v for v in own]) for own in every]
        x = range(len(names))
        ax.vlines(x, [e.low for e in means], [e.high for e in means], color=SERIES[i], linewidth=1.6, zorder=3)
        ax.plot(x, [e.mean for e in means], **look(i), markersize=4.5, linestyle="-", linewidth=1.3, zorder=4)  # type: ignore[arg-type]
    step = -(-len(names) // 8)
    ticks = [k for k in range(len(names)) if (k - names.index("0") if "0" in names else k) % step == 0]
    ax.set_xticks(ticks, ["more" if names[k] == "inf" else names[k] for k in ticks])
    ax.set_ylim(bottom=0)
    grid(ax)
