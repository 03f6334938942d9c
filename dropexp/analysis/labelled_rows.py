"""A study's rows with the axes of their arms beside them, as numbers where they are numbers: for data frames and files."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.leaves import spell


def runs_frame(tidy: Tidy) -> pd.DataFrame:
    """Return one row per run: run_id, arm_id, seed, the axes, then the columns of runs.csv."""
    return _beside(tidy, tidy.runs, ("run_id", "arm_id", "seed"))


def epochs_frame(tidy: Tidy) -> pd.DataFrame:
    """Return one row per run and epoch: run_id, arm_id, seed, epoch, the axes, `selected`, then the columns of epochs.csv.

    `selected` is whether the run's result is of that epoch.
    """
    chosen = tidy.runs.set_index("run_id")["selected_epoch"]
    selected = tidy.epochs["epoch"] == tidy.epochs["run_id"].map(chosen)
    rows = tidy.epochs.assign(epoch=tidy.epochs["epoch"].astype("int64"), selected=selected)
    return _beside(tidy, rows, ("run_id", "arm_id", "seed", "epoch"), ("selected",))


def _beside(tidy: Tidy, rows: pd.DataFrame, first: tuple[str, ...], then: tuple[str, ...] = ()) -> pd.DataFrame:
    arms = {arm.arm_id: arm for arm in reversed(tidy.arms)}  # arms that are one function: the first of them
    axes = {path: rows["arm_id"].map(_values(arms, path)) for path in tidy.axes}
    rest = [column for column in rows.columns if column not in (*first, *then, *axes)]
    return pd.concat([rows[list(first)], pd.DataFrame(axes), rows[[*then, *rest]]], axis=1).reset_index(drop=True)


def _values(arms: dict[str, Arm], path: str) -> dict[str, Any]:
    """Return the value of each arm on an axis: numbers, absent ones NaN, or else words as in a cell."""
    found = {name: arm.value(path) for name, arm in arms.items()}
    numbers = all(v is None or (isinstance(v, int | float) and not isinstance(v, bool)) for v in found.values())
    return {name: (float("nan") if v is None else v) if numbers else spell(v) for name, v in found.items()}
