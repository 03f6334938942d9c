"""IDX files, the format of MNIST: a big-endian header of type and dimensions, then the values."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from dropexp.data.dataset import bounded
from dropexp.errors import DataError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
DIMENSIONS = 8


def read_idx(path: Path) -> np.ndarray:
    """Read one IDX file, gzip-compressed or not, into an array of the dimensions that its header states.

    Raises DataError where the header is not that of an IDX file or the length is not what it states.
    """
    size = 0
    try:
        size = path.stat().st_size
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            dtype, dims = _header(path, file)
            expected = math.prod(dims) * dtype.itemsize
            most = min(expected, size * 1032 if packed else size)  # no gzip file unpacks to more
            bounded(path, "its content", most)
            content = file.read(most + 1)
    except EOFError:
        raise DataError(f"{path}: the compressed file ends early, after {size} bytes; fetch it again") from None
    except (OSError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}; fetch it again") from None
    if len(content) != expected:
        what = "is truncated" if len(content) < expected else "goes on after its last value"
        more = " or more" if len(content) > expected else ""
        raise DataError(
            f"{path}: {what}: its header states {' x '.join(map(str, dims))} values, which is {expected} bytes, "
            f"but it has {len(content)}{more}; fetch it again"
        )
    values = np.frombuffer(content, dtype).reshape(dims)
    return values.astype(dtype.newbyteorder("="), copy=False)


def _header(path: Path, file: Any) -> tuple[np.dtype, list[int]]:
    begin = file.read(4)
    if len(begin) < 4 or begin[:2] != b"\0\0" or begin[2] not in TYPES or not 1 <= begin[3] <= DIMENSIONS:
        raise DataError(
            f"{path}: begins with {begin.hex(' ') or 'nothing'}, but an IDX file begins with 00 00, a type"
            f" ({', '.join(f'{t:02x}' for t in TYPES)}) and the number of dimensions, 1 to {DIMENSIONS}"
        )
    sizes = file.read(4 * begin[3])
    if len(sizes) < 4 * begin[3]:
        raise DataError(
            f"{path}: ends within its header, after {4 + len(sizes)} of {4 + 4 * begin[3]} bytes; fetch it again"
        )
    return np.dtype(TYPES[begin[2]]), [int(d) for d in np.frombuffer(sizes, ">u4")]
