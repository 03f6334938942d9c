"""curves.png: training and test accuracy over the epochs, one panel per arm, the baseline's test accuracy behind each."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dropexp.analysis.stats import by_epoch
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import label
from dropexp.figures.axis import PANELS
from dropexp.figures.axis_range import Scale, scale, upright
from dropexp.figures.dumbbell import spaced
from dropexp.figures.line_labels import End, write_ends
from dropexp.figures.sheet import NOTE, TEXT, Room, beside, mark, sheet
from dropexp.figures.style import INK, SHADE, TEST, TRAIN, grid
from dropexp.figures.text_size import wrap
from dropexp.wording.labels import epoch_rule, footnote, named, percent, seeds

SIZES = {1: (6.2, 3.5), 2: (3.7, 2.6), 3: (2.45, 2.0), 4: (1.95, 1.8)}
EARLY = 0.25  # the first epochs, whose climb would flatten everything after it, do not set the limits of y
LONG = 40  # letters: an arm of a longer name is not named in a title
ENDS = 0.5  # inches right of a panel for the accuracies in which its curves end
BASE: dict[str, object] = {"color": INK, "linestyle": (0, (1, 1.2)), "linewidth": 1.6}


def curves_figure(tidy: Tidy) -> Figure | None:
    """Return a panel for each function among the arms, up to twelve; None where no epochs are stored."""
    arms = [arm for arm in {a.arm_id: a for a in reversed(tidy.arms)}.values() if len(tidy.curves(arm))][::-1]
    if not arms:
        return None
    shown = spaced(arms, PANELS)
    inner = len({arm.value(tidy.axes[-1]) for arm in arms}) if tidy.axes else 0
    columns = beside(len(shown), inner)
    size = SIZES[columns]
    bands = {arm.arm_id: _bands(tidy, arm) for arm in shown}
    bases = {a.arm_id: b for a, b in zip(tidy.arms, tidy.baselines, strict=True) if b is not None}
    behind = {b.arm_id: _bands(tidy, b)[1] for a in shown if (b := bases.get(a.arm_id)) and len(tidy.curves(b))}
    last = max(float(band.index.max()) for pair in bands.values() for band in pair)
    late = {name: [band[band.index > EARLY * last] for band in pair] for name, pair in bands.items()}
    view = scale([(_numbers(pair, "mean"), _numbers(pair, "low", "high")) for pair in late.values()], cap=100.0)
    names = [wrap(label(arm, tidy.axes) if tidy.axes else "", size[0] + ENDS, TEXT, listed=True) for arm in shown]
    note = footnote(tidy, "bands", len(arms) - len(shown)) + "; at the end of each curve its last mean"
    if any(tidy.finished(arm)["epochs_run"].nunique() > 1 for arm in shown):
        note += "; means while half of the runs still train"
    stopped = any((tidy.finished(arm)["selected_epoch"] < tidy.finished(arm)["epochs_run"]).any() for arm in shown)
    room = Room(right=ENDS + 0.1, across=ENDS + 0.15).named(names, columns)
    key = _key(tidy, bool(behind), stopped)
    words = ("epoch", "accuracy, percent")
    figure, axes = sheet(_title(tidy, arms), note, len(shown), columns, size, room, key, words)
    for i, (ax, arm) in enumerate(zip(axes, shown, strict=True)):
        ax.set_title(names[i], loc="left", fontsize=TEXT)
        ax.set_xlim(0 if last > 1 else 0.5, last if last > 1 else 1.5)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        ax.tick_params(labelbottom=i + columns >= len(shown), labelleft=i % columns == 0)
        upright(ax, view, 100.0)
        grid(ax)
        base = bases.get(arm.arm_id)
        _panel(ax, bands[arm.arm_id], behind.get(base.arm_id) if base else None)
        write_ends(ax, _ends(bands[arm.arm_id], view), NOTE)
        if stopped:
            epochs = tidy.finished(arm)["selected_epoch"].dropna().to_numpy()
            at = np.full(len(epochs), 0.03)
            ax.plot(epochs, at, "|", color=INK, markersize=8, transform=ax.get_xaxis_transform(), zorder=4)
    return figure


def _title(tidy: Tidy, arms: list[Arm]) -> str:
    """Return where test accuracy ends, from the arm with the lowest mean to that with the highest."""
    means = [(float(tidy.values(arm, tidy.lead.test).mean()), arm) for arm in arms]
    low, high = min(means, key=lambda m: m[0]), max(means, key=lambda m: m[0])
    rule = epoch_rule(tidy).split(",")[0]
    if low[0] == high[0]:
        train = float(tidy.values(low[1], tidy.lead.train).mean())
        return f"Test accuracy {percent(low[0])} percent {rule}, training {percent(train)}, {seeds(tidy, tuple(arms))}"
    if max(len(label(arm, tidy.axes)) for _, arm in (low, high)) > LONG:
        ends = f"{percent(low[0])} to {percent(high[0])} percent in {len(arms)} arms"
        return f"Test accuracy {rule}: {ends}, {seeds(tidy, tuple(arms))}"
    parts = [
        f"{percent(mean)} {unit}({label(arm, tidy.axes)})" for (mean, arm), unit in ((low, "percent "), (high, ""))
    ]
    return f"Test accuracy {rule}: {' to '.join(parts)}, {seeds(tidy, tuple(arms))}"


def _key(tidy: Tidy, behind: bool, stopped: bool) -> list[Line2D]:
    key = [
        mark("training (correct labels only)" if tidy.noisy else "training, dropout off", color=TRAIN, linestyle="--"),
        mark("test", color=TEST, linestyle="-"),
    ]
    if behind:
        base = "without dropout" if named(tidy) == "no dropout" else f"at {named(tidy)}"
        key.append(mark(f"test {base}", **BASE))
    if stopped:
        key.append(mark("selected epoch, a seed each", color=INK, marker="|", markersize=9))
    return key


def _bands(tidy: Tidy, arm: Arm) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return mean and interval by epoch, in percent, of training and of test accuracy."""
    rows = tidy.curves(arm)
    train, test = (by_epoch(100 * rows[metric], rows["epoch"]) for metric in (tidy.lead.train, tidy.lead.test))
    return train, test


