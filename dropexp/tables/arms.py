"""The table at the end of a study: one row per arm, and notes on its numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from dropexp.analysis.inference import EQUAL, SAME, UNDERFITTING, margin_of
from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Verdict, along_axes, verdicts
from dropexp.experiment.design import Arm
from dropexp.experiment.levels import FEWEST
from dropexp.experiment.naming import headings, label, plain, value
from dropexp.tables.along import along
from dropexp.tables.columns import WIDTH, Column, difference, side_by_side, wide
from dropexp.wording.along import chance_line
from dropexp.wording.labels import OVER, against, corrected, directed, epoch_rule, half, hint, oracle, percent
from dropexp.wording.movements import movements
from dropexp.wording.power import power_line
from dropexp.wording.scope import scope

__all__ = ["WIDTH", "Column", "plain", "side_by_side", "table"]

TWINS = 6  # lines on arms that are the same function
PLACES = 3


def table(tidy: Tidy) -> str:
    """Return the table as plain text, at most 100 columns wide where the names of the axes allow it.

    Accuracies are in percent and gaps and differences in points, with one decimal; ± is half the 95% interval
    over seeds. Arms are named by the axes that vary. A table that is too wide is split in two parts, or else has
    one line per arm. The comparisons along axes follow, one row per comparison.
    """
    found = verdicts(tidy)
    axes, numbers, versus = columns(tidy, found)
    body = side_by_side(axes + numbers + versus)
    if wide(body) and versus:
        body = [*side_by_side(axes + numbers), "", *side_by_side(axes + versus)]
    if wide(body):
        body = _stacked(tidy, numbers + versus)
    if wide(body) and versus:
        body = [*_stacked(tidy, numbers), "", *_stacked(tidy, versus)]
    body += along(tidy)
    wrapped = [part for line in notes(tidy, found) for part in textwrap.wrap(line, WIDTH - 1, subsequent_indent="  ")]
    return "\n".join([*body, "", *(f" {line}" for line in wrapped)])


def columns(tidy: Tidy, found: tuple[Verdict, ...]) -> tuple[list[Column], list[Column], list[Column]]:
    """Return the columns of the axes, of the means and of the differences from the baseline, one cell per arm."""
    return _axes(tidy), _numbers(tidy), _versus(tidy, found)


def notes(tidy: Tidy, found: tuple[Verdict, ...]) -> list[str]:
    """Return the notes below the table: what the numbers are, and what the reader must know about some of them."""
    return [line for note in NOTES for line in note(tidy, found)]


def _axes(tidy: Tidy) -> list[Column]:
    if not tidy.axes:
        return [Column("arm", [("", tidy.study.name)])]
    return [
        Column(heading, [("", value(arm, path)) for arm in tidy.arms]) for path, heading in headings(tidy.axes).items()
    ]


def _numbers(tidy: Tidy) -> list[Column]:
    lead, clean = tidy.lead, "clean " if tidy.noisy else ""

    def metric(name: str, interval: bool = True) -> list[tuple[str, str]]:
        found = [estimate(tidy.values(arm, name)) for arm in tidy.arms]
        return [(percent(e.mean), half(e.half) if interval else "") for e in found]

    columns = [
        Column("n", [(str(len(tidy.finished(arm))), _lost(tidy.diverged(arm))) for arm in tidy.arms]),
        Column(f"{clean}train", metric(lead.train, interval=False)),
        Column("test", metric(lead.test)),
        Column(f"{clean}gap", metric(lead.gap)),
    ]
    return [*columns, Column("memorised", metric("memorised"))] if tidy.noisy else columns


def _lost(diverged: int) -> str:
    return f"+ {diverged} diverged" if diverged else ""


def _versus(tidy: Tidy, found: tuple[Verdict, ...]) -> list[Column]:
    name = against(tidy)
    if not name:
        return []
    columns = []
    for what, title in (("test", "test"), ("gap", f"{'clean ' if tidy.noisy else ''}gap")):
        judged = [getattr(v, what) for v in found]
        cells = [
            ("", SAME) if what == "test" and v.twin and v.baseline is None else difference(j)
            for v, j in zip(found, judged, strict=True)
        ]
        columns.append(Column(f"{title} vs {name}", cells))
    return columns


def _stacked(tidy: Tidy, columns: list[Column]) -> list[str]:
    heading, *rows = side_by_side(columns)
    lines = [heading]
    for arm, row in zip(tidy.arms, rows, strict=True):
        lines += textwrap.wrap(label(arm, tidy.axes), WIDTH - 2, initial_indent=" ", subsequent_indent="   ")
        lines.append("  " + row)
    return ["  " + lines[0], *lines[1:]]


Note = Callable[[Tidy, tuple[Verdict, ...]], list[str]]


def _legend(tidy: Tidy, found: tuple[Verdict, ...]) -> list[str]:
    gap = "train minus test" if not tidy.noisy else "clean train minus test"
    lines = [
        f"n: seeds; ±: half the {OVER}",
        f"train, test: accuracy in percent, dropout off, {epoch_rule(tidy)}; gap: {gap}, in points",
    ]
    if tidy.noisy:
        lines.append(
            "clean: only training examples with correct labels; "
            "memorised: percentage of wrong labels that the network predicts"
        )
    return lines


def _comparison(tidy: Tidy, found: tuple[Verdict, ...]) -> list[str]:
    judged = [j for v in (*found, *along_axes(tidy)) for j in (v.test, v.gap) if j]
    if not judged:
        return []
    family = max(j.family for j in judged)
    how = "the arm without dropout" if _bare(tidy, found) else "that arm"
    else_equal = ", all else equal" if len(tidy.axes) > 1 else ""
    unpaired = " (unpaired, by Welch, if seeds differ)" if any(not j.difference.paired for j in judged) else ""
    lines = [
        f"vs {against(tidy)}: difference from {how}{else_equal}, paired by seed{unpaired}",
        directed("±", any(1 < j.difference.n < FEWEST for j in judged)),
    ]
    if family > 1:
        lines.append(f"{corrected(family)}: all intervals hold together with 95% confidence")
    if grow := tidy.study.grow:
        lines.append(f"verdicts hold whenever the study stops, from {grow.start} to {grow.grow_to} seeds")
    if any(v.mirrored for v in found):
        lines.append("where training accuracy never differs, test and gap are one finding with opposite signs")
    return lines


def _bare(tidy: Tidy, found: tuple[Verdict, ...]) -> bool:
    dropout = any(arm.masked for arm in tidy.arms)
    return dropout and not tidy.study.chosen and all(v.baseline is None or not v.baseline.masked for v in found)


def _reservations(tidy: Tidy, found: tuple[Verdict, ...]) -> list[str]:
    """What the reader must know about some of the verdicts."""
    found = (*found, *along_axes(tidy))
    judged = [j for v in found for j in (v.test, v.gap) if j]
    reasons = {j.difference.why for j in judged if j.word != SAME}
    lines = []
    for what in ("test", "gap"):
        if any(getattr(v, what) and getattr(v, what).word == EQUAL for v in found):
            lines.append(f"{what}, {EQUAL}: the interval lies within ± {100 * margin_of(tidy, what):g} points")
    if any(j.word == UNDERFITTING for j in judged):
        lines.append(f"{UNDERFITTING}: the gap shrank because training accuracy fell; test accuracy did not rise")
    lines += _shrunk(tidy, found)
    if guessing := chance_line(tidy):
        lines.append(guessing)
    if "one seed" in reasons or all(len(tidy.finished(arm)) == 1 for arm in tidy.arms):
        lines.append(f"one seed gives no interval; {tidy.study.more_seeds} would")
    if changed := [j for j in judged if j.with_chance]:
        words = " or ".join(dict.fromkeys(j.with_chance for j in changed))
        lines.append(f"undecided because runs diverged: {words}")
    if "variance 0" in reasons:
        lines.append(
            "undecided without ±: the difference is the same in every seed (variance 0), so it has no interval"
        )
    return lines


def _shrunk(tidy: Tidy, found: tuple[Verdict, ...]) -> list[str]:
    """Return the smaller gaps in which training accuracy had a part, with all three movements, a few of many."""
    moved = [(v, three) for v in found if (three := movements(v))]
    lines = [f"smaller gap, {_compared(tidy, v)}: {three}" for v, three in moved[:TWINS]]
    return [*lines, f"and {len(moved) - TWINS} more smaller gaps"] if len(moved) > TWINS else lines


def _compared(tidy: Tidy, v: Verdict) -> str:
    """Return what is compared, as in a sentence: the arm, and what it is compared with unless that is its baseline."""
    if not v.axis or v.baseline is None:
        return label(v.arm, tidy.axes)
    return f"{label(v.arm, tidy.axes)} against {headings(tidy.axes)[v.axis]} {value(v.baseline, v.axis)}"


def _missing(tidy: Tidy, found: tuple[Verdict, ...]) -> list[str]:
    arms = {arm.arm_id: arm for arm in tidy.arms}.values()
    lines = []
    if diverged := [(arm, count) for arm in arms if (count := tidy.diverged(arm))]:
        names = [f"{count} at {label(arm, tidy.axes)}" for arm, count in diverged[:TWINS]]
        more = f", and in {len(diverged) - TWINS} more arms" if len(diverged) > TWINS else ""
        total = sum(count for _, count in diverged)
        lines.append(f"{total} diverged run{'s' * (total != 1)}, left out of n and means: {'; '.join(names)}{more}")
    wanted = tidy.study.wanted or {(arm.arm_id, seed) for arm in arms for seed in tidy.study.seeds}
    here = len(wanted & set(zip(tidy.runs["arm_id"], tidy.runs["seed"], strict=True)))
    if unmade := tidy.study.unmade:
        named = f"{unmade:,} more arm{'s' * (unmade != 1)} without a run"
        lines.append(f"not shown: {named}; repeat the command to train the rest")
    elif here < len(wanted):
        lines.append(f"{here} of {len(wanted)} runs are stored; repeat the command to train the rest")
    return lines


def _twins(tidy: Tidy, found: tuple[Verdict, ...]) -> list[str]:
    """Arms that are the same function: what differs between them, and where else that holds."""
    groups: dict[str, list[Arm]] = {}
    for arm in tidy.arms:
        groups.setdefault(arm.arm_id, []).append(arm)
    same: dict[str, list[str]] = {}
    for arms in groups.values():
        if len(arms) > 1:
            apart = tuple(p for p in tidy.axes if len({arm.value(p) for arm in arms}) > 1)
            rest = tuple(p for p in tidy.axes if p not in apart)
            text = " = ".join(label(arm, apart) for arm in arms)
            same.setdefault(text, []).append(label(arms[0], rest) if rest else "")
    lines = []
    for text, places in list(same.items())[:TWINS]:
        more = f"; and {len(places) - PLACES} more" if len(places) > PLACES else ""
        where = f" (at {'; '.join(places[:PLACES])}{more})" if any(places) else ""
        lines.append(f"{SAME}, trained once: {text}{where}")
    return [*lines, f"and {len(same) - TWINS} more such groups"] if len(same) > TWINS else lines


NOTES: tuple[Note, ...] = (
    _legend,
    _comparison,
    scope,
    power_line,
    _reservations,
    _missing,
    _twins,
    lambda tidy, found: [line for line in (oracle(tidy), hint(tidy)) if line],
)
