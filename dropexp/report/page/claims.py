"""Claims at a glance: each with its verdict, the numbers in words, and the parts of a conjunction beneath it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dropexp.analysis.claims import ClaimVerdict

TONES = {"supported": "good", "refuted": "bad", "undecided": "open", "waiting": "open"}


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
    return tuple(
        Claimed(c.says, c.verdict, c.sentence, tuple(c.notes), claimed(c.parts), TONES.get(c.verdict, "open"))
        for c in judged
    )
