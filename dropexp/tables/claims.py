"""Claims in words: each with its verdict and the numbers behind it, as `run` prints them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from dropexp.analysis.judging import ClaimVerdict
from dropexp.wording.labels import OVER, WHY

WIDTH = 100
MARK = {"supported": "+", "refuted": "x", "undecided": "?", "waiting": "."}


def judgements(verdicts: Sequence[ClaimVerdict]) -> str:
    """Return the claims as plain text, one verdict each, at most 100 columns wide."""
    lines = ["claims"]
    for verdict in verdicts:
        lines += _wrapped(f"{MARK[verdict.verdict]} {verdict.verdict:<9}  {verdict.spoken}", 1, 14)
        lines += _wrapped(verdict.sentence, 14, 14)
        for part in verdict.parts:
            lines += _wrapped(f"{MARK[part.verdict]} {part.verdict}: {part.spoken}: {part.sentence}", 14, 16)
        for note in [*verdict.notes, *(n for part in verdict.parts for n in part.notes)]:
            lines += _wrapped(f"({note})", 14, 15)
    lines += _wrapped(f"[low, high]: {OVER} of compare minus against, paired by seed, each claim by itself", 1, 3)
    reaches = {v.reach for verdict in verdicts for v in (verdict, *verdict.parts)}
    for reach, why in WHY.items():
        lines += _wrapped(f"{reach}: {why}", 1, 3) if reach in reaches else []
    return "\n".join(lines)


def _wrapped(text: str, first: int, then: int) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=" " * first, subsequent_indent=" " * then)
