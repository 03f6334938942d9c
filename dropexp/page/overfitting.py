"""Overfitting on the page: gaps, onset and area per arm, and the parts of the gap that a training log shows."""

from __future__ import annotations

from dropexp.analysis.tidy import Tidy
from dropexp.page.arms import named_by
from dropexp.page.grid import Grid, numbers
from dropexp.tables.overfit import overfit_columns


def overfitting(tidy: Tidy) -> tuple[list[Grid], list[str]]:
    """Return the tables, one or two, and what their numbers are; none where no run has finished."""
    if not any(len(tidy.finished(arm)) for arm in tidy.arms):
        return [], []
    columns, parts, notes = overfit_columns(tidy)
    made = []
    for ident, caption, part in (
        ("overfitting-table", "How much the arms overfit, and from which epoch on", columns),
        ("parts-table", "The gap that a training log shows, taken apart", parts),
    ):
        if part:
            cells = numbers([(column.heading, column.cells) for column in part])
            made.append(Grid(ident, caption, (*named_by(tidy), *cells), sortable=True))
    return made, notes
