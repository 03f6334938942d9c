"""gap.png if no number varies: one row per arm, from its test to its training accuracy."""

from __future__ import annotations

from math import isfinite

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dropexp.analysis.inference import ONE_SEED
from dropexp.analysis.number_format import typeset
from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Verdict, verdicts
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import label
from dropexp.figures.axis_range import Scale, beyond, scale
from dropexp.figures.columns import Columns, columns, dots, rule, write
from dropexp.figures.paper import panel
from dropexp.figures.sheet import GREY, NOTE, TEXT, Room, mark, sheet
from dropexp.figures.style import AREA, INK, SHADE, TEST_LOOK, TRAIN_LOOK, grid
from dropexp.figures.text_size import width
from dropexp.wording.finding import finding
from dropexp.wording.labels import BY_SEED, footnote, half, named, percent, starred

ROWS = 40
PANEL = 4.6


def dumbbell_figure(tidy: Tidy) -> Figure:
    """Return a row for each function among the arms, up to forty, with both accuracies, the gap and its verdict."""
    judged = {v.arm.arm_id: v for v in reversed(verdicts(tidy))}
    found = [arm for arm in {a.arm_id: a for a in reversed(tidy.arms)}.values() if len(tidy.finished(arm))][::-1]
    shown = spaced(found, ROWS)
    if not shown:
        return sheet(finding(tidy), footnote(tidy, ""), 0, 1, (PANEL, 0.1), Room())[0]
    book = columns(tidy, shown)
    words = [_words(tidy, arm, judged[arm.arm_id]) for arm in shown]
    gap = "clean gap" if tidy.noisy else "gap"
    beside = max([width(f"{gap}, points", TEXT), *(width(w, TEXT, bold=True) for w in words)]) + 0.3
    left = book.wide + 0.05
    note = footnote(tidy, "small dots: seeds; bars", len(found) - len(shown), starred_words=True)
    note = f"{book.shared} in every row; {note}" if book.shared else note
    if any(v.gap and v.gap.told for v in judged.values()):
        note += f"; {BY_SEED}"
    size = panel((PANEL, max(book.pitch * len(shown), 0.6)), rows=True)
    book = book.spread(size[1])
    room = Room(left=left, right=beside, top=0.3, bottom=0.55)
    samples = [[100 * tidy.values(arm, m) for m in _leads(tidy)] for arm in shown]
    means = [[estimate(x) for x in pair] for pair in samples]
    ends = [[end for e in pair for end in (e.low, e.high)] for pair in means]
    view = scale([([v for x in pair for v in x], bars) for pair, bars in zip(samples, ends, strict=True)], cap=100.0)
    arms = [
        (label(arm, tidy.axes), f"test {test.mean:.1f}, training {train.mean:.1f}", [test.mean, train.mean], bars)
        for arm, (test, train), bars in zip(shown, means, ends, strict=True)
    ]
    note = "; ".join(filter(None, [note, beyond(view, arms)]))
    figure, (ax,) = sheet(finding(tidy), note, 1, 1, size, room, _key(tidy, shown), ("accuracy, percent", ""))
    ax.set_xlim(view.low, view.high)
    grid(ax, "x")
    write(ax, book, left)
    rule(ax, book, -(left - 0.1) / size[0], 1 + (beside - 0.1) / size[0])
    across = ax.get_yaxis_transform()
    right = 1 + 0.14 / size[0]
    at = {"transform": ax.transAxes, "va": "bottom", "fontsize": TEXT, "color": GREY}
    ax.text(right, 1 + 0.06 / size[1], f"{gap}, points", **at)
    for y, arm in enumerate(shown):
        _row(ax, tidy, arm, judged[arm.arm_id].baseline, y, book, view)
        ax.text(right, y, words[y], transform=across, va="center", fontsize=TEXT, fontweight="bold")
    return figure


def spaced(arms: list[Arm], limit: int) -> list[Arm]:
    """Return at most `limit` arms, evenly from first to last."""
    if len(arms) <= limit:
        return arms
    return [arms[round(i * (len(arms) - 1) / (limit - 1))] for i in range(limit)]


def _leads(tidy: Tidy) -> tuple[str, str]:
    return tidy.lead.test, tidy.lead.train


def _words(tidy: Tidy, arm: Arm, verdict: Verdict) -> str:
    e = estimate(tidy.values(arm, tidy.lead.gap))
    word = starred(verdict.gap) if verdict.gap and verdict.gap.word != ONE_SEED else ""
    return typeset(" ".join(filter(None, [percent(e.mean), half(e.half), word])))


def _key(tidy: Tidy, shown: list[Arm]) -> list[Line2D | Patch]:
    entries: list[Line2D | Patch] = [
        mark("test", **TEST_LOOK, linestyle="-"),
        mark("training (correct labels only)" if tidy.noisy else "training", **TRAIN_LOOK, linestyle="-"),
        Patch(**AREA, label="gap between them"),
    ]
    if any(b is not None for b in tidy.baselines) and len(shown) > 1:
        base = "without dropout" if named(tidy) == "no dropout" else f"at {named(tidy)}"
        entries.append(mark(f"test accuracy {base}", color=INK, marker="|", markersize=10))
    return entries


def _row(ax: Axes, tidy: Tidy, arm: Arm, base: Arm | None, y: int, book: Columns, view: Scale) -> None:
    test, train = (estimate(100 * tidy.values(arm, m)) for m in _leads(tidy))
    gone = [f"{name} {e.mean:.1f}" for name, e in (("test", test), ("training", train)) if view.off(e.mean)]
    if gone:
        text = f"← {', '.join(gone)}"
        ax.text(0.01, y, text, transform=ax.get_yaxis_transform(), va="center", fontsize=NOTE, zorder=5)
    ax.barh(y, train.mean - test.mean, left=test.mean, height=0.13 / book.pitch, color=SHADE, linewidth=0, zorder=1)
    for e, look, metric in ((train, TRAIN_LOOK, tidy.lead.train), (test, TEST_LOOK, tidy.lead.test)):
        if view.off(e.mean):
            continue
        dots(ax, [float(v) for v in 100 * tidy.values(arm, metric)], y, book.pitch, look["color"])
        if isfinite(e.low):
            ends = max(e.low, view.low), min(e.high, view.high)
            ax.hlines(y, *ends, color=look["color"], linewidth=2.4, zorder=3)
        ax.plot([e.mean], [y], **look, linestyle="", zorder=4)
    if base is not None and len(tidy.values(base, tidy.lead.test)):
        reference = 100 * float(np.mean(tidy.values(base, tidy.lead.test)))
        ax.plot([reference], [y], "|", color=INK, markersize=11, zorder=2.5)
