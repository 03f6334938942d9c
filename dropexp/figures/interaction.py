"""interaction.png: whether one axis changes the effect of another, compared with effects that only add up."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropexp.analysis.interaction import Interaction, interactions
from dropexp.analysis.number_format import typeset
from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import headings, label, value
from dropexp.figures.axis_range import scale, upright
from dropexp.figures.line_labels import End, needed, write_ends
from dropexp.figures.paper import most, panel
from dropexp.figures.sheet import GREY, NOTE, TEXT, Room, mark, sheet
from dropexp.figures.style import SERIES, grid
from dropexp.figures.text_size import height, wrap
from dropexp.wording.labels import footnote, half, signed

ROWS, UNSURE = 4, 2  # interactions drawn, and how many where fewer are established
SIZE = (2.5, 1.9)
GHOST = "if they added up"
LOOKS = (
    {"color": SERIES[0], "marker": "o", "linestyle": "-"},
    {"color": SERIES[1], "marker": "s", "linestyle": "--", "markerfacecolor": "white", "markeredgewidth": 1.6},
)


def interaction_figure(tidy: Tidy) -> Figure | None:
    """Return two panels, test accuracy and gap, for each of up to four 2 x 2 interactions; None without any."""
    both = list(zip(interactions(tidy, "test"), interactions(tidy, "gap"), strict=True))
    both = [pair for pair in both if pair[0].difference.n]
    if not both:
        return None
    surest = sorted(range(len(both)), key=lambda i: (not both[i][0].p_family >= 0, both[i][0].p_family))
    surest = surest[: min(max(sum(test.established for test, _ in both), UNSURE), ROWS)]
    shown = [both[i] for i in sorted(surest)]
    gap = "clean gap" if tidy.noisy else "gap"
    words = headings(tidy.axes)
    names, ends, size, beside = [], [], panel(SIZE), min(2, most())
    for pair in shown:
        rest = tuple(p for p in tidy.axes if p not in (pair[0].first, pair[0].second))
        setting = f"{label(pair[0].cells[0][0], rest)}\n" if rest else ""
        for found, what in zip(pair, ("test accuracy", gap), strict=True):
            ends += [
                wrap(f"{words[found.first]} {value(row[0], found.first)}", 1.5, NOTE, bold=True) for row in found.cells
            ]
            names.append(wrap(f"{setting}{what}: {_points(found)} {_word(found)}", size[0] + 1.2, TEXT, listed=True))
    ticks = [
        [wrap(_named(arm, test.second, words), size[0] * 0.47, NOTE) for arm in test.cells[0]] for test, _ in shown
    ]
    tall = max(height(tick, NOTE) for pair in ticks for tick in pair)
    side = max(needed(ends, NOTE, bold=True), needed([GHOST], NOTE))
    room = Room(right=side + 0.1, across=side + 0.6, down=tall + 0.2, bottom=tall + 0.2).named(names, beside)
    note = footnote(tidy, "bars", len(both) - len(shown), "interactions")
    note += f"; {GHOST}: the second line with the rise of the first"
    note += "; headings: the interaction, with an interval corrected for all interactions"
    key = [mark(GHOST, color=GREY, marker="o", markerfacecolor="none", linestyle=":")]
    figure, axes = sheet(_title(tidy, [test for test, _ in both]), note, len(names), beside, size, room, key, ("", ""))
    for column, metric in enumerate((tidy.lead.test, tidy.lead.gap)):
        cap = 100.0 if column == 0 else None
        mine = [pair[column] for pair in shown]
        cells = [arm for found in mine for row in found.cells for arm in row]
        means = {arm.arm_id: estimate(100 * tidy.values(arm, metric)) for arm in cells}
        for row, found in enumerate(mine):
            ax = axes[2 * row + column]
            ax.set_title(names[2 * row + column], loc="left", fontsize=TEXT)
            four = [means[arm.arm_id] for row in found.cells for arm in row]
            added = _added(found, {name: e.mean for name, e in means.items()})
            seen = scale([([added, *(v for e in four for v in (e.mean, e.low, e.high))], [])], cap=cap)
            upright(ax, seen, cap)
            ax.set_xlim(-0.5, 1.5)
            ax.set_xticks([0, 1], ticks[row])
            ax.tick_params(axis="x", labelsize=NOTE)
            grid(ax)
            _panel(
                ax,
                found,
                {name: (e.mean, e.low, e.high) for name, e in means.items()},
                ends[4 * row + 2 * column :][:2],
            )
    return figure


def _added(found: Interaction, means: dict[str, float]) -> float:
    """Return where the last cell would be if the two axes only added up."""
    (a, b), (c, _) = found.cells
    return means[c.arm_id] + means[b.arm_id] - means[a.arm_id]


def _panel(ax: Axes, found: Interaction, means: dict[str, tuple[float, float, float]], names: list[str]) -> None:
    added = _added(found, {name: mean for name, (mean, _, _) in means.items()})
    start = means[found.cells[1][0].arm_id][0]
    ax.plot([0, 1], [start, added], ":", color=GREY, linewidth=1.4, zorder=2)
    ax.plot([1], [added], "o", markerfacecolor="white", markeredgecolor=GREY, zorder=2.5)
    ends = [End(added, GHOST, GREY)]
    for i, (row, look, name) in enumerate(zip(found.cells, LOOKS, names, strict=True)):
        x = [v + (i - 0.5) * 0.05 for v in (0, 1)]
        ax.plot(x, [means[arm.arm_id][0] for arm in row], **look, zorder=4)  # type: ignore[arg-type]
        lows, highs = zip(*(means[arm.arm_id][1:] for arm in row), strict=True)
        ax.vlines(x, lows, highs, color=look["color"], linewidth=1.8, zorder=3)
        ends.append(End(means[row[1].arm_id][0], name, str(look["color"]), bold=True))
    write_ends(ax, ends, NOTE)


def _word(found: Interaction) -> str:
    return "interaction" if found.established else "undecided"


def _points(found: Interaction) -> str:
    d = found.difference
    return typeset(f"{signed(d.mean)} {half(d.half)}".strip())


def _title(tidy: Tidy, found: list[Interaction]) -> str:
    """Return how much the effect of one axis depends on the other; of several pairs, how many interact."""
    n = {f.difference.n for f in found}
    count = f"n = {min(n)}" if len(n) == 1 else f"n = {min(n)} to {max(n)}"
    words = headings(tidy.axes)
    sure = sum(f.established for f in found)
    if len(found) > 1:
        axes = dict.fromkeys(f"{words[f.first]} and {words[f.second]}" for f in found)
        what = f" of {next(iter(axes))}" if len(axes) == 1 else ""
        are = "are" if sure > 1 else "is"
        return f"Test accuracy: {sure or 'none'} of {len(found)} interactions{what} {are} established, {count}"
    (a, b), (c, _) = found[0].cells
    names = [_named(arm, path, words) for arm, path in ((b, found[0].second), (a, found[0].first), (c, found[0].first))]
    if not sure:
        pair = f"{words[found[0].first]} and {words[found[0].second]}"
        return f"Test accuracy: no interaction of {pair} is established ({_points(found[0])} points), {count}"
    more = "more" if found[0].difference.mean > 0 else "less"
    size = _points(found[0]).lstrip("+−")
    first = names[0][:1].upper() + names[0][1:]
    return f"{first} raises test accuracy by {size} points {more} at {names[2]} than at {names[1]}, {count}"


def _named(arm: Arm, path: str, words: dict[str, str]) -> str:
    return f"{words[path]} {value(arm, path)}"
