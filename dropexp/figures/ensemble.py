"""ensemble.png: test accuracy of networks that average or vote, by how many they are, one panel per arm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dropexp.analysis.ensemble import Ensembles, Versus, ensembles, unfit
from dropexp.analysis.stats import Estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import label
from dropexp.figures.axis import PANELS
from dropexp.figures.axis_range import scale, upright
from dropexp.figures.dumbbell import spaced
from dropexp.figures.line_labels import End, write_ends
from dropexp.figures.paper import panel
from dropexp.figures.sheet import NOTE, TEXT, Room, beside, mark, sheet
from dropexp.figures.style import INK, TEST, TRAIN, grid, save, styled
from dropexp.figures.text_size import wrap
from dropexp.wording.labels import half, named, percent, signed

ENSEMBLE = "ensemble"
SIZES = {1: (5.6, 3.3), 2: (3.5, 2.6), 3: (2.35, 2.1), 4: (1.9, 1.9)}
ENDS = 0.5  # inches right of a panel for the last accuracies
RULES = (("mean", TEST, "-", "o"), ("vote", TRAIN, "--", "s"))
BASE: dict[str, object] = {"color": INK, "linestyle": (0, (1, 1.2)), "linewidth": 1.6}


def ensemble_figure(tidy: Tidy, found: Ensembles | None = None) -> Figure | None:
    """Return a panel for each arm, up to twelve; None where the runs of no arm make an ensemble."""
    if found is None:
        if all(unfit(tidy, arm) for arm in tidy.arms):
            return None  # before predictions are read
        found = ensembles(tidy)
    if not found.arms:
        return None
    shown = spaced(list(found.arms), PANELS)
    columns = beside(len(shown))
    size = panel(SIZES[columns])
    bases = {a.arm_id: b for a, b in zip(tidy.arms, tidy.baselines, strict=True) if b is not None}
    behind = {a.arm_id: b for a in shown if (b := bases.get(a.arm_id)) and (b.arm_id, "mean", 1) in found.accuracy}
    curves = {(arm.arm_id, rule): _curve(found, arm, rule) for arm in found.arms for rule, *_ in RULES}
    drawn = [e for arm in shown for rule, *_ in RULES for e in curves[arm.arm_id, rule]]
    drawn += [e for base in behind.values() for e in curves[base.arm_id, "mean"]]
    view = scale([([100 * e.mean], [100 * e.low, 100 * e.high]) for e in drawn], cap=100.0)
    names = [wrap(label(arm, tidy.axes), size[0] + ENDS, TEXT, listed=True) for arm in shown]
    key = [
        mark("mean of the probabilities", color=TEST, marker="o", linestyle="-"),
        mark("majority vote", color=TRAIN, marker="s", linestyle="--"),
    ]
    if behind:
        at = "without dropout" if named(tidy) == "no dropout" else f"at {named(tidy)}"
        key.append(mark(f"mean {at}", **BASE))
    room = Room(right=ENDS + 0.1, across=ENDS + 0.15).named(names, columns)
    words = ("networks", "test accuracy, percent")
    figure, axes = sheet(
        _title(found), _note(found, len(found.arms) - len(shown)), len(shown), columns, size, room, key, words
    )
    for i, (ax, arm) in enumerate(zip(axes, shown, strict=True)):
        ax.set_title(names[i], loc="left", fontsize=TEXT)
        ax.set_xlim(0.6, found.members + 0.4)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
        ax.tick_params(labelbottom=i + columns >= len(shown), labelleft=i % columns == 0)
        upright(ax, view, 100.0)
        grid(ax)
        base = behind.get(arm.arm_id)
        _panel(ax, [curves[arm.arm_id, rule] for rule, *_ in RULES], curves[base.arm_id, "mean"] if base else None)
        last = [curves[arm.arm_id, rule][-1].mean for rule, *_ in RULES]
        write_ends(ax, [End(100 * y, percent(y), color) for y, (_, color, *_) in zip(last, RULES, strict=True)], NOTE)
    return figure


def draw_ensembles(found: Ensembles, folder: Path) -> list[Path]:
    """Write the figure as PNG and SVG into an existing folder, if it applies; return the paths written."""
    with styled():
        figure = ensemble_figure(found.tidy, found)
        return save(figure, folder, ENSEMBLE) if figure is not None else []


def _curve(found: Ensembles, arm: Arm, rule: str) -> list[Estimate]:
    return [found.estimate(arm, rule, m) for m in range(1, found.members + 1)]


def _panel(ax: Axes, curves: Sequence[Sequence[Estimate]], base: Sequence[Estimate] | None) -> None:
    for k, (curve, (_, color, line, marker)) in enumerate(zip(curves, RULES, strict=True)):
        x = np.arange(1, len(curve) + 1) + (0.08 if k else -0.08)
        low, high = ([100 * getattr(e, end) for e in curve] for end in ("low", "high"))
        ax.vlines(x, low, high, color=color, linewidth=2.2, zorder=3)
        face = "white" if k else color
        ax.plot(
            x, [100 * e.mean for e in curve], color=color, linestyle=line, marker=marker, markersize=5.5,
            markerfacecolor=face, linewidth=1.4, zorder=3,
        )  # fmt: skip
    if base is not None:
        ax.plot(np.arange(1, len(base) + 1), [100 * e.mean for e in base], **BASE, zorder=2)  # type: ignore[arg-type]


def _title(found: Ensembles) -> str:
    """Say what averaging adds to one network, of one arm or in how many, and how one with dropout stands to it."""
    n, arms = found.members, found.arms
    size = {found.estimate(arm, "mean", n).n for arm in arms}
    count = f"n = {min(size)}" if len(size) == 1 else f"n = {min(size)} to {max(size)}"
    own = [v for arm in arms if (v := found.versus((arm, "mean", n), (arm, "mean", 1)))]
    across = [v for v in found.comparisons if (v.a[1:], v.b[1:]) == (("mean", 1), ("mean", n))]
    if len(arms) > 2 or not own:
        counts = {word: sum(v.word == word for v in own) for word in dict.fromkeys(v.word for v in own)}
        told = ", ".join(f"{word} in {count}" for word, count in counts.items())
        return f"{n} networks averaged against one: {told} of {len(own)} arms, {count}"
    parts = [_points(v, label(v.a[0], found.tidy.axes)) for v in own]
    text = f"{n} networks averaged against one: {'; '.join(parts)}"
    if across:
        name = label(across[0].a[0], found.tidy.axes)
        text += f"; one network at {name} against {n} at {named(found.tidy)}: {_points(across[0])}"
    return f"{text}; {count}"


def _points(v: Versus, name: str = "") -> str:
    size = f"{signed(v.difference.mean)} {half(v.difference.half)}".strip()
    return f"{size} points ({', '.join(filter(None, [name, v.word]))})"


def _note(found: Ensembles, left_out: int) -> str:
    n = found.members
    parts = [
        f"an ensemble is {n} networks with {n} seeds of its own, which share their examples; bars: 95% interval over "
        "ensembles",
        "with fewer networks: the mean over the parts of that size that an ensemble is split into",
        f"the title: intervals of all {found.family} comparisons together (95%), for these training and test examples",
        "dropout off",
    ]
    if lost := sum(found.left_out.values()):
        parts.append(f"{lost} ensemble{'s' * (lost != 1)} without all runs left out")
    if left_out:
        parts.append(f"{left_out} more arm{'s' * (left_out != 1)} not shown")
    return "; ".join(parts)
