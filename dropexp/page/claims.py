"""Claims at a glance: each with its verdict, the numbers in words, and the parts of a conjunction beneath it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dropexp.analysis.judging import REFUTED, SUPPORTED, UNDECIDED, WAITING, ClaimVerdict

TONES = {SUPPORTED: "good", REFUTED: "bad", UNDECIDED: "open", WAITING: "open"}
NAMED = 2  # claims that one sentence can hold


@dataclass(frozen=True)
class Claimed:
    """A claim as it is read."""

    says: str
    verdict: str
    sentence: str
    notes: tuple[str, ...]
    parts: tuple[Claimed, ...]
    tone: str


def claimed(judged: Sequence[ClaimVerdict]) -> tuple[Claimed, ...]:
    """Return judged claims as they are read, in their order."""
    return tuple(Claimed(c.says, c.verdict, c.sentence, c.notes, claimed(c.parts), TONES[c.verdict]) for c in judged)


def verdicts_in_a_sentence(judged: Sequence[ClaimVerdict]) -> str:
    """Return what became of the claims: `Supported: dropout narrows the gap`, or their counts where they are many."""
    if len(judged) > NAMED:
        words = Counter(c.verdict for c in judged)
        counts = ", ".join(f"{words[word]} {word}" for word in TONES if words[word])
        return f"{len(judged)} claims: {counts}"
    return "; ".join(
        f"{c.verdict if i else c.verdict.capitalize()}: {c.says} ({c.sentence})" for i, c in enumerate(judged)
    )
