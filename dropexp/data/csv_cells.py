"""A .csv read cell by cell: blank cells are counted, decimal commas are read, and what is no number is named with its line."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from dropexp.data.csv_form import Form, as_list
from dropexp.errors import DataError
from dropexp.quoting import spelt

LARGEST = float(np.finfo(np.float32).max)
BLANK = frozenset(("", "?", "-", "na", "n/a", "#n/a", "nan", "null", "none"))  # of inputs, in small letters
COMMA = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")


@dataclass
class Cells:
    """What stands in the lines of a table: numbers (N, F) float64, NaN where a cell is blank, and labels as words.

    `blank` holds per input, as a place in a line, the first cell that is blank there, with its line; `comma` is the first
    cell that can only be a number with a decimal comma, or None.
    """

    x: np.ndarray
    words: list[str]
    lines: list[int]
    blank: dict[int, tuple[int, str]]
    comma: str | None


@dataclass
class _Wrong:
    line: int
    cell: str
    why: str
    count: int = 1


@dataclass
class _Seen:
    """What has been met so far, each as (line, column, cell)."""

    comma: tuple[int, int, str] | None = None
    either: tuple[int, int, str] | None = None  # 1,234 may be a thousand or a little more than one
    point: tuple[int, int, str] | None = None
    wrong: dict[int, _Wrong] = field(default_factory=dict)
    blank: dict[int, tuple[int, str]] = field(default_factory=dict)


def decimal_comma(cell: str) -> bool:
    """Return whether a cell can only be a number with a decimal comma."""
    return bool(COMMA.fullmatch(cell) and not _THOUSANDS.fullmatch(cell))


def read_cells(form: Form, inputs: Sequence[int], label: int) -> Cells:
    """Read the columns `inputs` and `label`, as places in a line.

    Raises DataError, naming line and column, for a line of another length and for a cell that is neither a number nor blank.
    """
    seen, numbers, words, lines = _Seen(), array("d"), list[str](), list[int]()
    for line, cells in islice(form.lines(), 1, None):
        if len(cells) != len(form.columns):
            raise DataError(
                f"{form.path}: line {line} has {len(cells)} cells, but the header names {len(form.columns)} columns; "
                "make them equal"
            )
        numbers.extend(_row([cells[column].strip() for column in inputs], line, inputs, seen))
        words.append(cells[label].strip())
        lines.append(line)
    _refuse_mixed(form, seen)
    x = np.array(numbers, np.float64).reshape(len(lines), len(inputs))
    if seen.wrong:
        there = dict(zip(inputs, (~np.isnan(x)).sum(0).tolist(), strict=True))
        raise DataError(_not_numbers(form, seen, there))
    return Cells(x, words, lines, seen.blank, seen.comma[2] if seen.comma else None)


def _row(cells: list[str], line: int, columns: Sequence[int], seen: _Seen) -> list[float]:
    """Return the cells of a line as numbers, NaN for those that are blank or none; what they show goes into `seen`."""
    try:
        row = list(map(float, cells))
    except ValueError:
        row = []
    plain = row and seen.point and all(-LARGEST <= number <= LARGEST for number in row) and "_" not in "".join(cells)
    return row if plain else [_number(cell, line, column, seen) for cell, column in zip(cells, columns, strict=True)]


def _number(cell: str, line: int, column: int, seen: _Seen) -> float:
    """Return a cell as a number, NaN for one that is blank or is none; what it shows goes into `seen`."""
    text = cell
    if "," in cell and COMMA.fullmatch(cell):
        text, at = cell.replace(",", "."), (line, column, cell)
        if _THOUSANDS.fullmatch(cell):
            seen.either = seen.either or at
        else:
            seen.comma = seen.comma or at
    elif seen.point is None and "." in cell:
        seen.point = (line, column, cell) if not _wrong(cell)[1] else None
    number, why = _wrong(text)
    if not why:
        return number
    if cell.lower() in BLANK:
        seen.blank.setdefault(column, (line, cell))
    elif column in seen.wrong:
        seen.wrong[column].count += 1
    else:
        seen.wrong[column] = _Wrong(line, cell, why)
    return math.nan


def _wrong(cell: str) -> tuple[float, str]:
    """Return a cell as a number, and why it is none that a network can take, else ''."""
    try:
        number = float(cell) if "_" not in cell else None
    except ValueError:
        number = None
    if number is None:
        return math.nan, "is not a number"
    if not math.isfinite(number):
        return number, "is not a finite number"
    return number, "is too large for a 32-bit float" if abs(number) > LARGEST else ""


def _refuse_mixed(form: Form, seen: _Seen) -> None:
    """Raise DataError where commas in numbers can be read in two ways."""
    if seen.either and not seen.comma:
        line, column, cell = seen.either
        whole, point = cell.replace(",", ""), cell.replace(",", ".")
        raise DataError(
            f"{form.where(line, column)}: {spelt(cell)} could mean {whole} or {point}; write it without the comma"
        )
    if seen.comma and seen.point:
        (line, column, cell), (other, _, point) = seen.comma, seen.point
        raise DataError(
            f"{form.where(line, column)}: {spelt(cell)} has a decimal comma, but {spelt(point)} in line {other} "
            "has a decimal point; use the same one in the whole file"
        )


def _not_numbers(form: Form, seen: _Seen, numbers: Mapping[int, int]) -> str:
    """Return the sentence for cells that are no numbers: the first of them, and the columns that hold words throughout.

    `numbers` counts the numbers in each column.
    """
    text = [c for c, wrong in sorted(seen.wrong.items()) if wrong.count > numbers[c]]
    odd = {c: wrong for c, wrong in seen.wrong.items() if c not in text}
    column, first = min((odd or seen.wrong).items(), key=lambda item: (item[1].line, item[0]))
    says = f"{form.where(first.line, column)}: {spelt(first.cell)} {first.why}"
    if odd:
        more = f", nor are {first.count - 1} more in this column" if first.count > 1 else ""
        return f"{says}{more}; give numbers only, or remove the line, or leave the column out with {_ignoring(form, [column])}"
    many = f"{len(text)} columns hold text: leave them out" if len(text) > 1 else "the column holds text: leave it out"
    return f"{says}; {many} with {_ignoring(form, text)}, or write numbers for the words"


def _ignoring(form: Form, columns: Sequence[int]) -> str:
    return f"data.ignore: {as_list(list(dict.fromkeys(form.columns[c] for c in columns)))}"
