"""Leaves of a configuration: their YAML paths, their values, and how a value is spelt in a CSV cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import groupby
from typing import Any, TypeVar

from pydantic import BaseModel

from dropexp.experiment.config import Config
from dropexp.experiment.fields import Declared, Section, declared

T = TypeVar("T")
LISTS = ("data.ignore", "model.hidden", "model.channels", "dropout.placement")
NAMES = ("data.ignore",)  # of these, the lists of words that are never numbers, whatever they look like
MAPPINGS = ("dropout.rate_at",)


@cache
def declarations() -> dict[str, Declared]:
    """Return what every leaf declares, under its YAML path, in the order of the schema."""
    return dict(_walk(Config, ""))


@cache
def roles() -> dict[str, str]:
    """Return every leaf's YAML path with its role, 'shape' or 'value', in the order of the schema."""
    return {path: found.role for path, found in declarations().items()}


def _walk(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, Declared]]:
    for name, field in section.model_fields.items():
        if found := declared(section, name):
            yield prefix + name, found
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _walk(field.annotation, f"{prefix}{name}.")


@cache
def annotation(path: str) -> Any:
    """Return the type that the schema gives the leaf at a YAML path; raises KeyError for what is no leaf."""
    section: Any = Config
    *parents, name = path.split(".")
    for parent in parents:
        section = section.model_fields[parent].annotation
    return section.model_fields[name].annotation


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


def shown(path: str, value: Any) -> str:
    """Return a value as a person reads it in a table or figure: `off` for no patience, `none` for null."""
    if value is None:
        return "off" if path.endswith("patience") else "none"
    return spell(value)


def folded(path: str, value: Any) -> str:
    """Return a value as `shown` does, three or more equal numbers of a list in a row as `64*3`, as they may be written."""
    if not isinstance(value, tuple) or not all(isinstance(v, int) for v in value):
        return shown(path, value)
    runs = [(number, len(list(own))) for number, own in groupby(value)]
    parts = [f"{number}*{count}" if count > 2 else "+".join([str(number)] * count) for number, count in runs]
    return "+".join(parts) or shown(path, value)


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
