"""A study's rows for other programs: every run and epoch with the axes of its arm, as CSV or Parquet."""

from __future__ import annotations

from typing import Any

from dropexp.analysis.labelled_rows import epochs_frame
from dropexp.analysis.tidy import Tidy
from dropexp.rows import is_number

FORMULA = tuple("=+-@＝＋－＠\t\r\n")  # what begins a cell that a spreadsheet computes, or may skip to reach one


def as_csv(tidy: Tidy) -> str:
    """Return one row per run and epoch; an empty cell is absent, floats are written so that they read back the same.

    A word that a spreadsheet would run, such as `=cmd|...` in a table of others, has an apostrophe before it.
    """
    rows = epochs_frame(tidy)
    words = rows.select_dtypes(exclude="number").columns
    return (
        rows.assign(**{name: rows[name].map(_inert) for name in words})
        .rename(columns=_inert)
        .to_csv(index=False, lineterminator="\n")
    )


def _inert(cell: Any) -> Any:
    """Return a cell as a spreadsheet shows it and does not compute it; numbers stay as they are."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) and not is_number(cell) else cell


def as_parquet(tidy: Tidy) -> bytes:
    """Return the same rows with the types of their columns."""
    return epochs_frame(tidy).to_parquet(None, engine="pyarrow", index=False)
