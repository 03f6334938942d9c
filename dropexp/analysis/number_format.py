"""Numbers as people read them: percent, points and half intervals, with one decimal."""

from __future__ import annotations

import re
from math import isnan


def percent(fraction: float) -> str:
    """Return a fraction in percent, or a difference in points, with one decimal and never a negative zero."""
    return "-" if isnan(fraction) else f"{100 * fraction + 0.0:.1f}".replace("-0.0", "0.0")


def signed(fraction: float) -> str:
    """Return a difference of fractions in points, with its sign."""
    if isnan(fraction):
        return "-"
    text = f"{100 * fraction:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def half(fraction: float) -> str:
    """Return half an interval as `± 0.5`, '' if there is none, `± <0.1` if it would round to zero."""
    if isnan(fraction):
        return ""
    return "± <0.1" if fraction < 0.0005 else f"± {100 * fraction:.1f}"


def typeset(text: str) -> str:
    """Return a text as figures and pages set it: real minus signs, numbers held together (`n = 10`, `+0.4 ± 0.3`).

    A terminal and files keep the hyphen, which every program reads as a minus.
    """
    text = re.sub(r"(?<![\w.])-(?=\d)", "\N{MINUS SIGN}", text)
    return re.sub(r" ?([±=<]) (?=[<\d])", lambda m: m.group().replace(" ", "\N{NO-BREAK SPACE}"), text)


def untypeset(text: str) -> str:
    """Return a typeset text as a terminal shows it."""
    return text.replace("\N{MINUS SIGN}", "-").replace("\N{NO-BREAK SPACE}", " ")
