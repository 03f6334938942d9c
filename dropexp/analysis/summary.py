"""summary.csv: one row per arm, with means, intervals and the paired difference to the baseline arm."""

from __future__ import annotations

from math import nan
from typing import Any

import pandas as pd

from dropexp.analysis.inference import ALL_LABELS, EXAMPLES, Judged, against_baselines
from dropexp.analysis.stats import NO_DIFFERENCE, estimate
from dropexp.analysis.tidy import Tidy
from dropexp.metrics import averaged

PARTS = (
    "mean", "sd", "low", "high", "diff", "diff_low", "diff_high", "diff_p", "diff_p_family", "diff_dz", "diff_agree",
    "diff_examples_low", "diff_examples_high", "diff_word", "diff_reach",
)  # fmt: skip
NONE = Judged(NO_DIFFERENCE, nan, 0, nan, "")


def summary(tidy: Tidy) -> pd.DataFrame:
    """Return arm_id, n, n_diverged, baseline_arm, fifteen columns per metric, then the configuration as cells.

    `n` counts the runs that enter the means; the `n_diverged` others are left out. `low` and `high` are the 95%
    t-interval over seeds. `diff` is the arm minus its baseline, paired by seed; `diff_low` and `diff_high` hold together
    for all comparisons of the study in test accuracy and gap; `diff_p` is two-sided by Student's t, `diff_p_family` is
    corrected for the family, `diff_dz` is the mean in sds of the difference, `diff_agree` the number of seeds that share
    its sign. `diff_examples_*` is the interval over new seeds and new test examples, `diff_word` the verdict, and
    `diff_reach` what limits it. A cell without a value is empty.
    """
    answers = {metric: against_baselines(tidy, asked(tidy, metric)) for metric in averaged(tidy.noisy)}
    rows = []
    for arm, base in zip(tidy.arms, tidy.baselines, strict=True):
        row: dict[str, Any] = {
            "arm_id": arm.arm_id,
            "n": len(tidy.finished(arm)),
            "n_diverged": tidy.diverged(arm),
            "baseline_arm": base.arm_id if base else "",
        }
        for metric, found in answers.items():
            e = estimate(tidy.values(arm, metric))
            j = found.get((arm.arm_id, base.arm_id if base else ""), NONE)
            d = j.difference
            agree = d.agree if d.paired and d.n else nan
            numbers = (
                e.mean,
                e.sd,
                e.low,
                e.high,
                d.mean,
                d.low,
                d.high,
                d.p,
                j.p_family,
                d.effect,
                agree,
                *j.examples,
            )
            words = (j.word, j.reach if j.told and j.reach != EXAMPLES else "")
            row |= {f"{metric}_{part}": cell for part, cell in zip(PARTS, (*numbers, *words), strict=True)}
        rows.append(row | arm.cells)
    return pd.DataFrame(rows)


def asked(tidy: Tidy, column: str) -> str:
    """Return what the inference calls a column: those that the study leads with by their part."""
    lead = {tidy.lead.train: "train", tidy.lead.test: "test", tidy.lead.gap: "gap"}
    return lead.get(column, ALL_LABELS if column == "gap" else column)
