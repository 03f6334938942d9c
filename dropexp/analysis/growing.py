"""Studies that grow: whether every word and claim is decided, so that more seeds have nothing to add."""

from __future__ import annotations

from dropexp.analysis.inference import OPEN
from dropexp.analysis.judging import UNDECIDED, WAITING, judge
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import everything


def decided(tidy: Tidy) -> bool:
    """Whether more seeds have nothing to decide: every comparison has its words, and no claim is open."""
    words = {judged.word for v in everything(tidy) for judged in (v.test, v.gap) if judged is not None}
    return words.isdisjoint(OPEN) and {c.verdict for c in judge(tidy)}.isdisjoint((UNDECIDED, WAITING))
