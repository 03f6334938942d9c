"""How values are quoted in messages: on one line, control characters escaped, shortened, as YAML would write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any

LONGEST = 60
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.+-]*")
RESERVED = {"true", "false", "null"}
CONSTANTS = {None: "null", True: "true", False: "false"}
# What a terminal obeys or hides instead of showing it: C0 and C1 controls but the line feed, line and paragraph separators,
# zero-width and bidirectional formatting, tags, and halves of pairs, which no encoding has.
CONTROLS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str, also: str = "") -> str:
    """Return a text with every character escaped that a terminal would obey or hide, and those of `also`."""
    text = CONTROLS.sub(_escaped, text)
    return "".join(_escaped(c) if c in also else c for c in text) if also else text


def _escaped(found: re.Match[str] | str) -> str:
    character = found if isinstance(found, str) else found[0]
    # JSON that we print holds no control but this one, and knows no \x7f
    return "\\u007f" if character == "\x7f" else character.encode("unicode_escape").decode("ascii")


def clean(text: str, longest: int = LONGEST) -> str:
    """Return a text with control characters escaped and no longer than `longest`, its end made dots."""
    text = text if len(text) <= longest else text[: longest - 3] + "..."
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def dotted(loc: Iterable[str | int]) -> str:
    """Return a path as it is written: `model.hidden[2]`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{clean(str(part))}" for part in loc]
    return "".join(parts).removeprefix(".")


def spelt(given: Any) -> str:
    """Return a value in one line as YAML would write it, a word always in quotes, 60 characters at most."""
    if isinstance(given, str):
        return "'" + clean(given, LONGEST - 2) + "'"
    return clean(inside(given))


def inside(given: Any, depth: int = 0) -> str:
    """Return a value as it stands inside a YAML list or mapping: words only quoted where they must be."""
    if given is None or isinstance(given, bool):
        return CONSTANTS[given]
    if isinstance(given, str):
        bare = PLAIN.fullmatch(given) and given.casefold() not in RESERVED
        return clean(given) if bare else "'" + clean(given).replace("'", "''") + "'"
    if isinstance(given, float):
        return repr(given).replace("inf", ".inf").replace("nan", ".nan")
    if isinstance(given, int):
        return repr(given) if given.bit_length() < 1024 else f"a number of {given.bit_length()} bits"
    if isinstance(given, dict | list | tuple) and depth > 3:
        return "..."  # whoever reads a message needs no more, and a structure made in Python may be endless
    if isinstance(given, dict):
        pairs = islice(given.items(), LONGEST)
        return "{" + ", ".join(f"{inside(k, depth + 1)}: {inside(v, depth + 1)}" for k, v in pairs) + "}"
    if isinstance(given, list | tuple):
        return "[" + ", ".join(inside(item, depth + 1) for item in islice(given, LONGEST)) + "]"
    return clean(type(given).__name__ + " " + str(given))


def any_of(words: Iterable[str], last: str = "or") -> str:
    """Return words as `a, b or c`."""
    *most, end = [str(word) for word in words] or [""]
    return f"{', '.join(most)} {last} {end}" if most else end


def counted(number: int, what: str) -> str:
    """Return a number with its noun: `1 run`, `2 runs`."""
    return f"{number} {what}{'s' * (number != 1)}"