def _numbers(bands: Sequence[pd.DataFrame], *columns: str) -> list[float]:
    return [float(v) for band in bands for column in columns for v in band[column]]


def _panel(ax: Axes, bands: tuple[pd.DataFrame, pd.DataFrame], base: pd.DataFrame | None) -> None:
    train, test = bands
    x = train.index.to_numpy(dtype=float)
    ax.fill_between(x, test["mean"].reindex(train.index), train["mean"], color=SHADE, linewidth=0, zorder=1)
    for band, color, line, marker in ((train, TRAIN, "--", "s"), (test, TEST, "-", "o")):
        x = band.index.to_numpy(dtype=float)
        ax.fill_between(x, band["low"], band["high"], color=color, alpha=0.25, linewidth=0, zorder=2)
        ax.plot(x, band["mean"], color=color, linestyle=line, zorder=3, marker=marker if len(x) == 1 else "")
    if base is not None:
        ax.plot(base.index.to_numpy(dtype=float), base["mean"], **BASE, zorder=3.5)  # type: ignore[arg-type]


def _ends(bands: tuple[pd.DataFrame, pd.DataFrame], view: Scale) -> list[End]:
    """Return the last means, those off the scale with an arrow."""
    last = [float(band["mean"].iloc[-1]) if len(band) else nan for band in bands]
    arrows = ["↓ " if view.off(v) < 0 else "" for v in last]
    return [
        End(v, f"{arrow}{percent(v / 100)}", color) for v, arrow, color in zip(last, arrows, (TRAIN, TEST), strict=True)
    ]
