"""The lines of one of a study's files as they are found: parsed, in today's columns, and apart from them what is no row."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

from dropexp.errors import StoreError
from dropexp.files import GIB, MIB, read_bounded
from dropexp.rows import COLUMNS, CONFIG_COLUMNS, SEAL, cells_of, config_cells, headers, line_of
from dropexp.store.seals import row_of
from dropexp.study_files.stored_arms import from_cells, names_of

AGAIN = "restore it, or delete the line and run the same command again, which trains what is missing"
LONG = 100_000  # characters, below which no cell is too long for a reader of CSV
LARGEST = {
    "epochs.csv": GIB,
    "probes.csv": 2 * GIB,
    "provenance.csv": 256 * MIB,
    "failures.csv": 64 * MIB,
    "runs.csv": 512 * MIB,
}
KEYS = {
    "epochs.csv": 4,
    "probes.csv": 3,
}  # the first cells, which say what a row is of and never need quotes; 1 elsewhere
TORN = "is cut off: the process was killed, the power failed or the disk was full"
_SOUND: set[int] = set()  # hashes of the lines of runs.csv that were checked by this process


@dataclass(frozen=True)
class Lost:
    """A line that is no row, or a row that stands for nothing: where it was found, why it does not count, and its text."""

    file: str
    line: int
    why: str
    text: str = field(repr=False)


@dataclass
class Found:
    """The rows of a file as lines, each spelt as dropexp spells it, with the numbers of the lines; and what is no row."""

    lines: list[str] = field(default_factory=list)
    numbers: Sequence[int] = ()
    lost: list[Lost] = field(default_factory=list)
    respelt: list[int] = field(default_factory=list)  # the lines that say what they say in another spelling


def read_lines(path: Path, *, names: bool = True) -> Found:
    """Return the lines of one of a study's files, none where there is no such file.

    Raises StoreError, naming file and line, where the file cannot be read, is of another program or version, holds no
    row at all among its lines, or, with `names`, has rows of runs.csv that were edited so that they name another run.
    """
    try:
        raw = read_bounded(path, LARGEST[path.name])
    except FileNotFoundError:
        return Found()
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be read ({error.strerror}); name another folder, in run with --results"
        ) from None
    end = raw.rfind(b"\n") + 1
    tail, raw = raw[end:].rstrip(b"\0"), raw[:end]  # zeros are what a power cut leaves of what was never written
    text = raw.decode("utf-8", "surrogateescape").replace("\r\n", "\n").removeprefix("\ufeff")
    lost = (
        [Lost(path.name, text.count("\n") + 1, TORN, _readable(tail.decode("utf-8", "surrogateescape")))]
        if tail
        else []
    )
    if not text and b"\r" in tail:
        raise StoreError(
            f"{path}:1: its lines end in a carriage return alone, so another program has saved it: {AGAIN}"
        )
    if not text:
        return Found(lost=lost)
    first, *body = [f"{line}\n" for line in text[:-1].split("\n")]
    if "\0" in first:  # the first rows were cut off before they were on the disk, so no run stands on them
        lost = [
            Lost(path.name, n, "follows a header of NUL bytes", _readable(x[:-1])) for n, x in enumerate(body, 2)
        ] + lost
        return Found(lost=lost)
    header = _header(path, first)
    if header == COLUMNS[path.name] and raw.isascii() and _even(text, body, len(header) - 1):
        found = Found(body, range(2, len(body) + 2), lost)
    else:
        found = _one_by_one(path, body, header, lost)
    if found.lost and not found.lines and (worst := found.lost[0]).why != TORN:
        raise StoreError(
            f"{path}:{worst.line}: {worst.why}, and no other line is a row; the file was edited: restore it"
        )
    if path.name == "runs.csv" and names:
        _check_names(path, list(zip(found.numbers, found.lines, strict=True)))
    return found


def by_run(lines: Iterable[str]) -> dict[str, list[str]]:
    """Return the lines of each run."""
    found: dict[str, list[str]] = {}
    for line in lines:
        found.setdefault(line.partition(",")[0], []).append(line)
    return found


def _even(text: str, body: Sequence[str], commas: int) -> bool:
    """Whether every line has so many commas, and none has a quote, NUL or carriage return or is too long."""
    if any(sign in text for sign in '"\0\r') or max(map(len, body), default=0) > LONG:
        return False
    return set(map(str.count, body, repeat(","))) <= {commas}


def _one_by_one(path: Path, body: Sequence[str], header: tuple[str, ...], lost: list[Lost]) -> Found:
    """Return the lines that are rows, under today's header and as dropexp spells them, and those that are none."""
    found, numbers = Found(), list[int]()
    for number, line in enumerate(body, 2):
        if line == "\n":
            continue
        why, stood = None, line
        if len(line) > LONG or any(sign in line for sign in '"\0\r') or not line.isascii():
            line, why = _respelt(line)
        if why is None and (n := len(cells_of(line)) if '"' in line else line.count(",") + 1) != len(header):
            why = f"has {n} cells and the header {len(header)}"
        if why is None and '"' in line and any('"' in c for c in line.split(",")[: KEYS.get(path.name, 1)]):
            why = "does not begin with a run id"  # so that whoever looks for it may cut at commas
        if why:
            found.lost.append(Lost(path.name, number, why, _readable(line.rstrip("\n"))))
            continue
        found.lines.append(line if header == COLUMNS[path.name] else _moved(path, number, line, header))
        numbers.append(number)
        found.respelt += [number] if line != stood else []
    found.numbers, found.lost = numbers, found.lost + lost
    return found


