"""IDX files: read as written, and every kind of damage named."""

import gzip
import struct

import numpy as np
import pytest

from dropexp.data.idx import TYPES, read_idx
from dropexp.errors import DataError


def idx(values, code=0x08):
    head = bytes([0, 0, code, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype(TYPES[code]).tobytes()


@pytest.mark.parametrize("code", list(TYPES))
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_values_come_back(tmp_path, code, compress):
    values = np.arange(24).reshape(2, 3, 4)
    path = tmp_path / "values"
    path.write_bytes(compress(idx(values, code)))
    found = read_idx(path)
    assert (found == values).all()
    assert found.dtype.isnative
    assert found.dtype == np.dtype(TYPES[code]).newbyteorder("=")


WHOLE = idx(np.arange(24).reshape(2, 3, 4))
DAMAGED = [
    (b"", "begins with nothing"),
    (b"\x00\x00\x07\x03" + bytes(12), "begins with 00 00 07 03"),
    (b"PK\x03\x04" + bytes(40), "begins with 50 4b 03 04"),
    (WHOLE[:9], "ends within its header, after 9 of 16 bytes"),
    (WHOLE[:-1], "is truncated: its header states 2 x 3 x 4 values, which is 24 bytes, but it has 23"),
    (WHOLE + b"\0", "goes on after its last value"),
    (gzip.compress(WHOLE, mtime=0)[:-12], "the compressed file ends early"),
    (gzip.compress(WHOLE, mtime=0)[:-6] + b"\xff" * 6, "cannot be read"),
    (b"\x1f\x8b" + bytes(20), "cannot be read"),
    (b"\x00\x00\x08\x03" + b"\xff" * 12 + bytes(8), "is truncated"),
    (bytes([0, 0, 8, 200]) + bytes(800), "begins with 00 00 08 c8"),
    (gzip.compress(WHOLE[:4] + b"\xff" * 12 + bytes(99), mtime=0), "is truncated"),
    (gzip.compress(WHOLE + bytes(1 << 24), mtime=0), "which is 24 bytes, but it has 25 or more"),
]


@pytest.mark.parametrize("content, message", DAMAGED)
def test_damage_is_named(tmp_path, content, message):
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path / "nowhere")
