"""variance-shift.png: what dropout puts between the variances of training and testing, and the accuracy that repair brings."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropexp.analysis.probed import Samples, at_the_end, measured_arms, sample
from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.figures.axis_range import Scale, beyond, scale, upright
from dropexp.figures.beside_arms import MOST, key, name_places, narrow, places, spot_of, step_of
from dropexp.figures.dumbbell import spaced
from dropexp.figures.paper import most, panel
from dropexp.figures.sheet import TEXT, Room, mark, sheet
from dropexp.figures.style import INK
from dropexp.figures.text_size import wrap
from dropexp.wording.labels import footnote
from dropexp.wording.probed import POINTS, TWO, joined, sentence

RATIO = "variance at the norm, dropout off, over the running variance"
ACCURACY = "test accuracy, percent, by the norm's statistics"
CHANGE = "change from the running statistics, points"
TESTED = "test_accuracy"
# what stands in `at`, and what the statistics are called: those that training left come first
STATISTICS = {
    "running": "running",
    "batch": "batch",
    "repaired": "repaired",
    "repaired_dropout_on": "dropout on",
}
NONE = {"color": INK, "linestyle": "--", "linewidth": 1.0}
CLOSED = {"color": INK, "marker": "_", "markersize": 11, "markeredgewidth": 1.8}


def variance_shift_figure(tidy: Tidy) -> Figure | None:
    """Return the ratio per layer and, where repair was measured, accuracy by statistics; None without the probe's rows."""
    rows = at_the_end(tidy, "variance_shift")
    layers = list(dict.fromkeys(rows.loc[rows["layer"] != TESTED, "layer"]))
    if not layers:
        return None
    # versions before 0.5.0 have the ratio over all channels alone
    measured = {layer: sample(rows, layer, "live") or sample(rows, layer) for layer in layers}
    closed = {layer: sample(rows, layer, "predicted") for layer in layers}
    tested = {name: own for at, name in STATISTICS.items() if (own := sample(rows, TESTED, at))}
    changes = {name: own for name in list(tested)[1:] if (own := _minus(tested[name], tested[STATISTICS["running"]]))}
    arms = measured_arms(tidy, list(measured.values()))
    shown = spaced(arms, MOST)
    size = panel((2.9, 2.3))
    titles = [RATIO, ACCURACY, CHANGE][: 3 if changes else 1]
    columns = min(len(titles), most())
    names = [wrap(title, size[0], TEXT) for title in titles]
    entries = [*key(tidy, shown), mark("1: no shift, 0: no change", **NONE) if changes else mark("1: no shift", **NONE)]
    if any(own.notna().any() for found in closed.values() for own in found.values()):
        entries.insert(-1, mark("closed form", **CLOSED))
    drawn = [
        (own, *_view(shown, list(own.values()), cap))
        for own, cap in ((_times(tested), 100.0), (_times(changes), None))
        if changes
    ]
    note = _note(tidy, rows, len(arms) - len(shown), [cut for *_, cut in drawn])
    aslant = 0.2 * narrow(list(tested), size[0]) if tested else 0.0
    room = Room(bottom=0.55 + aslant, across=0.55, down=0.45 + aslant).named(names, columns)
    title = _title(tidy, layers[-1], measured[layers[-1]], changes.get(STATISTICS["repaired"], {}))
    figure, axes = sheet(title, note, len(names), columns, size, room, entries)
    for ax, name in zip(axes, names, strict=True):
        ax.set_title(name, loc="left", fontsize=TEXT)
    places(axes[0], shown, layers, list(measured.values()))
    axes[0].axhline(1, **NONE, zorder=1.5)
    _predicted(axes[0], shown, list(closed.values()))
    axes[0].set_ylim(0, max(1.05, axes[0].get_ylim()[1]))
    for ax, (own, view, _) in zip(axes[1:], drawn, strict=True):
        places(ax, shown, list(own), list(own.values()))
        name_places(ax, list(own), every=True)
        upright(ax, view)
    if changes:
        axes[2].axhline(0, **NONE, zorder=1.5)
    return figure


def _times(found: dict[str, Samples]) -> dict[str, Samples]:
    return {name: {arm: 100 * own for arm, own in samples.items()} for name, samples in found.items()}


def _minus(a: Samples, b: Samples) -> Samples:
    """Return the difference of two samples by arm, in the seeds that both have."""
    found = {arm: (own - b[arm]).dropna() for arm, own in a.items() if arm in b}
    return {arm: own for arm, own in found.items() if len(own)}


def _predicted(ax: Axes, arms: Sequence[Arm], samples: Sequence[Samples]) -> None:
    """Mark the mean of the closed form across each arm's spot."""
    wide = 0.42 * step_of(arms)
    for x, own in enumerate(samples):
        for i, arm in enumerate(arms):
            if arm.arm_id in own and (e := estimate(own[arm.arm_id])).n:
                at = x + spot_of(i, arms)
                ax.hlines(e.mean, at - wide, at + wide, color=INK, linewidth=1.8, zorder=5)


def _view(arms: Sequence[Arm], samples: Sequence[Samples], cap: float | None = None) -> tuple[Scale, str]:
    """Return the scale of a panel of accuracies or of changes, on which every mean and seed is, and what is cut, in words."""
    own = [(estimate(of[arm.arm_id]), of[arm.arm_id]) for of in samples for arm in arms if arm.arm_id in of]
    means, ends = [e.mean for e, _ in own], [end for e, _ in own for end in (e.low, e.high)]
    least = [] if cap is not None else [0.0]
    view = scale([([v for _, values in own for v in values] + means + least, ends)], cap)
    return view, beyond(view, [("", "", means, ends)])


def _title(tidy: Tidy, layer: str, ratios: Samples, repaired: Samples) -> str:
    """Say how the ratio of the last normalised layer differs and, where it was measured, what repair brings."""
    shift = sentence(tidy, f"Variance at {layer} without dropout over the running variance", ratios, TWO)
    if not repaired:
        return shift
    return joined(shift, sentence(tidy, "change of test accuracy by repair", repaired, POINTS))


def _note(tidy: Tidy, rows: pd.DataFrame, left_out: int, cut: Sequence[str]) -> str:
    parts = [footnote(tidy, "bars", left_out)]
    dead = rows.loc[rows["at"] == "left_out", "value"].sum()
    if dead:
        parts.append(f"channels with a running variance below 1e-4 are left out, {dead:,.0f} in all runs and layers")
    if cut:
        parts += dict.fromkeys(filter(None, cut))
        parts.append(
            "statistics: running, as training left them; batch, of each test batch; repaired, estimated anew with dropout "
            "off; dropout on, estimated anew with dropout on, a control as rate 0 is"
        )
    return "; ".join(parts)
