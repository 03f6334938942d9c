"""gradient-norms.png: how large the gradients are that reach each layer, before training and at the end, and flat units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropexp.analysis.probed import Samples, against_baselines, measured, measured_arms, sample
from dropexp.analysis.stats import Estimate, estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.figures.beside_arms import MOST, key, look, name_places, powers
from dropexp.figures.dumbbell import spaced
from dropexp.figures.paper import most, panel
from dropexp.figures.sheet import TEXT, Room, mark, sheet
from dropexp.figures.style import INK, SERIES, grid
from dropexp.figures.text_size import wrap
from dropexp.wording.labels import footnote, seeds
from dropexp.wording.probed import FOLD, PLAIN, extremes, sentence

# what a row of panels shows, by what stands in `at`: with one mask, and averaged over masks
NORMS = {
    "gradient norm of pre-activations": ("preactivations", "preactivations_masks"),
    "gradient norm of weights": ("", "masks"),
}
FLAT = "saturated units, percent"
BEFORE, END = "before training", "at the end"


def gradient_norms_figure(tidy: Tidy) -> Figure | None:
    """Return norms and saturated units by layer, before training and at the end; None without the probe's rows."""
    rows = measured(tidy, "gradient_norms")
    moments = {BEFORE: rows[rows["epoch"] == 0], END: _last(rows)}
    moments = {when: own for when, own in moments.items() if len(own)}
    if not moments:
        return None
    arms = measured_arms(tidy, [{str(arm): pd.Series() for arm in rows["arm_id"].unique()}])
    shown = spaced(arms, MOST)
    kinds = [*NORMS, *([FLAT] if (rows["at"] == "saturated").any() else [])]
    panels = [(kind, when) for kind in kinds for when in moments]
    columns = min(len(moments), most())
    size = panel((3.6, 2.0))
    names = [wrap(f"{kind}, {when}", size[0], TEXT) for kind, when in panels]
    averaged = any(arm.masked for arm in arms) and rows["at"].isin([masks for _, masks in NORMS.values()]).any()
    entries = key(tidy, shown)
    if averaged:
        entries += [
            mark("one mask", color=INK, linestyle="-"),
            mark("gradient averaged over masks", color=INK, linestyle=":"),
        ]
    lost = (rows.loc[rows["at"] != "saturated", "value"] == 0).any()
    note = _note(tidy, moments.get(END), len(arms) - len(shown), bool(averaged), bool(lost))
    room = Room(left=0.9, bottom=0.4, across=0.7, down=0.35).named(names, columns)
    figure, axes = sheet(_title(tidy, moments), note, len(names), columns, size, room, entries)
    for ax, name, (kind, when) in zip(axes, names, panels, strict=True):
        ax.set_title(name, loc="left", fontsize=TEXT)
        grid(ax)
        own = moments[when]
        if kind == FLAT:
            _lines(ax, own, "saturated", _layers(own, "saturated"), shown)
            ax.set_ylim(-2, 102)
        else:
            powers(ax)
            one, masks = NORMS[kind]
            layers = _layers(own, one)
            if averaged:
                _lines(ax, own, masks, layers, shown, averaged=True)
            _lines(ax, own, one, layers, shown)
    for kind in NORMS:
        _alike([ax for ax, (own, _) in zip(axes, panels, strict=True) if own == kind])
    return figure


