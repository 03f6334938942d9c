"""Leaves of a configuration: their YAML paths, and how a value is spelt in a CSV cell and on the command line."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

from dropexp.errors import UsageError
from dropexp.spec.config import Config
from dropexp.spec.fields import Section, role
from dropexp.spec.syntax import core_value

T = TypeVar("T")
LISTS = ("model.hidden", "model.channels", "dropout.placement")
MAPPINGS = ("dropout.rate_at",)
_RANGE = re.compile(r"[-+.\deE]+:[-+.\deE]+(:[-+.\deE]+)?")


@cache
def roles() -> dict[str, str]:
    """Return every leaf's YAML path with its role, 'shape' or 'value', in the order of the schema."""
    return dict(_walk(Config, ""))


def _walk(section: type[BaseModel], prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found += _walk(field.annotation, f"{prefix}{name}.")
        else:
            found.append((prefix + name, role(section, name)))
    return found


def leaf(config: BaseModel, path: str) -> Any:
    """Return the value that stands at a dotted path of a configuration."""
    at: Any = config
    for name in path.split("."):
        at = getattr(at, name)
    return at


def leaves(config: Config) -> dict[str, Any]:
    """Return every leaf of a configuration under its path, in the order of the schema."""
    return {path: leaf(config, path) for path in roles()}


def spell(value: Any) -> str:
    """Return a value as one cell: `input+hidden`, `256+256`, `input=0.2`, `none` for an empty list, '' for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        parts = [f"{v[0]}={spell(v[1])}" if isinstance(v, tuple) else spell(v) for v in value]
        return "+".join(parts) or "none"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value)) if value else "0"
    return repr(value) if isinstance(value, float) else str(value)


@lru_cache(maxsize=65536)
def spelt_section(name: str, section: Section) -> tuple[tuple[str, str], ...]:
    """Return (path, cell) of every leaf of one section; the arms of a grid share most of their sections."""
    begin = f"{name}."
    return tuple((path, spell(leaf(section, path[len(begin) :]))) for path in roles() if path.startswith(begin))


def spelt(config: Config) -> Iterator[tuple[str, str]]:
    """Yield (path, cell) of every leaf, in the order of the schema."""
    for name in Config.model_fields:
        yield from spelt_section(name, getattr(config, name))


def shown(path: str, value: Any) -> str:
    """Return a value as a person reads it in a table or figure: `off` for no patience, `none` for null."""
    if value is None:
        return "off" if path.endswith("patience") else "none"
    return spell(value)


def in_order(items: Iterable[T], paths: Sequence[str], value: Callable[[T, str], Any]) -> list[T]:
    """Sort by the axes from the first on: nothing first, numbers by value, words as they first appear."""
    items = list(items)
    seen = {path: list(dict.fromkeys(value(item, path) for item in items)) for path in paths}

    def key(item: T) -> tuple[tuple[int, float], ...]:
        places = []
        for path in paths:
            at = value(item, path)
            number = isinstance(at, int | float) and not isinstance(at, bool)
            places.append((0, 0.0) if at is None else (1, float(at)) if number else (2, seen[path].index(at)))
        return tuple(places)

    return sorted(items, key=key)


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
