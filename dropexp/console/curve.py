"""Curves as one line of text: a block character per epoch, or letters of ASCII where the console has no blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

BLOCKS, LETTERS = "▁▂▃▄▅▆▇█", "_.-=+*#@"  # from low to high


def levels(stream: TextIO) -> str:
    """Return the characters that a stream can show, from low to high."""
    try:
        BLOCKS.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return LETTERS
    return BLOCKS


def curve(values: Sequence[float | None], low: float, high: float, width: int, marks: str) -> str:
    """Return numbers from `low` to `high` as at most `width` characters; one that is None is a blank.

    Of fewer numbers than `width`, each is as many characters wide as fit; of more, each character is the mean of its share.
    """
    count, wide = len(values), max(1, width // max(1, len(values)))
    shares: list[list[float | None]] = [[] for _ in range(min(count, width))]
    for index, number in enumerate(values):
        shares[place(index, count, width) // wide].append(number)
    return "".join(_mark(_mean(share), low, high, marks) * wide for share in shares)


def place(index: int, count: int, width: int) -> int:
    """Return the first character, from 0, that shows the number at `index` of `count`."""
    return index * (width // count) if count <= width else index * width // count


def _mean(share: Sequence[float | None]) -> float | None:
    known = [number for number in share if number is not None]
    return sum(known) / len(known) if known else None


def _mark(number: float | None, low: float, high: float, marks: str) -> str:
    if number is None:
        return " "
    part = (number - low) / (high - low) if high > low else 0.5
    return marks[min(len(marks) - 1, int(part * len(marks)))]
