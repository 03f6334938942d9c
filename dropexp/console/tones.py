"""TONES: verdicts on differences, claims and laws in colour on a terminal, and as plain words everywhere else."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TextIO

from dropexp.analysis import inference, rules
from dropexp.analysis.judging import WAITING

GREEN, RED, YELLOW, DIM = "32", "31", "33", "2"  # of ECMA-48, by which every terminal of today is told
DIFFERENCES: dict[str, str] = {
    "better": GREEN,
    "worse": RED,
    "smaller": GREEN,
    "larger": RED,
    inference.UNDERFITTING: YELLOW,
    inference.UNDECIDED: DIM,
    inference.EQUAL: DIM,
    inference.SAME: DIM,
}
VERDICTS = {rules.SUPPORTED: GREEN, rules.REFUTED: RED, rules.UNDECIDED: DIM, WAITING: DIM}
LAWS = {"holds": GREEN, "DOES NOT HOLD": RED, "does NOT hold": RED}
OF_A_LAW = {"yes": GREEN, "NO": RED}


def _any(words: Mapping[str, str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


NUMBER = r"[-+−]?\d[\d.,]*"
# Where such a word is a verdict: behind its number or alone in the last cells of a row, at the head of a claim, at the
# end of a line on a law. Elsewhere, as in the name of a study, it is a word.
TONES: tuple[tuple[re.Pattern[str], Mapping[str, str]], ...] = (
    (re.compile(rf"(?<=\d )({_any(DIFFERENCES)})(?=[*†‡]*(?:  |$))", re.MULTILINE), DIFFERENCES),
    (re.compile(rf"(?<=  )({_any({inference.SAME: DIM})})(?=[*†‡]*(?:  |$))", re.MULTILINE), DIFFERENCES),
    (re.compile(rf"(?<=^ [+x?.] )({_any(VERDICTS)})(?=  )", re.MULTILINE), VERDICTS),
    (re.compile(rf"(?<=: |w )({_any(LAWS)})$", re.MULTILINE), LAWS),
    (re.compile(rf"(?<=  )({_any(OF_A_LAW)})$", re.MULTILINE), OF_A_LAW),
)


def colours(stream: TextIO) -> bool:
    """Whether a stream takes colours: a terminal, where NO_COLOR (https://no-color.org) is not set."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return False
    return os.name != "nt" or "WT_SESSION" in os.environ  # an older Windows console would show the codes


def toned(text: str) -> str:
    """Return a text with terminal codes around the words that are verdicts."""
    for pattern, tones in TONES:
        text = pattern.sub(lambda m, tones=tones: f"\x1b[{tones[m[1]]}m{m[1]}\x1b[0m", text)  # type: ignore[misc]
    return text
