"""Means, paired differences and their intervals over seeds, by Student's t."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isnan, nan, sqrt

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from dropexp.experiment.levels import FLAT, LEVEL


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` seeds with its sd (ddof 1) and 95% t-interval, NaN where there is none.

    `why` says why there is no interval: `no runs`, `one seed` or `variance 0`, else ''.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float
    why: str = ""

    @property
    def half(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Difference(Estimate):
    """A mean difference a - b with its interval, two-sided p against 0 and how many seeds share its sign.

    Where `paired`, `n` counts the seeds that both have, `sd` is that of the differences and `sample` these by seed; else
    it is Welch's, `n` the smaller of the two samples, `sd` the root of the two variances' sum, and `agree` 0. `error` is
    the mean's standard error, with `degrees` of freedom.
    """

    p: float = nan
    agree: int = 0
    paired: bool = True
    error: float = nan
    degrees: float = nan
    sample: pd.Series[float] | None = field(default=None, repr=False, compare=False)

    @property
    def effect(self) -> float:
        """Cohen's d_z, the mean in units of the differences' sd; NaN without an interval or unpaired."""
        return self.mean / self.sd if self.paired and not self.why else nan

    @property
    def side(self) -> int:
        """On which side of 0 the whole interval lies, 1 above and -1 below; 0 where it holds 0 or there is none."""
        return int(self.low > 0) - int(self.high < 0)

    def at(self, level: float) -> tuple[float, float]:
        """Return the interval at another level, NaN where there is none."""
        if self.why:
            return nan, nan
        half = _half(self.degrees, self.error, level)
        return self.mean - half, self.mean + half

    def within(self, low: float, high: float) -> Difference:
        """Return the difference with another interval, as a family of comparisons makes it."""
        return replace(self, low=low, high=high)


NO_DIFFERENCE = Difference(0, nan, nan, nan, nan, "no runs")


def _why(n: int, spread: float) -> str:
    if n < 2:
        return "one seed" if n else "no runs"
    return "variance 0" if spread <= FLAT else ""


def _spread(x: np.ndarray) -> float:
    return float(x.std(ddof=1)) if len(x) > 1 and np.isfinite(x).all() else nan  # an infinite loss has no spread


def _half(degrees: float, error: float, level: float) -> float:
    return float(stdtrit(degrees, 0.5 + level / 2)) * error


def estimate(values: Sequence[float] | pd.Series[float] | np.ndarray, level: float = LEVEL) -> Estimate:
    """Return mean, sd and t-interval: mean ± t(n - 1) sd / sqrt(n). NaN values are left out."""
    x = np.asarray(values, dtype=float)
    x = x[~np.isnan(x)]
    n = len(x)
    with np.errstate(invalid="ignore"):  # plus and minus infinity have no mean
        mean, sd = (float(x.mean()) if n else nan), _spread(x)
    if why := _why(n, sd):
        return Estimate(n, mean, sd, nan, nan, why)
    half = _half(n - 1, sd / sqrt(n), level)
    return Estimate(n, mean, sd, mean - half, mean + half)


def paired(a: pd.Series[float], b: pd.Series[float], level: float = LEVEL) -> Difference:
    """Return the mean of a - b over the seeds (the index) that both have, with Student's paired t-test."""
    return contrast([(1.0, a), (-1.0, b)], level)


def contrast(terms: Sequence[tuple[float, pd.Series[float]]], level: float = LEVEL) -> Difference:
    """Return the mean over seeds of a weighted sum of samples, each by seed, with Student's t-test against 0.

    Only seeds that all samples have enter: with weights 1, -1, -1, 1 it is the 2 x 2 interaction.
    """
    columns = [x.dropna() for _, x in terms]
    if any(not x.index.equals(columns[0].index) for x in columns[1:]):
        columns = [x for _, x in pd.concat(columns, axis=1, join="inner").items()]  # slow, and rarely needed
    d = np.array([w for w, _ in terms]) @ np.array([x.to_numpy(dtype=float) for x in columns])
    e = estimate(d, level)
    agree = int((np.sign(d) == np.sign(e.mean)).sum()) if e.n and abs(e.mean) > FLAT else 0
    error, degrees = (nan, nan) if e.why else (e.sd / sqrt(e.n), e.n - 1)
    p = nan if e.why else 2 * float(stdtr(degrees, -abs(e.mean) / error))
    sample = pd.Series(d, index=columns[0].index)
    return Difference(e.n, e.mean, e.sd, e.low, e.high, e.why, p, agree, True, error, degrees, sample)


def welch(a: pd.Series[float], b: pd.Series[float], level: float = LEVEL) -> Difference:
    """Return mean(a) - mean(b) for unpaired samples, with the degrees of freedom of Welch (1947)."""
    x, y = (s.dropna().to_numpy(dtype=float) for s in (a, b))
    n = min(len(x), len(y))
    mean = float(x.mean() - y.mean()) if n else nan
    sd = sqrt(_spread(x) ** 2 + _spread(y) ** 2) if n > 1 else nan
    if why := _why(n, sd):
        return Difference(n, mean, sd, nan, nan, why, paired=False)
    u, v = _spread(x) ** 2 / len(x), _spread(y) ** 2 / len(y)
    degrees = (u + v) ** 2 / (u**2 / (len(x) - 1) + v**2 / (len(y) - 1))
    error = sqrt(u + v)
    half = _half(degrees, error, level)
    p = 2 * float(stdtr(degrees, -abs(mean) / error))
    return Difference(n, mean, sd, mean - half, mean + half, "", p, 0, False, error, degrees)


def difference(a: pd.Series[float], b: pd.Series[float], level: float = LEVEL) -> Difference:
    """Return a - b paired by seed; by Welch where fewer than two seeds are shared, both having two."""
    shared = len(a.dropna().index.intersection(b.dropna().index))
    apart = shared < 2 and min(a.notna().sum(), b.notna().sum()) > 1
    return welch(a, b, level) if apart else paired(a, b, level)


def holm(p: Sequence[float]) -> list[float]:
    """Return Holm's (1979) step-down adjusted p-values in the order given; NaN stays NaN and is no member."""
    order = sorted((i for i, value in enumerate(p) if not isnan(value)), key=lambda i: p[i])
    adjusted, largest = [nan] * len(p), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p[i]))
        adjusted[i] = largest
    return adjusted


def by_epoch(values: pd.Series[float], epoch: pd.Series[float], level: float = LEVEL) -> pd.DataFrame:
    """Return mean, low and high of the t-interval by epoch, while at least half of the runs are left.

    `values` and `epoch` are rows of a run and an epoch each; low and high are NaN where one run is left.
    """
    found = values.groupby(epoch).agg(["mean", "std", "count"])
    found = found[found["count"] >= found["count"].max() / 2]  # a mean over the few left would jump
    degrees = found["count"].clip(lower=2).to_numpy(dtype=float) - 1
    half = stdtrit(degrees, 0.5 + level / 2) * found["std"] / np.sqrt(degrees + 1)
    return pd.DataFrame({"mean": found["mean"], "low": found["mean"] - half, "high": found["mean"] + half})
