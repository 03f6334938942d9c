"""dose-AXIS.png: a metric along a numeric axis, with simultaneous bands and the values not ruled out as the best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dropexp.analysis.dose import Dose, doses
from dropexp.analysis.number_format import typeset
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.naming import headings, label, value
from dropexp.figures.axis import Across, across, is_number
from dropexp.figures.axis_range import Scale, beyond, scale, upright
from dropexp.figures.paper import most, panel
from dropexp.figures.sheet import NOTE, TEXT, Room, mark, sheet
from dropexp.figures.style import TEST, grid
from dropexp.figures.text_size import wrap
from dropexp.wording.labels import file_word, footnote, half, percent, seeds
from dropexp.wording.scope import ONE_SIDED, validated

FIGURES, ROWS = 2, 4
BAND = "#C9DCE9"


def dose_figures(tidy: Tidy) -> Iterator[tuple[str, Figure]]:
    """Yield (name, figure) for each numeric axis, except those of the data, that has at least three values."""
    count = {p: len({arm.value(p) for arm in tidy.arms}) for p in tidy.axes}
    paths = [p for p in tidy.axes if not p.startswith("data.") and count[p] > 2 and is_number(tidy, p)]
    for path in paths[:FIGURES]:
        both = doses(tidy, "test", path), doses(tidy, "gap", path)
        kept = [pair for pair in zip(*both, strict=False) if len(pair[0].arms) > 2]
        if kept:
            yield f"dose-{file_word(tidy, path)}", _figure(tidy, path, kept)


def _figure(tidy: Tidy, path: str, found: list[tuple[Dose, Dose]]) -> Figure:
    place, shown = across(tidy, path), found[:ROWS]
    size, beside = panel((3.9, 2.5 if len(shown) == 1 else 1.9)), min(2, most())
    gap = "clean gap" if tidy.noisy else "gap"
    names = []
    for pair in shown:
        for dose, what, best in zip(
            pair, ("test accuracy, percent", f"{gap}, points"), ("the best", "the smallest"), strict=True
        ):
            names.append(
                wrap(f"{_setting(tidy, dose)}{what}; not ruled out as {best}: {_set(dose)}", size[0], TEXT, listed=True)
            )
    note = footnote(tidy, "thin lines: seeds; bars", len(found) - len(shown), "settings")
    note += "; the band holds for all values at once; not ruled out: by multiple comparisons with the best, error 5%"
    if any(len(dose.best) < len(dose.arms) for pair in shown for dose in pair):
        note += f"; {ONE_SIDED}"
    if len(found) == 1 and (line := validated(found[0][0])):
        note += f"; {line}"
    views = []
    for column, (metric, what) in enumerate(((tidy.lead.test, "test accuracy"), (tidy.lead.gap, gap))):
        mine = [pair[column] for pair in shown]
        arms = [(arm, band, e) for d in mine for arm, band, e in zip(d.arms, d.bands, d.estimates, strict=True)]
        cap = 100.0 if column == 0 else None
        view = scale([(100 * tidy.values(arm, metric), (100 * b.low, 100 * b.high)) for arm, b, _ in arms], cap=cap)
        views.append(view)
        rows = [
            (label(arm, tidy.axes), percent(e.mean), [100 * e.mean], [100 * e.low, 100 * e.high]) for arm, _, e in arms
        ]
        if said := beyond(view, list({row[0]: row for row in rows}.values())):
            note += f"; in {what}, {said}"
    key: list[Line2D | Patch] = [
        mark("mean, not ruled out as the best", color=TEST, marker="o", linestyle="-"),
        mark("mean, ruled out", color=TEST, marker="o", markerfacecolor="white", linestyle="-"),
        Patch(facecolor=BAND, label="simultaneous 95% band"),
    ]
    title = _title(tidy, path, [test for test, _ in found])
    room = Room(across=0.65, down=0.14 if beside == 2 else 0.3).named(names, beside)
    figure, axes = sheet(title, note, len(names), beside, size, room, key, (place.label, ""))
    for column, metric in enumerate((tidy.lead.test, tidy.lead.gap)):
        cap = 100.0 if column == 0 else None
        mine = [pair[column] for pair in shown]
        view = views[column]
        for row, dose in enumerate(mine):
            ax = axes[2 * row + column]
            ax.set_title(names[2 * row + column], loc="left", fontsize=TEXT)
            place.dress(ax, labelled=2 * row + column + beside >= len(axes))
            upright(ax, view, cap)
            grid(ax)
            _panel(ax, tidy, place, dose, metric, view)
    return figure


def _setting(tidy: Tidy, dose: Dose) -> str:
    """Return the values of the other axes in a dose-response, '' if there are none."""
    others = tuple(p for p in tidy.axes if p != dose.axis)
    return f"{label(dose.arms[-1], others)}\n" if others else ""


def _set(dose: Dose) -> str:
    """Return the values among the best, with runs of three or more shortened: `0, 0.2 to 0.5`."""
    if len(dose.best) == len(dose.arms):
        return "all"
    runs: list[list[int]] = []
    for i in (i for i, arm in enumerate(dose.arms) if arm in dose.best):
        if runs and runs[-1][-1] == i - 1:
            runs[-1].append(i)
        else:
            runs.append([i])
    names = [value(arm, dose.axis) for arm in dose.arms]
    parts = [f"{names[r[0]]} to {names[r[-1]]}" if len(r) > 2 else ", ".join(names[i] for i in r) for r in runs]
    return ", ".join(parts)


def _panel(ax: Axes, tidy: Tidy, place: Across, dose: Dose, metric: str, view: Scale) -> None:
    x = np.array([place.at(arm) for arm in dose.arms])
    means = np.array([np.nan if view.off(100 * e.mean) else 100 * e.mean for e in dose.estimates])
    on = ~np.isnan(means)
    low, high = (np.clip([100 * getattr(e, end) for e in dose.bands], view.low, view.high) for end in ("low", "high"))
    ax.fill_between(x, low, high, where=list(on), color=BAND, linewidth=0, zorder=1)
    samples = [100 * tidy.values(arm, metric) for arm in dose.arms]
    seeds_y = pd.concat(samples, axis=1).to_numpy(dtype=float)[:, on]
    broken = np.pad(seeds_y, ((0, 0), (0, 1)), constant_values=np.nan)  # one line per seed, in one call
    ax.plot(np.tile([*x[on], np.nan], len(broken)), broken.ravel(), color="#6E8CA0", linewidth=0.7, alpha=0.6, zorder=2)
    ends = (np.clip([100 * getattr(e, end) for e in dose.estimates], view.low, view.high) for end in ("low", "high"))
    ax.vlines(x[on], *(end[on] for end in ends), color=TEST, linewidth=2.2, zorder=3)
    ax.plot(x, means, color=TEST, zorder=3)
    best = np.array([arm in dose.best for arm in dose.arms])
    for chosen, face in ((best, TEST), (~best, "white")):
        marks = {"markersize": 7.5, "markerfacecolor": face, "markeredgecolor": TEST, "markeredgewidth": 1.6}
        ax.plot(x[chosen], means[chosen], "o", **marks, zorder=4)  # type: ignore[arg-type]
    for arm, e in zip(dose.arms, dose.estimates, strict=True):
        if side := view.off(100 * e.mean):
            at = {"transform": ax.get_xaxis_transform(), "ha": "center", "va": "bottom" if side < 0 else "top"}
            words = typeset(f"{'↓' if side < 0 else '↑'} {percent(e.mean)}")
            ax.text(place.at(arm), 0.02 if side < 0 else 0.98, words, fontsize=NOTE, color=TEST, zorder=5, **at)


def _title(tidy: Tidy, path: str, found: list[Dose]) -> str:
    """Return what validation chooses if it is not the best by test, and which values are not ruled out as the best."""
    word = headings(tidy.axes)[path]
    if len(found) == 1:
        lead = _selected(tidy, word, found[0])
        if len(found[0].best) == len(found[0].arms):
            text = f"{lead or 'Test accuracy: '}no {word} is ruled out as the best"
        else:
            text = f"{lead or 'Test accuracy: '}not ruled out as the best {word}: {_set(found[0])}"
        return f"{text}, {seeds(tidy)}"
    if all(len(dose.best) == len(dose.arms) for dose in found):
        return f"Test accuracy: no {word} is ruled out as the best in any of {len(found)} settings, {seeds(tidy)}"
    counts = Counter(value(arm, path) for dose in found for arm in dose.best)
    often = [f"{name} in {counts[name]}" for name, _ in counts.most_common(3)]
    return f"Not ruled out as the best {word} for test accuracy: {', '.join(often)} of {len(found)} settings, {seeds(tidy)}"


def _selected(tidy: Tidy, word: str, dose: Dose) -> str:
    """Return what validation chooses most often, as the start of a title, if the best mean on the test set differs."""
    if (chosen := dose.chosen) is None:
        return ""
    means = [e.mean for e in dose.estimates]
    if chosen.often == means.index(max(means)):
        return ""
    name, count = value(dose.arms[chosen.often], dose.axis), max(chosen.counts)
    reached = f"{percent(chosen.estimate.mean)} {half(chosen.estimate.half)}".strip()
    return f"Validation chooses {word} {name} in {count} of {sum(chosen.counts)} seeds (test accuracy {reached}); "
