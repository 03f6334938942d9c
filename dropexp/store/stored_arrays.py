"""Arrays in a file's bytes: .safetensors written and read, .npz of older versions read; nothing larger than the bytes is made."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

SAFETENSORS, NPZ = ".safetensors", ".npz"
KEY = "dropexp"  # the one entry of the metadata: the order of several is not the same each time they are written
READ = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
LENGTH = 8  # bytes at the start of a .safetensors, which say how long its header is


def to_safetensors(arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> bytes:
    """Return arrays with facts about them as the bytes of a .safetensors; the same arrays and facts make the same bytes."""
    plain = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in arrays.items()}
    return save(plain, {KEY: json.dumps(facts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))})


def from_safetensors(content: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays in a .safetensors and the facts beside them, none where others wrote it.

    Raises ValueError for bytes that are no .safetensors, or hold what is no number.
    """
    try:
        arrays = load(content)  # which holds every size in the header against the bytes that are there
        header = json.loads(content[LENGTH : LENGTH + int.from_bytes(content[:LENGTH], "little")])
        facts = json.loads(header.get("__metadata__", {}).get(KEY, "{}"))
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"is damaged ({type(error).__name__})") from None
    for array in arrays.values():
        _refuse(array.dtype)
    return arrays, facts if isinstance(facts, dict) else {}


def from_npz(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays in an uncompressed .npz; raises ValueError for what is damaged, no number or larger than it says.

    numpy's own reader allocates what a header claims before it looks for the bytes, so that a file of 200 could ask for
    all memory; here an array is a view of bytes that are there.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
            if stored and sum(member.file_size for member in members) <= len(content):
                return {member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members}
    except _Refused as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # the readers of zip and npy fail in any way there is on bytes that were made up
        raise ValueError(f"is damaged ({type(error).__name__})") from None
    raise ValueError("holds compressed arrays")


class _Refused(Exception):
    """An array of a type that is no number."""


def _array(raw: bytes) -> np.ndarray:
    stream = io.BytesIO(raw)
    shape, fortran, dtype = READ[np.lib.format.read_magic(stream)](stream)
    try:
        _refuse(dtype)
    except ValueError as error:
        raise _Refused(str(error)) from None
    return np.frombuffer(raw, dtype, offset=stream.tell()).reshape(shape, order="F" if fortran else "C")


def _refuse(dtype: np.dtype) -> None:
    """Raise ValueError for a type that is no plain number."""
    if dtype.kind not in "biuf" or dtype.itemsize > 8 or not dtype.isnative:
        raise ValueError(f"holds an array of type {str(dtype)[:20]}")
