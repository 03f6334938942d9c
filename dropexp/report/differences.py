"""differences.png: each arm minus its baseline, seed by seed, in test accuracy and in the gap."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Judged, Verdict, verdicts
from dropexp.report.style import BETTER, INK, UNSURE, WORSE, canvas, frame, grid
from dropexp.report.words import footnote, half, named, signed
from dropexp.spec.naming import label

ROWS = 40
COLOURS = {"better": BETTER, "smaller": BETTER, "worse": WORSE, "larger": WORSE, "underfitting": WORSE}
SHAPES = {"better": "o", "smaller": "o", "worse": "X", "larger": "X", "underfitting": "X"}


def differences_figure(tidy: Tidy) -> Figure | None:
    """Return a forest plot, a row an arm that has a baseline, each function once; None without any."""
    judged = [v for v in verdicts(tidy) if v.test and v.test.difference.n]
    found = list({v.arm.arm_id: v for v in reversed(judged)}.values())[::-1]
    if not found:
        return None
    shown = found[:ROWS]
    names = [label(v.arm, tidy.axes) for v in shown]
    width = min(11.0 + 0.085 * max(0, max(map(len, names)) - 25), 15.0)
    figure, (left, right) = canvas(1, 2, (width, 0.42 * len(shown) + 2.4), sharey=True)
    metrics = ((left, "test", tidy.lead.test), (right, "gap", tidy.lead.gap))
    for ax, what, metric in metrics:
        for y, verdict in enumerate(shown):
            _row(ax, tidy, verdict, what, metric, y)
        ax.axvline(0, color=INK, linewidth=1, zorder=1)
        ax.set_ylim(len(shown) - 0.4, -0.6)
        grid(ax, "x")
        ax.margins(x=0.06)
        low, high = ax.get_xlim()
        ax.set_xlim(min(low, -0.3), max(high, 0.3))
        for y, verdict in enumerate(shown):
            words = _words(getattr(verdict, what))
            ax.text(1.02, y, words, transform=ax.get_yaxis_transform(), va="center", fontsize=10)
    left.set_yticks(range(len(shown)), names)
    left.set_xlabel("test accuracy, points (right is better)")
    right.set_xlabel(f"{'clean ' if tidy.noisy else ''}gap, points (left is smaller)")
    for ax in (left, right):
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
    ns = {v.test.difference.n for v in shown if v.test}
    n = f"n = {min(ns)}" if len(ns) == 1 else f"n = {min(ns)} to {max(ns)}"
    note = footnote(tidy, "dots are seeds, bars", len(found) - len(shown))
    frame(figure, f"Difference to {named(tidy)}, paired by seed, {n}", note, _key(shown))
    return figure


def _key(shown: list[Verdict]) -> list[Line2D]:
    words = {judged.word for v in shown for judged in (v.test, v.gap) if judged}
    rows: dict[tuple[str, str], list[str]] = {("o", BETTER): [], ("X", WORSE): [], ("D", UNSURE): []}
    for word in (*SHAPES, *sorted(words - set(SHAPES))):
        if word in words:
            rows[SHAPES.get(word, "D"), COLOURS.get(word, UNSURE)].append(word)
    return [
        Line2D([], [], color=colour, marker=marker, linestyle="", markersize=8, label=", ".join(names))
        for (marker, colour), names in rows.items()
        if names
    ]


def _words(judged: Judged | None) -> str:
    if judged is None:
        return ""
    d = judged.difference
    return f"{signed(d.mean)} {half(d.half)} {judged.word}".replace("  ", " ").replace("-", "−")


def _row(ax: Axes, tidy: Tidy, verdict: Verdict, what: str, metric: str, y: int) -> None:
    judged: Judged | None = getattr(verdict, what)
    if judged is None or verdict.baseline is None:
        return
    d = judged.difference
    color, marker = COLOURS.get(judged.word, UNSURE), SHAPES.get(judged.word, "D")
    own, base = (tidy.values(arm, metric) for arm in (verdict.arm, verdict.baseline))
    dots = 100 * (own - base).dropna().to_numpy()
    ax.plot(dots, np.full(len(dots), y + 0.24), ".", color=color, alpha=0.5, markersize=6, markeredgewidth=0)
    ax.hlines(y, 100 * d.low, 100 * d.high, color=color, linewidth=2.6, zorder=3)
    ax.plot([100 * d.mean], [y], marker, color=color, markeredgecolor="white", zorder=4, markersize=8)
