"""differences.png: each arm minus its baseline, seed by seed, in test accuracy and in the gap."""

from __future__ import annotations

from collections import Counter
from math import isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dropexp.analysis.inference import EQUAL, ONE_SEED, SAME, Judged
from dropexp.analysis.number_format import typeset
from dropexp.analysis.stats import Difference
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Verdict, verdicts
from dropexp.experiment.levels import FEWEST
from dropexp.experiment.naming import label
from dropexp.figures.axis_range import Scale, beyond, scale
from dropexp.figures.columns import Columns, columns, dots, rule, write
from dropexp.figures.dumbbell import spaced
from dropexp.figures.paper import most, panel
from dropexp.figures.sheet import HEAD, TEXT, Room, mark, sheet
from dropexp.figures.style import BETTER, INK, UNSURE, WORSE, grid
from dropexp.figures.text_size import width
from dropexp.wording.labels import corrected, directed, footnote, half, here, named, signed, starred

ROWS = 40
PANEL = 2.3
LONG = 40  # letters: an arm of a longer name is not named in the title
LOOKS = {
    **dict.fromkeys(("better", "smaller"), ("o", BETTER)),
    **dict.fromkeys(("worse", "larger", "underfitting"), ("X", WORSE)),
    EQUAL: ("s", INK),
}
OPEN = ("D", UNSURE)  # nothing established


def differences_figure(tidy: Tidy) -> Figure | None:
    """Return a forest plot, one row per arm that has a baseline, each function once; None if there is none."""
    judged = [v for v in verdicts(tidy) if v.test and v.test.difference.n]
    found = {v.arm.arm_id: v for v in reversed(judged)}
    arms = [v.arm for v in reversed(found.values())]
    if not arms:
        return None
    shown = [found[arm.arm_id] for arm in spaced(arms, ROWS)]
    book = columns(tidy, [v.arm for v in shown])
    words = {what: [_words(getattr(v, what)) for v in shown] for what in ("test", "gap")}
    sides = [0.12 + max(width(w, TEXT) for w in column) for column in words.values()]
    left = book.wide + 0.1
    note = footnote(tidy, "small dots: seeds; bars and ±", len(arms) - len(shown), starred_words=True)
    judgements = [j for v in shown for j in (v.test, v.gap) if j]
    if any(j.told for j in judgements):
        note += f"; {directed('its bar', any(1 < j.difference.n < FEWEST for j in judgements))}"
    if (family := max(j.family for j in judgements)) > 1:
        note += f"; intervals and {corrected(family)}"
    panels = {
        what: _scaled(tidy, shown, what, metric) for what, metric in (("test", tidy.lead.test), ("gap", tidy.lead.gap))
    }
    for what, (view, _) in panels.items():
        rows = [(label(v.arm, tidy.axes), getattr(v, what).difference) for v in shown]
        if said := beyond(view, [(n, _of(d), [100 * d.mean], [100 * d.low, 100 * d.high]) for n, d in rows]):
            note += f"; in {'test accuracy' if what == 'test' else 'the gap'}, {said}"
    note = f"{book.shared} in every row; {note}" if book.shared else note
    size = panel((PANEL, max(book.pitch * len(shown), 0.5)), rows=True)
    book, columns_beside = book.spread(size[1]), min(2, most())
    alone = columns_beside == 1  # the panels stand above each other, each with its own columns
    right = (max(sides) if alone else sides[1]) + 0.1
    room = Room(left=left, right=right, top=0.32, bottom=0.55, across=sides[0] + 0.25, down=0.87)
    title = _title(tidy, list(found.values())[::-1])
    figure, axes = sheet(title, note, 2, columns_beside, size, room, _key(shown))
    gap = f"{'clean ' if tidy.noisy else ''}gap"
    for ax, what, head in (
        (axes[0], "test", "test accuracy: right is better"),
        (axes[1], "gap", f"{gap}: left is smaller"),
    ):
        view, seeds = panels[what]
        ax.set_xlim(view.low, view.high)
        ax.set_ylim(len(shown) - 0.5, -0.5)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.axvline(0, color=INK, linewidth=1, zorder=1)
        head = head if alone or width(head, HEAD) < size[0] + sides[0] + 0.15 else head.split(":")[0]
        ax.set_title(head, loc="left", fontsize=HEAD)
        ax.set_xlabel("points")
        grid(ax, "x")
        for y, verdict in enumerate(shown):
            _row(ax, getattr(verdict, what), seeds[y], y, book, view)
            place = {"transform": ax.get_yaxis_transform(), "va": "center", "fontsize": TEXT}
            ax.text(1 + 0.1 / size[0], y, words[what][y], **place)
    for ax in axes if alone else axes[:1]:
        write(ax, book, left)
        last = 1 + right / size[0] if alone else 2 + (sum(sides) + 0.25) / size[0]
        rule(ax, book, (0.1 - left) / size[0], last)
    return figure


