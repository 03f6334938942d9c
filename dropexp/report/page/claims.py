"""Claims at a glance: each with its verdict, the numbers in words, and the parts of a conjunction beneath it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dropexp.spec.study import Study

TONES = {"supported": "good", "refuted": "bad", "undecided": "open", "waiting": "open"}


class Judged(Protocol):
    """What a judged claim says of itself."""

    @property
    def says(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def sentence(self) -> str: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def parts(self) -> Sequence[Judged]: ...


@dataclass(frozen=True)
class Claimed:
    """A claim as it is read."""

    says: str
    verdict: str
    sentence: str
    notes: tuple[str, ...]
    parts: tuple[Claimed, ...]
    tone: str


def claimed(judged: Sequence[Judged]) -> tuple[Claimed, ...]:
    """Return judged claims as they are read, in their order."""
    return tuple(
        Claimed(c.says, c.verdict, c.sentence, tuple(c.notes), claimed(c.parts), TONES.get(c.verdict, "open"))
        for c in judged
    )


def unjudged(study: Study) -> tuple[Claimed, ...]:
    """Return the claims of a study on which nothing has been said."""
    return tuple(Claimed(c.says or c.metric, "not judged", "", (), (), "open") for c in study.claims)
