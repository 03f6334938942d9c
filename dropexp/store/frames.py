"""The lines of a study's files as data frames: numbers exactly as Python reads them, words as they stand."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dropexp.errors import StoreError
from dropexp.records import EpochRow, ProbeRow, RunRow, words
from dropexp.rows import COLUMNS, CONFIG_COLUMNS, NUMERIC, WHOLE, is_number
from dropexp.store.csv_lines import AGAIN

if TYPE_CHECKING:
    import pandas as pd

WORDS = {*words(EpochRow), *words(ProbeRow), *words(RunRow), *CONFIG_COLUMNS}
TRUTHS = ("true", "True", "TRUE", "false", "False", "FALSE")  # which pandas takes for numbers
_READ: dict[str, tuple[int, pd.DataFrame]] = {}  # the last of each file that this process read, by the hash of its text


def framed(path: Path, lines: Sequence[str], numbers: Sequence[int] | None = None) -> pd.DataFrame:
    """Return the lines of a file as a data frame; raises StoreError, naming file and line, for a word among numbers.

    `numbers` are those of the lines, from 2 on where they are not given.
    """
    body = "".join(lines)
    if path.name not in _READ or _READ[path.name][0] != hash(body):
        _READ[path.name] = hash(body), _parsed(path, body, numbers or range(2, len(lines) + 2))
    return _READ[path.name][1].copy()


def _parsed(path: Path, body: str, lines: Sequence[int]) -> pd.DataFrame:
    name = path.name
    columns = COLUMNS[name]
    numbers = [column for column in columns if name in NUMERIC and column not in WORDS]
    plain = dict.fromkeys(columns, "str")
    quick = plain | dict.fromkeys(set(numbers).difference(WHOLE), "float64")
    try:
        if name == "runs.csv" or any(word in body for word in TRUTHS):
            raise ValueError
        frame = _frame(name, body, quick, {column: ["", "nan"] for column in numbers if column not in WHOLE})
        plain = quick
    except ValueError:  # no number, or one that only Python takes for one
        frame = _frame(name, body, plain, {})
    for column in numbers:
        if plain[column] == "str":
            frame[column] = _numbers(path, column, frame[column], lines)
    return frame


def _frame(name: str, body: str, kinds: dict[str, Any], absent: dict[str, list[str]]) -> pd.DataFrame:
    import pandas as pd  # a command that trains needs it at its end

    # later the default
    exact: dict[str, Any] = {"float_precision": "round_trip"} if pd.__version__.startswith("3.0.") else {}
    return pd.read_csv(
        io.StringIO(body), names=list(COLUMNS[name]), dtype=kinds, keep_default_na=False, na_values=absent, **exact
    )


def _numbers(path: Path, column: str, cells: pd.Series[str], lines: Sequence[int]) -> np.ndarray:
    whole = column in WHOLE
    try:
        kinds = {cell: float(cell or "nan") for cell in cells.unique()}
        if whole and not all(_counts(cell, column) for cell in kinds):
            raise ValueError
        return cells.map(kinds).to_numpy(dtype=np.float64)
    except ValueError:
        wrong = [not (_counts(cell, column) if whole else not cell or is_number(cell)) for cell in cells]
        row = wrong.index(True)
        what = "a whole number" if whole else "a number"
        raise StoreError(
            f"{path}:{lines[row]}: {column}: {cells[row][:60]!r} is not {what}; the file was edited: {AGAIN}"
        ) from None


def _counts(cell: str, column: str) -> bool:
    """Whether a cell is a whole number from 0, or empty where the column allows it."""
    return (cell.isascii() and cell.isdigit() and len(cell) < 18) or (not cell and column == "selected_epoch")
