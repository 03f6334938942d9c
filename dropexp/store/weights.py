"""The weights that runs kept, below weights/: written as .safetensors, found, read, and held against their digests."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from dropexp import files
from dropexp.errors import StoreError
from dropexp.experiment.applicability import cells
from dropexp.experiment.study import Run
from dropexp.records import Outcome, RunRow
from dropexp.store.seals import digest
from dropexp.store.stored_arrays import NPZ, SAFETENSORS, from_npz, from_safetensors, to_safetensors

FOLDER = "weights"
# which weights a study keeps -> the column for their digest; one epoch or all of them stand in a folder of the run
COLUMN = {"selected": "weights_selected", "last": "weights_all", "all": "weights_all"}
COLUMNS_OF_WEIGHTS = tuple(dict.fromkeys(COLUMN.values()))
ENDINGS = (SAFETENSORS, NPZ)  # today's, and that of 0.4.0 and older
MOST = 64 * files.GIB  # bytes of one file
EPOCH = re.compile(r"epoch-(\d+)")


def column_of(save_weights: str) -> str | None:
    """Return the column for the digest of the weights that a study keeps, None where it keeps none."""
    return COLUMN.get(save_weights)


def save(folder: Path, runs: Iterable[Run], outcome: Outcome, save_weights: str) -> dict[str, dict[str, str]]:
    """Write the weights that a pack kept; return by run and column the digest of what is kept.

    Each file says in its metadata which run and epoch it is of, and that run's configuration. A run that diverged at once
    kept nothing, which has a digest too.
    """
    kept, configs = dict(outcome.weights), {run.run_id: run.config for run in runs}
    found: dict[str, dict[str, str]] = {row.run_id: {} for row in outcome.runs}
    if (column := column_of(save_weights)) is None:
        return found
    for row in outcome.runs:
        own = {cell: text for cell, text in cells(configs[row.run_id]).items() if text}
        made: dict[Path, bytes] = {}
        for name in sorted(name for name in kept if name.partition("/")[0] == row.run_id):
            facts = {
                "run_id": row.run_id, "arm_id": row.arm_id, "seed": row.seed, "epoch": _epoch(name, row), "config": own,
            }  # fmt: skip
            made[folder / FOLDER / f"{name}{SAFETENSORS}"] = to_safetensors(kept[name], facts)
        before = set(files_of(folder, row.run_id)[column]).difference(made)
        try:
            if save_weights == "last" and _are_of_it(folder, row.run_id, kept):
                stays = before.difference(path.with_suffix(NPZ) for path in made)
                before -= stays  # every epoch, which an earlier command kept of the same training
                made |= {path: files.read_bounded(path, MOST) for path in stays}
            for path in sorted(made):
                files.make_folder(folder / FOLDER)
                if path.parent != folder / FOLDER:
                    files.make_folder(path.parent)
                files.sweep(path.parent, [path.name])
                files.write_aside(path, made[path])
            for path in before:
                files.remove(path)  # of a training that went another way, or of an older version
        except OSError as error:
            where = error.filename or folder / FOLDER
            raise StoreError(f"{where}: cannot be written ({error.strerror}); free some space and run again") from None
        found[row.run_id][column] = digest(made[path] for path in sorted(made))
    return found


def _epoch(name: str, row: RunRow) -> int | None:
    epoch = EPOCH.fullmatch(name.rpartition("/")[2])
    return int(epoch[1]) if epoch else row.selected_epoch


def _are_of_it(folder: Path, run_id: str, kept: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether what stands in a run's folder is of the training that ended with the one epoch that is kept now."""
    (name, arrays), *_ = [pair for pair in kept.items() if pair[0].startswith(f"{run_id}/")] or [("", {})]
    for path in (path for path in files_of(folder, run_id)["weights_all"] if path.stem == Path(name).name):
        try:
            there = read(path)[0]
        except StoreError:
            return False
        return all(name in arrays and np.array_equal(array, arrays[name]) for name, array in there.items())
    return False


def files_of(folder: Path, run_id: str) -> dict[str, list[Path]]:
    """Return the files of weights that a folder holds of a run, by the column that has their digest, in order of epochs."""
    root = folder / FOLDER
    ones, many = [root / f"{run_id}{ending}" for ending in ENDINGS], root / run_id
    linked = many.is_symlink() or root.is_symlink()
    every = [] if linked else sorted(chain.from_iterable(many.glob(f"epoch-*{ending}") for ending in ENDINGS))
    return {"weights_selected": [one for one in ones if one.exists() or one.is_symlink()], "weights_all": every}


def read(path: Path, most: int = MOST) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays in a file of weights and the facts in its metadata, none in an .npz.

    Reads no more than `most` bytes. Raises StoreError for a file that cannot be read or is damaged.
    """
    try:
        content = files.read_bounded(path, most)
        return from_safetensors(content) if path.suffix == SAFETENSORS else (from_npz(content), {})
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise StoreError(f"{path}: {error}; train the run again with save_weights") from None


def epoch_of(path: Path, row: Mapping[str, str]) -> int | None:
    """Return the epoch that a file of a run's weights is of, by its name and the run's row; None where no epoch was selected."""
    if epoch := EPOCH.fullmatch(path.stem):
        return int(epoch[1])
    return int(row["selected_epoch"]) if row["selected_epoch"] else None


def lacks(folder: Path, row: Mapping[str, str], save_weights: str) -> str | None:
    """Return what a stored run lacks of the weights that a study asks for, None where it lacks nothing."""
    if (column := column_of(save_weights)) is None:
        return None
    if row["rows_digest"] and not row[column]:
        return "was trained without saving these weights"
    if why := weights_fault(folder, row, column):
        return why
    last = int(row["epochs_run"])
    finite = last - (row["stop_reason"] == "diverged")
    wanted = {"last": {finite} if finite else set(), "all": set(range(1, last + 1))}.get(save_weights, set())
    if wanted.difference(epoch_of(path, row) for path in files_of(folder, row["run_id"])[column]):
        return "was trained without saving these weights"
    return None


def weights_fault(folder: Path, row: Mapping[str, str], column: str) -> str | None:
    """Return what is wrong with the weights of a run that `column` speaks of; raises nothing."""
    found = files_of(folder, row["run_id"])[column]
    if not row["rows_digest"]:
        return _unsealed_weights(row, column, found)
    try:
        if digest(files.read_bounded(path, MOST) for path in found) == row[column]:
            return None
    except OSError as error:
        return f"{error.filename or FOLDER}: cannot be read ({error.strerror})"
    where = f"{FOLDER}/{row['run_id']}" + ("" if column == "weights_all" else found[0].suffix if found else SAFETENSORS)
    return f"{where}: {'differs from what was stored' if found else 'is missing'} ({column})"


def _unsealed_weights(row: Mapping[str, str], column: str, found: Sequence[Path]) -> str | None:
    """Before 0.3.0 nothing said whether weights were asked for: files are there and hold something, or they are not."""
    wanted = int(row["epochs_run"]) if column == "weights_all" else int(row["selected_epoch"] != "")
    try:
        whole = [path for path in found if (s := path.lstat()).st_size and stat.S_ISREG(s.st_mode)]
    except OSError:
        whole = []
    return None if len(whole) == wanted else f"{FOLDER}/: holds {len(whole)} of its {wanted} files"
