"""stopping-heat.png: test accuracy at the selected epoch and epochs saved, by patience and along the main axis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropexp.analysis.replay import PATIENCES, Replay, replay
from dropexp.analysis.stats import Estimate, estimate
from dropexp.analysis.tidy import Tidy
from dropexp.report.axis import across, main_axis
from dropexp.report.measure import width, wrap
from dropexp.report.sheet import HEAD
from dropexp.report.style import canvas, frame, save, styled
from dropexp.report.words import OVER, half, percent, signed
from dropexp.spec.naming import headings, label
from dropexp.spec.study import Arm
from dropexp.stopping import Setting

NAME = "stopping-heat"
COLUMNS, ROWS = 20, 16  # beyond which numbers would not be read
UPRIGHT = 12  # columns beyond which their names stand upright
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
    """Return the heat maps of patience; None where no run was trained to the end or no rule could have ended one."""
    if replayed is None:
        arms = tuple(arm for arm in tidy.arms if arm.monitor is None)
        last = tidy.epochs["epoch"].max() if len(tidy.epochs) else 0
        if tidy.epochs["val_loss"].isna().all() or not _columns(tidy, arms)[0]:
            return None  # before the work of replaying
        replayed = replay(tidy, [s for s in PATIENCES if (s.threshold or 0) < last])
    made = _grid(tidy, replayed)
    if made is None:
        return None
    column = max(width(_lines(name), HEAD) for name in made.columns)
    wide = 0.95 if len(made.columns) > UPRIGHT else max(0.95, column + 0.15)
    names = 0.09 * max(len(_row(s, made)) for s in made.rows) + 0.9
    panel, height = wide * len(made.columns), 0.5 * len(made.rows)
    stacked = 2 * panel + names > 13.0
    size = (max(8.4, min((panel if stacked else 2 * panel) + names, 14.0)), height * (2 if stacked else 1) + 2.6)
    share = {"sharex": True} if stacked else {"sharey": True}
    figure, axes = canvas(2 if stacked else 1, 1 if stacked else 2, size, **share)
    panels = (("test_accuracy", "test accuracy at the selected epoch, percent"), ("epochs_saved", "epochs saved"))
    for ax, (measure, name) in zip(axes, panels, strict=True):
        _heat(ax, replayed, made, measure)
        ax.set_title(name, loc="left")
        ax.set_xlabel(made.name if not stacked or ax is axes[1] else "")
        ax.set_ylabel("patience" if stacked or ax is axes[0] else "")
    frame(figure, _title(replayed, made), _note(replayed, made))
    return figure


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
    """Return the arms of each column, the axis across and what cells are means over; no column where there are too many."""
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


def _lines(column: str) -> str:
    return wrap(column.replace(", ", "\n"), 1.6, HEAD)


def _title(replayed: Replay, made: Grid) -> str:
    """Say what the shortest and the longest patience save and change, against training the same runs to the end."""
    whole = replayed.runs[replayed.runs["setting"] == 0].set_index("run_id")
    parts = []
    for setting in dict.fromkeys((made.rows[0], made.rows[-2])):
        rows = replayed.runs[replayed.runs["setting"] == replayed.settings.index(setting)].set_index("run_id")
        saved = 100 * rows["epochs_saved"].sum() / whole["stop_epoch"].sum()
        change = (rows["test_accuracy"] - whole["test_accuracy"]).groupby(rows["seed"]).mean()  # arms share seeds
        e = estimate(change)
        what = "of the epochs saved, test accuracy" if not parts else "saved,"
        parts.append(f"{_row(setting, made)}: {saved:.0f}% {what} {signed(e.mean)} {half(e.half)}".rstrip() + " points")
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
    return "; ".join([*parts, "light is high; the title: mean over the arms, against training to the end"])


def _heat(ax: Axes, replayed: Replay, made: Grid, measure: str) -> None:
    cells = [[made.cell(replayed, setting, column, measure) for column in made.columns] for setting in made.rows]
    scale = 100 if measure == "test_accuracy" else 1
    grid = np.array([[scale * mean for mean, _ in row] for row in cells])
    low, high = grid.min(), grid.max()
    image = ax.imshow(grid, cmap="cividis", aspect="auto", vmin=low - 1e-9, vmax=max(high, low + 0.1))
    upright = len(made.columns) > UPRIGHT
    ax.set_xticks(range(len(made.columns)), [_lines(c) for c in made.columns], rotation=90 if upright else 0)
    ax.set_yticks(range(len(made.rows)), [_row(s, made) for s in made.rows])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    for i, row in enumerate(cells):
        for j, (_, interval) in enumerate(row):
            red, green, blue, _ = image.cmap(image.norm(grid[i, j]))
            ink = "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.42 else "white"
            words = f"{percent(grid[i, j] / 100)} {interval}".strip()
            ax.text(j, i, words, ha="center", va="center", color=ink, fontsize=10)
