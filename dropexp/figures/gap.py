"""gap.png: training and test accuracy along the swept axis, and the area between them."""

from __future__ import annotations

from math import nan

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dropexp.analysis.inference import ONE_SEED
from dropexp.analysis.number_format import typeset
from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import verdicts
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import label
from dropexp.figures.axis import Across, across, main_axis, panels
from dropexp.figures.axis_range import Scale, beyond, scale, upright
from dropexp.figures.dumbbell import dumbbell_figure
from dropexp.figures.gap_numbers import Spot, established, gaps, strip
from dropexp.figures.line_labels import End, needed, write_ends
from dropexp.figures.paper import panel
from dropexp.figures.sheet import HEAD, NOTE, TEXT, Room, beside, inches, mark, sheet
from dropexp.figures.style import AREA, SEED, TEST, TEST_LOOK, TRAIN, TRAIN_LOOK, aside, grid
from dropexp.figures.text_size import height, width, wrap
from dropexp.wording.finding import finding
from dropexp.wording.labels import BY_SEED, against, footnote, percent, starred

SIZES = {1: (6.4, 3.5), 2: (4.1, 2.7), 3: (2.8, 2.2), 4: (2.2, 1.9)}
WORDY = 5  # up to so many gaps in one panel bear their verdict


def gap_figure(tidy: Tidy) -> Figure:
    """Return the gap along a numeric axis, one panel per combination of the other axes, or one row per arm."""
    place = across(tidy, main_axis(tidy))
    parts, left_out = panels(tidy, place.path)
    if not place.numeric or (len(place.places) < 3 and len(parts) > 1):
        return dumbbell_figure(tidy)
    words = {v.arm.arm_id: starred(v.gap) for v in reversed(verdicts(tidy)) if v.gap}
    drawn = [[_spot(tidy, place, arm, words) for arm in _along(tidy, place, arms)] for _, arms in parts]
    spots = [spot for row in drawn for spot in row]
    ends = [[s.train.low, s.train.high, s.test.low, s.test.high] for s in spots]
    view = scale([([*s.train_seeds, *s.test_seeds], bars) for s, bars in zip(spots, ends, strict=True)], cap=100.0)
    columns = beside(len(parts))
    size = panel(SIZES[columns])
    names = [wrap(name, size[0], TEXT, listed=True) for name, _ in parts]
    wordy = len(parts) == 1 and len(spots) <= WORDY
    direct = len(parts) == 1 and bool(spots) and not view.off(spots[-1].test.mean)
    labels = (_training(tidy, "\n") if direct else "", "test")
    note = footnote(tidy, "small dots: seeds; bars", left_out, "panels", starred_words=wordy)
    if against(tidy):
        note += f"; {BY_SEED}"
    if not wordy and any(map(established, spots)):
        note += "; bold: the gap differs from that of the baseline"
    named = [label(arm, tidy.axes) for _, arms in parts for arm in _along(tidy, place, arms)]
    arms_off = [
        (name, f"test {s.test.mean:.1f}, training {s.train.mean:.1f}", [s.test.mean, s.train.mean], bars)
        for name, s, bars in zip(named, spots, ends, strict=True)
    ]
    note = "; ".join(filter(None, [note, beyond(view, list(dict(zip(named, arms_off, strict=True)).values()))]))
    figure, axes = sheet(
        finding(tidy),
        note,
        len(parts),
        columns,
        size,
        Room(right=0.15 + needed(labels, HEAD, bold=True) * direct).named(names, columns),
        [] if direct else _key(tidy),
        (place.label if columns < 3 else place.name, "accuracy, percent"),
    )
    above = strip(drawn, view, size[1], wordy)
    for i, (ax, name, row) in enumerate(zip(axes, names, drawn, strict=True)):
        ax.set_title(name, loc="left", fontsize=TEXT)
        place.dress(ax, 0.35, 0.35, labelled=i + columns >= len(parts))
        upright(ax, view, 100.0, above)
        ax.tick_params(labelleft=i % columns == 0)
        grid(ax)
        _lines(ax, place, row, view)
        gaps(ax, row, above, wordy, heading=i % columns == 0)
    if direct:
        last = spots[-1].train.mean, spots[-1].test.mean
        write_ends(axes[0], [End(y, t, c, True) for y, t, c in zip(last, labels, (TRAIN, TEST), strict=True)], HEAD)
    return figure


