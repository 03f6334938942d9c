"""Overfitting on the page: gap, onset and area of each arm, and the parts of the gap that a training log shows."""

from __future__ import annotations

from dropexp.analysis.tidy import Tidy
from dropexp.page.arms import named_by
from dropexp.page.grid import Grid, numbers
from dropexp.tables.overfit import overfit_columns


def overfitting(tidy: Tidy) -> tuple[list[Grid], list[str]]:
    """Return one or two tables and the notes on their numbers; none if no run has finished."""
    if not any(len(tidy.finished(arm)) for arm in tidy.arms):
        return [], []
    columns, parts, notes = overfit_columns(tidy)
    made = []
    for ident, caption, part in (
        ("overfitting-table", "How much each arm overfits, and from which epoch", columns),
        ("parts-table", "The gap that a training log shows, and its parts", parts),
    ):
        if part:
            cells = numbers([(column.heading, column.cells) for column in part])
            made.append(Grid(ident, caption, (*named_by(tidy), *cells), sortable=True))
    return made, notes
