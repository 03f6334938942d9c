"""memorisation.png: by which epoch training examples stay learned, those with right and with wrong labels apart."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dropexp.analysis.probed import Samples, at_the_end, measured_arms
from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.figures.beside_arms import MOST, key
from dropexp.figures.dumbbell import spaced
from dropexp.figures.paper import panel
from dropexp.figures.sheet import TEXT, Room, beside, sheet
from dropexp.figures.style import LINES, SERIES, grid
from dropexp.figures.text_size import wrap
from dropexp.wording.labels import footnote
from dropexp.wording.probed import PERCENT, WHOLE, sentence

GROUPS = {"right": "right labels", "wrong": "wrong labels"}


def memorisation_figure(tidy: Tidy) -> Figure | None:
    """Return a panel for right and one for wrong labels; None where the probe's rows do not exist."""
    rows = at_the_end(tidy, "memorisation", "last")
    rows = rows[rows["at"].str.startswith(("from.", "never"))]
    groups = [name for name in GROUPS if (rows["layer"] == name).any()]
    if not groups:
        return None
    curves = {name: _curves(rows[rows["layer"] == name]) for name in groups}
    arms = measured_arms(tidy, [{arm: pd.Series() for own in curves.values() for arm in own}])
    shown = spaced(arms, MOST)
    size = panel((3.7 if len(groups) > 1 else 6.2, 2.8))
    names = [wrap(f"{GROUPS[name]}: percent that stay learned", size[0], TEXT) for name in groups]
    note = footnote(tidy, "bands", len(arms) - len(shown)).replace("at the selected epoch", "up to the last epoch")
    note += "; learned: guessed as labelled in training"
    room = Room(across=0.3).named(names, len(groups))
    title = _title(tidy, rows, curves)
    last = max(int(own.index.max()) for group in curves.values() for own in group.values())
    figure, axes = sheet(
        title, note, len(groups), beside(len(groups)), size, room, key(tidy, shown, LINES), ("epoch", "")
    )
    for ax, name, group in zip(axes, names, groups, strict=True):
        ax.set_title(name, loc="left", fontsize=TEXT)
        for i, arm in enumerate(shown):
            if arm.arm_id in curves[group]:
                _draw(ax, curves[group][arm.arm_id], i)
        ax.set_ylim(0, 100)
        ax.set_xlim(1, max(last, 2))
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        ax.tick_params(labelleft=ax is axes[0])
        grid(ax)
    return figure


def _curves(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return by arm the fraction of examples that stay learned from an epoch or an earlier one on: epoch x seed."""
    found = {}
    for arm, own in rows.groupby("arm_id"):
        epochs = own["at"].str.removeprefix("from.").where(own["at"] != "never", "0").astype(int)
        wide = own.assign(since=epochs).pivot_table(index="since", columns="seed", values="value")
        last = int(own["epoch"].max())
        wide = wide.reindex(range(last + 1)).fillna(0.0)
        found[str(arm)] = wide.loc[1:].cumsum()
    return found


def _draw(ax: Axes, curve: pd.DataFrame, i: int) -> None:
    means = [estimate(100 * own) for own in curve.to_numpy(dtype=float)]
    x = curve.index.to_numpy(dtype=float)
    ax.fill_between(
        x, [e.low for e in means], [e.high for e in means], color=SERIES[i], alpha=0.2, linewidth=0, zorder=2
    )
    ax.plot(x, [e.mean for e in means], color=SERIES[i], linestyle=LINES[i], linewidth=1.8, zorder=3)


def _title(tidy: Tidy, rows: pd.DataFrame, curves: dict[str, dict[str, pd.DataFrame]]) -> str:
    """Return how many wrong labels stay learned at the end or, without any, since when right ones are on average."""
    if "wrong" in curves:
        ends: Samples = {arm: own.iloc[-1] for arm, own in curves["wrong"].items()}
        return sentence(tidy, "Wrong labels that are learned at the last epoch", ends, PERCENT)
    since: dict[str, pd.Series[float]] = {}
    for arm, own in curves["right"].items():
        shares = own.diff().fillna(own)
        total = shares.sum()
        since[arm] = (shares.mul(shares.index.to_numpy(dtype=float), axis=0).sum() / total)[total > 0]
    return sentence(tidy, "Mean epoch since which examples stay learned", since, WHOLE)
