"""CIFAR-10 and CIFAR-100 from their python batches, images and labels as plain arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dropexp.data.pickles import plain_pickle
from dropexp.errors import DataError


def read_batch(path: Path, label: str = "labels") -> tuple[np.ndarray, np.ndarray]:
    """Read one batch: images (N, 3, 32, 32) uint8 and labels (N,) int64, taken from the entry `label`.

    Raises DataError where the file is damaged, holds more than plain data, or is not a batch.
    """
    batch = plain_pickle(path)
    data, labels = (batch.get(b"data"), batch.get(label.encode())) if isinstance(batch, dict) else (None, None)
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
        raise DataError(f"{path}: has no entry 'data' of shape (N, 3072) and 8 bits; it is not a CIFAR python batch")
    if not isinstance(labels, list) or len(labels) != len(data) or not all(type(v) is int for v in labels):
        raise DataError(f"{path}: has no entry {label!r} of {len(data)} whole numbers; it is not a CIFAR python batch")
    return data.reshape(-1, 3, 32, 32), np.array(labels, np.int64)


def read_names(path: Path, entry: str) -> tuple[str, ...]:
    """Read the names of the classes from the file of meta data; raises DataError where they are not there."""
    meta = plain_pickle(path)
    names = meta.get(entry.encode()) if isinstance(meta, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, bytes) for name in names):
        raise DataError(f"{path}: has no entry {entry!r} with the names of the classes")
    return tuple(name.decode("utf-8", "replace") for name in names)