def _scaled(tidy: Tidy, shown: list[Verdict], what: str, metric: str) -> tuple[Scale, list[list[float]]]:
    """Return the scale of a panel and the differences of each row, seed by seed, in points."""
    seeds = [_seeds(tidy, v, metric) for v in shown]
    found = [getattr(v, what).difference for v in shown]
    return scale([([*s, 0.0], [100 * d.low, 100 * d.high]) for s, d in zip(seeds, found, strict=True)]), seeds


def _of(d: Difference) -> str:
    return f"{signed(d.mean)} {half(d.half)}".strip()


def _title(tidy: Tidy, found: list[Verdict]) -> str:
    """Return how often test accuracy has each verdict, and the largest difference that has one."""
    judged = [(v, v.test) for v in found if v.test]
    n = {j.difference.n for _, j in judged}
    seeds = f"n = {min(n)}" if len(n) == 1 else f"n = {min(n)} to {max(n)}"
    counts = Counter(j.word for _, j in judged)
    if counts[ONE_SEED] == len(judged):
        return f"Test accuracy against {named(tidy)}: one seed each, no interval"
    if len(judged) == 1:
        v, j = judged[0]
        name = label(v.arm, tidy.axes)
        points = f"{_points(j)} points {j.said}".strip()
        return f"{name[:1].upper()}{name[1:]} against {named(tidy)}: test accuracy {points}, {seeds}"
    words = [f"{word} in {counts[word]}" for word in (*LOOKS, *sorted(set(counts) - set(LOOKS))) if counts[word]]
    text = (
        f"Test accuracy against {named(tidy)}: {', '.join(words)} of {len(judged)} arms{here([j for _, j in judged])}"
    )
    for word, sign in (("better", 1), ("worse", -1)):
        if counts[word]:
            v, j = max((pair for pair in judged if pair[1].word == word), key=lambda p: sign * p[1].difference.mean)
            name = label(v.arm, tidy.axes)
            where = f" ({name})" if len(name) <= LONG else ""
            return f"{text}, largest {_points(j)} points{where}, {seeds}"
    return f"{text}, {seeds}"


def _key(shown: list[Verdict]) -> list[Line2D]:
    words = dict.fromkeys(j.word for v in shown for j in (v.test, v.gap) if j)
    rows: dict[tuple[str, str], list[str]] = {look: [] for look in (*LOOKS.values(), OPEN)}
    for word in sorted(words, key=lambda w: (*LOOKS, w).index(w)):
        rows[LOOKS.get(word, OPEN)].append(word)
    return [
        mark(", ".join(names), marker=look[0], color=look[1], markersize=8) for look, names in rows.items() if names
    ]


def _words(judged: Judged) -> str:
    return f"{_points(judged)} {starred(judged) if judged.word != ONE_SEED else ''}".strip()


def _points(judged: Judged) -> str:
    return typeset(_of(judged.difference))


def _seeds(tidy: Tidy, verdict: Verdict, metric: str) -> list[float]:
    """Return the differences seed by seed, in points; their mean if the seeds differ."""
    assert verdict.baseline is not None
    own, base = (tidy.values(arm, metric) for arm in (verdict.arm, verdict.baseline))
    found = [100 * float(v) for v in (own - base).dropna()]
    return found or [100 * float(own.mean() - base.mean())]


def _row(ax: Axes, judged: Judged, seeds: list[float], y: int, book: Columns, view: Scale) -> None:
    d = judged.difference
    marker, color = LOOKS.get(judged.word, OPEN)
    if side := view.off(100 * d.mean):
        edge = view.low if side < 0 else view.high
        ax.plot([edge], [y], "<" if side < 0 else ">", color=color, markersize=9, clip_on=False, zorder=4)
        return
    if judged.word != SAME and d.paired:
        dots(ax, seeds, y, book.pitch, color)
    if isfinite(d.low):
        ends = max(100 * d.low, view.low), min(100 * d.high, view.high)
        ax.hlines(y, *ends, color=color, linewidth=2.6, zorder=3)
    ax.plot([100 * d.mean], [y], marker, color=color, markeredgecolor="white", zorder=4, markersize=8)
