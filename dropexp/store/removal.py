"""Runs taken out of a study's folder: copied aside as a whole first, and then removed; what a kill leaves half done is finished."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path

from dropexp import files
from dropexp.errors import StoreError
from dropexp.rows import COLUMNS, line_of
from dropexp.store.csv_lines import Lost
from dropexp.store.intact import held
from dropexp.store.lost_found import NAME as LOST_AND_FOUND
from dropexp.store.lost_found import remembered, written
from dropexp.store.prediction_order import arranged, as_lines, parts, rewrite
from dropexp.store.predictions import NAME as PREDICTIONS
from dropexp.store.predictions import scan
from dropexp.store.seals import row_of
from dropexp.store.weights import FOLDER as WEIGHTS
from dropexp.store.weights import MOST as MOST_WEIGHTS
from dropexp.store.weights import files_of

JOURNAL = ".removing"  # which runs are being removed; they stand aside as a whole from the moment this file exists
MOST_JOURNAL = 64 * files.MIB
ALONG = "axis_differences.csv"
DERIVED = (
    "summary.csv",
    ALONG,
    "overfit.csv",
    "stopping.csv",
    "ensemble.csv",
)  # made from the rows; wrong once one is removed
PART = ".part"  # ends the name of a folder that is not yet whole


def free_name(folder: Path) -> Path:
    """Return the next free name beside a study's folder for what is moved aside; one of a kill's halves is free."""
    names = (folder.with_name(f"{folder.name}.old-{n}") for n in range(1, 1_000_000))
    return next(path for path in names if not path.exists())


def copied(folder: Path, run_ids: Collection[str], whole: Sequence[str], loose: Iterable[Path], aside: Path) -> None:
    """Copy all that a folder holds of runs into a new folder, which gets its name when it is complete.

    `whole` names small files that are copied as they are, `loose` further files, each to the same place below `aside`.
    The folder's own files are not changed. Raises StoreError where the copy cannot be written.
    """
    part = aside.with_name(aside.name + PART)
    try:
        shutil.rmtree(part, ignore_errors=True)  # half a copy, which a kill left
        part.mkdir()
        for name in whole:
            if (folder / name).is_file():
                _copy(folder / name, folder, part)
        found = held(folder)
        for name, lines in found.lines.items():
            if own := [line for line in lines if _run(line) in run_ids]:
                files.write_aside(part / name, (line_of(COLUMNS[name]) + "".join(own)).encode())
        _copy_predictions(folder, found.lines["runs.csv"], run_ids, part)
        weights = [path for run_id in run_ids for path in _weights(folder, run_id)]
        for path in (*weights, *loose):
            _copy(path, folder, part)
        for inside in (part, *(path for path in part.rglob("*") if path.is_dir())):
            files.sync_folder(inside)
        part.rename(aside)
        files.sync_folder(aside.parent)
    except OSError as error:
        where = error.filename or part
        shutil.rmtree(part, ignore_errors=True)  # it takes the room that is lacking
        raise StoreError(f"{where}: cannot be written ({error.strerror}); nothing was removed; make room") from None


def _copy_predictions(folder: Path, rows: Sequence[str], run_ids: Collection[str], part: Path) -> None:
    named = {row["run_id"]: row["predictions"] for row in map(row_of, rows) if row["run_id"] in run_ids}
    if records := arranged(scan(folder), named)[0]:
        files.write_parts_aside(part / PREDICTIONS, parts(folder, records))


def place(path: Path, folder: Path, target: Path) -> None:
    """Copy a file below a study's folder to the same place below another; raises StoreError where it cannot be written."""
    _guard(target, partial(_copy, path, folder, target))


def _copy(path: Path, folder: Path, target: Path) -> None:
    """Copy a file that is only ever replaced as a whole: by a second name where the file system has such, else its bytes."""
    inside = path.relative_to(folder)
    for part in (inside, *inside.parents[:-1]):
        files.refuse_link(folder / part)
        files.refuse_link(target / part)
    there = target / inside
    there.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, there)
    except OSError:
        with files.open_bounded(path, MOST_WEIGHTS) as file:
            files.write_parts_aside(there, iter(lambda: file.read(files.CHUNK), b""))


