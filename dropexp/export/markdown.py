"""A study's table in Markdown: pipes, special characters escaped, and the caption below."""

from __future__ import annotations

import re

from dropexp.analysis.tidy import Tidy
from dropexp.export.paper import paper
from dropexp.quoting import visible

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def markdown(tidy: Tidy) -> str:
    """Return a table that GitHub, Jupyter and pandoc read."""
    made = paper(tidy)
    lines = ["" for _ in range(2 + len(made.columns[0].cells))]
    for i, column in enumerate(made.columns):
        cells = [escaped(f"{number} {rest}".strip()) for number, rest in column.cells]
        heading, side = escaped(column.heading), i < made.axes or " vs " in column.heading
        width = max(map(len, [heading, *cells, "---"]))
        rule = ":" + "-" * (width - 1) if side else "-" * (width - 1) + ":"
        column_lines = [heading, rule, *cells]
        set_lines = [cell.ljust(width) if side else cell.rjust(width) for cell in column_lines]
        lines = [f"{line}| {cell} " for line, cell in zip(lines, set_lines, strict=True)]
    return "\n".join([*(f"{line}|" for line in lines), "", escaped(made.caption), ""])


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it stands."""
    return SPECIAL.sub(r"\\\1", visible(text, "\n"))
