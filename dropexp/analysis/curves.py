"""Means over epochs that do not jump where runs stop early: each point is over the same runs."""

from __future__ import annotations

import pandas as pd

from dropexp.analysis.stats import by_epoch
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm


def kept(tidy: Tidy, arm: Arm, metric: str) -> pd.DataFrame:
    """Return mean, low and high of a metric by epoch, of the networks that early stopping would have kept by then.

    After its selected epoch, a run keeps the value that it had there, which is its result: the curve ends at the mean in
    the tables. Without early stopping, every epoch counts as it is.
    """
    table, runs = _table(tidy, arm, metric), tidy.finished(arm)
    selected = dict(zip(runs["run_id"], runs["selected_epoch"], strict=True))
    held = {run_id: _held(own, selected[run_id]) for run_id, own in table.items()}
    return _means(pd.DataFrame(held, index=table.index))


def _held(values: pd.Series[float], selected: float) -> pd.Series[float]:
    if selected not in values.index:
        return values
    return values.where(values.index <= selected, values.loc[selected])


def trained(tidy: Tidy, arm: Arm, metric: str) -> pd.DataFrame:
    """Return mean, low and high of a metric by epoch, as trained, to the epoch in which the first run stopped."""
    table, first = _table(tidy, arm, metric), tidy.finished(arm)["epochs_run"].min()
    return _means(table[table.index <= first])


def _table(tidy: Tidy, arm: Arm, metric: str) -> pd.DataFrame:
    return tidy.curves(arm).pivot(index="epoch", columns="run_id", values=metric)


def _means(table: pd.DataFrame) -> pd.DataFrame:
    long = table.stack().dropna()
    return by_epoch(pd.Series(long.to_numpy(dtype=float)), pd.Series(long.index.get_level_values("epoch")))