def copy_weights(folder: Path, target: Path, run_ids: Iterable[str]) -> None:
    """Copy the weights of runs from one study's folder to another, where there are none of theirs; raises StoreError."""
    for path in (path for run_id in run_ids for path in _weights(folder, run_id)):
        if not (target / path.relative_to(folder)).exists():
            place(path, folder, target)


def is_aside(folder: Path, aside: Path) -> bool:
    """Whether the name of a folder is one that `free_name` gives to what is moved aside from another."""
    own, there = folder.absolute(), aside.absolute()
    return (
        own.parent.resolve() == there.parent.resolve()
        and re.fullmatch(rf"{re.escape(own.name)}\.old-\d+", there.name) is not None
    )


def remove(folder: Path, run_ids: Collection[str], loose: Iterable[Path]) -> None:
    """Remove runs that stand aside as a whole from a folder that this process holds; a kill at any moment is made good."""
    inside = [str(path.relative_to(folder)) for path in loose]
    _guard(folder, lambda: files.write_aside(folder / JOURNAL, json.dumps([sorted(run_ids), inside]).encode()))
    finish(folder)


def finish(folder: Path) -> None:
    """Remove the runs that the journal names, and the journal; nothing where there is none. For who holds the folder."""
    path = folder / JOURNAL
    try:
        run_ids, loose = json.loads(files.read_bounded(path, MOST_JOURNAL))
        gone, paths = frozenset(map(str, run_ids)), [_inside(folder, str(name)) for name in loose]
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, RecursionError) as error:
        why = getattr(error, "strerror", None) or "it is not as it was written"
        raise StoreError(
            f"{path}: cannot be read ({why}); move it away: runs may then be there that were removed"
        ) from None
    _guard(folder, lambda: _drop(folder, gone, paths))


def _inside(folder: Path, name: str) -> Path:
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(name)
    return folder / path


def _drop(folder: Path, gone: Collection[str], loose: Iterable[Path]) -> None:
    """Take runs out of every file; the journal goes last, so that this begins again wherever a kill ends it."""
    for name in DERIVED:  # first: one that tells of runs beside an empty runs.csv would count as a loss
        files.remove(folder / name)
    files.sync_folder(folder)
    found, index = held(folder), scan(folder)
    rows = [row for row in map(row_of, found.lines["runs.csv"]) if row["run_id"] not in gone]
    kept, gaps = arranged(index, {row["run_id"]: row["predictions"] for row in rows})
    theirs = {record.begin for run_id in gone for record in index.runs.get(run_id, ())}
    lost = [x for x in found.lost if _run(x.text) not in gone]
    lost += as_lines(folder, [gap for gap in gaps if gap.begin not in theirs])
    _remember(folder, lost)
    for name in reversed(COLUMNS):  # runs.csv first: who reads meanwhile sees whole runs
        if (folder / name).exists():
            left = [line for line in found.lines[name] if _run(line) not in gone]
            files.write_aside(folder / name, (line_of(COLUMNS[name]) + "".join(left)).encode())
    rewrite(folder, index, kept)
    for run_id in gone:
        for path in _weights(folder, run_id):
            files.remove(path)
        if not (folder / WEIGHTS).is_symlink():
            with contextlib.suppress(OSError):
                (folder / WEIGHTS / run_id).rmdir()
    for path in loose:
        if not path.parent.is_symlink():
            files.remove(path)
    files.remove(folder / JOURNAL)
    files.sync_folder(folder)


def _weights(folder: Path, run_id: str) -> list[Path]:
    """Return the files of a run's weights, none where their folder is a link: what that leads to is a stranger's."""
    if (folder / WEIGHTS).is_symlink():
        return []
    return [path for own in files_of(folder, run_id).values() for path in own]


def _remember(folder: Path, lost: Sequence[Lost]) -> None:
    if lost:
        files.write_aside(folder / LOST_AND_FOUND, written([*remembered(folder), *lost]).encode())


def _guard(folder: Path, act: Callable[[], None]) -> None:
    try:
        act()
    except OSError as error:
        where = error.filename or folder
        raise StoreError(
            f"{where}: cannot be written ({error.strerror}); make room, and the next command on this study goes on"
        ) from None


def _run(line: str) -> str:
    return line.partition(",")[0]