def _last(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each run's rows at the last epoch with one mask and with averages, or else at the last with one mask."""
    trained = rows[rows["epoch"] > 0]
    ends = trained.groupby("run_id")["epoch"].max()
    ends.update(trained[trained["at"] == "preactivations_masks"].groupby("run_id")["epoch"].max())
    return trained[trained["epoch"] == trained["run_id"].map(ends)]


def _layers(rows: pd.DataFrame, at: str) -> list[str]:
    """Return the layers of all arms in the order of the deepest, `output` at last."""
    own = rows[rows["at"].fillna("") == at]
    by_arm = [list(dict.fromkeys(of_arm["layer"])) for _, of_arm in own.groupby("arm_id", sort=False)]
    names = list(dict.fromkeys(layer for layers in sorted(by_arm, key=len, reverse=True) for layer in layers))
    return sorted(names, key=lambda name: name == "output")


def _lines(
    ax: Axes, rows: pd.DataFrame, at: str, layers: Sequence[str], arms: Sequence[Arm], averaged: bool = False
) -> None:
    """Draw a number by layer, a line per arm: percent for saturated units, else geometric means of norms."""
    samples = [sample(rows, layer, at) for layer in layers]
    mean = _percent if at == "saturated" else _geometric
    for i, arm in enumerate(arms):
        found = [(x, mean(own[arm.arm_id])) for x, own in enumerate(samples) if arm.arm_id in own]
        found = [(x, e) for x, e in found if e.n]
        x, y = [at for at, _ in found], [e.mean for _, e in found]
        if averaged:
            ax.plot(x, y, color=SERIES[i], linestyle=":", linewidth=1.8, zorder=2)
            continue
        ax.vlines(x, [e.low for _, e in found], [e.high for _, e in found], color=SERIES[i], linewidth=1.8, zorder=3)
        ax.plot(x, y, **look(i), markersize=5.5, linestyle="-", linewidth=1.4, markeredgecolor="white", zorder=4)  # type: ignore[arg-type]
    if layers:
        name_places(ax, layers)


def _percent(values: pd.Series[float]) -> Estimate:
    return estimate(100 * values)


def _geometric(values: pd.Series[float]) -> Estimate:
    """Return the geometric mean of norms above 0, with the interval of their logarithms."""
    e = estimate(np.log(values[values > 0]))
    mean, low, high = (float(np.exp(v)) for v in (e.mean, e.low, e.high))
    return Estimate(e.n, mean, e.sd, low, high, e.why)


def _alike(axes: Sequence[Axes]) -> None:
    """Give panels of one number the same scale."""
    low, high = (pick(ax.get_ylim()[end] for ax in axes) for end, pick in ((0, min), (1, max)))
    for ax in axes:
        ax.set_ylim(low, high)


def falls(rows: pd.DataFrame) -> Samples:
    """Return by what norms of pre-activations are divided per layer from the last hidden one to the first, by arm and seed.

    It is the geometric mean of the ratios of neighbours. `rows` are of one moment; runs with fewer than two hidden layers
    or with a norm of 0 have none.
    """
    found: dict[str, pd.Series[float]] = {}
    norms = rows[rows["at"] == "preactivations"]
    for arm, own in norms[norms["layer"] != "output"].groupby("arm_id"):
        layers = list(dict.fromkeys(own["layer"]))
        if len(layers) < 2:
            continue
        first, last = (
            own[own["layer"] == layer].set_index("seed")["value"].sort_index() for layer in layers[:: len(layers) - 1]
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (last / first) ** (1 / (len(layers) - 1))
        ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
        if len(ratio):
            found[str(arm)] = ratio.astype(float)
    return found


def _title(tidy: Tidy, moments: dict[str, pd.DataFrame]) -> str:
    """Say by what gradients fall per layer, and how arms differ in that."""
    when, rows = next(iter(moments.items()))
    found = falls(rows)
    if not found:
        layer = _layers(rows, "preactivations")[0]
        what = f"Norm of the gradient of {layer}'s pre-activations {when}"
        return sentence(tidy, what, sample(rows, layer, "preactivations"), PLAIN)
    answers = against_baselines(tidy, found)
    one = f"{when.capitalize()}, gradients fall {{number}} per layer towards the inputs"
    if len(found) == 1 or len(answers) == 1:
        return sentence(tidy, f"Fall of gradients per layer towards the inputs, {when}", found, FOLD, one)
    said = one.format(number=extremes(tidy, found, FOLD))
    arms = tuple(measured_arms(tidy, [found]))
    return f"{said}; {sentence(tidy, 'fall per layer', found, FOLD)}" if answers else f"{said}, {seeds(tidy, arms)}"


def _note(tidy: Tidy, end: pd.DataFrame | None, left_out: int, averaged: bool, lost: bool) -> str:
    parts = [footnote(tidy, "bars", left_out, taken="dropout on, the first batch of an epoch")]
    if end is not None:
        low, high = int(end["epoch"].min()), int(end["epoch"].max())
        both = averaged and (end["at"] == "preactivations_masks").any()
        last = "the last with averages over masks" if both else "the last measured"
        parts.append(f"at the end: epoch {low if low == high else f'{low} to {high}'}, {last}")
    parts.append(
        "norms: geometric means; a fall compares pre-activations of the last hidden layer with those of the first, "
        "and is a rise below 1"
    )
    if lost:
        parts.append("norms of 0 have no place on this scale")
    return "; ".join(parts)
