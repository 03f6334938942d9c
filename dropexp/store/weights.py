"""The weights that runs kept, weights/<run_id>.npz or weights/<run_id>/epoch-<n>.npz: written, and held against their digests."""

from __future__ import annotations

import io
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dropexp import files
from dropexp.errors import StoreError
from dropexp.records import Outcome
from dropexp.store.seals import digest

FOLDER = "weights"
COLUMNS_OF_WEIGHTS = ("weights_selected", "weights_all")
MOST = 64 * files.GIB  # bytes of one file


def column_of(save_weights: str) -> str | None:
    """Return the column for the digest of the weights that a study keeps, None where it keeps none."""
    return None if save_weights == "none" else f"weights_{save_weights}"


def save(folder: Path, outcome: Outcome, save_weights: str) -> dict[str, dict[str, str]]:
    """Write the weights that a pack kept; return by run and column the digest of what is kept.

    A run that diverged at once kept nothing, which has a digest too.
    """
    root, kept = folder / FOLDER, dict(outcome.weights)
    found: dict[str, dict[str, str]] = {row.run_id: {} for row in outcome.runs}
    if (column := column_of(save_weights)) is None:
        return found
    for row in outcome.runs:
        made = []
        names = sorted(name for name in kept if name.partition("/")[0] == row.run_id)
        try:
            for path in set(files_of(folder, row.run_id)[column]).difference(root / f"{name}.npz" for name in names):
                files.remove(path)  # of a training that went another way
            for name in names:
                path, content = root / f"{name}.npz", io.BytesIO()
                np.savez(content, **kept[name])  # type: ignore[arg-type]
                files.make_folder(root)
                if path.parent != root:
                    files.make_folder(path.parent)
                files.sweep(path.parent, [path.name])
                files.write_aside(path, content.getvalue())
                made.append(content.getvalue())
        except OSError as error:
            where = error.filename or root
            raise StoreError(f"{where}: cannot be written ({error.strerror}); free some space and run again") from None
        found[row.run_id][column] = digest(made)
    return found


def files_of(folder: Path, run_id: str) -> dict[str, list[Path]]:
    """Return the files of weights that a folder holds of a run, by the column that has their digest."""
    one, many = folder / FOLDER / f"{run_id}.npz", folder / FOLDER / run_id
    every = [] if many.is_symlink() or (folder / FOLDER).is_symlink() else sorted(many.glob("epoch-*.npz"))
    return {"weights_selected": [one] if one.exists() or one.is_symlink() else [], "weights_all": every}


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
    where = FOLDER + (f"/{row['run_id']}" if column == "weights_all" else f"/{row['run_id']}.npz")
    return f"{where}: {'differs from what was stored' if found else 'is missing'} ({column})"


def _unsealed_weights(row: Mapping[str, str], column: str, found: Sequence[Path]) -> str | None:
    """Before 0.3.0 nothing said whether weights were asked for: files are there and hold something, or they are not."""
    wanted = int(row["epochs_run"]) if column == "weights_all" else int(row["selected_epoch"] != "")
    try:
        whole = [path for path in found if (s := path.lstat()).st_size and stat.S_ISREG(s.st_mode)]
    except OSError:
        whole = []
    return None if len(whole) == wanted else f"{FOLDER}/: holds {len(whole)} of its {wanted} files"
