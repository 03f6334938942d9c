"""How far a difference reaches beyond these seeds: to other test examples, and to other splits of the pool."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, nan, sqrt

from scipy.special import stdtrit

from dropexp.analysis.stats import LEVEL, Difference
from dropexp.analysis.tidy import Facts

Z = 1.96


@dataclass(frozen=True)
class Reach:
    """What stands beside an interval over seeds; NaN where it does not apply.

    `test` is half the 95% interval over test examples, an upper bound; `low` and `high` are the interval over
    splits of the pool. `survives` is whether the difference is beyond either.
    """

    test: float = nan
    low: float = nan
    high: float = nan
    survives: bool = False


def test_sampling(error_a: float, error_b: float, n_test: float) -> float:
    """Return 1.96 sqrt((error_a + error_b) / n_test), half the interval of a difference of accuracies.

    Two networks disagree on at most error_a + error_b of the test examples, which bounds the variance of the
    difference on one example (McNemar 1947); the errors are fractions.
    """
    return Z * sqrt((error_a + error_b) / n_test)


def resampled(d: Difference, n_train: float, n_test: float, level: float = LEVEL) -> tuple[float, float]:
    """Return the interval of a paired difference over splits redrawn from one pool (Nadeau & Bengio 2003, eq. 9).

    Training sets overlap, so that the variance of the mean is sd² (1 / n + n_test / n_train), not sd² / n.
    """
    if isnan(d.half):
        return nan, nan
    half = float(stdtrit(d.n - 1, 0.5 + level / 2)) * d.sd * sqrt(1 / d.n + n_test / n_train)
    return d.mean - half, d.mean + half


def reach(d: Difference, facts: Facts, accuracies: tuple[float, float] | None) -> Reach:
    """Return how far a difference of two arms reaches.

    `accuracies` are the arms' mean test accuracies where the difference is one of test accuracy, or of a gap, whose
    training half is over this pool by definition; None for other metrics.
    """
    known = not isnan(facts.test)
    test = nan if accuracies is None or not known else test_sampling(1 - accuracies[0], 1 - accuracies[1], facts.test)
    redrawn = known and facts.redrawn and d.paired
    low, high = resampled(d, facts.train, facts.test) if redrawn else (nan, nan)
    return Reach(test, low, high, abs(d.mean) > test or low > 0 or high < 0)
