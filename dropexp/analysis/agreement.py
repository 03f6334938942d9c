"""Whether arms that were trained twice, under different circumstances, agree apart from chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

import pandas as pd

from dropexp.analysis.stats import holm, paired

ALPHA = 0.01  # of all arms and metrics together


@dataclass(frozen=True)
class Compared:
    """An arm trained again under other circumstances: the stored result minus the new one, paired by seed, and its verdict."""

    arm_id: str
    metric: str
    n: int
    mean: float
    low: float
    high: float
    differs: bool


def compared(numbers: Sequence[tuple[str, int, str, float, float]]) -> list[Compared]:
    """Return one comparison per arm and metric, of rows (arm_id, seed, metric, stored, again).

    The intervals are 95% each; `differs` is by Holm's correction over all of them, at 1%.
    """
    frame = pd.DataFrame(numbers, columns=["arm_id", "seed", "metric", "stored", "again"])
    found = {
        (str(arm), str(metric)): paired(own.set_index("seed")["stored"], own.set_index("seed")["again"])
        for (arm, metric), own in frame.groupby(["arm_id", "metric"])
    }
    corrected = holm([d.p for d in found.values()])
    return [
        Compared(arm, metric, d.n, d.mean, d.low, d.high, not isnan(p) and p < ALPHA)
        for ((arm, metric), d), p in zip(found.items(), corrected, strict=True)
    ]
