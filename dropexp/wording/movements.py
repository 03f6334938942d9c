"""How accuracies and the gap move from one arm to another: both levels, and all three movements where they are needed."""

from __future__ import annotations

from dropexp.analysis.inference import EQUAL, UNDERFITTING, Judged
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Verdict
from dropexp.wording.labels import signed

NAMES = ("training accuracy", "test accuracy", "gap")


def levels(tidy: Tidy, v: Verdict, metric: str) -> tuple[float, float]:
    """Return a metric's means, of the arm and of the one it is compared with, over shared seeds if they are paired."""
    assert v.baseline is not None
    assert v.gap is not None
    own, base = (tidy.values(arm, metric) for arm in (v.arm, v.baseline))
    if v.gap.difference.paired:
        shared = own.index.intersection(base.index)
        own, base = own.loc[shared], base.loc[shared]
    return float(own.mean()), float(base.mean())


def movements(v: Verdict) -> str:
    """Return how training accuracy, test accuracy and the gap moved, if training accuracy had a part in a smaller gap."""
    return moved(v.train, v.test, v.gap)


def moved(train: Judged | None, test: Judged | None, gap: Judged | None) -> str:
    """Return all three movements if the gap is smaller and training accuracy moved too; else ''."""
    if (
        not (train and test and gap)
        or gap.word not in ("smaller", UNDERFITTING)
        or not train.told
        or train.word == EQUAL
    ):
        return ""
    parts = (f"{name} {signed(j.difference.mean)}" for name, j in zip(NAMES, (train, test, gap), strict=True))
    return f"{', '.join(parts)} points"
