"""The table of examples in a comparison: those that A gets right and B wrong, and the reverse, by class and by example."""

from __future__ import annotations

import textwrap

from dropexp.analysis.compare import Pair
from dropexp.analysis.fixed_broken import Count, Example, FixedBroken, fixed_broken
from dropexp.tables.arms import WIDTH, Column, side_by_side
from dropexp.tables.comparison import common

SHOWN = 5  # examples most often fixed, and broken
CLASSES = 20  # of more, those with the most changes


def of_pair(pair: Pair) -> FixedBroken | None:
    """Compare A with B example by example; None if seeds mean different data, or no seed has outcomes on both sides."""
    if pair.a.arm.population != pair.b.arm.population:
        return None
    return fixed_broken(*(side.tidy.outcomes_of(side.arm) for side in (pair.a, pair.b)))


def examples(pairs: tuple[Pair, ...]) -> str:
    """Return the table of every pair of arms as plain text."""
    blocks = []
    for pair in pairs:
        found = of_pair(pair)
        name = [f" {common(pair)}"] if len(pairs) > 1 and common(pair) else []
        blocks.append(
            "\n".join([*name, *(_block(found) if found else [" no outcomes of the same examples on both sides"])])
        )
    note = (
        "fixed: B wrong, A right, in runs with the same seed; broken: the reverse; net: fixed minus broken, in points of "
        "test accuracy. Even two runs of one arm differ on some examples, so judge by net"
    )
    return "\n\n".join(
        [*blocks, "\n".join(textwrap.wrap(note, WIDTH - 1, initial_indent=" ", subsequent_indent="   "))]
    )


def _block(found: FixedBroken) -> list[str]:
    classes = found.classes
    most = sorted(classes, key=lambda k: -classes[k].fixed - classes[k].broken)[:CLASSES]
    rows = {"all": found.all, **{str(k): classes[k] for k in sorted(most)}}
    lines = side_by_side([
        Column("class", [("", name) for name in rows]),
        Column("answers", [(f"{c.shared:,}", "") for c in rows.values()]),
        Column("fixed", [(f"{c.fixed:,}", "") for c in rows.values()]),
        Column("broken", [(f"{c.broken:,}", "") for c in rows.values()]),
        Column("net", [(_net(c), "") for c in rows.values()]),
    ])  # fmt: skip
    if len(classes) > len(most):
        lines.append(f" {len(classes) - len(most)} more classes with fewer changes")
    count = len(found.seeds)
    lines.append(f" n = {count} seed{'s' * (count != 1)}, {len(found.place):,} different examples")
    for what in ("fixed", "broken"):
        some = [_example(x, x.fixed if what == "fixed" else x.broken) for x in found.most(what, SHOWN)]
        text = f"most often {what}: {', '.join(some) or 'none'}"
        lines += textwrap.wrap(text, WIDTH - 1, initial_indent=" ", subsequent_indent="   ")
    return lines


def _net(c: Count) -> str:
    return f"{100 * c.net / c.shared:+.2f}"


def _example(x: Example, times: int) -> str:
    return f"{x.place} (class {x.label}, {times} of {x.seeds})"
