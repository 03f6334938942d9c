"""Arms beside each other in each place of a panel: a mean with its interval and seeds, in one colour and mark per arm."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dropexp.analysis.probed import Samples
from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import label
from dropexp.figures.sheet import TEXT, inches, mark
from dropexp.figures.style import MARKERS, SEED, SERIES, grid
from dropexp.figures.text_size import apart, whole, width, wrap

MOST = 8  # arms, each with a colour and mark of its own
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
DECADES = 1.5  # a logarithmic scale of fewer has more ticks
KEY = 60  # letters of an arm's name in the key


def look(i: int) -> dict[str, str]:
    """Return the colour and mark of the i-th arm shown."""
    return {"color": SERIES[i], "marker": MARKERS[i]}


def key(tidy: Tidy, arms: Sequence[Arm], lines: Sequence[object] = ()) -> list[Line2D]:
    """Return the arms as the entries of a key, by their marks or, with `lines`, by these; none where there is one arm."""
    names = [label(arm, tidy.axes) for arm in arms]
    names = [name if len(name) <= KEY else f"{name[: KEY - 1]}…" for name in names]
    looks = [{"color": SERIES[i], "linestyle": lines[i]} if lines else look(i) for i in range(len(arms))]
    return [mark(name, **own) for name, own in zip(names, looks, strict=True)] if len(arms) > 1 else []


def step_of(arms: Sequence[Arm]) -> float:
    """Return how far apart arms stand in one place of a panel; places are 1 apart."""
    return min(0.8 / max(len(arms), 1), 0.3)


def spot_of(i: int, arms: Sequence[Arm]) -> float:
    """Return where the i-th arm stands, from the middle of its place."""
    return (i - (len(arms) - 1) / 2) * step_of(arms)


def places(ax: Axes, arms: Sequence[Arm], names: Sequence[str], samples: Sequence[Samples]) -> None:
    """Draw the numbers of arms in each named place, side by side; the scale begins at 0 where none is below."""
    step = step_of(arms)
    grid(ax)
    for x, own in enumerate(samples):
        for i, arm in enumerate(arms):
            if arm.arm_id not in own:
                continue
            e, spot = estimate(own[arm.arm_id]), x + spot_of(i, arms)
            values = own[arm.arm_id].to_numpy(dtype=float)
            ax.plot(np.full(len(values), spot + 0.3 * step), values, ".", **{**SEED, "markersize": 4}, color=SERIES[i])
            ax.vlines(spot, e.low, e.high, color=SERIES[i], linewidth=2.2, zorder=3)
            ax.plot(
                [spot],
                [e.mean],
                **look(i),
                markersize=6.5,
                markeredgecolor="white",
                linestyle="",
                zorder=4,
                clip_on=False,
            )  # type: ignore[arg-type]
    ax.margins(y=0.08)  # else the topmost mark is cut in half
    if all(of_arm.min() >= 0 for own in samples for of_arm in own.values()):
        ax.set_ylim(bottom=0)
    name_places(ax, names)


def powers(ax: Axes) -> None:
    """Give a panel a logarithmic scale upwards, with powers of ten or, where it spans few, 1, 2 and 5 times these."""

    def few() -> bool:
        low, high = ax.get_ylim()
        return log10(high / low) < DECADES

    def power(y: float, _: object) -> str:
        return f"{y:g}" if few() else f"10{str(round(log10(y))).translate(RAISED)}"

    def between(y: float, _: object) -> str:
        return f"{y:g}" if few() and f"{y:e}"[0] in "25" else ""

    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(power)
    ax.yaxis.set_minor_formatter(between)


def narrow(names: Sequence[str], wide: float) -> bool:
    """Return whether a panel of `wide` inches has no room for the names of its places side by side, without broken words."""
    return not all(whole(name, wide / len(names) - 0.08, TEXT) for name in names)


def name_places(ax: Axes, names: Sequence[str], every: bool = False) -> None:
    """Set the places of a panel and write their names beneath: as many as there is room for or, aslant, `every` one."""
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.tick_params(axis="x", length=0)
    if every and narrow(names, inches(ax)[0]):
        ax.set_xticks(range(len(names)), names, fontsize=TEXT, rotation=30, ha="right", rotation_mode="anchor")
        return
    wide = inches(ax)[0] / len(names)
    room = max(wide - 0.08, 0.5)
    words = [wrap(name, room, TEXT) if whole(name, room, TEXT) else name for name in names]
    kept = apart([x * wide for x in range(len(names))], [width(word, TEXT) for word in words])
    ax.set_xticks(kept, [words[i] for i in kept])
