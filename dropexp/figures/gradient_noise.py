"""gradient-noise.png: how mini-batch gradients scatter by their examples and by their masks, and how far they point aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log2

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropexp.analysis.probed import at_the_end, measured, measured_arms, sample
from dropexp.analysis.stats import Estimate, estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import label
from dropexp.figures.beside_arms import powers
from dropexp.figures.dumbbell import spaced
from dropexp.figures.paper import most, panel
from dropexp.figures.sheet import TEXT, Room, inches, mark, sheet
from dropexp.figures.style import INK, SERIES, TEST, TRAIN, grid
from dropexp.figures.text_size import apart, width, wrap
from dropexp.wording.labels import epoch_rule, footnote
from dropexp.wording.probed import PERCENT, PLAIN, joined, sentence

ARMS = 6  # each with panels of its own
SIZE = (2.45, 1.6)
ASIDE = 0.015  # of a panel's width, from one line to the next, so that intervals stand beside each other


@dataclass(frozen=True)
class Part:
    """A number as a figure shows it: its place in `at`, its name in the key, and its colour and mark."""

    at: str
    name: str
    color: str
    marker: str


Curve = tuple[Part, str, list[tuple[float, Estimate]]]  # a part, the granularity, and (log2 of batch size, mean)
# what a panel shows, and its parts
PANELS = {
    "scatter": (Part("data", "scatter by examples", TEST, "o"), Part("masks", "scatter by masks", TRAIN, "s")),
    "direction error": (
        Part("error_free", "error against the gradient without masks", SERIES[2], "^"),
        Part("error_mean", "error against the gradient averaged over masks", SERIES[3], "D"),
    ),
}
LINES = {"sample": "-", "batch": "--", "none": ":"}  # granularities of masks
MASKS = {"sample": "a mask per example", "batch": "a mask per mini-batch (hollow)", "none": "no masks (small)"}


def gradient_noise_figure(tidy: Tidy) -> Figure | None:
    """Return scatter and direction error by batch size, four panels per arm up to six arms; None without the probe's rows."""
    ends = at_the_end(tidy, "gradient_noise")
    sizes = _sizes(ends)
    if not sizes:
        return None
    before = measured(tidy, "gradient_noise")
    moments = {"before training": before[before["epoch"] == 0], epoch_rule(tidy): ends}
    moments = {when: own for when, own in moments.items() if len(own)}
    arms = measured_arms(tidy, [{str(arm): pd.Series() for arm in ends["arm_id"].unique()}])
    shown = spaced(arms, ARMS)
    kinds = [(kind, when) for kind in PANELS for when in moments]
    columns = min(len(kinds), most())
    size = panel(SIZE)
    names = [wrap(_name(tidy, arm, kind, when), size[0], TEXT, listed=True) for arm in shown for kind, when in kinds]
    entries = [mark(p.name, color=p.color, marker=p.marker) for parts in PANELS.values() for p in parts]
    entries += [mark(MASKS[name], color=INK, linestyle=line) for name, line in LINES.items()]
    room = Room(left=0.9, across=0.55, down=0.35).named(names, columns)
    labels = ("examples per mini-batch", "")
    note = _note(tidy, len(arms) - len(shown))
    figure, axes = sheet(_title(tidy, ends, sizes[-1]), note, len(names), columns, size, room, entries, labels)
    panels = [(kind, _curves(moments[when], arm, kind)) for arm in shown for kind, when in kinds]
    for ax, name, (kind, curves) in zip(axes, names, panels, strict=True):
        ax.set_title(name, loc="left", fontsize=TEXT)
        grid(ax)
        _name_sizes(ax, sizes)
        _scale(ax, kind, [e for own, found in panels if own == kind for *_, points in found for _, e in points])
        _draw(ax, curves)
    return figure


def _sizes(rows: pd.DataFrame) -> list[int]:
    """Return the batch sizes that were measured, ascending."""
    return sorted({int(str(layer).rpartition(".")[2]) for layer in rows["layer"]})


def _curves(rows: pd.DataFrame, arm: Arm, kind: str) -> list[Curve]:
    """Return each part of a panel by granularity: means and intervals over seeds by batch size, those above 0 of scatter."""
    found = []
    for part in PANELS[kind]:
        for granularity in LINES:
            points = []
            for size in _sizes(rows):
                e = estimate(sample(rows, f"{granularity}.{size}", part.at).get(arm.arm_id, []))
                if e.n and (e.mean > 0 or kind != "scatter"):
                    points.append((log2(size), e))
            found.append((part, granularity, points))
    return found


def _scale(ax: Axes, kind: str, found: Sequence[Estimate]) -> None:
    """Set the scale of a panel by the numbers of all panels of its kind."""
    ends = [v for e in found for v in (e.mean, e.high) if isfinite(v)]
    if kind != "scatter":
        ax.set_ylim(0, 1.08 * max(ends, default=0.5))
        return
    powers(ax)
    if ends:
        ax.set_ylim(min(e.mean for e in found) / 3, 1.5 * max(ends))


def _draw(ax: Axes, curves: Sequence[Curve]) -> None:
    bottom = ax.get_ylim()[0]
    step = ASIDE * (ax.get_xlim()[1] - ax.get_xlim()[0])
    for i, (part, granularity, points) in enumerate(curves):
        aside = step * (i - (len(curves) - 1) / 2)
        x, y = [at + aside for at, _ in points], [e.mean for _, e in points]
        low, high = [max(e.low, bottom) for _, e in points], [e.high for _, e in points]
        ax.vlines(x, low, high, color=part.color, linewidth=1.3, zorder=3)
        ax.plot(
            x, y, color=part.color, marker=part.marker, linestyle=LINES[granularity], linewidth=1.5, zorder=4,
            markersize=2.5 if granularity == "none" else 5, markerfacecolor="white" if granularity == "batch" else part.color,
        )  # fmt: skip


def _name_sizes(ax: Axes, sizes: Sequence[int]) -> None:
    low, high = log2(sizes[0]) - 0.5, log2(sizes[-1]) + 0.5
    ax.set_xlim(low, high)
    wide = inches(ax)[0] / (high - low)
    words = [f"{size:,}" for size in sizes]
    kept = apart([wide * log2(size) for size in sizes], [width(word, TEXT) for word in words])
    ax.set_xticks([log2(sizes[i]) for i in kept], [words[i] for i in kept])


def _name(tidy: Tidy, arm: Arm, kind: str, when: str) -> str:
    first = f"{label(arm, tidy.axes)}\n" if tidy.axes else ""
    return f"{first}{kind}, {when}"


def _title(tidy: Tidy, rows: pd.DataFrame, size: int) -> str:
    """Say how far gradients of mini-batches of one size scatter with a mask per example and, of one arm, what masks do."""
    totals = sample(rows, f"sample.{size}", "total")
    what = f"Scatter of gradients of {size:,} example{'s' * (size > 1)}, a mask each"
    said = sentence(tidy, what, totals, PLAIN)
    if len(totals) != 1:
        return said
    masks = sample(rows, f"sample.{size}", "masks")
    return joined(
        said, sentence(tidy, "share by masks", {arm: own / totals[arm] for arm, own in masks.items()}, PERCENT)
    )


def _note(tidy: Tidy, left_out: int) -> str:
    return (
        f"{footnote(tidy, 'bars', left_out, taken='at fixed weights')}; scatter: trace of the covariance of gradients over "
        "the squared norm of the mean gradient, on a scale that has no place for 0 or less; direction error: (1 - cos) / 2, "
        "0 for the same direction and 0.5 for a right angle"
    )
