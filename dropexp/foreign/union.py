"""Several folders of results that dropexp did not train, read as one: their tables beneath each other, each run once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dropexp.errors import StoreError
from dropexp.foreign.as_study import read_foreign
from dropexp.foreign.epochs_csv import MEASURED
from dropexp.quoting import clean


def union(folders: Sequence[Path], prefer: Path | None) -> tuple[str, int, tuple[str, ...]]:
    """Return the epochs.csv of all folders as one text, how many runs it holds, and notes.

    Raises StoreError where two folders have different axes, or different rows for one run and neither is preferred.
    """
    tables = {folder: _table(folder) for folder in folders}
    first, *others = tables
    for folder in others:
        odd = sorted(set(tables[first].columns) ^ set(tables[folder].columns))
        if odd:
            here = folder if odd[0] in tables[folder] else first
            raise StoreError(
                f"{here / 'epochs.csv'}: the column {clean(odd[0])!r} is in no epochs.csv of "
                f"{first if here is folder else folder}; folders can be read as one study only if their columns agree"
            )
    taken: dict[str, tuple[Path, pd.DataFrame]] = {}
    total = 0
    for folder in sorted(tables, key=lambda folder: folder != prefer):
        for run, rows in tables[folder].groupby("run_id", sort=False):
            total += 1
            if run not in taken:
                taken[str(run)] = (folder, rows.reset_index(drop=True))
            elif taken[str(run)][0] != prefer:
                _agree(str(run), *taken[str(run)], folder, rows.reset_index(drop=True))
    joined = pd.concat([rows for _, rows in taken.values()]).drop(columns="run_id")
    notes = (f"{total} runs in {len(tables)} folders, {len(taken)} of them distinct",)
    return joined.to_csv(index=False, lineterminator="\n"), len(taken), notes


def _table(folder: Path) -> pd.DataFrame:
    """Return the rows of a folder with the axes of each, its run_id beside them."""
    study, _, epochs = read_foreign(folder)
    arms = pd.DataFrame([{"arm_id": arm.arm_id, **arm.cells} for arm in study.arms])
    measured = [name for name in epochs.columns if name in MEASURED and name != "gap"]
    return epochs[["run_id", "arm_id", "seed", "epoch", *measured]].merge(arms, on="arm_id").drop(columns="arm_id")


def _agree(run: str, one: Path, a: pd.DataFrame, other: Path, b: pd.DataFrame) -> None:
    """Raise StoreError where two folders differ on a run, with the column and both values."""
    if a.equals(b):
        return
    if len(a) != len(b):
        what = f"{len(a)} epochs in {one}, {len(b)} in {other}"
    else:
        apart = (a != b) & ~(a.isna() & b.isna())
        column = str(apart.any().idxmax())
        row = int(apart[column].to_numpy().argmax())
        values = f"{column} is {a[column][row]} in {one}, {b[column][row]} in {other}"
        what = f"epoch {a['epoch'][row]}: {values}"
    raise StoreError(f"{run}: epochs.csv: {what}; --prefer {one} uses that folder's rows")
