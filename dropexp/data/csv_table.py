"""A user's .csv: numeric columns, one of them the label."""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import IO

import numpy as np

from dropexp.data.dataset import Dataset, assemble, bounded, shorten
from dropexp.errors import DataError
from dropexp.experiment.config import Data
from dropexp.experiment.vocabulary import meant
from dropexp.quoting import spelt

_LARGEST = float(np.finfo(np.float32).max)
COLUMNS, LINE = 100_000, 4_000_000  # columns, and characters of a line


def read_csv(path: Path, data: Data, sha256: str) -> Dataset:
    """Read vectors (N, F) float32 from a comma-separated file with a header line; column `data.label` is the label.

    Raises DataError, naming line and column, for a cell that is empty or no finite number.
    """
    columns = _header(path)
    label = data.label
    if label is None:
        raise DataError(
            f"{path}: data.label is not set; set it to the column that holds the label, one of {shorten(columns)}"
        )
    if columns.count(label) != 1:
        why = "has no column" if label not in columns else "has more than one column"
        raise DataError(
            f"{path}: {why} {spelt(label)} (data.label); its columns are {shorten(columns)}{meant(label, columns)}"
        )
    if len(columns) < 2:
        raise DataError(f"{path}: {spelt(label)} is its only column; add numeric columns to learn from")
    x, labels = _values(path, columns, columns.index(label))
    return assemble(
        data.source,
        str(path),
        [("the table", x, f"column {spelt(label)}", _labels(labels))],
        sha256=sha256,
        notes=[f"{len(columns) - 1} of the {len(columns)} columns are inputs, {spelt(label)} is the label"],
        row=lambda i: f"line {next(islice(_rows(path), i + 1, None))[0]}",
    )


def _header(path: Path) -> list[str]:
    first = next(_rows(path), None)
    if first is None:
        raise DataError(f"{path}: is empty; its first line must name the columns")
    columns = [name.strip() for name in first[1]]
    if len(columns) > COLUMNS:
        raise DataError(f"{path}: its first line names {len(columns):,} columns; {COLUMNS:,} are allowed")
    for mark, called in ((";", "semicolons"), ("\t", "tabs")):
        if len(columns) == 1 and mark in columns[0]:
            raise DataError(f"{path}: its columns are separated by {called}; separate them by commas")
    return columns


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line that is not blank, with its cells."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(_bounded_lines(path, file))
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


def _dense(path: Path, columns: int) -> bool:
    """Whether a file has the bytes for all cells of its lines; pandas would make up what is lacking, and run out of memory.

    Raises DataError where a line is endless, which pandas would read as a whole.
    """
    lines = begun = 0  # bytes of the line that the last chunk ended in
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            lines, end = lines + chunk.count(b"\n"), chunk.rfind(b"\n")
            begun = begun + len(chunk) if end < 0 else len(chunk) - end - 1
            if begun > 4 * LINE:  # a character has up to four bytes
                raise DataError(f"{path}: line {lines + 1} has {LINE:,} characters or more; is it a table of text?")
    return lines * columns <= path.stat().st_size


def _values(path: Path, columns: list[str], label: int) -> tuple[np.ndarray, list[str]]:
    """Return the numbers (N, F) float32, and the labels as words, of a table that holds nothing else."""
    import pandas as pd

    bounded(path, "the table", path.stat().st_size)
    try:
        if not _dense(path, len(columns)):
            raise ValueError
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            frame = pd.read_csv(
                path, header=0, names=range(len(columns)), index_col=False, dtype={label: str},
                na_filter=False, skipinitialspace=True, encoding="utf-8-sig", low_memory=False,
            )  # fmt: skip
        numbers = frame.drop(columns=label)
        words = [str(word).strip() for word in frame[label]]
        plain = all(dtype.kind in "iuf" for dtype in numbers.dtypes) and all(words)
        x = numbers.to_numpy(np.float64) if plain else None
    except (ValueError, OSError, pd.errors.ParserWarning):
        x = None
    if x is None or not (np.abs(x) <= _LARGEST).all():
        x, words = _cell_by_cell(path, columns, label)
    if len(x) == 0:
        raise DataError(f"{path}: has a header and no rows; add one example per line")
    return x.astype(np.float32), words


def _cell_by_cell(path: Path, columns: list[str], label: int) -> tuple[np.ndarray, list[str]]:
    """Read a table slowly, so that a DataError can name line and column of the first cell that is wrong."""
    x, words = [], []
    for line, cells in islice(_rows(path), 1, None):
        if len(cells) != len(columns):
            raise DataError(
                f"{path}: line {line} has {len(cells)} cells, and the header names {len(columns)} columns;"
                " make them equal"
            )
        cells = [cell.strip() for cell in cells]
        for column, (name, cell) in enumerate(zip(columns, cells, strict=True)):
            where = f"{path}: line {line}, column {spelt(name)}"
            if not cell:
                raise DataError(f"{where}: the cell is empty; fill it in or remove the line")
            if column != label and (why := _wrong(cell)):
                raise DataError(f"{where}: {spelt(cell)} {why}; give numbers only, or remove the line or the column")
        words.append(cells.pop(label))
        x.append([float(cell) for cell in cells])
    return np.array(x), words


def _wrong(cell: str) -> str:
    try:
        number = float(cell) if "_" not in cell else None
    except ValueError:
        number = None
    if number is None:
        return "is not a number"
    if not math.isfinite(number):
        return "is not a finite number"
    return "is too large for a 32-bit float" if abs(number) > _LARGEST else ""


def _labels(words: list[str]) -> np.ndarray:
    """Return labels as numbers where all are numbers, else as words."""
    try:
        return np.array([int(word) for word in words if "_" not in word or int("x")], np.int64)
    except (ValueError, OverflowError):
        pass
    try:
        return np.array([float(word) for word in words if "_" not in word or float("x")])
    except ValueError:
        return np.array(words)
