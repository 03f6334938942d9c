"""The files of a study as text: columns, cells, and the order of rows, which depends on the rows alone."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from dropexp.experiment.applicability import cells
from dropexp.experiment.config import Config
from dropexp.experiment.leaves import roles
from dropexp.metrics import new_in_versions
from dropexp.records import EpochRow, Failure, ProbeRow, Provenance, RunRow


def names(row: type) -> tuple[str, ...]:
    """Return the columns of a kind of row, in order."""
    return tuple(f.name for f in dataclasses.fields(row))


CONFIG_COLUMNS = tuple(roles())
COLUMNS: dict[str, tuple[str, ...]] = {
    "epochs.csv": names(EpochRow),
    "probes.csv": names(ProbeRow),
    "provenance.csv": names(Provenance),
    "failures.csv": names(Failure),
    "runs.csv": names(RunRow) + CONFIG_COLUMNS,  # last: a row here says that the run is done
}
# What a run's row says of its rows in other files, its weights and its predictions
SEAL = ("probes_taken", "probe_rows", "weights_selected", "weights_all", "predictions", "rows_digest")
# What each version of the files added to the one before, oldest first; every new column is a new entry here. A header that
# is neither today's nor one of these was edited.
_ADDED: tuple[dict[str, tuple[str, ...]], ...] = (  # beside those of metrics, which say so themselves
    {
        "runs.csv": (
            *("model.units", "model.layers", "model.bidirectional", "dropout.group_size", "dropout.block_size"),
            *("dropout.at_test", "dropout.recurrent", "dropout.schedule.shape", "dropout.schedule.epochs"),
            *("dropout.schedule.begin", "dropout.schedule.end"),
        )
    },
    {
        "runs.csv": (
            *("memorised", "recovered"),
            *("train_examples", "val_examples", "test_examples", "classes", "test_set", "training.precision"),
        )
    },
    {
        "probes.csv": ("at",),
        "runs.csv": tuple(column for column in SEAL if column != "predictions"),
        "provenance.csv": ("row_digest",),
    },
    {"runs.csv": ("predictions",)},
    {"runs.csv": ("data.ignore", "data.blanks")},
)
Added = dict[str, tuple[str, ...]]


def _with(new: Added, metrics: Added) -> Added:
    return {name: new.get(name, ()) + metrics.get(name, ()) for name in new | metrics}


ADDED = tuple(_with(new or {}, metrics or {}) for new, metrics in zip_longest(_ADDED, new_in_versions()))
NUMERIC = ("epochs.csv", "probes.csv", "runs.csv")  # all their columns but words and configuration are numbers
WHOLE = ("seed", "epoch", "epochs_run", "selected_epoch")  # whole numbers from 0; the last may be empty
DEPENDENT = ("epochs.csv", "probes.csv", "provenance.csv")  # their rows count only beside one in runs.csv


def headers(name: str) -> list[tuple[str, ...]]:
    """Return the headers that a file has had, today's first."""
    found = [COLUMNS[name]]
    for added in reversed(ADDED):
        if new := added.get(name):
            found.append(tuple(column for column in found[-1] if column not in new))
    return found


def config_cells(config: Config) -> list[str]:
    """Return a configuration as cells in the order of the schema; what does not apply is empty."""
    return list(cells(config).values())


def cell(value: Any) -> str:
    """Return a value of a row as one cell: '' for None, Python's repr of a float, words on one line."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    return " ".join(str(value).split()) if isinstance(value, str) else str(value)


def line_of(cells: Iterable[str]) -> str:
    """Return cells as one line of CSV, ended by a line feed."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def cells_of(line: str) -> list[str]:
    """Return the cells of one line of CSV; raises csv.Error where a quote is never closed."""
    return next(csv.reader([line], strict=True))


def lines_of(records: Iterable[Any]) -> str:
    """Return records of one kind as lines of CSV, their fields as columns."""
    text = io.StringIO()
    write, columns = csv.writer(text, lineterminator="\n").writerow, tuple[str, ...]()
    for record in records:
        columns = columns or names(type(record))
        write([cell(getattr(record, column)) for column in columns])
    return text.getvalue()


def is_number(cell: str) -> bool:
    """Whether Python reads a cell as a float."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def epoch_of(line: str, column: int | None) -> int:
    """Return the epoch in a line, 0 where its file has no such column."""
    return 0 if column is None else int(line.split(",", column + 1)[column])


def run_key(line: str) -> tuple[object, ...]:
    """Order of rows: configuration columns left to right, empty first, numbers by value, then words; then seed."""
    cells = cells_of(line)
    first = len(COLUMNS["runs.csv"]) - len(CONFIG_COLUMNS)
    return (*(cell_key(c) for c in cells[first:]), int(cells[2]), cells[0])


def cell_key(cell: str) -> tuple[int, float, str]:
    """Order of cells: empty, then numbers by value, then words."""
    if not cell:
        return (0, 0.0, "")
    try:
        return (1, float(cell), "")
    except ValueError:
        return (2, 0.0, cell)
