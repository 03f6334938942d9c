"""by-AXIS.png: the orders, kinds, placements or sizes of a study side by side, one line each along the horizontal axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropexp.analysis.number_format import typeset
from dropexp.analysis.stats import Estimate, estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import headings, label, value
from dropexp.figures.axis import Across, across, is_number, main_axis
from dropexp.figures.axis_range import Scale, beyond, scale, upright
from dropexp.figures.line_labels import End, needed, write_ends
from dropexp.figures.paper import most, panel
from dropexp.figures.sheet import NOTE, TEXT, Room, sheet
from dropexp.figures.style import LINES, MARKERS, SERIES, grid
from dropexp.figures.text_size import wrap
from dropexp.wording.labels import file_word, footnote, percent, seeds

FIGURES = 3
MOST = 8  # lines that can be told apart
ROWS = 3
SIZE = (2.9, 2.4)


def side_figures(tidy: Tidy) -> Iterator[tuple[str, Figure]]:
    """Yield (name, figure) for each axis whose values share two places or more on a numeric axis."""
    place = across(tidy, main_axis(tidy))
    made = 0 if any(len(tidy.finished(arm)) for arm in tidy.arms) else FIGURES
    for path in tidy.axes:
        if path == place.path or not place.numeric or made == FIGURES:
            continue
        lines = _lines(tidy, path)
        spots = [{place.at(arm) for arm in tidy.arms if value(arm, path) in names} for names in lines.values()]
        if len(lines) > 1 and len(set.intersection(*spots)) > 1:
            made += 1
            yield f"by-{file_word(tidy, path)}", _figure(tidy, path, place, lines)


def _lines(tidy: Tidy, path: str) -> dict[str, tuple[str, ...]]:
    """Return the values of an axis by the name of their line; those that are one function everywhere share one."""
    arms: dict[str, list[str]] = {}
    for arm in tidy.arms:
        arms.setdefault(value(arm, path), []).append(arm.arm_id)
    names: dict[tuple[str, ...], list[str]] = {}
    for name, ids in arms.items():
        names.setdefault(tuple(ids), []).append(name)
    return {"\n= ".join(same): tuple(same) for same in names.values()}


def _figure(tidy: Tidy, path: str, place: Across, lines: dict[str, tuple[str, ...]]) -> Figure:
    """Return test accuracy and gap, one line per value of `path`, one row of panels per combination of the other axes."""
    rest = tuple(p for p in tidy.axes if p not in (path, place.path))
    combos: dict[str, list[Arm]] = {}
    for arm in tidy.arms:
        combos.setdefault(label(arm, rest) if rest else "", []).append(arm)
    shown, kept = list(combos.items())[:ROWS], dict(list(lines.items())[:MOST])
    words = headings(tidy.axes)
    heads = ("test accuracy, percent", f"{'clean gap' if tidy.noisy else 'gap'}, points")
    names = [
        wrap(f"{name}\n{head}" if name else head, panel(SIZE)[0] + 1.0, TEXT, listed=True)
        for name, _ in shown
        for head in heads
    ]
    left_out = len(lines) - len(kept)
    note = footnote(tidy, "bars", left_out or len(combos) - len(shown), "lines" if left_out else "combinations")
    metrics = (tidy.lead.test, tidy.lead.gap)
    means = {(a.arm_id, m): estimate(100 * tidy.values(a, m)) for a in tidy.arms for m in metrics}
    once = {arm.arm_id for _, arms in shown for arm in arms}
    views = [
        _view([means[name, m] for name in sorted(once)], cap) for m, cap in zip(metrics, (100.0, None), strict=True)
    ]
    for view, m, head in zip(views, metrics, heads, strict=True):
        named = {a.arm_id: label(a, tidy.axes) for _, arms in shown for a in arms}
        rows = [
            (named[i], percent(e.mean / 100), [e.mean], [e.low, e.high]) for i in sorted(once) if (e := means[i, m]).n
        ]
        if said := beyond(view, rows):
            note += f"; in {head.split(',')[0]}, {said}"
    off = any(view.off(means[name, m].mean) for view, m in zip(views, metrics, strict=True) for name in once)
    word = f"{words[path]} " if is_number(tidy, path) else ""
    tags = [wrap(f"{word}{name}", 1.75, NOTE) for name in kept]
    side = needed([f"{tag} ↓ 88.8" if off else tag for tag in tags], NOTE, bold=True)
    beside, size = min(2, most()), panel(SIZE)
    room = Room(right=side + 0.1, across=side + 0.6).named(names, beside)
    figure, axes = sheet(_title(tidy, path, kept, means), note, len(names), beside, size, room, (), (place.name, ""))
    for i, ax in enumerate(axes):
        metric, view, arms = metrics[i % 2], views[i % 2], shown[i // 2][1]
        ax.set_title(names[i], loc="left", fontsize=TEXT)
        place.dress(ax, 0.25, 0.25, labelled=i + beside >= len(names))
        upright(ax, view, None if i % 2 else 100.0)
        grid(ax)
        ends = []
        for k, (values, tag) in enumerate(zip(kept.values(), tags, strict=True)):
            mine = {a.arm_id: a for a in arms if value(a, path) in values and means[a.arm_id, metric].n}
            share = 0.012 * (k - (len(kept) - 1) / 2)
            along = [
                (place.moved(place.at(a), share), means[a.arm_id, metric]) for a in sorted(mine.values(), key=place.at)
            ]
            ends += [_line(ax, along, k, tag, view)] if along else []
        write_ends(ax, ends, NOTE)
    return figure


def _view(found: list[Estimate], cap: float | None) -> Scale:
    return scale([([e.mean], [e.low, e.high]) for e in found], cap=cap)


def _line(ax: Axes, spots: list[tuple[float, Estimate]], i: int, name: str, view: Scale) -> End:
    """Draw the line of one value, moved aside a little so that equal ones show, and return its end."""
    means = [np.nan if view.off(e.mean) else e.mean for _, e in spots]
    on = [(x, *np.clip([e.low, e.high], view.low, view.high)) for x, e in spots if not view.off(e.mean)]
    if on:
        ax.vlines(*zip(*on, strict=True), color=SERIES[i], linewidth=1.4, alpha=0.6)
    look = {"color": SERIES[i], "marker": MARKERS[i], "linestyle": LINES[i], "linewidth": 1.8}
    ax.plot([x for x, _ in spots], means, **look, markeredgecolor="white", zorder=4)  # type: ignore[arg-type]
    last = spots[-1][1].mean
    arrow = {-1: "↓ ", 1: "↑ "}.get(view.off(last), "")
    return End(last, typeset(f"{name} {arrow}{percent(last / 100)}") if arrow else name, SERIES[i], bold=True)


def _title(tidy: Tidy, path: str, lines: dict[str, tuple[str, ...]], means: dict[tuple[str, str], Estimate]) -> str:
    """Return which value has the highest mean test accuracy over the places that all share, and which the lowest."""
    word = headings(tidy.axes)[path]
    rest = tuple(p for p in tidy.axes if p != path)
    found: list[dict[str, float]] = []
    for values in lines.values():
        mine = [arm for arm in tidy.arms if value(arm, path) in values and means[arm.arm_id, tidy.lead.test].n]
        found.append({label(arm, rest): means[arm.arm_id, tidy.lead.test].mean for arm in mine})
    shared = set.intersection(*(set(places) for places in found))
    if not shared:
        return f"Test accuracy and gap by {word}, {seeds(tidy)}"
    sums = [sum(places[place] for place in sorted(shared)) for places in found]
    ranked = [(total / len(shared) / 100, names[0]) for total, names in zip(sums, lines.values(), strict=True)]
    (low, worst), (high, best) = min(ranked), max(ranked)
    if percent(low) == percent(high):
        return f"Mean test accuracy by {word}: {percent(low)} percent at each, {seeds(tidy)}"
    worst, best = (f"{word} {name}" if is_number(tidy, path) else name for name in (worst, best))
    return f"Mean test accuracy by {word}: {percent(low)} percent ({worst}) to {percent(high)} ({best}), {seeds(tidy)}"