def _along(tidy: Tidy, place: Across, arms: list[Arm]) -> list[Arm]:
    return sorted((arm for arm in arms if len(tidy.values(arm, tidy.lead.gap))), key=place.at)


def _spot(tidy: Tidy, place: Across, arm: Arm, words: dict[str, str]) -> Spot:
    train, test = (100 * tidy.values(arm, m) for m in (tidy.lead.train, tidy.lead.test))
    gap, word = tidy.values(arm, tidy.lead.gap).mean(), words.get(arm.arm_id, "")
    word = "" if word == ONE_SEED else word
    return Spot(
        place.at(arm), estimate(train), estimate(test), tuple(train), tuple(test), typeset(percent(float(gap))), word
    )


def _training(tidy: Tidy, between: str = " ") -> str:
    return f"training{between}(correct{between}labels only)" if tidy.noisy else "training"


def _key(tidy: Tidy) -> list[Line2D | Patch]:
    return [
        mark(_training(tidy), **TRAIN_LOOK, linestyle="--"),
        mark("test", **TEST_LOOK, linestyle="-"),
        Patch(**AREA, label="gap, in points"),
    ]


def _lines(ax: Axes, place: Across, spots: list[Spot], view: Scale) -> None:
    """Draw both accuracies with intervals and seeds and the area between; an arm off the scale is written below."""
    on = [s for s in spots if not view.off(s.test.mean) and not view.off(s.train.mean)]
    x, step = np.array([s.x for s in spots]), place.step(inches(ax)[0] - 0.7)
    train, test = (
        np.array([nan if view.off(e.mean) else e.mean for e in means])
        for means in ([s.train for s in spots], [s.test for s in spots])
    )
    ax.fill_between(x, test, train, facecolor=AREA["facecolor"], linewidth=0)
    for look, line, means, found in (
        (TRAIN_LOOK, "--", train, [(s.x, s.train, s.train_seeds) for s in on]),
        (TEST_LOOK, "-", test, [(s.x, s.test, s.test_seeds) for s in on]),
    ):
        color = look["color"]
        seeds = np.array([(at, v) for at, _, values in found for v in values]).reshape(-1, 2)
        ax.plot(seeds[:, 0], seeds[:, 1], ".", transform=aside(ax, min(7.0, 21.6 * step)), **SEED, color=color)
        ends = (np.clip([getattr(e, end) for _, e, _ in found], view.low, view.high) for end in ("low", "high"))
        ax.vlines([at for at, _, _ in found], *ends, color=color, linewidth=2.4, zorder=3)
        ax.plot(x, means, **look, linestyle=line, zorder=4)
    for s in spots:
        for name, e, color, above in (("training", s.train, TRAIN, 1), ("test", s.test, TEST, 0)):
            if view.off(e.mean):
                _written(ax, s.x, f"↓ {e.mean:.1f}" if step < 1.1 else f"↓ {name} {e.mean:.1f}", color, above)


def _written(ax: Axes, x: float, text: str, color: str, above: int) -> None:
    """Write what is off the scale at the foot of a panel, `above` lines above the last."""
    wide, tall = inches(ax)
    share = ax.transAxes.inverted().transform(ax.transData.transform((x, 0.0)))[0]
    room = width(text, NOTE) / 2 / wide + 0.01
    share = min(max(share, room), 1 - room)
    y = (0.03 + above * height("x", NOTE)) / tall
    ax.text(share, y, text, fontsize=NOTE, color=color, zorder=5, transform=ax.transAxes, ha="center", va="bottom")
