"""mc-uncertainty.png: how unsure the passes with dropout on are of right and wrong answers, and of images that are rotated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropexp.analysis.inference import looks
from dropexp.analysis.number_format import typeset
from dropexp.analysis.probed import Samples, measured_arms, sample
from dropexp.analysis.stats import by_epoch, estimate, paired
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.together import Held, together
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import label
from dropexp.figures.dumbbell import spaced
from dropexp.figures.mc_dropout import passes
from dropexp.figures.paper import most, panel
from dropexp.figures.sheet import HEAD, TEXT, Room, inches, mark, sheet
from dropexp.figures.style import INK, LINES, SERIES, grid
from dropexp.figures.text_size import apart, width, wrap
from dropexp.wording.labels import OVER, epoch_rule, seeds

ARMS = 6  # each with a colour and line of its own
SIZE = (3.6, 2.2)
SIDES = (("right", "o", "right answers"), ("wrong", "s", "wrong answers"))
MEASURES = (("entropy", "entropy of the mean, nats"), ("mutual_information", "mutual information, nats"))
TURNED, ROTATIONS = "rotated.", (("accuracy", "accuracy, percent"), MEASURES[1])


def uncertainty_figure(tidy: Tidy) -> Figure | None:
    """Return entropy and mutual information by answer, and along the rotation of images; None without the probe's rows."""
    if (found := passes(tidy)) is None:
        return None
    arms = spaced(list(found.arms), ARMS)
    rows = found.rows
    turned = rows[rows["at"].str.startswith(TURNED)]
    one = f" at {label(arms[0], tidy.axes)}" if len(arms) == 1 and tidy.axes else ""
    names = [f"{name}\nby answer{one}" for _, name in MEASURES]
    if len(turned):
        names += [f"{name}\nof rotated images{one}" for _, name in ROTATIONS]
    size = panel(SIZE)
    names = [wrap(name, size[0] + 0.4, TEXT) for name in names]
    columns = min(2, most())
    words = [label(arm, tidy.axes) for arm in arms]
    key = [mark(text, color=INK, marker=m, markerfacecolor=_face(at, INK)) for at, m, text in SIDES]
    if len(arms) > 1:
        key += [mark(word, color=SERIES[i], linestyle=LINES[i]) for i, word in enumerate(words)]
    held = _judged(tidy, found.arms, rows)
    note = _note(tidy, len(found.arms) - len(arms), bool(len(turned)))
    room = Room(across=0.75, bottom=0.6 if len(turned) else 0.35, down=0.3).named(names, columns)
    labels = ("degrees" if len(turned) else "", "")
    figure, axes = sheet(_title(tidy, found.arms, held), note, len(names), columns, size, room, key, labels)
    for ax, name in zip(axes, names, strict=True):
        ax.set_title(name, loc="left", fontsize=TEXT)
        grid(ax)
    for ax, (layer, _) in zip(axes, MEASURES, strict=False):
        _answers(ax, arms, [(sample(rows, layer, at), at, m) for at, m, _ in SIDES])
        ax.set_xticks([])
    for ax, (layer, _) in zip(axes[2:], ROTATIONS, strict=False):
        _rotations(ax, arms, turned[turned["layer"] == layer], 100.0 if layer == "accuracy" else 1.0)
    return figure


def _judged(tidy: Tidy, arms: Sequence[Arm], rows: pd.DataFrame) -> list[tuple[Arm, Held]]:
    """Return by arm the mutual information of wrong minus that of right answers, one family; of runs that have both."""
    right, wrong = (sample(rows, "mutual_information", at) for at, *_ in SIDES)
    both = [arm for arm in measured_arms(tidy, [wrong]) if arm in arms and arm.arm_id in right]
    held, *_ = together("probe", [paired(wrong[a.arm_id], right[a.arm_id]) for a in both], looks(tidy))
    return list(zip(both, held, strict=True))


def _face(at: str, color: str) -> str:
    return color if at == "right" else "white"


def _answers(ax: Axes, arms: Sequence[Arm], sides: Sequence[tuple[Samples, str, str]]) -> None:
    for j, (samples, at, marker) in enumerate(sides):
        for i, arm in enumerate(arms):
            if arm.arm_id in samples:
                e, x = estimate(samples[arm.arm_id]), i + 0.15 * (2 * j - 1)
                ax.vlines(x, e.low, e.high, color=SERIES[i], linewidth=2.2)
                ax.plot([x], [e.mean], marker, color=SERIES[i], markerfacecolor=_face(at, SERIES[i]), markersize=6.5)
    ax.set_xlim(-0.6, len(arms) - 0.4)
    ax.set_ylim(bottom=0)


def _rotations(ax: Axes, arms: Sequence[Arm], rows: pd.DataFrame, times: float) -> None:
    for i, arm in enumerate(arms):
        own = rows[rows["arm_id"] == arm.arm_id]
        curve = by_epoch(times * own["value"].astype(float), own["at"].str.removeprefix(TURNED).astype(float))
        x = curve.index.to_numpy(dtype=float)
        if np.isfinite(curve["low"]).any():
            ax.fill_between(x, curve["low"], curve["high"], color=SERIES[i], alpha=0.2, linewidth=0)
        ax.plot(x, curve["mean"], color=SERIES[i], linestyle=LINES[i], marker="o", markersize=3.5)
    if len(rows):
        last = rows["at"].str.removeprefix(TURNED).astype(float).max()
        ticks = [30 * n for n in range(7) if 30 * n <= last]
        step = inches(ax)[0] / max(1.1 * last, 1.0)
        ax.set_xticks([ticks[k] for k in apart([step * t for t in ticks], [width(str(t), HEAD) for t in ticks])])
    ax.set_ylim(bottom=0)


def _title(tidy: Tidy, arms: Sequence[Arm], held: Sequence[tuple[Arm, Held]]) -> str:
    """Say whether passes disagree more about wrong than about right answers."""
    what = "Mutual information of wrong answers against right ones"
    if not held:
        return f"Uncertainty of right and wrong answers: no run has both, {seeds(tidy, tuple(arms))}"
    if len(held) == 1:
        d = held[0][1]
        return typeset(f"{what}: {d.spelt(1.0, 3)} nats, {d.word}, n = {d.difference.n}")
    words = [h.word for _, h in held]
    counts = [f"{word} in {words.count(word)}" for word in dict.fromkeys(words)]
    return f"{what}: {', '.join(counts)} of {len(held)} arms, {seeds(tidy, tuple(arms))}"


def _note(tidy: Tidy, left_out: int, turned: bool) -> str:
    parts = [
        f"{seeds(tidy)} seeds; bars and bands: {OVER}, each by itself; the title: intervals of all arms together (95%)",
        f"passes with dropout on over test examples, {epoch_rule(tidy)}",
        "mutual information: the entropy of the mean of all passes minus the mean of their entropies",
    ]
    if turned:
        parts.append("rotated anticlockwise, by the same masks at every angle; accuracy of the mean of all passes")
    if left_out:
        parts.append(f"{left_out} more arm{'s' * (left_out != 1)} not shown")
    return "; ".join(parts)
