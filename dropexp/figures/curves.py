"""curves.png and curves-loss.png: training and test accuracy, or loss, over the epochs, one panel per arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dropexp.analysis.curves import kept, trained
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import label
from dropexp.figures.axis import PANELS
from dropexp.figures.axis_range import LEAST, Scale, beyond, scale, upright
from dropexp.figures.dumbbell import spaced
from dropexp.figures.line_labels import End, write_ends
from dropexp.figures.paper import given, panel
from dropexp.figures.sheet import NOTE, TEXT, Room, beside, mark, sheet
from dropexp.figures.style import INK, SHADE, TEST, TRAIN, grid
from dropexp.figures.text_size import wrap
from dropexp.wording.labels import epoch_rule, footnote, named, percent, seeds

SIZES = {1: (6.2, 3.5), 2: (3.7, 2.6), 3: (2.45, 2.0), 4: (1.95, 1.8)}
EARLY = 0.25  # the first epochs, whose climb would flatten everything after it, do not set the limits of y
LONG = 40  # letters: an arm of a longer name is not named in a title
ENDS = 0.5  # inches right of a panel for the numbers in which its curves end
BASE: dict[str, object] = {"color": INK, "linestyle": (0, (1, 1.2)), "linewidth": 1.6}
LOSS_SPAN = 0.02  # nats: the smallest span of a scale


@dataclass(frozen=True)
class Pair:
    """What a figure shows over the epochs: the columns of training and test, and how their numbers are written."""

    train: str
    test: str
    percent: bool

    def times(self) -> float:
        return 100.0 if self.percent else 1.0

    def number(self, shown: float) -> str:
        """Return a number in the units of the axis as it is written beside a curve."""
        return percent(shown / 100) if self.percent else f"{shown:.3f}"


Bands = tuple[pd.DataFrame, pd.DataFrame]  # mean, low and high by epoch, of training and of test


def curves_figure(tidy: Tidy) -> Figure | None:
    """Return a panel of accuracies for each function among the arms, up to twelve; None if no epochs are stored."""
    return _figure(tidy, Pair(tidy.lead.train, tidy.lead.test, True))


def loss_figure(tidy: Tidy) -> Figure | None:
    """Return a panel of losses for each function among the arms, the lowest test loss marked; None without losses."""
    return _figure(tidy, Pair("train_loss", "test_loss", False))


def _figure(tidy: Tidy, pair: Pair) -> Figure | None:
    arms = [arm for arm in {a.arm_id: a for a in reversed(tidy.arms)}.values() if _stored(tidy, arm, pair)][::-1]
    if not arms:
        return None
    shown = spaced(arms, PANELS)
    inner = len({arm.value(tidy.axes[-1]) for arm in arms}) if tidy.axes else 0
    columns = beside(len(shown), inner)
    size = panel(SIZES[columns])
    bands = {arm.arm_id: _bands(tidy, arm, pair) for arm in (arms if not pair.percent else shown)}
    bases = {a.arm_id: b for a, b in zip(tidy.arms, tidy.baselines, strict=True) if b is not None}
    behind = {
        b.arm_id: _bands(tidy, b, pair)[1] for a in shown if (b := bases.get(a.arm_id)) and _stored(tidy, b, pair)
    }
    last = max(float(band.index.max()) for both in bands.values() for band in both)
    late = [[band[band.index > EARLY * last] for band in bands[arm.arm_id]] for arm in shown]
    cap, least = (100.0, LEAST) if pair.percent else (None, LOSS_SPAN)
    view = scale([(_numbers(both, "mean"), _numbers(both, "low", "high")) for both in late], cap, least)
    names = [wrap(_head(tidy, arm, pair, bands[arm.arm_id][1]), size[0] + ENDS, TEXT, listed=True) for arm in shown]
    stopped = any((tidy.finished(arm)["selected_epoch"] < tidy.finished(arm)["epochs_run"]).any() for arm in shown)
    decimals = not pair.percent or view.high - view.low < 1  # of the ticks, two or more
    room = Room(left=0.97 if decimals else 0.82, right=ENDS + 0.1, across=ENDS + 0.15).named(names, columns)
    key = _key(tidy, pair, bool(behind), stopped)
    words = ("epoch", "accuracy, percent" if pair.percent else "cross-entropy, nats")
    title = _title(tidy, arms) if pair.percent else _lowest(tidy, arms, {k: v[1] for k, v in bands.items()})
    note = _note(tidy, pair, shown, len(arms) - len(shown), {arm.arm_id: bands[arm.arm_id] for arm in shown}, view)
    figure, axes = sheet(title, note, len(shown), columns, size, room, key, words)
    for i, (ax, arm) in enumerate(zip(axes, shown, strict=True)):
        ax.set_title(names[i], loc="left", fontsize=TEXT)
        ax.set_xlim(0 if last > 1 else 0.5, last if last > 1 else 1.5)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        ax.tick_params(labelbottom=i + columns >= len(shown), labelleft=i % columns == 0)
        upright(ax, view, cap)
        grid(ax)
        base = bases.get(arm.arm_id)
        _panel(ax, bands[arm.arm_id], behind.get(base.arm_id) if base else None)
        write_ends(ax, _ends(tidy, arm, pair, view), NOTE)
        if not pair.percent:
            _mark_lowest(ax, bands[arm.arm_id][1], view)
        if stopped:
            epochs = tidy.finished(arm)["selected_epoch"].dropna().to_numpy()
            at = np.full(len(epochs), 0.03)
            ax.plot(epochs, at, "|", color=INK, markersize=8, transform=ax.get_xaxis_transform(), zorder=4)
    return figure


def _stored(tidy: Tidy, arm: Arm, pair: Pair) -> bool:
    rows = tidy.curves(arm)
    return len(rows) > 0 and all(bool(rows[name].notna().any()) for name in (pair.train, pair.test))


def _head(tidy: Tidy, arm: Arm, pair: Pair, test: pd.DataFrame) -> str:
    """Return the name of an arm and the epoch of its lowest test loss."""
    name = label(arm, tidy.axes) if tidy.axes else ""
    if pair.percent or given() is not None:
        return name
    lowest = f"lowest {pair.number(float(test['mean'].min()))} at epoch {test['mean'].idxmin():.0f}"
    return f"{name}\n{lowest}" if name else lowest


def _note(tidy: Tidy, pair: Pair, shown: Sequence[Arm], left_out: int, bands: dict[str, Bands], view: Scale) -> str:
    parts = [footnote(tidy, "bands", left_out), "numbers at the right: the means in the tables"]
    if pair.percent and any((own["selected_epoch"] < own["epochs_run"]).any() for own in map(tidy.finished, shown)):
        parts.append("after its selected epoch, a run keeps the value that it had there")
    if not pair.percent:
        if any(tidy.finished(arm)["epochs_run"].nunique() > 1 for arm in shown):
            parts.append("a curve ends when the first of its runs stops")
        parts.append("overfitting: test loss rises while training loss falls")
        if tidy.noisy:
            parts.append("training loss includes the wrong labels")
    arms = []
    for arm in shown:
        means = [float(band["mean"].iloc[-1]) for band in bands[arm.arm_id]]
        words = f"training {pair.number(means[0])}, test {pair.number(means[1])}"
        arms.append((label(arm, tidy.axes) if tidy.axes else "", words, means, []))
    if said := beyond(view, arms):
        parts.append(said)
    if any(view.off(float(band["mean"].iloc[0])) for both in bands.values() for band in both):
        parts.append("the first epochs are partly off the scale")
    return "; ".join(parts)


def _title(tidy: Tidy, arms: list[Arm]) -> str:
    """Return the final test accuracy, from the arm with the lowest mean to the one with the highest."""
    means = [(float(tidy.values(arm, tidy.lead.test).mean()), arm) for arm in arms]
    low, high = min(means, key=lambda m: m[0]), max(means, key=lambda m: m[0])
    rule = epoch_rule(tidy).split(",")[0]
    if low[0] == high[0]:
        train = float(tidy.values(low[1], tidy.lead.train).mean())
        return f"Test accuracy {percent(low[0])} percent {rule}, training accuracy {percent(train)}, {seeds(tidy, tuple(arms))}"
    if max(len(label(arm, tidy.axes)) for _, arm in (low, high)) > LONG:
        ends = f"{percent(low[0])} to {percent(high[0])} percent in {len(arms)} arms"
        return f"Test accuracy {rule}: {ends}, {seeds(tidy, tuple(arms))}"
    parts = [
        f"{percent(mean)} {unit}({label(arm, tidy.axes)})" for (mean, arm), unit in ((low, "percent "), (high, ""))
    ]
    return f"Test accuracy {rule}: {' to '.join(parts)}, {seeds(tidy, tuple(arms))}"


def _lowest(tidy: Tidy, arms: list[Arm], tests: dict[str, pd.DataFrame]) -> str:
    """Return the epoch at which mean test loss is lowest, from the arm with the earliest to the arm with the latest."""
    found = [(float(tests[arm.arm_id]["mean"].idxmin()), arm) for arm in arms]
    first, final = min(found, key=lambda pair: pair[0]), max(found, key=lambda pair: pair[0])
    n, last = seeds(tidy, tuple(arms)), max(float(tests[arm.arm_id].index.max()) for arm in arms)
    of = f"of {last:.0f}"
    if first[0] == final[0]:
        which = "" if len(arms) == 1 else " in every arm"
        return f"Mean test loss is lowest at epoch {first[0]:.0f} {of}{which}, {n}"
    named_ends = [label(arm, tidy.axes) for _, arm in (first, final)]
    if max(map(len, named_ends)) > LONG:
        return f"Mean test loss is lowest at epoch {first[0]:.0f} to {final[0]:.0f} {of}, depending on the arm, {n}"
    return f"Mean test loss is lowest at epoch {first[0]:.0f} ({named_ends[0]}) to {final[0]:.0f} ({named_ends[1]}) {of}, {n}"


def _key(tidy: Tidy, pair: Pair, behind: bool, stopped: bool) -> list[Line2D]:
    clean = tidy.noisy and pair.percent
    key = [
        mark("training (correct labels only)" if clean else "training", color=TRAIN, linestyle="--"),
        mark("test", color=TEST, linestyle="-"),
    ]
    if not pair.percent:
        key.append(mark("lowest mean test loss", **LOWEST))
    if behind:
        base = "without dropout" if named(tidy) == "no dropout" else f"at {named(tidy)}"
        key.append(mark(f"test {base}", **BASE))
    if stopped:
        key.append(mark("selected epoch of each seed", color=INK, marker="|", markersize=9))
    return key


LOWEST: dict[str, object] = {"color": TEST, "marker": "v", "markersize": 8, "markeredgecolor": "white"}


def _mark_lowest(ax: Axes, test: pd.DataFrame, view: Scale) -> None:
    at = test["mean"].idxmin()
    if not view.off(float(test["mean"].loc[at])):
        ax.plot([at], [test["mean"].loc[at]], **LOWEST, linestyle="", clip_on=False, zorder=5)  # type: ignore[arg-type]


def _bands(tidy: Tidy, arm: Arm, pair: Pair) -> Bands:
    """Return mean and interval by epoch, in the units of the axis, of training and of test."""
    made = kept if pair.percent else trained  # what is kept does not overfit further, and losses are to show that
    train, test = (pair.times() * made(tidy, arm, name) for name in (pair.train, pair.test))
    return train, test


def _numbers(bands: Sequence[pd.DataFrame], *columns: str) -> list[float]:
    return [float(v) for band in bands for column in columns for v in band[column]]


def _panel(ax: Axes, bands: Bands, base: pd.DataFrame | None) -> None:
    train, test = bands
    x = train.index.to_numpy(dtype=float)
    ax.fill_between(x, test["mean"].reindex(train.index), train["mean"], color=SHADE, linewidth=0, zorder=1)
    for band, color, line, marker in ((train, TRAIN, "--", "s"), (test, TEST, "-", "o")):
        x = band.index.to_numpy(dtype=float)
        ax.fill_between(x, band["low"], band["high"], color=color, alpha=0.25, linewidth=0, zorder=2)
        ax.plot(x, band["mean"], color=color, linestyle=line, zorder=3, marker=marker if len(x) == 1 else "")
    if base is not None:
        ax.plot(base.index.to_numpy(dtype=float), base["mean"], **BASE, zorder=3.5)  # type: ignore[arg-type]


def _ends(tidy: Tidy, arm: Arm, pair: Pair, view: Scale) -> list[End]:
    """Return the means at the selected epochs, as in the tables, those off the scale with an arrow."""
    found = []
    for name, color in ((pair.train, TRAIN), (pair.test, TEST)):
        values = tidy.values(arm, name)
        mean = pair.times() * float(values.mean()) if len(values) else nan
        arrow = {-1: "↓ ", 1: "↑ "}.get(view.off(mean), "")
        found.append(End(mean, f"{arrow}{pair.number(mean)}", color))
    return found
