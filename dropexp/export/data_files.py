"""A study's rows for other programs: every run and epoch with the axes of its arm, as CSV or Parquet."""

from __future__ import annotations

from dropexp.analysis.labelled_rows import epochs_frame
from dropexp.analysis.tidy import Tidy


def as_csv(tidy: Tidy) -> str:
    """Return one row per run and epoch; an empty cell is absent, floats are written so that they read back the same."""
    return epochs_frame(tidy).to_csv(index=False, lineterminator="\n")


def as_parquet(tidy: Tidy) -> bytes:
    """Return the same rows with the types of their columns."""
    return epochs_frame(tidy).to_parquet(None, engine="pyarrow", index=False)
