"""Words of the command line as values of a field: single words, lists and ranges."""

from __future__ import annotations

import re
import types
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from dropexp.errors import UsageError
from dropexp.experiment.config import Config
from dropexp.experiment.leaves import LISTS, MAPPINGS
from dropexp.study_files.yaml_scalars import core_value

_RANGE = re.compile(r"[-+.\deE]+:[-+.\deE]+(:[-+.\deE]+)?")


def read_word(path: str, word: str) -> Any:
    """Read one word of the command line as a value for the field at `path`; `none` turns a thing off."""
    if path in LISTS:
        return [] if word == "none" else [core_value(part) for part in word.split("+")]
    if path in MAPPINGS:
        pairs = [] if word == "none" else [part.partition("=") for part in word.split("+")]
        return {place: core_value(rate) for place, _, rate in pairs}
    if word == "none" and _optional(path):
        return None
    return core_value(word)


def read_words(path: str, words: list[str], option: str) -> list[Any]:
    """Read a list from the command line: `0 0.2`, `0,0.2`, `0:0.8:0.2` (end included, exact in decimal).

    Raises UsageError, naming `option`, where a range is malformed, runs the wrong way or has over 10,000 values.
    """
    found: list[Any] = []
    for word in words:
        for part in word.strip("[]").split(","):
            part = part.strip()
            if not part:
                continue
            found += _span(part, option) if _RANGE.fullmatch(part) else [read_word(path, part)]
    return found


def _span(word: str, option: str) -> list[Any]:
    try:
        start, stop, step = [Decimal(p) for p in (word + ":1").split(":")[:3]]
        count = int((stop - start) / step) + 1
    except (InvalidOperation, ZeroDivisionError, ValueError, OverflowError):
        raise UsageError(f"{option}: {word} is not a range; write START:STOP:STEP, as in 0:0.8:0.2") from None
    if not 1 <= count <= 10_000:
        raise UsageError(f"{option}: {word} has {count} values; write START:STOP:STEP with 1 to 10,000 values")
    return [core_value(format((start + step * i).normalize(), "f")) for i in range(count)]


@cache
def _optional(path: str) -> bool:
    """Whether null is a value of the field and `none` is not one of its words."""
    section: Any = Config
    *parents, name = path.split(".")
    for parent in parents:
        section = section.model_fields[parent].annotation if parent in section.model_fields else None
        if section is None:
            return False
    if name not in section.model_fields:
        return False
    words, null = False, False
    pending = [section.model_fields[name].annotation]
    while pending:
        kind = pending.pop()
        origin = get_origin(kind)
        if origin in (Union, types.UnionType, Annotated):
            pending += [k for k in get_args(kind) if isinstance(k, type) or get_origin(k)]
        elif origin is Literal:
            words |= "none" in get_args(kind)
        null |= kind is type(None)
    return null and not words
