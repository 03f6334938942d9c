"""examples.png: by class, the test examples that an arm gets right and its baseline wrong, and the reverse."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dropexp.analysis.fixed_broken import Count, FixedBroken, each_arm
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import label
from dropexp.figures.dumbbell import spaced
from dropexp.figures.paper import panel
from dropexp.figures.sheet import NOTE, TEXT, Room, beside, mark, sheet
from dropexp.figures.style import BETTER, INK, WORSE, grid
from dropexp.figures.text_size import wrap
from dropexp.wording.labels import epoch_rule, named

PANELS = 6
CLASSES = 12  # of more, those with the most changes
WIDE = {1: 5.2, 2: 3.1, 3: 2.25}  # inches of a panel
PITCH = 0.25  # inches of a row
LONG = 40  # letters: an arm of a longer name is not named in the title
FIXED, BROKEN = "right here, wrong there: fixed", "wrong here, right there: broken"


def examples_figure(tidy: Tidy) -> Figure | None:
    """Return a panel for each arm that has a baseline and outcomes, up to six; None if there is none."""
    every = each_arm(tidy)
    if not every:
        return None
    kept = {arm.arm_id: found for arm, found in every}
    shown = spaced([arm for arm, _ in every], PANELS)
    rows = {arm.arm_id: kept[arm.arm_id].classes for arm in shown}
    classes = _classes(list(rows.values()))
    columns = min(beside(len(shown)), 3)
    size = panel((WIDE[columns], PITCH * (len(classes) + 1)), rows=True)
    names = [wrap(label(arm, tidy.axes) if tidy.axes else "", size[0], TEXT, listed=True) for arm in shown]
    room = Room(left=0.95, right=0.25, bottom=0.55, across=0.3, down=0.2).named(names, columns)
    key = [
        Patch(color=WORSE, label=f"broken: right at {named(tidy)}, wrong here" if len(named(tidy)) < LONG else BROKEN),
        Patch(color=BETTER, label="fixed: wrong there, right here" if len(named(tidy)) < LONG else FIXED),
        mark("net", color=INK, marker="D", markersize=5.5, markeredgecolor="white"),
    ]
    note = _note(tidy, [kept[arm.arm_id] for arm in shown], len(every) - len(shown), classes, rows)
    words = ("percent of the test examples in each class, mean over seeds", "true class")
    figure, axes = sheet(_title(tidy, every), note, len(shown), columns, size, room, key, words)
    limit = max(
        100 * max(c.fixed, c.broken) / c.shared for own in rows.values() for k, c in own.items() if k in classes
    )
    for i, (ax, arm) in enumerate(zip(axes, shown, strict=True)):
        ax.set_title(names[i], loc="left", fontsize=TEXT)
        ax.set_xlim(-1.06 * max(limit, 0.1), 1.06 * max(limit, 0.1))
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5, symmetric=True))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{abs(x):g}"))
        ax.tick_params(labelbottom=i + columns >= len(shown), labelleft=i % columns == 0)
        grid(ax, "x")
        _panel(ax, [kept[arm.arm_id].all, *(rows[arm.arm_id].get(k) for k in classes)], ["all", *map(str, classes)])
    return figure


def _classes(every: list[dict[int, Count]]) -> list[int]:
    """Return the classes shown, ascending: of many those with the most changes in all arms."""
    changes: dict[int, int] = {}
    for own in every:
        for k, c in own.items():
            changes[k] = changes.get(k, 0) + c.fixed + c.broken
    return sorted(sorted(changes, key=lambda k: (-changes[k], k))[:CLASSES])


def _panel(ax: Axes, counts: list[Count | None], names: list[str]) -> None:
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_yticks(range(len(names)), names, fontsize=NOTE)
    for first in ax.get_yticklabels()[:1]:
        first.set_fontweight("bold")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.axvline(0, color=INK, linewidth=1, zorder=3)
    ax.axhline(0.5, color="#D0D0D0", linewidth=0.8, zorder=0)
    for y, c in enumerate(counts):
        if c is None:
            continue
        fixed, broken = 100 * c.fixed / c.shared, 100 * c.broken / c.shared
        ax.barh(y, fixed, height=0.62, color=BETTER, zorder=2)
        ax.barh(y, -broken, height=0.62, color=WORSE, zorder=2)
        ax.plot([fixed - broken], [y], "D", color=INK, markersize=5.5, markeredgecolor="white", zorder=4)


def _title(tidy: Tidy, every: list[tuple[Arm, FixedBroken]]) -> str:
    """Return what percentage of the test examples is fixed and broken, in one arm or from the lowest to the highest."""
    shares = [(100 * c.fixed / c.shared, 100 * c.broken / c.shared) for _, found in every for c in [found.all]]
    counts = {len(found.seeds) for _, found in every}
    seeds = f"n = {min(counts)}" if len(counts) == 1 else f"n = {min(counts)} to {max(counts)}"
    fixed, broken = (_range([share[i] for share in shares]) for i in (0, 1))
    if len(every) == 1:
        name = label(every[0][0], tidy.axes)
        name = f"{name[:1].upper()}{name[1:]} against {named(tidy)}" if len(name) <= LONG else f"Against {named(tidy)}"
        return f"{name}: {fixed} percent of the test examples are fixed, {broken} broken, {seeds}"
    return f"Against {named(tidy)}: {fixed} percent of the test examples are fixed, {broken} broken, {seeds}"


def _range(values: list[float]) -> str:
    low, high = f"{min(values):.1f}", f"{max(values):.1f}"
    return low if low == high else f"{low} to {high}"


def _note(
    tidy: Tidy, shown: list[FixedBroken], left_out: int, classes: list[int], rows: dict[str, dict[int, Count]]
) -> str:
    parts = [
        "runs with the same seed, on the test examples that both answered",
        f"dropout off, {epoch_rule(tidy)}",
        "even two runs of one arm differ on some examples, so judge by net, the difference in accuracy",
    ]
    if hidden := len({k for own in rows.values() for k in own}) - len(classes):
        parts.append(f"only the {len(classes)} classes with the most changes, {hidden} more not shown")
    if left_out:
        parts.append(f"{left_out} more arm{'s' * (left_out != 1)} not shown")
    return "; ".join(parts)
