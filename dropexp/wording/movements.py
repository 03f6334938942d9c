"""How accuracies and the gap move from one arm to the other: both levels, and all three movements where it takes them."""

from __future__ import annotations

from dropexp.analysis.inference import UNDERFITTING
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Verdict
from dropexp.wording.labels import signed


def levels(tidy: Tidy, v: Verdict, metric: str) -> tuple[float, float]:
    """Return a metric's means, of the arm and of the one it is compared with: over the seeds of both where paired."""
    assert v.baseline is not None
    assert v.gap is not None
    own, base = (tidy.values(arm, metric) for arm in (v.arm, v.baseline))
    if v.gap.difference.paired:
        shared = own.index.intersection(base.index)
        own, base = own.loc[shared], base.loc[shared]
    return float(own.mean()), float(base.mean())


def movements(v: Verdict) -> str:
    """Return how training accuracy, test accuracy and the gap moved, where a smaller gap is not the test's doing alone.

    That is where the gap is smaller and training accuracy moved too; else ''.
    """
    if not (v.train and v.test and v.gap) or v.gap.word not in ("smaller", UNDERFITTING) or not v.train.told:
        return ""
    train, test, gap = (signed(j.difference.mean) for j in (v.train, v.test, v.gap))
    return f"training accuracy {train}, test accuracy {test}, gap {gap} points"
