"""Overfitting in numbers: gaps, when it begins, the area between the curves, and the parts of a training log's gap."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan

import numpy as np
import pandas as pd
from scipy.special import bdtr

from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.levels import LEVEL

PARTS = ("weights_moving", "dropout_noise", "batch_to_running", "train_to_val", "val_to_test", "train_to_test")
WAYS = ("noise_batch", "batch", "running")  # to evaluate the weights of an epoch's end, rows of the probe `gap_parts`
ENDS = ("mean", "low", "high")


@dataclass(frozen=True)
class Onset:
    """When overfitting begins in an arm: the epoch of minimal validation loss, over `n` seeds trained to the end.

    In `censored` of them the minimum lies in the last tenth of the epochs: overfitting begins after epoch `bound`, if it
    does. Where none is, `mean`, `low`, `high` are the mean and its 95% t-interval. The median is that of all seeds, with
    the order-statistic interval of the sign test, at least 95% for any distribution, and so from six seeds on. It needs
    to know of a censored seed only that it is later: infinite means after `bound`, NaN that there is none.
    """

    n: int
    censored: int
    bound: float
    mean: float
    low: float
    high: float
    median: float
    median_low: float
    median_high: float


def onset(epochs: pd.Series[float], last: float) -> Onset:
    """Return the onset in an arm from each seed's epoch of minimal validation loss and its number of epochs."""
    n, bound = len(epochs), np.floor(0.9 * last + 1e-9)
    seen = epochs.where(epochs <= bound, inf)
    censored = int(np.isinf(seen).sum())
    e = estimate(seen if n and not censored else [])
    ordered = np.sort(seen.to_numpy(dtype=float))
    below = int((bdtr(np.arange(n + 1), n, 0.5) < (1 - LEVEL) / 2).sum())  # order statistics to leave out at either end
    low, high = (ordered[below - 1], ordered[n - below]) if below else (nan, nan)
    middle = ordered[[(n - 1) // 2, n // 2]].mean() if n else nan
    return Onset(n, censored, float(bound), e.mean, e.low, e.high, float(middle), float(low), float(high))


def measured(tidy: Tidy) -> pd.DataFrame:
    """Return what is measured in each finished run: arm_id, seed and numbers, NaN where they do not exist.

    `gap` is at the selected and `last_gap` at the last epoch, of the clean labels where any arm has label noise; `area`
    is the sum of the gap over the epochs, in fractions times epochs, `mean_gap` that by the number of epochs; `least` is
    the epoch of minimal validation loss of a run trained to the end, the earlier of equals; then the parts of the gap
    that its training log shows (see `parts`).
    """
    lead = tidy.lead
    runs = tidy.runs[tidy.runs["stop_reason"] != "diverged"].set_index("run_id")
    runs = runs.sort_values(["arm_id", "seed"])  # runs end in any order, and a sum of floats depends on its own
    curves = tidy.epochs.sort_values("epoch", kind="stable")
    gaps = (curves[lead.train] - curves[lead.test]).groupby(curves["run_id"])
    found = runs[["arm_id", "seed"]].assign(epochs=runs["epochs_run"], gap=runs[lead.gap])
    found["last_gap"], found["area"], found["mean_gap"] = gaps.last(), gaps.sum(min_count=1), gaps.mean()
    found["memorised"], found["recovered"] = runs["memorised"], runs["recovered"]
    found["neither"] = 1 - runs["memorised"] - runs["recovered"]
    lowest = curves.dropna(subset="val_loss").sort_values(["val_loss", "epoch"]).groupby("run_id")["epoch"].first()
    found["least"] = lowest.reindex(found.index).where(runs["stop_reason"] == "max_epochs")
    return found.join(parts(tidy)).reset_index(drop=True)


def parts(tidy: Tidy) -> pd.DataFrame:
    """Return the gap that a training log shows at the selected epoch of each finished run, and its parts, by run_id.

    `apparent` is dropout_on_train_accuracy - test_accuracy, on the labels trained on. Its parts add up to it:
    `weights_moving` (the weights of each step, and with steps_per_epoch its examples, against those at the epoch's end),
    `dropout_noise` (masks on against off), `batch_to_running` (0 without batch norm), `train_to_val` and `val_to_test`,
    whose sum is the gap; without a validation set `train_to_test` is. A run without the probe `gap_parts` has no row.
    """
    columns = ["apparent", *PARTS]
    runs = tidy.runs[tidy.runs["stop_reason"] != "diverged"]
    at = runs[["run_id", "selected_epoch"]].rename(columns={"selected_epoch": "epoch"})
    taken = tidy.probes[tidy.probes["probe"] == "gap_parts"].merge(at, on=["run_id", "epoch"])
    if taken.empty:  # not probed, or every run diverged
        return pd.DataFrame(columns=columns, dtype=float)
    wide = taken.pivot_table(index="run_id", columns="layer", values="value").reindex(columns=list(WAYS))
    at = tidy.epochs.merge(at, on=["run_id", "epoch"]).set_index("run_id").join(wide, how="inner")
    moved, train, val, test = (
        at[name] for name in ("dropout_on_train_accuracy", "train_accuracy", "val_accuracy", "test_accuracy")
    )
    return pd.DataFrame({
        "apparent": moved - test,
        "weights_moving": (moved - at["noise_batch"]) - (train - at["running"]),
        "dropout_noise": at["noise_batch"] - at["batch"],
        "batch_to_running": at["batch"] - at["running"],
        "train_to_val": train - val,
        "val_to_test": val - test,
        "train_to_test": (train - test).where(val.isna()),
    }, columns=columns)  # fmt: skip


def overfit(tidy: Tidy) -> pd.DataFrame:
    """Return overfit.csv: one row per arm with what `measured` and `onset` say of it, then its configuration as cells.

    Each measure has its mean over seeds and the ends of the 95% t-interval, NaN where they do not exist.
    """
    runs = measured(tidy)
    by_arm = {str(name): own for name, own in runs.groupby("arm_id")}
    shown = ["memorised", "recovered", "neither"] if tidy.noisy else []
    shown += ["apparent", *PARTS] if runs["apparent"].notna().any() else []
    rows = []
    for arm in tidy.arms:
        found = by_arm.get(arm.arm_id, runs.iloc[:0])
        start = onset(found["least"].dropna(), float(found["epochs"].max()))
        row: dict[str, object] = {"arm_id": arm.arm_id, "n": len(found), "n_diverged": tidy.diverged(arm)}
        for name in ("gap", "last_gap", "area", "mean_gap"):
            row |= _ends(name, found[name])
        row |= {"onset_n": start.n, "onset_censored": start.censored, "onset_after": start.bound}
        row |= {f"onset_{end}": getattr(start, end) for end in (*ENDS, "median", "median_low", "median_high")}
        for name in shown:
            row |= _ends(name, found[name])
        rows.append(row | arm.cells)
    return pd.DataFrame(rows)


def _ends(name: str, values: pd.Series[float]) -> dict[str, float]:
    e = estimate(values)
    return {f"{name}_mean": e.mean, f"{name}_low": e.low, f"{name}_high": e.high}
