"""CIFAR-10 and CIFAR-100 from their python batches, through an unpickler that builds plain data only."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from dropexp.errors import DataError

_reconstruct = np.empty(0).__reduce__()[0]  # its module is named differently before numpy 2


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


def plain_pickle(path: Path) -> Any:
    """Return a pickle's content where that is numpy arrays, dicts, lists, tuples, bytes, str and numbers.

    Raises DataError where the file asks for anything else, before it is built, and where the file is damaged.
    """
    try:
        return _Plain(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except _Refused as refused:
        raise DataError(
            f"{path}: asks for {refused}, and a data file may hold arrays and plain values only; fetch it again"
        ) from None
    # a damaged pickle can make the virtual machine of pickle fail in almost any way
    except Exception as error:
        raise DataError(f"{path}: cannot be read as a python batch: {type(error).__name__}: {_line(error)}") from None


class _Refused(Exception):
    pass


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None


def _dtype(code: Any, align: Any = False, copy: Any = False) -> np.dtype:
    found = np.dtype(code, bool(align), bool(copy))  # old pickles hold 0 and 1, which numpy no longer likes
    if found.hasobject:
        raise _Refused("an array of Python objects")
    return found


def _encode(text: Any, codec: Any = "latin1") -> bytes:
    if codec != "latin1" or not isinstance(text, str):
        raise _Refused(f"the codec {codec!r}")
    return text.encode("latin1")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


ALLOWED: dict[tuple[str, str], Any] = {
    **{(module, "_reconstruct"): _reconstruct for module in ("numpy.core.multiarray", "numpy._core.multiarray")},
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
}
