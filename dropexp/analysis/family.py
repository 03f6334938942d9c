"""The one simultaneous procedure: the level of each comparison of a family at which all of them hold together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isnan, nan
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtr

from dropexp.analysis.stats import Difference, paired
from dropexp.experiment.levels import ALPHA

DRAWS = 20_000
CHUNK = 2_000_000  # numbers held at a time
MOST = 60_000_000  # numbers drawn for one family; a larger one takes Bonferroni's bound, which it nears anyway
MANY = 40  # seeds from which on means and sds are drawn, and not the seeds themselves
STREAM = 20_030  # every family is judged on the same draws, so that a study's tables are the same bytes each time


@dataclass(frozen=True)
class Family:
    """Comparisons that are judged together.

    `size` counts those that have an interval and are distinct; `level` is the two-sided level of each, at which the
    probability that any of them errs is `ALPHA`. `adjusted` are their p-values for the family, in the order given.
    """

    size: int
    level: float
    adjusted: tuple[float, ...]

    def interval(self, d: Difference, adjusted: float) -> tuple[Difference, float]:
        """Return a difference with the interval that holds together with all others of the family, and its adjusted p."""
        if isnan(d.p):
            return d, nan
        held = d.within(*d.at(1 - self.level))
        p = min(adjusted, ALPHA * (1 - 1e-9)) if held.side else max(adjusted, ALPHA)  # the draws are finite
        return held, p


def family(found: Sequence[Difference], looks: Sequence[int] = (), alpha: float = ALPHA, draws: int = DRAWS) -> Family:
    """Return the single-step min-p family of some differences (Westfall & Young 1993, section 2.3).

    The null distribution of the smallest p is drawn: normal rows with the correlation that the differences show from
    seed to seed, shrunk towards independence by (n - 1) / (n + 4), each with Student's t over its own seeds. At equal n
    this is max-t. Without the shrinkage the error at three seeds is 0.06 to 0.075. Unpaired differences are drawn as
    independent. With `looks`, numbers of seeds at which the study may be judged, the smallest p is over all of these,
    so that the intervals hold whenever one stops (repeated confidence intervals, Jennison & Turnbull 1989).
    """
    members = [d for d in found if not isnan(d.p)]
    distinct = _distinct(members)
    size = len(distinct)
    if not size:
        return Family(0, alpha, tuple(nan for _ in found))
    if size == 1 and not looks:
        return Family(1, alpha, tuple(d.p for d in found))
    smallest = _smallest(tuple(_Member.of(d) for d in distinct), tuple(looks), draws)
    bound = alpha / (size * max(len(looks), 1))
    if smallest is None:
        scale = size * max(len(looks), 1)
        return Family(size, bound, tuple(min(1.0, scale * d.p) for d in found))
    level = float(smallest[int(alpha * draws) - 1])
    level = max(float(f"{level:.3e}"), bound)  # four digits: the last bits are a processor's
    alone = np.array([d.p for d in found])
    ranks = np.maximum(np.searchsorted(smallest, alone, side="right") / draws, alone)  # among many no p is smaller
    return Family(size, level, tuple(nan if isnan(d.p) else float(r) for d, r in zip(found, ranks, strict=True)))


@lru_cache(maxsize=64)
def level_of_one(looks: tuple[int, ...]) -> float:
    """Return the two-sided level of one paired comparison that is looked at with several numbers of seeds and errs in 5%."""
    any_three = pd.Series([0.0, 1.0, 3.0])  # what the comparison finds does not matter
    return family([paired(any_three, 0 * any_three)], looks).level


def _distinct(found: Sequence[Difference]) -> list[Difference]:
    """Leave out what is the same finding with opposite sign, such as the gap if training accuracy does not move."""
    kept: dict[tuple[bytes, ...], Difference] = {}
    for i, d in enumerate(found):
        sample = d.sample
        if sample is None:
            kept[(str(i).encode(),)] = d
            continue
        x = np.round(sample.to_numpy(dtype=float), 12) + 0.0
        sign = -1.0 if x[np.flatnonzero(x)[0]] < 0 else 1.0
        kept.setdefault((np.asarray(sample.index).tobytes(), (sign * x + 0.0).tobytes()), d)
    return list(kept.values())


class _Member(NamedTuple):
    """All of a comparison that the draws depend on: its seeds and the difference at each, None and () where unpaired."""

    seeds: tuple[Any, ...] | None
    values: tuple[float, ...]
    n: int
    degrees: float

    @classmethod
    def of(cls, d: Difference) -> _Member:
        if d.sample is None:
            return cls(None, (), d.n, d.degrees)
        return cls(tuple(d.sample.index), tuple(d.sample.to_numpy(dtype=float).tolist()), d.n, d.degrees)


@lru_cache(maxsize=16)  # a command asks again for what it writes, prints and draws of one study
def _smallest(found: tuple[_Member, ...], looks: tuple[int, ...], draws: int) -> np.ndarray | None:
    """Return draws of the smallest two-sided p of a family, sorted; None where it is too large to draw."""
    paired = [d for d in found if d.seeds is not None]
    rows, loadings = _loadings(paired)
    many = len(rows) > MANY and not looks
    length = 1 if many else max([1, *looks, len(rows)])
    if draws * length * len(found) > MOST:
        return None
    smallest = np.ones(draws)
    width = max(1, CHUNK // (length * max(len(found), len(loadings))))
    raw, believed = np.random.PCG64(STREAM), share(len(rows))
    for start in range(0, draws, width):
        count = min(width, draws - start)
        here = slice(start, start + count)
        if paired:
            x = np.sqrt(believed) * (_normal(raw, (count, length, len(loadings))) @ loadings)
            x += np.sqrt(1 - believed) * _normal(raw, (count, length, len(paired)))
            smallest[here] = _least_of_many(raw, x[:, 0], paired) if many else _least(x, paired, rows, looks)
        if apart := len(found) - len(paired):
            smallest[here] = np.minimum(smallest[here], _uniform(raw, (count, apart)).min(axis=1))
    smallest.sort()
    smallest.setflags(write=False)
    return smallest


def share(seeds: int) -> float:
    """Return how much of the observed correlation is believed."""
    return (seeds - 1) / (seeds + 4)


def _loadings(found: Sequence[_Member]) -> tuple[list[object], np.ndarray]:
    """Return the seeds, and (F, M) loadings of M comparisons on F factors: each column has length 1.

    A row is a seed's residuals, 0 where a comparison lacks the seed; with more seeds than comparisons, their triangular
    factor stands in their place, which correlates in the same way.
    """
    seeds = sorted({s for d in found for s in d.seeds or ()})
    place = {s: i for i, s in enumerate(seeds)}
    out = np.zeros((len(seeds), len(found)))
    for j, d in enumerate(found):
        x = np.array(d.values)
        out[[place[s] for s in d.seeds or ()], j] = (x - x.mean()) / np.sqrt(((x - x.mean()) ** 2).sum())
    return list(seeds), np.round(factors(out), 9)


def factors(residuals: np.ndarray) -> np.ndarray:
    """Return what draws with the correlation of residuals (S, M) are made of: these, or their triangle where S > M.

    Its diagonal is positive, so that the draws are the same whichever sign a library gives it.
    """
    if len(residuals) <= residuals.shape[1]:
        return residuals
    triangle = np.linalg.qr(residuals, mode="r")
    return np.asarray(triangle * np.where(np.diag(triangle) < 0, -1.0, 1.0)[:, None])


def _least(x: np.ndarray, found: Sequence[_Member], rows: Sequence[object], looks: tuple[int, ...]) -> np.ndarray:
    """Return the smallest p of each draw, x (draws, seeds, comparisons); at every look, the first seeds are there."""
    if looks:
        sums, squares = x.cumsum(axis=1), (x**2).cumsum(axis=1)
        parts = [(n, sums[:, n - 1], squares[:, n - 1]) for n in looks]
        return np.minimum.reduce([_p_of_largest(n, *moments) for n, *moments in parts])
    by_size: dict[int, list[int]] = {}
    there = np.zeros((len(rows), len(found)))
    place = {s: i for i, s in enumerate(rows)}
    for j, d in enumerate(found):
        there[[place[s] for s in d.seeds or ()], j] = 1.0
        by_size.setdefault(d.n, []).append(j)
    kept = x * there
    sums, squares = kept.sum(axis=1), (kept**2).sum(axis=1)
    return np.minimum.reduce([_p_of_largest(n, sums[:, own], squares[:, own]) for n, own in by_size.items()])


def _least_of_many(raw: np.random.PCG64, z: np.ndarray, found: Sequence[_Member]) -> np.ndarray:
    """Return the smallest p of each draw of means, z (draws, comparisons), each over an sd of its own.

    The sds are drawn independently, by Wilson and Hilferty's (1931) cube root of chi²: over many seeds they hardly vary.
    """
    degrees = np.array([d.degrees for d in found])
    spread = 2 / (9 * degrees)
    variance = (1 - spread + np.sqrt(spread) * _normal(raw, z.shape)) ** 3
    t = np.abs(z) / np.sqrt(variance)
    return np.asarray(2 * stdtr(degrees.min(), -t.max(axis=1)))


def _p_of_largest(n: int, sums: np.ndarray, squares: np.ndarray) -> np.ndarray:
    variance = np.maximum(squares - sums**2 / n, 1e-300) / (n - 1)
    t = np.abs(sums) / np.sqrt(n * variance)
    return np.asarray(2 * stdtr(n - 1, -t.max(axis=1)))


def _uniform(raw: np.random.PCG64, shape: tuple[int, ...]) -> np.ndarray:
    """Return numbers in (0, 1), from raw bits, which no version of numpy draws otherwise."""
    bits = raw.random_raw(int(np.prod(shape))) >> np.uint64(11)
    return np.asarray(((bits + 0.5) * 2.0**-53).reshape(shape))


def normal_stream() -> Callable[[tuple[int, ...]], np.ndarray]:
    """Return a function that draws normal numbers of a shape, the same ones in the same order each time it is made."""
    raw = np.random.PCG64(STREAM)
    return lambda shape: _normal(raw, shape)


def _normal(raw: np.random.PCG64, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(ndtri(_uniform(raw, shape)))
