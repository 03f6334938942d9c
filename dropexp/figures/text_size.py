"""How much space text takes: widths as drawn, lines that fit, and numbers that do not overlap."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

FONT = "DejaVu Sans"
SPACING = 1.25  # lines, in font sizes
HINTED = 1.04  # a line of pixels is up to so much longer than its outline
BREAKS = tuple(re.compile(f"(?<={after})") for after in ("[,;:] ", " ", "[+/_-]"))


def width(text: str, size: float = 10.0, bold: bool = False) -> float:
    """Return the width in inches of a text's longest line, at a size in points."""
    return max((_line(line, size, bold) for line in text.split("\n")), default=0.0)


def height(text: str, size: float = 10.0) -> float:
    """Return the height in inches that the lines of a text take."""
    return (text.count("\n") + 1) * size * SPACING / 72 if text else 0.0


@lru_cache(maxsize=8192)
def _line(text: str, size: float, bold: bool) -> float:
    font = FontProperties(family=FONT, size=size, weight="bold" if bold else "normal")
    return HINTED * text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 72


def wrap(text: str, room: float, size: float = 10.0, bold: bool = False, listed: bool = False) -> str:
    """Return a text in lines of at most `room` inches, broken at spaces, else within words.

    What is `listed` is broken after commas first.
    """
    breaks = BREAKS if listed else BREAKS[1:]
    return "\n".join(line for part in text.split("\n") for line in _wrapped(part, room, size, bold, breaks))


def whole(text: str, room: float, size: float = 10.0) -> bool:
    """Return whether a text can be wrapped without breaking a word."""
    return all(width(piece.strip(), size) <= room for piece in re.split("|".join(p.pattern for p in BREAKS), text))


def _wrapped(text: str, room: float, size: float, bold: bool, breaks: tuple[re.Pattern[str], ...]) -> list[str]:
    if width(text, size, bold) <= room or len(text) < 2:
        return [text]
    lines = [""]
    for piece in breaks[0].split(text) if breaks else text:
        if lines[-1] and width((lines[-1] + piece).rstrip(), size, bold) > room:
            lines.append("")
        lines[-1] += piece
    if not breaks:
        return lines
    return [shorter for line in lines for shorter in _wrapped(line.rstrip(), room, size, bold, breaks[1:])]


def shortened(text: str, room: float, size: float = 10.0, bold: bool = False) -> str:
    """Return a text that fits one line of `room` inches, its middle left out where it must be."""
    if width(text, size, bold) <= room:
        return text
    for n in range(len(text) - 1, 1, -1):
        short = f"{text[: n - n // 2].rstrip()}…{text[len(text) - n // 2 :].lstrip()}"
        if width(short, size, bold) <= room:
            return short
    return text[:1]


def apart(spots: Sequence[float], widths: Sequence[float], between: float = 0.1) -> list[int]:
    """Return which of the words centred at `spots` (inches) to write so that none meet: every k-th, evenly."""
    order = sorted(range(len(spots)), key=lambda i: spots[i])
    for step in range(1, len(order) + 1):
        kept = order[::step]
        if all(spots[j] - spots[i] >= (widths[i] + widths[j]) / 2 + between for i, j in pairwise(kept)):
            return kept
    return order[:1]


def spread(spots: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Return heights near `spots`, in their order, at least `distance` apart and within low to high if they fit."""
    order = sorted(range(len(spots)), key=lambda i: spots[i])
    at = {i: spots[i] for i in order}
    for _ in range(60):
        for i, j in pairwise(order):
            if (short := distance - (at[j] - at[i])) > 0:
                at[i], at[j] = at[i] - short / 2, at[j] + short / 2
        for place, i in enumerate(order):
            at[i] = min(max(at[i], low + place * distance), high - (len(order) - 1 - place) * distance)
    return [at[i] for i in range(len(spots))]
