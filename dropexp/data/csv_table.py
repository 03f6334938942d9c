"""A user's .csv: numeric columns, one of them the label; some may be left out, and blank cells dropped or filled in."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from dropexp.data.csv_cells import LARGEST, Cells, decimal_comma, read_cells
from dropexp.data.csv_form import LINE, SEPARATORS, Form, as_list, form_of
from dropexp.data.dataset import Dataset, assemble, bounded, shorten
from dropexp.errors import DataError
from dropexp.experiment.config import Data
from dropexp.quoting import counted, spelt


def read_csv(path: Path, data: Data, sha256: str) -> Dataset:
    """Read vectors (N, F) float32 from a file with a header line; column `data.label` is the label.

    Commas, semicolons or tabs separate the cells; columns in `data.ignore` are left out. Cells that `data.blanks` fills in
    are NaN in what is returned: their values are the training examples', which a split chooses. Raises DataError, naming
    line and column, for a cell that is no finite number, and for a blank one where `data.blanks` refuses them.
    """
    form = form_of(path, data.label)
    if data.label is None:
        raise DataError(
            f"{path}: data.label is not set; set it to the column that holds the label, one of {shorten(form.columns)}"
        )
    label = form.place(data.label, "data.label")
    inputs = _inputs(form, data, label)
    notes = [f"{len(inputs)} of the {len(form.columns)} columns are inputs, {spelt(data.label)} is the label"]
    if data.ignore:
        notes[0] += f", left out: {shorten(data.ignore)}"
    if form.separator != ",":
        notes.append(f"cells are separated by {SEPARATORS[form.separator]}")
    cells = _values(form, inputs, label)
    if cells.comma:
        notes.append(f"numbers have decimal commas, as in {spelt(cells.comma)}")
    if len(cells.words) == 0:
        raise DataError(f"{path}: has a header and no rows; add one example per line")
    cells = _without_blanks(form, inputs, label, cells, data.blanks, notes)
    notes += [
        f"column {spelt(form.columns[c])} counts the lines; leave it out with data.ignore if it is not a measurement"
        for c in _counting(inputs, cells.x)
    ]

    def row(i: int) -> str:
        return f"line {cells.lines[i] if cells.lines else next(islice(form.lines(), i + 1, None))[0]}"

    part = ("the table", cells.x.astype(np.float32), f"column {spelt(data.label)}", _labels(cells.words))
    return assemble(data.source, str(path), [part], sha256=sha256, notes=notes, row=row, blanks=True)


def _inputs(form: Form, data: Data, label: int) -> list[int]:
    """Return the places of the columns to learn from."""
    ignored = data.ignore or ()
    for name in ignored:
        if name not in form.columns:
            form.place(name, "data.ignore")
        if name == data.label:
            raise DataError(
                f"{form.path}: {spelt(name)} is named under both data.label and data.ignore; name it under only one of them"
            )
    inputs = [i for i, name in enumerate(form.columns) if i != label and name not in ignored]
    if not inputs:
        left = f"; data.ignore leaves out {shorten(ignored)}" if ignored else ""
        raise DataError(
            f"{form.path}: {spelt(form.columns[label])} is its only column{left}; add numeric columns to learn from"
        )
    return inputs


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


def _values(form: Form, inputs: Sequence[int], label: int) -> Cells:
    """Return what a table holds, by pandas where all inputs are plain numbers, else cell by cell."""
    import pandas as pd

    bounded(form.path, "the table", form.path.stat().st_size)
    first = next(islice(form.lines(), 1, None), (0, []))[1]
    comma = next((first[i].strip() for i in inputs if i < len(first) and decimal_comma(first[i].strip())), None)
    try:
        if not _dense(form.path, len(form.columns)):
            raise ValueError
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            frame = pd.read_csv(
                form.path, sep=form.separator, decimal="," if comma else ".", header=0, names=range(len(form.columns)),
                index_col=False, dtype={label: str}, na_filter=False, skipinitialspace=True, encoding="utf-8-sig",
                low_memory=False,
            )  # fmt: skip
        words = [str(word).strip() for word in frame[label]]
        numbers = frame[list(inputs)]
        plain = all(dtype.kind in "iuf" for dtype in numbers.dtypes) and all(words)
        x = numbers.to_numpy(np.float64) if plain else None
    except (ValueError, OSError, pd.errors.ParserWarning):
        x = None
    if x is None or not (np.abs(x) <= LARGEST).all():
        return read_cells(form, inputs, label)
    return Cells(x, words, [], {}, comma)


def _without_blanks(
    form: Form, inputs: Sequence[int], label: int, cells: Cells, policy: str, notes: list[str]
) -> Cells:
    """Return the lines to keep, and say in `notes` what became of blanks; raises DataError where they are refused."""
    blank = np.isnan(cells.x)
    unlabelled = np.array([not word for word in cells.words])
    counts = {column: int(n) for column, n in zip(inputs, blank.sum(0), strict=True) if n}
    if unlabelled.any():
        counts[label] = int(unlabelled.sum())
    if not counts:
        return cells
    total = len(cells.words)
    if empty := [form.columns[c] for c, n in counts.items() if n == total and c != label]:
        raise DataError(
            f"{form.path}: blank in all lines: {shorten(empty)}; leave {'it' if len(empty) == 1 else 'them'} out with "
            f"data.ignore: {as_list(empty)}"
        )
    gone = blank.any(1) | unlabelled
    each = shorten(f"{form.columns[column]} {n}" for column, n in counts.items())
    blanks, of = sum(counts.values()), f"{int(gone.sum())} of {counted(total, 'line')}"
    many = f"{counted(blanks, 'cell')} in {of} {'is' if blanks == 1 else 'are'} blank ({each})"
    if policy == "refuse":
        column = min(counts, key=lambda c: (_first(cells, c, label), c))
        line, cell = (_first(cells, label, label), "") if column == label else cells.blank[column]
        what = f"{spelt(cell)} stands for a blank cell" if cell else "the cell is empty"
        raise DataError(
            f"{form.where(line, column)}: {what}; {many}: set data.blanks to drop, which leaves such "
            "lines out, or to mean or median, which fills them in from the training examples, or leave columns out with "
            "data.ignore"
        )
    if policy != "drop":
        if unlabelled.any():
            raise DataError(
                f"{form.where(_first(cells, label, label), label)}: the cell is empty in {counted(int(unlabelled.sum()), 'line')}, "
                "and a label cannot be filled in; remove such lines, or set data.blanks to drop"
            )
        notes.append(f"{many}: filled in with the {policy} of the training examples of each split")
        return cells
    if gone.all():
        raise DataError(
            f"{form.path}: every line has a blank cell ({each}), so data.blanks drop leaves no lines; leave columns out with "
            "data.ignore, or set data.blanks to mean or median"
        )
    notes.append(f"{of} left out for blank cells ({each})")
    kept = np.flatnonzero(~gone)
    return Cells(cells.x[kept], [cells.words[i] for i in kept], [cells.lines[i] for i in kept], {}, cells.comma)


def _first(cells: Cells, column: int, label: int) -> int:
    """Return the line of a column's first blank cell."""
    return cells.lines[cells.words.index("")] if column == label else cells.blank[column][0]


def _counting(inputs: Sequence[int], x: np.ndarray) -> list[int]:
    """Return the columns that count the lines up one by one, as an index does."""
    if len(x) < 3:
        return []
    likely = np.flatnonzero((np.diff(x[:3], axis=0) == 1).all(0))
    return [inputs[int(i)] for i in likely if (np.diff(x[:, i]) == 1).all()]


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
