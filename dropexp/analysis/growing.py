"""Studies that grow: whether every verdict and claim is decided, so that more seeds add nothing."""

from __future__ import annotations

from dropexp.analysis.inference import OPEN
from dropexp.analysis.judging import UNDECIDED, WAITING, judge
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import everything


def decided(tidy: Tidy) -> bool:
    """Whether more seeds have nothing to decide: no comparison is undecided, and no claim is."""
    words = {judged.word for v in everything(tidy) for judged in (v.test, v.gap) if judged is not None}
    return words.isdisjoint(OPEN) and {c.verdict for c in judge(tidy)}.isdisjoint((UNDECIDED, WAITING))
