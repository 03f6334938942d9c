"""How far a difference holds beyond its test examples: seeds and examples as crossed random effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from dropexp.analysis.stats import Difference

if TYPE_CHECKING:
    from dropexp.analysis.outcomes import Outcome

Terms = Sequence[tuple[float, "Mapping[int, Outcome]"]]  # a weight, and what the runs of an arm answered, by seed


@dataclass(frozen=True)
class Shared:
    """What differences of accuracy share because seeds are tested on the same examples.

    `covariance` is the mean covariance of two seeds' differences, 0 or more; `examples` how many were tested.
    """

    covariance: float = nan
    examples: int = 0

    @property
    def known(self) -> bool:
        return not isnan(self.covariance)


UNKNOWN = Shared()


def shared(terms: Terms, seeds: Sequence[int]) -> Shared:
    """Return what a weighted sum of accuracies shares between seeds, UNKNOWN where an outcome was not kept.

    With u(s, e) the part of example e in the sum of seed s, less its mean, the covariance of two seeds is the sum over
    the examples that both tested of u(s, e) u(s', e); its mean over all pairs is a moment estimator of the examples'
    variance component, for one test set and for sets drawn anew from a pool by each seed alike.
    """
    if len(seeds) < 2 or any(seed not in kept for _, kept in terms for seed in seeds):
        return UNKNOWN
    places, parts, owners = [], [], []
    for i, seed in enumerate(seeds):
        for weight, kept in terms:
            right = kept[seed].right
            places.append(kept[seed].place)
            parts.append(weight * (right - right.mean()) / len(right))
            owners.append(np.full(len(right), i))
    example, where = np.unique(np.concatenate(places), return_inverse=True)
    u = np.bincount(where * len(seeds) + np.concatenate(owners), np.concatenate(parts), len(example) * len(seeds))
    u = u.reshape(len(example), len(seeds))
    pairs = (u.sum(axis=1) ** 2).sum() - (u**2).sum()
    return Shared(max(0.0, float(pairs) / (len(seeds) * (len(seeds) - 1))), len(example))


def over_examples(d: Difference, found: Shared, level: float) -> tuple[float, float]:
    """Return the interval of a difference over new seeds and new test examples, NaN where it is not known.

    The variance of the mean over n seeds is sd²/n, which counts the examples' part within each seed, plus the mean
    covariance between seeds; degrees of freedom by Satterthwaite (1946). It is never narrower than the interval over
    seeds.
    """
    if d.why or not found.known or not d.paired:
        return nan, nan
    seeds, variance = d.error**2, d.error**2 + found.covariance
    degrees = variance**2 / (seeds**2 / d.degrees + found.covariance**2 / max(found.examples - 1, 1))
    half = float(stdtrit(degrees, 0.5 + level / 2)) * sqrt(variance)
    low, high = d.at(level)
    return min(low, d.mean - half), max(high, d.mean + half)
