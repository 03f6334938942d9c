"""The lines of a study's files as they are found: what a kill tore off is left out, what a hand changed is named."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path

from dropexp.errors import StoreError
from dropexp.rows import COLUMNS, CONFIG_COLUMNS, config_cells, headers, line_of
from dropexp.study_files.stored_arms import from_cells, names_of

AGAIN = "put it back, or delete the line and run the same command again, which trains what is missing"
LONG = 100_000  # characters, below which no cell is too long for a reader of CSV
_SOUND: set[int] = set()  # hashes of the lines of runs.csv that were checked by this process


def lines(path: Path) -> list[str]:
    """Return the whole lines of one of a study's files, in today's columns and without its header.

    A last line without its end is what a kill or a full disk tore, and is left out. Raises StoreError, naming file and
    line, where the file cannot be read, is of another program or version, or was edited.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); choose another folder with --results") from None
    raw = raw[: raw.rfind(b"\n") + 1]
    try:
        text = raw.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        number = raw.count(b"\n", 0, error.start) + 1
        raise StoreError(f"{path}:{number}: is not UTF-8 text; the file was edited or damaged: {AGAIN}") from None
    if not text:
        return []
    first, *body = [f"{line}\n" for line in text[:-1].split("\n")]
    header = _header(path, first)
    commas = len(header) - 1
    if path.name != "runs.csv" and header == COLUMNS[path.name] and _even(text, body, commas):
        return body  # a large file is whole at a glance, or is looked at line by line
    numbered = [(number, line) for number, line in enumerate(body, 2) if line != "\n"]
    for number, line in numbered:
        if len(line) > LONG or "\0" in line or "\r" in line or '"' in line or line.count(",") != commas:
            _whole(path, number, line, commas + 1)
    if header != COLUMNS[path.name]:
        numbered = [(number, _moved(path, number, line, header)) for number, line in numbered]
    if path.name == "runs.csv":
        _check_names(path, numbered)
    return [line for _, line in numbered]


def _even(text: str, body: Sequence[str], commas: int) -> bool:
    """Whether every line has so many commas, and none has a quote, NUL or carriage return or is too long."""
    if any(sign in text for sign in '"\0\r') or max(map(len, body), default=0) > LONG:
        return False
    return set(map(str.count, body, repeat(","))) <= {commas}


def cells_of(line: str) -> list[str]:
    """Return the cells of one line."""
    return next(csv.reader([line], strict=True))  # strict: a quote that is never closed is an error


def _header(path: Path, line: str) -> tuple[str, ...]:
    """Return a header that this version or an older one wrote."""
    known = COLUMNS[path.name]
    try:
        header = tuple(cells_of(line))
    except (csv.Error, StopIteration):
        header = ()
    if header in headers(path.name):
        return header
    if unknown := [c for c in header if c not in known]:
        raise StoreError(
            f"{path}:1: unknown column {unknown[0][:60]!r}; the file was written by a newer dropexp, by another program, "
            "or edited; install that version, or choose another folder with --results"
        )
    absent = [c for c in known if c not in header]
    why = f"the column {absent[0]!r} is missing" if absent else "the columns stand in another order"
    raise StoreError(
        f"{path}:1: {why}, and no version of dropexp wrote such a file; it was edited: restore it, or choose another "
        "folder with --results"
    )


def _whole(path: Path, number: int, line: str, wanted: int) -> None:
    """Raise StoreError where a line is not one row of `wanted` cells."""
    try:
        count = len(cells_of(line))
    except (csv.Error, StopIteration):
        count = 0
    if count != wanted or "\0" in line:
        what = f"has {count} cells and the header {wanted}" if count else "is no row of cells"
        what = "holds NUL bytes" if "\0" in line else what
        raise StoreError(f"{path}:{number}: {what}; the file was edited or damaged: {AGAIN}")


def _moved(path: Path, number: int, line: str, header: Sequence[str]) -> str:
    """Return a row under an older header in today's columns, fields that are new filled with their default."""
    row = dict(zip(header, cells_of(line), strict=True))
    if path.name == "runs.csv":
        row = {**_filled(path, number, row), **row}
    return line_of(row.get(column, "") for column in COLUMNS[path.name])


def _filled(path: Path, number: int, row: Mapping[str, str]) -> dict[str, str]:
    try:
        return dict(zip(CONFIG_COLUMNS, config_cells(from_cells(row)), strict=True))
    except ValueError:
        raise _misread(path, number) from None


def _misread(path: Path, number: int) -> StoreError:
    return StoreError(f"{path}:{number}: holds no configuration that can be read; the file was edited: {AGAIN}")


def _check_names(path: Path, numbered: Sequence[tuple[int, str]]) -> None:
    """Raise StoreError where a run's name is not that of its configuration and seed, or stands twice with two results."""
    seen: dict[str, tuple[int, str]] = {}
    for number, line in numbered:
        earlier, other = seen.setdefault(line.partition(",")[0], (number, line))
        if other != line:
            raise StoreError(
                f"{path}:{number}: the run of line {earlier} once more, with another result; the file was edited or two "
                "files were joined: delete one of the two lines and run the same command again"
            )
        if hash(line) not in _SOUND:
            _check_name(path, number, line, numbered)
            _SOUND.add(hash(line))


def _check_name(path: Path, number: int, line: str, numbered: Sequence[tuple[int, str]]) -> None:
    row = dict(zip(COLUMNS["runs.csv"], cells_of(line), strict=True))
    run, arm, seed = row["run_id"], row["arm_id"], row["seed"]
    if not (seed.isascii() and seed.isdigit()):
        raise StoreError(f"{path}:{number}: seed: {seed[:60]!r} is no seed; the file was edited: {AGAIN}")
    try:
        expected = names_of(tuple(row[column] for column in CONFIG_COLUMNS), int(seed))
    except ValueError:
        raise _misread(path, number) from None
    if expected == (arm, run):
        return
    for column, here, there in _differences(row, numbered):
        raise StoreError(
            f"{path}:{number}: {column} is {here!r} here and {there!r} in other rows of {arm}; the file was edited: {AGAIN}"
        )
    raise StoreError(
        f"{path}:{number}: these are not the configuration and seed of {run[:120]}; the file was edited: {AGAIN}"
    )


def _differences(row: Mapping[str, str], numbered: Sequence[tuple[int, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield the cells in which a row differs from another of its arm whose name is right."""
    for _, line in numbered:
        other = dict(zip(COLUMNS["runs.csv"], cells_of(line), strict=True))
        if other["arm_id"] != row["arm_id"] or other["run_id"] == row["run_id"] or not other["seed"].isdigit():
            continue
        configuration = tuple(other[column] for column in CONFIG_COLUMNS)
        try:
            right = names_of(configuration, int(other["seed"])) == (other["arm_id"], other["run_id"])
        except ValueError:
            continue
        if right:
            yield from ((c, row[c][:60], other[c][:60]) for c in CONFIG_COLUMNS if row[c] != other[c])
            return
