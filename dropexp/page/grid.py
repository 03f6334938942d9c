"""Tables of the page: columns with headings, and cells with the values they are sorted by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any


@dataclass(frozen=True)
class Cell:
    """A text and the number it is sorted by, None for words; NaN sorts last. `link` is an id on the same page or a file."""

    text: str
    key: float | None = None
    tone: str = ""
    link: str = ""

    @property
    def sort(self) -> str | None:
        """The value of data-sort: '' for a missing number, None if cells are sorted by their text."""
        return None if self.key is None else "" if isnan(self.key) else repr(float(self.key))


@dataclass(frozen=True)
class Column:
    """`kind` is name (heads its row), number, word, text or long (a sentence); `choice` offers its values as a filter."""

    heading: str
    kind: str
    cells: tuple[Cell, ...]
    choice: bool = False


@dataclass(frozen=True)
class Grid:
    """A table: `ident` is its id, `caption` says what it shows, `sortable` whether the script may sort and filter it."""

    ident: str
    caption: str
    columns: tuple[Column, ...]
    sortable: bool = False

    @property
    def rows(self) -> list[tuple[tuple[Column, Cell], ...]]:
        cells = zip(*(column.cells for column in self.columns), strict=True)
        return [tuple(zip(self.columns, row, strict=True)) for row in cells]


def ranked(values: Iterable[Any], texts: Sequence[str]) -> tuple[Cell, ...]:
    """Return cells that sort numbers by value, empty values before them and words after them in order of appearance."""
    values = list(values)
    words = list(dict.fromkeys(text for value, text in zip(values, texts, strict=True) if not _number(value)))
    top = max((float(v) for v in values if _number(v)), default=0.0)
    low = min((float(v) for v in values if _number(v)), default=0.0)
    found = []
    for value, text in zip(values, texts, strict=True):
        key = float(value) if _number(value) else low - 1 if value is None else top + 1 + words.index(text)
        found.append(Cell(text, key))
    return tuple(found)


def numbers(columns: Iterable[tuple[str, Sequence[tuple[str, str]]]]) -> list[Column]:
    """Return columns of (number, text after it), as in the tables on a console."""
    found = []
    for heading, cells in columns:
        texts = [(f"{number} {rest}".strip(), number) for number, rest in cells]
        found.append(Column(heading, "number", tuple(Cell(text, _read(number)) for text, number in texts)))
    return found


def _read(number: str) -> float:
    try:
        return float(number)
    except ValueError:
        return nan


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
