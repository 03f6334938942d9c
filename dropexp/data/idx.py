"""IDX files, the format of MNIST: a big-endian header of type and dimensions, then the values."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from dropexp.errors import DataError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path) -> np.ndarray:
    """Read one IDX file, gzip-compressed or not, into an array of the dimensions that its header states.

    Raises DataError where the header is not that of an IDX file or the length is not what it states.
    """
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except EOFError:
        raise DataError(f"{path}: the compressed file ends early, after {len(raw)} bytes; fetch it again") from None
    except (OSError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}; fetch it again") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES or content[3] == 0:
        raise DataError(
            f"{path}: begins with {content[:4].hex(' ') or 'nothing'}, and an IDX file with 00 00, a type"
            f" ({', '.join(f'{t:02x}' for t in TYPES)}) and the number of dimensions"
        )
    dtype, start = np.dtype(TYPES[content[2]]), 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(f"{path}: ends within its header, after {len(content)} of {start} bytes; fetch it again")
    dims = [int(d) for d in np.frombuffer(content, ">u4", content[3], 4)]
    expected = start + math.prod(dims) * dtype.itemsize
    if len(content) != expected:
        what = "is truncated" if len(content) < expected else "goes on after its last value"
        raise DataError(
            f"{path}: {what}: its header states {' x '.join(map(str, dims))} values, which is {expected}"
            " bytes, and it"
            f" has {len(content)}; fetch it again"
        )
    values = np.frombuffer(content, dtype, offset=start).reshape(dims)
    return values.astype(dtype.newbyteorder("="), copy=False)
