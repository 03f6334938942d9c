"""summary.csv: a row an arm, with means, intervals and the paired difference to the baseline arm."""

from __future__ import annotations

from math import nan
from typing import Any

import pandas as pd

from dropexp.analysis.stats import difference, estimate
from dropexp.analysis.tidy import Tidy
from dropexp.records import METRICS, NOISY_METRICS

PARTS = ("mean", "sd", "low", "high", "diff", "diff_low", "diff_high")


def summary(tidy: Tidy) -> pd.DataFrame:
    """Return arm_id, n, n_diverged, baseline_arm, seven columns a metric, then the configuration as cells.

    `n` counts the runs that enter the means; the `n_diverged` others are left out. `low` and `high` are the
    95% t-interval over seeds, `diff` is the arm minus its baseline paired by seed; all are NaN where they do
    not exist.
    """
    metrics = METRICS + (NOISY_METRICS if tidy.noisy else ())
    rows = []
    for arm, base in zip(tidy.arms, tidy.baselines, strict=True):
        row: dict[str, Any] = {
            "arm_id": arm.arm_id,
            "n": len(tidy.finished(arm)),
            "n_diverged": tidy.diverged(arm),
            "baseline_arm": base.arm_id if base else "",
        }
        for metric in metrics:
            own = tidy.values(arm, metric)
            e, d = estimate(own), difference(own, tidy.values(base, metric)) if base else None
            numbers = (e.mean, e.sd, e.low, e.high, *((d.mean, d.low, d.high) if d else (nan, nan, nan)))
            row |= {f"{metric}_{part}": number for part, number in zip(PARTS, numbers, strict=True)}
        rows.append(row | arm.cells)
    return pd.DataFrame(rows)
