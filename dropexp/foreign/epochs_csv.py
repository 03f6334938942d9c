"""A user's epochs.csv cell by cell: columns of numbers, or one sentence with the line that is at fault."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NoReturn

import numpy as np

from dropexp.errors import StoreError
from dropexp.experiment.vocabulary import near
from dropexp.files import MIB, read_bounded
from dropexp.metrics import EPOCHS
from dropexp.quoting import clean
from dropexp.records import RunRow
from dropexp.rows import is_number, names

NEEDED = ("seed", "epoch", "train_accuracy", "test_accuracy")
OWN = ("run_id", "arm_id")  # of dropexp's own epochs.csv
MEASURED = tuple(EPOCHS)
FACTS = ("parameters", "train_examples", "test_examples", "classes")  # columns of runs.csv that a user may state
TAKEN = {*names(RunRow), "n", "n_diverged", "baseline_arm", "study"} - {*MEASURED, *NEEDED, *FACTS}
ADVICE = {
    "seed": "add one: a whole number per repetition of an arm (0 everywhere if each ran once)",
    "epoch": "add one that counts from 1 within each run",
    "train_accuracy": "add it as a fraction, measured with dropout off",
    "test_accuracy": "add it as a fraction, measured with dropout off",
}
LARGEST = 2.0**53
MOST = 512 * MIB  # bytes


class Table:
    """The cells of a CSV file by column, and the line of each row."""

    def __init__(self, path: Path):
        """Read a file; raises StoreError where it is no table of epochs."""
        self.path, self.lines = path, list[int]()
        rows: list[list[str]] = []
        reader = None
        try:
            text = read_bounded(path, MOST, follow=True).decode("utf-8-sig")
            reader = csv.reader(io.StringIO(text, newline=""))
            self.header = [name.strip() for name in next(reader, [])]
            if mistakes := _header(self.header):
                raise StoreError(f"{path}:1: {text}" for text in mistakes)
            for row in reader:
                if any(cell.strip() for cell in row):
                    rows.append(row)
                    self.lines.append(reader.line_num)
        except UnicodeDecodeError:
            raise StoreError(f"{path}: not UTF-8 text; save it as comma-separated text in UTF-8") from None
        except csv.Error as error:
            line = reader.line_num if reader else 1
            raise StoreError(f"{path}:{line}: not readable ({error}); save the file as comma-separated text") from None
        except OSError as error:
            raise StoreError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
        if not rows:
            raise StoreError(f"{path}: no row below the header; write one row per run and epoch")
        for line, row in zip(self.lines, rows, strict=True):
            if len(row) != len(self.header):
                count = f"{len(row)} cells under {len(self.header)} columns"
                raise StoreError(
                    f"{path}:{line}: {count}; write one cell per column, an empty one if nothing was measured"
                )
        self.cells = {name: [row[i].strip() for row in rows] for i, name in enumerate(self.header)}
        self.further = [name for name in self.header if name not in (*NEEDED, *MEASURED)]

    def refuse(self, row: int, name: str, why: str) -> NoReturn:
        cell = clean(self.cells[name][row]) or "an empty cell"
        raise StoreError(f"{self.path}:{self.lines[row]}: {name}: {cell} {why}")

    def measured(self, name: str) -> np.ndarray:
        """Return a column of numbers, NaN where a cell is empty; a loss that is no number becomes infinite."""
        values = self._numbers(name)
        given = np.array([bool(cell) for cell in self.cells[name]])
        if name in NEEDED:
            self._all(name, given, "is not a number")
        metric = EPOCHS[name].metric
        if np.isinf(metric.high):
            return np.where(given & np.isnan(values), np.inf, values)
        if metric.low == 0:
            percent = (values > 1) & (values <= 100)
            for row in np.flatnonzero(percent)[:1]:
                self.refuse(row, name, f"is above 1: write fractions, {values[row] / 100:.6g} for this percentage")
            self._all(name, ~given | ((values >= 0) & (values <= 1)), "is not a fraction from 0 to 1")
        return values

    def whole(self, name: str, least: float = -LARGEST) -> np.ndarray:
        """Return a column of whole numbers."""
        values = self._numbers(name)
        self._all(name, (values == np.floor(values)) & (np.abs(values) < LARGEST), "is not a whole number")
        self._all(name, values >= least, f"is below {least:g}: add {least - values.min():g} to each")
        return values.astype(np.int64)

    def _numbers(self, name: str) -> np.ndarray:
        cells = self.cells[name]
        for row, cell in enumerate(cells):
            if cell and not is_number(cell):
                comma = "; use a full stop as the decimal separator" if is_number(cell.replace(",", ".")) else ""
                self.refuse(row, name, f"is not a number{comma}")
        return np.array([float(cell) if cell else np.nan for cell in cells])

    def _all(self, name: str, fine: np.ndarray, why: str) -> None:
        for row in np.flatnonzero(~fine)[:1]:
            self.refuse(row, name, why)


def _header(header: list[str]) -> list[str]:
    """Return what is wrong with the names of the columns."""
    if not any(header):
        return [f"no header; the first line names the columns {', '.join(NEEDED)} and one for each axis"]
    if set(OWN) <= set(header):
        return ["this table was written by dropexp, but the study.yaml that belongs beside it is missing; put it back"]
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        return ["no comma in the header; save the file as comma-separated text"]
    found = [
        f"column {i} has no name; give it one, or leave it out (in pandas: to_csv(..., index=False))"
        for i, name in enumerate(header, 1)
        if not name
    ]
    found += [f"two columns are called {clean(n)!r}; keep one" for n in dict.fromkeys(header) if header.count(n) > 1]
    found += [f"{n!r} is a name that dropexp uses itself; rename that column" for n in header if n in TAKEN]
    found += [f"the name {clean(n)!r} holds a line break; write it on one line" for n in header if not n.isprintable()]
    for name in NEEDED:
        if name not in header:
            guess = near(name, [n for n in header if n not in (*NEEDED, *MEASURED)])
            found.append(f"no column {name!r}; {f'rename {guess!r}' if guess else ADVICE[name]}")
    return found
