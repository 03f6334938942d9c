"""The arms not ruled out as the best, by multiple comparisons with the best on the same seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np
import pandas as pd

from dropexp.analysis.family import MANY, factors, normal_stream, share
from dropexp.experiment.levels import ALPHA, FEWEST, FLAT

DRAWS = 10_000
Beats = Callable[[int, int], bool | None]  # whether j beats i by another procedure, None where that says nothing


def best(
    samples: Sequence[pd.Series[float]],
    higher: bool,
    known: Beats = lambda j, i: None,
    looks: int = 1,
    draws: int = DRAWS,
) -> tuple[int, ...]:
    """Return the samples, each by seed, that are not ruled out as the one with the best true mean.

    Hsu's (1984) multiple comparisons with the best: sample i is ruled out if another one is better in a one-sided paired
    test whose error is 5% over all others together; the critical value is drawn with the correlation that the seeds show,
    as for a family. The best sample is thus among those returned with a probability of at least 95%. Nothing is ruled out
    with fewer than three shared seeds. A study that is judged at several `looks` divides the 5% by their number. `known`
    is what the study's table says about a pair, so that both agree.
    """
    everyone = tuple(range(len(samples)))
    table = pd.concat(samples, axis=1, join="inner").to_numpy(dtype=float)
    y = table if higher else -table
    limits = (
        _critical(y, ALPHA / looks, draws)
        if len(samples) > 1 and len(table) >= FEWEST and np.isfinite(table).all()
        else None
    )

    def beaten(i: int, by_t: bool) -> bool:
        for j in everyone:
            said = known(j, i) if j != i else False
            if said or (said is None and by_t and limits is not None and _t(y[:, j] - y[:, i]) > limits[i]):
                return True
        return False

    for by_t in (True, False):  # over different seeds, the table and the draws may leave nothing between them
        if kept := tuple(i for i in everyone if not beaten(i, by_t)):
            return kept
    return everyone


def _t(d: np.ndarray) -> float:
    sd = float(d.std(ddof=1))
    return float(d.mean()) / (sd / sqrt(len(d))) if sd > FLAT else 0.0


def _critical(y: np.ndarray, alpha: float, draws: int) -> np.ndarray:
    """Return for each sample the t above which another one beats it: the upper point of the largest t of all others."""
    n, k = y.shape
    residuals = factors(np.round((y - y.mean(axis=0)) / sqrt(n - 1), 12))
    rows, normal = min(n, MANY), normal_stream()
    x = sqrt(share(n)) * (normal((draws, rows, len(residuals))) @ residuals)
    x += sqrt(1 - share(n)) * normal((draws, rows, k)) * y.std(axis=0, ddof=1)
    level = max(alpha - 2 * sqrt(alpha * (1 - alpha) / draws), alpha / 2)  # allows for the draws being finite
    limits = []
    for i in range(k):
        d = np.delete(x, i, axis=2) - x[:, :, i : i + 1]
        error = np.maximum(d.std(axis=1, ddof=1), 1e-150) / sqrt(rows)
        limits.append(np.quantile((d.mean(axis=1) / error).max(axis=1), 1 - level))
    return np.round(limits, 4)
