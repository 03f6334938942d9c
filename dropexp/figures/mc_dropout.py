"""mc-dropout.png: the mean of k passes with dropout on minus one with it off, in accuracy, loss and calibration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropexp.analysis.inference import looks
from dropexp.analysis.number_format import typeset
from dropexp.analysis.probed import at_the_end, measured_arms, sample
from dropexp.analysis.stats import Difference, by_epoch, paired
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.together import Held, together
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import label
from dropexp.figures.axis_range import scale, upright
from dropexp.figures.dumbbell import spaced
from dropexp.figures.paper import most, panel
from dropexp.figures.sheet import TEXT, Room, mark, sheet
from dropexp.figures.style import INK, TEST, TRAIN, grid
from dropexp.figures.text_size import wrap
from dropexp.wording.labels import OVER, epoch_rule, seeds

PROBE, SCALED = "mc_dropout", "weight_scaling"
ARMS = 6
SIZE = (2.75, 1.75)


@dataclass(frozen=True)
class Score:
    """One of the numbers: its layer in probes.csv, what it is called, and its unit, size and least span in a figure."""

    layer: str
    name: str
    unit: str
    times: float
    digits: int
    least: float


SCORES = (
    Score("accuracy", "accuracy", "points", 100.0, 1, 0.5),
    Score("loss", "loss", "nats", 1.0, 3, 0.005),
    Score("ece", "calibration error", "points", 100.0, 1, 0.5),
)


@dataclass(frozen=True, eq=False)
class Passes:
    """What the probe measured: `rows` of runs that drop anything, `arms`, and `last`, the number of passes of all."""

    tidy: Tidy
    rows: pd.DataFrame
    arms: tuple[Arm, ...]
    last: int

    def against_scaling(self, arm: Arm, score: Score, at: str) -> Difference:
        """Return the mean of passes, or over all masks, minus weight scaling, by seed."""
        none: pd.Series[float] = pd.Series(dtype=float)
        a, b = (sample(self.rows, score.layer, name).get(arm.arm_id, none) for name in (at, SCALED))
        return paired(a, b)

    def curve(self, arm: Arm, score: Score) -> pd.DataFrame:
        """Return mean, low and high of that difference by the number of passes, each interval by itself."""
        own = self.rows[(self.rows["layer"] == score.layer) & (self.rows["arm_id"] == arm.arm_id)]
        scaled = own[own["at"] == SCALED].set_index("seed")["value"]
        taken = own[own["at"].str.isdecimal()]
        apart = score.times * (taken["value"].astype(float) - taken["seed"].map(scaled).astype(float))
        return by_epoch(apart, taken["at"].astype(float))

    @cached_property
    def judged(self) -> dict[tuple[str, str, int], Held]:
        """The first pass and the mean of all, by arm_id, layer and number of passes: one family."""
        keys = [(arm, score, k) for arm in self.arms for score in SCORES for k in dict.fromkeys((1, self.last))]
        found = [self.against_scaling(arm, score, str(k)) for arm, score, k in keys]
        held, *_ = together("probe", found, looks(self.tidy))
        return {(arm.arm_id, score.layer, k): h for (arm, score, k), h in zip(keys, held, strict=True)}


def passes(tidy: Tidy) -> Passes | None:
    """Return what the probe measured in arms that drop anything, None where there is none."""
    rows = at_the_end(tidy, PROBE)
    masked = [arm.arm_id for arm in tidy.arms if arm.masked]
    rows = rows[rows["arm_id"].isin(masked)]
    counts = rows.loc[rows["layer"] == "loss"]
    counts = counts[counts["at"].str.isdecimal()]
    if counts.empty:
        return None
    last = int(counts["at"].astype(int).groupby(counts["run_id"]).max().min())
    arms = measured_arms(tidy, [sample(rows, "loss", str(last))])
    return Passes(tidy, rows, tuple(arms), last)


def passes_figure(tidy: Tidy) -> Figure | None:
    """Return three panels per arm, up to six arms; None where the probe's rows do not exist."""
    if (found := passes(tidy)) is None:
        return None
    arms = spaced(list(found.arms), ARMS)
    columns = min(3, most())
    size = panel(SIZE)
    curves = {(arm.arm_id, score.layer): found.curve(arm, score) for arm in arms for score in SCORES}
    exact = {(a.arm_id, s.layer): found.against_scaling(a, s, "exact") for a in arms for s in SCORES}
    names = [wrap(_name(found, arm, score), size[0], TEXT, listed=True) for arm in arms for score in SCORES]
    key = [
        mark("mean of k passes minus weight scaling", color=TEST, linestyle="-"),
        mark("weight scaling (one pass, dropout off)", color=INK, linestyle="-"),
    ]
    if any(d.n for d in exact.values()):
        key.append(mark("average over all masks", color=TRAIN, linestyle="--"))
    room = Room(across=0.62, down=0.2).named(names, columns)
    note = _note(tidy, len(found.arms) - len(arms))
    figure, axes = sheet(_title(found), note, len(names), columns, size, room, key, ("passes with dropout on, k", ""))
    for j, score in enumerate(SCORES):
        own = [curves[arm.arm_id, score.layer] for arm in arms]
        kept = [(list(c["mean"]), [*c["low"], *c["high"]]) for c in own]
        known = [score.times * d.mean for arm in arms if (d := exact[arm.arm_id, score.layer]).n]
        view = scale([*kept, ([0.0, *known], [])], least=score.least)
        for i, arm in enumerate(arms):
            place = 3 * i + j
            ax = axes[place]
            ax.set_title(names[place], loc="left", fontsize=TEXT)
            _dress(ax, found.last, place + columns >= len(names))
            upright(ax, view)
            grid(ax)
            d = exact[arm.arm_id, score.layer]
            _panel(ax, own[i], score.times * d.mean if d.n else None)
    return figure


