"""axis_differences.csv: one row per comparison along an axis and metric, with the difference, its interval and its verdict."""

from __future__ import annotations

import pandas as pd

from dropexp.analysis.inference import EXAMPLES, answers
from dropexp.analysis.summary import asked
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.naming import label, value
from dropexp.metrics import averaged

COLUMNS = (
    "arm_id", "against_arm", "axis", "value", "against", "elsewhere", "metric", "n", "mean", "against_mean", "diff", "low",
    "high", "p", "p_family", "examples_low", "examples_high", "word", "reach",
)  # fmt: skip


def axis_differences(tidy: Tidy) -> pd.DataFrame:
    """Return one row per comparison along an axis and metric, with the columns of COLUMNS.

    `arm_id` differs from `against_arm` only on `axis`, with `value` instead of `against`; `elsewhere` is what both have
    on the other axes. `diff` is the arm minus the other, paired by seed over the `n` seeds that both have; each of the two
    means is over all finished runs of its arm. Accuracies and gaps are fractions, losses nats per example. `low` and
    `high` hold together for all comparisons of the study in test accuracy and gap, including those with the baselines;
    `p` is by Student's t, `p_family` is corrected for the family. `examples_low` and `examples_high` are the interval over
    new seeds and new test examples, `word` is the verdict, and `reach` is what limits it. A cell without a value is empty.
    """
    rows = []
    for x in tidy.along:
        others = tuple(p for p in tidy.axes if p != x.axis)
        for metric in averaged(tidy.noisy):
            j = answers(tidy, asked(tidy, metric))[x.arm.arm_id, x.against.arm_id]
            d, means = j.difference, [float(tidy.values(arm, metric).mean()) for arm in (x.arm, x.against)]
            cells = (
                x.arm.arm_id, x.against.arm_id, x.axis, value(x.arm, x.axis), value(x.against, x.axis),
                label(x.arm, others) if others else "", metric, d.n, *means, d.mean, d.low, d.high, d.p, j.p_family,
                *j.examples, j.word, j.reach if j.told and j.reach != EXAMPLES else "",
            )  # fmt: skip
            rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return pd.DataFrame(rows, columns=list(COLUMNS))
