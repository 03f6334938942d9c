"""Studies that grow: whether everything is decided, and the level at which a claim's interval holds whenever one stops."""

from __future__ import annotations

from functools import lru_cache

import pandas as pd

from dropexp.analysis.family import family
from dropexp.analysis.judging import UNDECIDED as OPEN
from dropexp.analysis.judging import WAITING, judge
from dropexp.analysis.stats import paired
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import ONE_SEED, UNDECIDED, verdicts
from dropexp.experiment.growth import Grow

NO_RUNS = "no runs"


def decided(tidy: Tidy) -> bool:
    """Whether more seeds have nothing to decide: no arm's word is `undecided` or lacks its interval, and no claim is open."""
    words = {judged.word for v in verdicts(tidy) for judged in (v.test, v.gap) if judged is not None}
    return not words & {UNDECIDED, ONE_SEED, NO_RUNS} and not {c.verdict for c in judge(tidy)} & {OPEN, WAITING}


@lru_cache(maxsize=64)
def claim_level(grow: Grow) -> float:
    """Return the two-sided level of one paired comparison at each look, at which it errs with at most 5% in all.

    A look is every number of seeds from the first round to the last, so that the interval holds wherever one stops.
    """
    any_three = pd.Series([0.0, 1.0, 3.0])  # one comparison's level does not depend on what it finds
    return family([paired(any_three, 0 * any_three)], looks=grow.looks).level
