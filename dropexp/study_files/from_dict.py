"""A study as a dict: plain values as a file would hold them, from whatever Python calls a number, a word or a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dropexp.errors import ConfigError
from dropexp.quoting import dotted, spelt
from dropexp.study_files.yaml_nodes import DEPTH, WRITTEN, Node
from dropexp.study_files.yaml_reader import Document, Loc

DICT = "<dict>"  # what stands in messages for the path of a file


def read_mapping(content: Mapping[Any, Any], shown: str = DICT) -> Document:
    """Return the document that a dict makes, as a file with its values would; messages know no lines.

    Tuples, ranges and arrays count as lists, numbers of numpy and torch as numbers, paths as words. A number in 32 bits is
    the one that it is written as: 0.2, not 0.20000000298. Raises ConfigError with every value that no file could hold.
    """
    reader = _Reader()
    plain = reader.read(content, ())
    if reader.mistakes:
        raise ConfigError(f"{shown}: {text}" for text in dict.fromkeys(reader.mistakes))
    return Document(shown, plain, Node((0, 0), plain))


def without_arrays(value: Any) -> Any:
    """Return an array or a number of numpy or torch as lists and numbers of Python; anything else as it is."""
    if not hasattr(value, "tolist"):
        return value
    found, kind = value.tolist(), str(getattr(value, "dtype", "")).rpartition(".")[2]
    return _shortest(found, kind) if kind in ("float32", "float16") else found


def _shortest(found: Any, kind: str) -> Any:
    """Return numbers of fewer bits as the shortest decimals that stand for them."""
    if isinstance(found, list):
        return [_shortest(inner, kind) for inner in found]
    return float(str(np.dtype(kind).type(found)))


class _Reader:
    def __init__(self) -> None:
        self.mistakes: list[str] = []
        self.count = 0

    def read(self, value: Any, loc: Loc) -> Any:
        self.count += 1
        if len(loc) > DEPTH or self.count > WRITTEN:
            much = f"more than {WRITTEN:,} values" if self.count > WRITTEN else f"nested more than {DEPTH} levels deep"
            return self._refuse(loc[:1], f"{much}; a study needs a few dozen values, four levels deep")
        if isinstance(value, Mapping):
            return self._mapping(value, loc)
        if hasattr(value, "tolist"):  # arrays and numbers of numpy and torch
            return self.read(without_arrays(value), loc)
        if isinstance(value, list | tuple | range):
            return self._list(value, loc)
        if isinstance(value, Path):
            return value.as_posix()
        for kind in (bool, int, float, str):
            if isinstance(value, kind):
                return kind(value)
        if value is None:
            return None
        if isinstance(value, set | frozenset | Iterator):
            return self._refuse(
                loc,
                f"a value of type {type(value).__name__} cannot be part of a study; use a list, as sorted() makes one",
            )
        return self._refuse(
            loc,
            f"a value of type {type(value).__name__} cannot be part of a study; use a number, a word, a list or a dict",
        )

    def _mapping(self, value: Mapping[Any, Any], loc: Loc) -> dict[str, Any]:
        for key in value:
            if not isinstance(key, str):
                self._refuse((*loc, str(key)), f"the key {spelt(key)} is not a word; put it in quotes")
        return {str(key): self.read(inner, (*loc, str(key))) for key, inner in value.items()}

    def _list(self, value: list[Any] | tuple[Any, ...] | range, loc: Loc) -> list[Any]:
        found = []
        for i, inner in enumerate(value):
            if self.count > WRITTEN:
                break
            found.append(self.read(inner, (*loc, i)))
        return found

    def _refuse(self, loc: Loc, text: str) -> None:
        self.mistakes.append(f"{dotted(loc)}: {text}" if loc else text)