def _dress(ax: Axes, last: int, labelled: bool) -> None:
    ax.set_xscale("log")
    ax.set_xlim(0.9, max(last, 2) * 1.1)
    spots = [10**e for e in range(6) if 10**e <= last]
    ax.set_xticks(spots, [f"{s:,}" if labelled else "" for s in spots])
    ax.minorticks_off()


def _panel(ax: Axes, curve: pd.DataFrame, exact: float | None) -> None:
    x = curve.index.to_numpy(dtype=float)
    ax.axhline(0, color=INK, linewidth=1.2, zorder=2)
    if exact is not None:
        ax.axhline(exact, color=TRAIN, linestyle="--", linewidth=1.5, zorder=2.5)
    if len(x) == 1:
        ax.plot(x, curve["mean"], "o", color=TEST, zorder=3)
        ax.vlines(x, curve["low"], curve["high"], color=TEST, zorder=3)
        return
    if np.isfinite(curve["low"]).any():
        ax.fill_between(x, curve["low"], curve["high"], color=TEST, alpha=0.25, linewidth=0, zorder=1)
    ax.plot(x, curve["mean"], color=TEST, zorder=3)


def _name(found: Passes, arm: Arm, score: Score) -> str:
    """Return what stands over a panel: the arm, the number, and how the mean of all passes stands to weight scaling."""
    held = found.judged[arm.arm_id, score.layer, found.last]
    first = f"{label(arm, found.tidy.axes)}\n" if found.tidy.axes else ""
    return typeset(f"{first}{score.name}, {score.unit}: {held.spelt(score.times, score.digits)} {held.word}")


def _title(found: Passes) -> str:
    """Say how the mean of all passes stands to weight scaling, and in one arm how one pass does."""
    last = f"the mean of {found.last:,} passes" if found.last > 1 else "one pass"
    n = seeds(found.tidy, found.arms)
    if len(found.arms) > 1:
        parts = []
        for score in SCORES:
            words = [found.judged[arm.arm_id, score.layer, found.last].word for arm in found.arms]
            counts = [f"{word} in {words.count(word)}" for word in dict.fromkeys(words)]
            parts.append(f"{score.name} {', '.join(counts)}")
        return f"Dropout on, {last} against weight scaling: {'; '.join(parts)} of {len(found.arms)} arms; {n}"
    (arm,) = found.arms
    counts = list(dict.fromkeys((1, found.last)))
    parts = []
    for score in SCORES[:2]:
        held = [found.judged[arm.arm_id, score.layer, k] for k in counts]
        told = [f"{h.spelt(score.times, score.digits)} ({h.word})" for h in held]
        parts.append(f"{score.name} {' and '.join(told)} {score.unit}")
    return (
        f"Dropout on, {' and '.join(f'{k:,}' for k in counts)} passes against weight scaling: {'; '.join(parts)}; {n}"
    )


def _note(tidy: Tidy, left_out: int) -> str:
    parts = [
        f"{seeds(tidy)} seeds; bands: {OVER}, each by itself; over the panels: intervals of all comparisons together (95%)",
        f"paired by seed, test examples, {epoch_rule(tidy)}",
        "a calibration error is an average of |accuracy - confidence| over 15 bins of equal mass",
    ]
    if left_out:
        parts.append(f"{left_out} more arm{'s' * (left_out != 1)} not shown")
    return "; ".join(parts)
