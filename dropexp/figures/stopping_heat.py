"""stopping-heat.png: test accuracy at the selected epoch and epochs saved, by patience and by the main axis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dropexp.analysis.family import family
from dropexp.analysis.replay import PATIENCES, Replay, replay
from dropexp.analysis.stats import Estimate, contrast, estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import headings, label
from dropexp.figures.axis import across, main_axis
from dropexp.figures.heatmap import Measure, maps
from dropexp.figures.style import save, styled
from dropexp.stopping import Setting
from dropexp.wording.labels import OVER, half, signed

NAME = "stopping-heat"
COLUMNS, ROWS = 20, 16  # beyond which numbers would not be read
ARMS = 12  # up to so many arms of several axes have a column each


@dataclass(frozen=True)
class Grid:
    """Rules down, arms or values of an axis along; each cell is over the runs of one arm, or the mean over several."""

    rows: tuple[Setting, ...]
    columns: dict[str, list[Arm]]
    name: str
    over: str

    def cell(self, replayed: Replay, setting: Setting, column: str, measure: str) -> tuple[float, str]:
        """Return the mean and half the interval in words, '' where a cell is a mean over arms."""
        found: list[Estimate] = [estimate(replayed.of(arm, setting)[measure]) for arm in self.columns[column]]
        scale = 1.0 if measure == "test_accuracy" else 0.01
        return float(np.mean([e.mean for e in found])), half(scale * found[0].half) if len(found) == 1 else ""


def replay_figure(tidy: Tidy, replayed: Replay | None = None) -> Figure | None:
    """Return the heat maps of patience; None if no run was trained to the end or no rule could have stopped one."""
    if replayed is None:
        arms = tuple(arm for arm in tidy.arms if arm.monitor is None)
        last = tidy.epochs["epoch"].max() if len(tidy.epochs) else 0
        if tidy.epochs["val_loss"].isna().all() or not _columns(tidy, arms)[0]:
            return None  # before the work of replaying
        replayed = replay(tidy, [s for s in PATIENCES if (s.threshold or 0) < last])
    made = _grid(tidy, replayed)
    if made is None:
        return None
    measures = (
        _measure(replayed, made, "test_accuracy", "test accuracy at the selected epoch, percent"),
        _measure(replayed, made, "epochs_saved", "epochs saved"),
    )
    rows = [_row(setting, made) for setting in made.rows]
    return maps(
        _title(replayed, made), _note(replayed, made), rows, list(made.columns), (made.name, "patience"), measures
    )


def draw_replay(tidy: Tidy, replayed: Replay, folder: Path) -> list[Path]:
    """Write the figure as PNG and SVG into an existing folder, if it applies; return the paths written."""
    with styled():
        figure = replay_figure(tidy, replayed)
        return save(figure, folder, NAME) if figure is not None else []


def _grid(tidy: Tidy, replayed: Replay) -> Grid | None:
    rules = tuple(s for s in replayed.settings if s.criterion == "patience")[: ROWS - 1]
    columns, name, over = _columns(tidy, replayed.arms)
    if not rules or not columns or not replayed.runs["stopped"].any():
        return None
    return Grid((*rules, Setting()), columns, name, over)


def _columns(tidy: Tidy, arms: tuple[Arm, ...]) -> tuple[dict[str, list[Arm]], str, str]:
    """Return the arms of each column, the horizontal axis and what cells are means over; no columns if there are too many."""
    arms = tuple({arm.arm_id: arm for arm in reversed(arms)}.values())[::-1]
    axes = [p for p in tidy.axes if len({arm.value(p) for arm in arms}) > 1]
    main = main_axis(tidy) if main_axis(tidy) in axes else (axes[0] if axes else "")
    place, found = across(tidy, main), {}
    for arm in sorted(arms, key=place.at):
        found.setdefault(place.word(arm), []).append(arm)
    rest = tuple(p for p in axes if p != main)
    balanced = len({frozenset(tuple(arm.value(p) for p in rest) for arm in own) for own in found.values()}) == 1
    if rest and (len(arms) <= ARMS or not balanced):
        found, main, rest = {label(arm, tuple(axes)): [arm] for arm in arms}, "", ()
    words = headings(tidy.axes)
    return found if len(found) <= COLUMNS else {}, place.name if main else "", " and ".join(words[p] for p in rest)


def _row(setting: Setting, made: Grid) -> str:
    if setting.threshold is None:
        return "off"
    several = len({s.min_delta for s in made.rows}) > 1
    return f"{setting.threshold:g}" + (f", min_delta {setting.min_delta:g}" if several else "")


def _title(replayed: Replay, made: Grid) -> str:
    """Return what the shortest and the longest patience save and change, compared with training the same runs to the end.

    The intervals of the two changes, each a mean over the arms, hold together.
    """
    whole = replayed.runs[replayed.runs["setting"] == 0].set_index("run_id")
    settings, saved, changes = list(dict.fromkeys((made.rows[0], made.rows[-2]))), [], []
    for setting in settings:
        rows = replayed.runs[replayed.runs["setting"] == replayed.settings.index(setting)].set_index("run_id")
        saved.append(100 * rows["epochs_saved"].sum() / whole["stop_epoch"].sum())
        change = (rows["test_accuracy"] - whole["test_accuracy"]).groupby(rows["seed"]).mean()  # arms share seeds
        changes.append(contrast([(1.0, change)]))
    level = 1 - family(changes).level
    parts = []
    for setting, share, d in zip(settings, saved, changes, strict=True):
        low, high = d.at(level)
        what = "of the epochs saved, test accuracy" if not parts else "saved,"
        change = f"{signed(d.mean)} {half((high - low) / 2)}".rstrip()
        parts.append(f"{_row(setting, made)}: {share:.0f}% {what} {change} points")
    counts = replayed.runs.groupby(["arm_id", "setting"]).size()
    n = f"n = {counts.min()}" if counts.min() == counts.max() else f"n = {counts.min()} to {counts.max()}"
    return f"Patience {'; patience '.join(parts)}; {n}"


def _note(replayed: Replay, made: Grid) -> str:
    parts = ["rules replayed on the stored epochs of runs trained to the end", f"selected by {replayed.monitor}"]
    if replayed.monitor.startswith("test_"):
        parts.append(f"oracle: {replayed.monitor} selects the epoch on the test set itself")
    parts.append(f"cells are means over {made.over}" if made.over else f"±: half the {OVER}")
    count = sum(sum(arms.values()) for arms in replayed.left_out.values())
    if count:
        parts.append(f"{count} other run{'s' * (count != 1)} not replayed")
    return "; ".join(
        [
            *parts,
            "light: high; title: mean over the arms, compared with training to the end, 95% intervals that hold together",
        ]
    )


def _measure(replayed: Replay, made: Grid, measure: str, name: str) -> Measure:
    scale = 100 if measure == "test_accuracy" else 1
    cells = {
        (i, j): made.cell(replayed, setting, column, measure)
        for i, setting in enumerate(made.rows)
        for j, column in enumerate(made.columns)
    }
    means = {cell: scale * mean for cell, (mean, _) in cells.items()}
    return Measure(name, means, {cell: interval for cell, (_, interval) in cells.items()})
