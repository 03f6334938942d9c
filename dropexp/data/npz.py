"""A user's .npz: x and y, or x_train and y_train with or without x_test and y_test."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

from dropexp.data.dataset import Dataset, assemble, near, shorten
from dropexp.errors import DataError
from dropexp.spec.config import Data

WHOLE = ("x", "y")
PARTS = ("x_train", "y_train")
TEST = ("x_test", "y_test")
_DAMAGED = (
    OSError, ValueError, EOFError, KeyError, SyntaxError, RuntimeError, MemoryError, zipfile.BadZipFile,
    zlib.error, struct.error,
)  # fmt: skip


def read_npz(path: Path, data: Data, sha256: str) -> Dataset:
    """Read arrays x (N, F), (N, H, W), (N, C, H, W) or (N, H, W, C) and labels (N,), never unpickling
    anything.

    Raises DataError where the file is damaged, arrays are missing or hold objects, or do not fit together.
    """
    try:
        # opened here, since numpy leaves a file open that turns out to be damaged
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.lib.npyio.NpzFile):
                return _read(archive, path, data, sha256)
    except _DAMAGED as error:
        raise DataError(f"{path}: is not a readable .npz: {_line(error)}; write it with numpy.savez") from None
    raise DataError(f"{path}: holds a single array; write numpy.savez(FILE, x=..., y=...) so that it holds x and y")


def _read(archive: np.lib.npyio.NpzFile, path: Path, data: Data, sha256: str) -> Dataset:
    names = set(archive.files)
    if names & {*WHOLE} and names & {*PARTS, *TEST}:
        raise DataError(f"{path}: holds {shorten(sorted(names))}; give either x and y, or x_train and y_train")
    wanted = [WHOLE] if names & {*WHOLE} else [PARTS, TEST] if names & {*TEST} else [PARTS]
    for name in (name for pair in wanted for name in pair):
        if name not in names:
            guess = near(name, names) if names else ""
            raise DataError(
                f"{path}: has no array {name!r}, only {shorten(sorted(names)) or 'nothing'}; give x and y,"
                f" or x_train, y_train and optionally x_test, y_test{guess}"
            )
    parts = [(x, _array(archive, x, path), y, _array(archive, y, path)) for x, y in wanted]
    ignored = sorted(names - {name for pair in wanted for name in pair})
    notes = [f"ignored: the arrays {shorten(ignored)}"] if ignored else []
    return assemble(data.source, str(path), parts, sha256=sha256, notes=notes)


def _array(archive: np.lib.npyio.NpzFile, name: str, path: Path) -> np.ndarray:
    try:
        found = archive[name]
    except _DAMAGED as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: {name} is an object array (perhaps rows of unequal length), which is never read;"
                " store it as"
                " one array of numbers, or labels as an array of text"
            ) from None
        raise DataError(f"{path}: {name} cannot be read: {_line(error)}; write the file again") from None
    if not isinstance(found, np.ndarray) or found.ndim == 0:
        raise DataError(f"{path}: {name} is not an array of examples; its first axis must count them")
    return found


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
