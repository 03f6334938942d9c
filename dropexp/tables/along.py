"""The table of comparisons along each axis, below the table of arms: one row per comparison."""

from __future__ import annotations

import textwrap

from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Verdict, along_axes
from dropexp.experiment.naming import headings, label, value
from dropexp.tables.columns import WIDTH, Column, difference, side_by_side, wide
from dropexp.wording.along import against, strength

MOST = 24  # rows per axis


def along(tidy: Tidy) -> list[str]:
    """Return the lines, axis by axis, each block after an empty line; none if no arms are compared along an axis."""
    groups: dict[str, list[Verdict]] = {}
    for v in along_axes(tidy):
        groups.setdefault(v.axis, []).append(v)
    return [line for path, found in groups.items() for line in ("", *_block(tidy, path, found))]


def _block(tidy: Tidy, path: str, found: list[Verdict]) -> list[str]:
    strongest = sorted(found, key=strength)[:MOST]
    shown = [v for v in found if v in strongest]
    others = tuple(p for p in tidy.axes if p != path)
    heading = f"{headings(tidy.axes)[path]} vs {against(tidy, path).removeprefix(headings(tidy.axes)[path]).strip()}"
    places = [
        Column(heading, [("", value(v.arm, path)) for v in shown]),
        *(
            Column(word, [("", value(v.arm, p)) for v in shown])
            for p, word in headings(tidy.axes).items()
            if p in others
        ),
    ]
    numbers = [
        Column("test", [difference(v.test) for v in shown]),
        Column(f"{'clean ' if tidy.noisy else ''}gap", [difference(v.gap) for v in shown]),
    ]
    lines = side_by_side(places + numbers)
    if wide(lines):
        first, *rows = side_by_side(numbers)
        lines = [f" {heading}", f"  {first}"]
        for v, row in zip(shown, rows, strict=True):
            name = ", ".join(filter(None, [value(v.arm, path), label(v.arm, others) if others else ""]))
            lines += [*textwrap.wrap(name, WIDTH - 2, initial_indent=" ", subsequent_indent="   "), "  " + row]
    if left := len(found) - len(shown):
        lines.append(f" and {left} more comparison{'s' * (left != 1)}, undecided or with smaller differences")
    return lines
