"""A user's .npz: x and y, or x_train and y_train with or without x_test and y_test."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from dropexp.data.dataset import Dataset, assemble, bounded, shorten
from dropexp.errors import DataError
from dropexp.experiment.config import Data
from dropexp.experiment.vocabulary import meant

WHOLE = ("x", "y")
PARTS = ("x_train", "y_train")
TEST = ("x_test", "y_test")


def read_npz(path: Path, data: Data, sha256: str) -> Dataset:
    """Read arrays x (N, F), (N, H, W), (N, C, H, W) or (N, H, W, C) and labels (N,), never unpickling anything.

    Raises DataError where the file is damaged, arrays are missing or hold objects, or do not fit together.
    """
    try:
        # opened here, since numpy leaves a file open that turns out to be damaged
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.lib.npyio.NpzFile):
                return _read(archive, path, data, sha256)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # a damaged header can make numpy fail in almost any way
        raise DataError(f"{path}: is not a readable .npz: {_line(error)}; write it with numpy.savez") from None
    raise DataError(f"{path}: holds a single array; write numpy.savez(FILE, x=..., y=...) so that it holds x and y")


def _read(archive: np.lib.npyio.NpzFile, path: Path, data: Data, sha256: str) -> Dataset:
    names = set(archive.files)
    if names & {*WHOLE} and names & {*PARTS, *TEST}:
        raise DataError(f"{path}: holds {shorten(sorted(names))}; give either x and y, or x_train and y_train")
    wanted = [WHOLE] if names & {*WHOLE} else [PARTS, TEST] if names & {*TEST} else [PARTS]
    for name in (name for pair in wanted for name in pair):
        if name not in names:
            raise DataError(
                f"{path}: has no array {name!r}, only {shorten(sorted(names)) or 'nothing'}; give x and y,"
                f" or x_train, y_train and optionally x_test, y_test{meant(name, names)}"
            )
    parts = [(x, _array(archive, x, path), y, _array(archive, y, path)) for x, y in wanted]
    ignored = sorted(names - {name for pair in wanted for name in pair})
    notes = [f"ignored: the arrays {shorten(ignored)}"] if ignored else []
    return assemble(data.source, str(path), parts, sha256=sha256, notes=notes)


def _array(archive: np.lib.npyio.NpzFile, name: str, path: Path) -> np.ndarray:
    try:
        _check_claim(archive, name, path)
        found = archive[name]
    except (DataError, MemoryError):
        raise
    except Exception as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: {name} is an object array (perhaps rows of unequal length), which is not supported; store it as "
                "one array of numbers, or labels as an array of text"
            ) from None
        raise DataError(f"{path}: {name} cannot be read: {_line(error)}; write the file again") from None
    if not isinstance(found, np.ndarray) or found.ndim == 0:
        raise DataError(f"{path}: {name} is not an array of examples; its first axis must count them")
    return found


def _check_claim(archive: np.lib.npyio.NpzFile, name: str, path: Path) -> None:
    """Raise DataError, before memory is set aside for it, where an array is too large or larger than what is stored."""
    assert archive.zip is not None  # it is open
    entry = archive.zip.getinfo(f"{name}.npy" if f"{name}.npy" in archive.zip.namelist() else name)
    bounded(path, name, entry.file_size, min(entry.compress_size, path.stat().st_size))
    with archive.zip.open(entry) as file:
        if file.read(6) != b"\x93NUMPY":
            return  # no array, which numpy says
        file.seek(0)
        version = np.lib.format.read_magic(file)
        if version not in HEADERS:
            raise ValueError(f"an array of format {version[0]}.{version[1]}")
        length = int.from_bytes(file.read(2 * version[0]), "little")  # two bytes in format 1.0, four in 2.0
        if length > LONGEST:
            raise ValueError(f"its header has {length} characters, more than an array of numbers or words needs")
        file.seek(8)
        shape, _, dtype = HEADERS[version](file)
        if math.prod(shape) * dtype.itemsize > entry.file_size and not dtype.hasobject:
            raise ValueError(f"its header claims the shape {shape}, but it has {entry.file_size} bytes"[:200])


LONGEST = 2000  # numpy's time goes with the square of it
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
