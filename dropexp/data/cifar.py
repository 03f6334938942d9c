"""CIFAR-10 and CIFAR-100 from their python batches: the published bytes and no others, images and labels as plain arrays."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from dropexp.errors import DataError

_reconstruct = np.empty(0).__reduce__()[0]
FOUND: dict[tuple[str, str], Any] = {  # by the names that numpy has had for them
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _Arrays(pickle.Unpickler):
    """Finds what rebuilds an array, and no other function or class."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return FOUND[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of an array") from None


def read_batch(path: Path, md5: str, label: str = "labels") -> tuple[np.ndarray, np.ndarray]:
    """Read one batch: images (N, 3, 32, 32) uint8 and labels (N,) int64, taken from the entry `label`.

    Raises DataError where the file is not the published one, whose checksum is `md5`.
    """
    batch = _content(path, md5)
    return batch[b"data"].reshape(-1, 3, 32, 32), np.array(batch[label.encode()], np.int64)


def read_names(path: Path, md5: str, entry: str) -> tuple[str, ...]:
    """Read the names of the classes from the file of meta data; raises DataError where it is not the published one."""
    return tuple(name.decode() for name in _content(path, md5)[entry.encode()])


def _content(path: Path, md5: str) -> Any:
    """Return what a published pickle holds, words as the bytes that Python 2 wrote.

    The bytes that are unpickled are those that were hashed: a file can change between two looks at it.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    found = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if found != md5:
        raise DataError(
            f"{path}: has the MD5 checksum {found}, but the published file has {md5}: it is damaged or a "
            "different file; delete it and fetch it again"
        )
    return _Arrays(io.BytesIO(raw), encoding="bytes").load()
