"""Words of the command line as values of a field: single words, lists and ranges."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from dropexp.errors import UsageError
from dropexp.experiment.fields import OFF, takes_null
from dropexp.experiment.leaves import LISTS, MAPPINGS, NAMES, annotation, roles
from dropexp.study_files.yaml_scalars import core_value

_RANGE = re.compile(r"[-+.\deE]+:[-+.\deE]+(:[-+.\deE]+)?")


def read_word(path: str, word: str) -> Any:
    """Read one word of the command line as a value for the field at `path`; `none` turns a thing off."""
    if path in NAMES:
        return [] if word == OFF else word.split("+")
    if path in LISTS:
        return [] if word == OFF else [core_value(part) for part in word.split("+")]
    if path in MAPPINGS:
        pairs = [] if word == OFF else [part.partition("=") for part in word.split("+")]
        return {place: core_value(rate) for place, _, rate in pairs}
    if word == OFF and path in roles() and takes_null(annotation(path), words=True):
        return None
    return core_value(word)


def read_words(path: str, words: list[str], option: str, axis: bool = True) -> list[Any]:
    """Read a list from the command line: `0 0.2`, `0,0.2`, `0:0.8:0.2` (end included, exact in decimal), `[64],[64,64]`.

    Where a value of the field is itself a list, brackets within the list hold one value. A single pair of brackets holds the
    values of an axis, and one value where `axis` is false, as in a file: `[128,64]` are then two layers. Raises UsageError,
    naming `option`, for brackets that do not match and for a range that is malformed, runs the wrong way or has over 10,000
    values.
    """
    parts = _pieces(",".join(words), option)
    if len(parts) == 1 and (inner := _within(parts[0])) is not None:
        inside = _pieces(inner, option)
        if path not in LISTS or axis or any(_within(part) is not None for part in inside):
            parts = inside
    found: list[Any] = []
    for part in parts:
        inner = _within(part)
        if inner is None:
            found += _span(part, option) if _RANGE.fullmatch(part) else [read_word(path, part)]
        elif path in LISTS:
            found.append([core_value(item) for item in _pieces(inner, option)])
        else:
            found += read_words(path, [inner], option)
    return found


def _within(part: str) -> str | None:
    """Return what stands between the brackets around a part, None where there are none."""
    return part[1:-1] if part[:1] == "[" and part[-1:] == "]" else None


def _pieces(text: str, option: str) -> list[str]:
    """Return what the commas of a text separate, but for those between brackets; empty parts are left out."""
    found, depth = [""], 0
    for character in text:
        depth += (character == "[") - (character == "]")
        if depth < 0:
            break
        if character == "," and depth == 0:
            found.append("")
        else:
            found[-1] += character
    if depth:
        raise UsageError(f"{option}: the brackets do not match; write each '[' with its ']', as in [64],[64,64]")
    return [part.strip() for part in found if part.strip()]


def _span(word: str, option: str) -> list[Any]:
    try:
        start, stop, step = [Decimal(p) for p in (word + ":1").split(":")[:3]]
        count = int((stop - start) / step) + 1
    except (InvalidOperation, ZeroDivisionError, ValueError, OverflowError):
        raise UsageError(f"{option}: {word} is not a range; write START:STOP:STEP, as in 0:0.8:0.2") from None
    if not 1 <= count <= 10_000:
        raise UsageError(f"{option}: {word} has {count} values; write START:STOP:STEP with 1 to 10,000 values")
    return [core_value(format((start + step * i).normalize(), "f")) for i in range(count)]
