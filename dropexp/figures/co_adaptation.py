"""co-adaptation.png: accuracy without a growing share of units or weights or with noise on inputs, and how units correlate."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropexp.analysis.probed import Samples, at_the_end, measured_arms, sample
from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.figures.beside_arms import MOST, key, look, places
from dropexp.figures.dumbbell import spaced
from dropexp.figures.paper import panel
from dropexp.figures.sheet import TEXT, Room, mark, sheet
from dropexp.figures.style import INK, SERIES, grid
from dropexp.figures.text_size import wrap
from dropexp.wording.labels import footnote
from dropexp.wording.probed import PERCENT, sentence

PARTS = {
    "units": "accuracy, percent, against the share of units removed",
    "weights": "accuracy, percent, against the share of weights removed",
    "inputs": "accuracy, percent, against the sd of noise on inputs",
}
HALF = 0.5  # the share that the title speaks of, or the one nearest to it


def co_adaptation_figure(tidy: Tidy) -> Figure | None:
    """Return three panels of accuracies and one of correlations; None where the probe's rows do not exist."""
    rows = at_the_end(tidy, "co_adaptation")
    whole = sample(rows, "whole")
    arms = measured_arms(tidy, [whole])
    if not arms:
        return None
    shown = spaced(arms, MOST)
    layers = list(dict.fromkeys(rows.loc[rows["at"] == "correlation", "layer"]))
    size = panel((3.6, 2.3))
    titles = [*PARTS.values(), "mean |correlation| of units within a class"][: 3 + bool(layers)]
    names = [wrap(title, size[0], TEXT) for title in titles]
    entries = [
        *key(tidy, shown),
        mark("what is left is rescaled", color=INK, linestyle="-"),
        mark("not rescaled", color=INK, linestyle=":"),
    ]
    note = footnote(tidy, "bars", len(arms) - len(shown)) + "; removed at random from every layer, when testing"
    room = Room(bottom=0.4, across=0.55, down=0.35).named(names, 2)
    figure, axes = sheet(_title(tidy, rows), note, len(names), 2, size, room, entries)
    for ax, name, part in zip(axes, names, [*PARTS, "correlation"], strict=False):
        ax.set_title(name, loc="left", fontsize=TEXT)
        if part in PARTS:
            _curves(ax, rows, whole, part, shown)
        else:
            places(ax, shown, layers, [sample(rows, layer, "correlation") for layer in layers])
    return figure


def _shares(rows: pd.DataFrame, part: str) -> list[tuple[float, str]]:
    """Return the shares of a part that were measured, and as they are written, ascending."""
    words = {str(at).rpartition(".")[0] for at in rows.loc[rows["layer"] == part, "at"]}
    return sorted((float(word), word) for word in words)


def _curves(ax: Axes, rows: pd.DataFrame, whole: Samples, part: str, arms: list[Arm]) -> None:
    shares = _shares(rows, part)
    for way, line in (("plain", ":"), ("rescaled", "-")):
        samples = [whole, *(sample(rows, part, f"{word}.{way}") for _, word in shares)]
        for i, arm in enumerate(arms):
            found = [
                (x, estimate(100 * own[arm.arm_id]))
                for x, own in zip([0.0, *(share for share, _ in shares)], samples, strict=True)
                if arm.arm_id in own
            ]
            x, y = [at for at, _ in found], [e.mean for _, e in found]
            if way == "rescaled":
                ax.vlines(
                    x, [e.low for _, e in found], [e.high for _, e in found], color=SERIES[i], linewidth=1.8, zorder=3
                )
                ax.plot(
                    x, y, **look(i), markersize=5.5, linestyle=line, linewidth=1.6, markeredgecolor="white", zorder=4
                )  # type: ignore[arg-type]
            else:
                ax.plot(x, y, color=SERIES[i], linestyle=line, linewidth=1.4, zorder=2)
    ax.set_xlim(0, None)
    ax.set_ylim(0, 100)
    grid(ax)


def _title(tidy: Tidy, rows: pd.DataFrame) -> str:
    """Return the finding about accuracy where half of the units are gone, or the share nearest to that."""
    _, word = min(_shares(rows, "units"), key=lambda own: abs(own[0] - HALF))
    what = f"Accuracy with {100 * float(word):g} percent of the units removed, the others rescaled"
    return sentence(tidy, what, sample(rows, "units", f"{word}.rescaled"), PERCENT)