def _respelt(line: str) -> tuple[str, str | None]:
    """Return a line as dropexp would spell it, and why it is no row, None where it is one."""
    if "\0" in line:
        return line, "holds NUL bytes"
    try:
        line.encode()
    except UnicodeEncodeError:
        return line, "is not UTF-8 text"
    try:
        return line_of(cells_of(line)), None
    except (csv.Error, StopIteration):
        return line, "is not a row of cells"


def _readable(text: str) -> str:
    """Return a text of which every byte can be read and written, those that are no text as escapes."""
    return (
        text.encode("utf-8", "surrogateescape")
        .decode("utf-8", "backslashreplace")
        .replace("\0", "\\0")
        .replace("\r", "\\r")
    )


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
            "or edited; install that version, or name another folder, in run with --results"
        )
    absent = [c for c in known if c not in header]
    why = f"the column {absent[0]!r} is missing" if absent else "the columns are in a different order"
    raise StoreError(
        f"{path}:1: {why}, and no version of dropexp wrote such a file; it was edited: restore it, or name another "
        "folder, in run with --results"
    )


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
    return StoreError(f"{path}:{number}: holds no readable configuration; the file was edited: {AGAIN}")


def _check_names(path: Path, numbered: Sequence[tuple[int, str]]) -> None:
    """Raise StoreError where a run's name is not that of its configuration and seed, or stands twice with two results."""
    seen: dict[str, tuple[int, str]] = {}
    for number, line in numbered:
        earlier, other = seen.setdefault(line.partition(",")[0], (number, line))
        if other != line and unsealed(other) != unsealed(line):
            raise StoreError(
                f"{path}:{number}: repeats the run of line {earlier} with a different result; the file was edited or two "
                "files were joined: delete one of the two lines and run the same command again"
            )
        if hash(line) not in _SOUND:
            _check_name(path, number, line, numbered)
            _SOUND.add(hash(line))


def unsealed(line: str) -> list[str]:
    """Return the cells of a row of runs.csv that say how its training went, whatever else was kept of it and from where."""
    return [
        c for column, c in zip(COLUMNS["runs.csv"], cells_of(line), strict=True) if column not in (*SEAL, "data.source")
    ]


def _check_name(path: Path, number: int, line: str, numbered: Sequence[tuple[int, str]]) -> None:
    row = row_of(line)
    run, arm, seed = row["run_id"], row["arm_id"], row["seed"]
    for column, sign in (("seed", seed), ("epochs_run", row["epochs_run"])):
        if not (sign.isascii() and sign.isdigit() and len(sign) < 18):
            what = "no seed" if column == "seed" else "not a whole number"
            raise StoreError(f"{path}:{number}: {column}: {sign[:60]!r} is {what}; the file was edited: {AGAIN}")
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
        f"{path}:{number}: the configuration and seed are not those of {run[:120]}; the file was edited: {AGAIN}"
    )


def _differences(row: Mapping[str, str], numbered: Sequence[tuple[int, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield the cells in which a row differs from another of its arm whose name is right."""
    for _, line in numbered:
        other = row_of(line)
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
