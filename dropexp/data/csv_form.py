"""How a .csv is written: what separates its cells, which lines it has, and what its first line calls the columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO

from dropexp.data.dataset import shorten
from dropexp.errors import DataError
from dropexp.experiment.vocabulary import meant
from dropexp.quoting import any_of, spelt

COLUMNS, LINE = 100_000, 4_000_000  # columns, and characters of a line
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_PLAIN = frozenset(" .-_()/%")  # what may stand beside letters and digits in a word of YAML without quotes


@dataclass(frozen=True)
class Form:
    """A .csv before its numbers are read: `columns` are the names in its first line, those without one called by place."""

    path: Path
    separator: str
    columns: list[str]

    def lines(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of each line that is not blank, with its cells, those of the header first."""
        return _lines(self.path, self.separator)

    def where(self, line: int, column: int) -> str:
        """Return a cell's place, as messages begin with."""
        return f"{self.path}: line {line}, column {spelt(self.columns[column])}"

    def place(self, name: str, field: str) -> int:
        """Return the place of the only column of a name; raises DataError where there is none, or more than one."""
        if self.columns.count(name) != 1:
            why = "has no column" if name not in self.columns else "has more than one column"
            known = f"its columns are {shorten(self.columns)}{meant(name, self.columns)}"
            if len(self.columns) == 1:
                known += f"; cells are separated by {any_of(SEPARATORS.values())}"
            raise DataError(f"{self.path}: {why} {spelt(name)} ({field}); {known}")
        return self.columns.index(name)


def form_of(path: Path, label: str | None) -> Form:
    """Recognise the form of a .csv: its separator is the one under which it has the column `label`.

    Raises DataError where the file is empty, is no text, or begins with an example in place of names.
    """
    found: dict[str, list[str]] = {}
    refused: list[DataError] = []
    for separator in SEPARATORS:
        try:
            first = next(_lines(path, separator), None)
        except DataError as error:  # a line that one separator leaves whole can be too long for a cell
            refused.append(error)
            continue
        if first is None:
            raise DataError(f"{path}: is empty; its first line must name the columns")
        found[separator] = [name.strip() or f"column {i}" for i, name in enumerate(first[1], 1)]
    if not found:
        raise refused[0]
    separator = next((s for s, names in found.items() if label in names), max(found, key=lambda s: len(found[s])))
    columns = found[separator]
    if len(columns) > COLUMNS:
        raise DataError(f"{path}: its first line names {len(columns):,} columns; at most {COLUMNS:,} are allowed")
    if columns[0].startswith("sep="):
        raise DataError(
            f"{path}: its first line, {columns[0]!r}, is understood by one program only; remove it, so that the "
            "column names come first"
        )
    if label not in columns and sum(map(_numeric, columns)) * 2 >= len(columns):
        raise DataError(
            f"{path}: its first line holds numbers ({shorten(columns)}) but must name the columns; add a line "
            f"above it, such as {separator.join(_invented(len(columns), label or 'label'))}"
        )
    return Form(path, separator, columns)


def as_list(names: Sequence[str]) -> str:
    """Return names as a list that can be pasted into a study: [id, "a, b"]."""
    quoted = [n if _plain(n) else '"' + n.replace("\\", "\\\\").replace('"', '\\"') + '"' for n in names]
    text = f"[{', '.join(quoted)}]"
    return text if len(text) < 1000 and text.isprintable() else f"[{shorten(names)}]"


def _plain(name: str) -> bool:
    return name[:1].isalpha() and all(c.isalnum() or c in _PLAIN for c in name) and name.lower() not in _NO_WORDS


def _invented(count: int, label: str) -> list[str]:
    """Return names for a table without a header, its last column the label; the middle left out where there are many."""
    names = [f"x{i}" for i in range(1, count)]
    return [*(names if count < 10 else [*names[:2], "...", names[-1]]), label]


_NO_WORDS = ("true", "false", "null")


def _numeric(name: str) -> bool:
    try:
        float(name.replace(",", "."))
    except ValueError:
        return False
    return True


def _lines(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(_bounded_lines(path, file), delimiter=separator, skipinitialspace=True)
            for cells in reader:
                if cells:
                    yield reader.line_num, cells
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text (at byte {error.start}); save it as UTF-8") from None
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}; save it as plain CSV") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _bounded_lines(path: Path, file: IO[str]) -> Iterator[str]:
    for number in count(1):
        line = file.readline(LINE)
        if len(line) == LINE:
            raise DataError(f"{path}: line {number} has {LINE:,} characters or more; is it a table of text?")
        if not line:
            return
        yield line
