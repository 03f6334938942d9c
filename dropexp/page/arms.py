"""The tables of arms: means, differences from the baseline with their verdicts, and the comparisons along axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

from dropexp.analysis.inference import SAME, Judged
from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Verdict, along_axes
from dropexp.experiment.naming import headings, value
from dropexp.page.answer import TONES
from dropexp.page.grid import Cell, Column, Grid, ranked
from dropexp.page.measures import probability
from dropexp.tables.arms import NOTES
from dropexp.wording.along import elsewhere
from dropexp.wording.labels import against, half, percent, signed


def arms_grid(tidy: Tidy, found: Sequence[Verdict], anchors: dict[str, str]) -> Grid:
    """Return the table, one row per arm; `anchors` maps an arm_id to the place of its runs in the page."""
    return Grid("arms-table", "Every arm, in percent and points", tuple(_columns(tidy, found, anchors)), sortable=True)


def axes_grid(tidy: Tidy) -> Grid | None:
    """Return the table of comparisons along axes, one row per comparison; None if there are none."""
    found = along_axes(tidy)
    if not found:
        return None
    words = headings(tidy.axes)
    columns = [
        Column("axis", "name", tuple(Cell(words[v.axis]) for v in found), choice=True),
        Column("value", "text", tuple(Cell(value(v.arm, v.axis)) for v in found)),
        Column("against", "text", tuple(Cell(value(v.baseline, v.axis) if v.baseline else "") for v in found)),
    ]
    if len(tidy.axes) > 1:
        columns.append(Column("at", "text", tuple(Cell(elsewhere(tidy, v, v.axis)) for v in found)))
    caption = "Arms compared along each axis, in points"
    return Grid("axes-table", caption, (*columns, *_judged(tidy, found, "")), sortable=True)


def notes(tidy: Tidy, found: Sequence[Verdict]) -> list[str]:
    """Return what the numbers are, line by line, as below the table that the commands print."""
    return [line for note in NOTES for line in note(tidy, tuple(found))]


def _columns(tidy: Tidy, found: Sequence[Verdict], anchors: dict[str, str]) -> list[Column]:
    columns = named_by(tidy)
    columns.append(Column("n", "number", tuple(_count(tidy, arm.arm_id, i) for i, arm in enumerate(tidy.arms))))
    if any(tidy.diverged(arm) for arm in tidy.arms):
        counts = tuple(Cell(str(n), n, "bad" if n else "") for n in map(tidy.diverged, tidy.arms))
        columns.append(Column("diverged", "number", counts))
    lead, clean = tidy.lead, "clean " if tidy.noisy else ""
    for heading, metric in (
        (f"{clean}train", lead.train),
        ("test", lead.test),
        (f"{clean}gap", lead.gap),
        *([("memorised", "memorised")] if tidy.noisy else []),
    ):
        columns.append(Column(heading, "number", tuple(_mean(tidy, arm, metric) for arm in tidy.arms)))
    if name := against(tidy):
        columns += _judged(tidy, found, f" vs {name}")
    runs = tuple(Cell("runs", link=f"#{anchors[a.arm_id]}") if a.arm_id in anchors else Cell("") for a in tidy.arms)
    return [*columns, Column("runs", "link", runs)]


def _judged(tidy: Tidy, found: Sequence[Verdict], versus: str) -> list[Column]:
    """Return the differences in test accuracy and gap, each with its verdict and its p."""
    columns = []
    for what, heading in (("test", "test"), ("gap", f"{'clean ' if tidy.noisy else ''}gap")):
        judged = [getattr(v, what) for v in found]
        columns.append(Column(f"{heading}{versus}", "number", tuple(map(_difference, judged))))
        words = tuple(_word(j, v) for j, v in zip(judged, found, strict=True))
        columns.append(Column(f"{heading} verdict", "word", words, choice=True))
        columns.append(Column(f"{heading} p", "number", tuple(map(_probability, judged))))
    return columns


def named_by(tidy: Tidy) -> list[Column]:
    """Return the columns that name each arm: what varies, else the study."""
    return [
        Column(heading, "name" if i == 0 else "text", _axis(tidy, path), choice=True)
        for i, (path, heading) in enumerate(headings(tidy.axes).items())
    ] or [Column("arm", "name", tuple(Cell(tidy.study.name) for _ in tidy.arms))]


def _axis(tidy: Tidy, path: str) -> tuple[Cell, ...]:
    return ranked([arm.value(path) for arm in tidy.arms], [value(arm, path) for arm in tidy.arms])


def _count(tidy: Tidy, arm_id: str, i: int) -> Cell:
    n = len(tidy.finished(tidy.arms[i]))
    return Cell(str(n), n)


def _mean(tidy: Tidy, arm: object, metric: str) -> Cell:
    e = estimate(tidy.values(arm, metric))  # type: ignore[arg-type]
    return Cell(f"{percent(e.mean)} {half(e.half)}".strip(), e.mean)


def _difference(judged: Judged | None) -> Cell:
    if judged is None or judged.word == SAME:
        return Cell("", nan if judged is None else 0.0)
    d = judged.difference
    return Cell(f"{signed(d.mean)} {half(d.half)}".strip(), d.mean)


def _word(judged: Judged | None, verdict: Verdict) -> Cell:
    if judged is None:
        return Cell(SAME if verdict.twin else "baseline", tone="same")
    return Cell(judged.said, tone=TONES.get(judged.word, "open"))


def _probability(judged: Judged | None) -> Cell:
    if judged is None or judged.word == SAME:
        return Cell("", nan)
    text = probability(judged.p_family)
    return Cell("" if text == "no p" else text.removeprefix("p ").removeprefix("= "), judged.p_family)
