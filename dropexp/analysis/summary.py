"""summary.csv: one row per arm, with means, intervals and the paired difference to the baseline arm."""

from __future__ import annotations

from math import nan
from typing import Any

import pandas as pd

from dropexp.analysis.stats import NO_DIFFERENCE, Difference, difference, estimate, holm
from dropexp.analysis.tidy import Tidy
from dropexp.metrics import averaged

PARTS = ("mean", "sd", "low", "high", "diff", "diff_low", "diff_high", "diff_p", "diff_p_holm", "diff_dz", "diff_agree")


def summary(tidy: Tidy) -> pd.DataFrame:
    """Return arm_id, n, n_diverged, baseline_arm, eleven columns a metric, then the configuration as cells.

    `n` counts the runs that enter the means; the `n_diverged` others are left out. `low` and `high` are the
    95% t-interval over seeds, `diff` is the arm minus its baseline paired by seed, `diff_p` two-sided by Student's t,
    `diff_p_holm` corrected for all arms of that metric, `diff_dz` in sds of the difference, `diff_agree` the seeds that
    share its sign; all are NaN where they do not exist.
    """
    pairs = list(zip(tidy.arms, tidy.baselines, strict=True))
    columns = {metric: _column(tidy, metric) for metric in averaged(tidy.noisy)}
    rows = []
    for arm, base in pairs:
        row: dict[str, Any] = {
            "arm_id": arm.arm_id,
            "n": len(tidy.finished(arm)),
            "n_diverged": tidy.diverged(arm),
            "baseline_arm": base.arm_id if base else "",
        }
        for metric, found in columns.items():
            e = estimate(tidy.values(arm, metric))
            d, p_holm = found.get((arm.arm_id, base.arm_id if base else ""), (NO_DIFFERENCE, nan))
            agree = d.agree if d.paired and d.n else nan
            numbers = (e.mean, e.sd, e.low, e.high, d.mean, d.low, d.high, d.p, p_holm, d.effect, agree)
            row |= {f"{metric}_{part}": number for part, number in zip(PARTS, numbers, strict=True)}
        rows.append(row | arm.cells)
    return pd.DataFrame(rows)


def _column(tidy: Tidy, metric: str) -> dict[tuple[str, str], tuple[Difference, float]]:
    """Return each arm's difference to its baseline in a metric, and its p corrected in the family of them all."""
    arms = {(a.arm_id, b.arm_id): (a, b) for a, b in zip(tidy.arms, tidy.baselines, strict=True) if b is not None}
    found = {key: difference(tidy.values(a, metric), tidy.values(b, metric)) for key, (a, b) in arms.items()}
    corrected = holm([d.p for d in found.values()])
    return {key: (d, p) for (key, d), p in zip(found.items(), corrected, strict=True)}
