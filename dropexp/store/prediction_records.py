"""The format of predictions.bin: self-delimiting records of test examples and of what runs predicted for them.

The file is a sequence of records and nothing else. Numbers are little-endian. A record is

    magic     4 bytes   DXP1
    type      1 byte    E for examples, R for a run
    length    8 bytes   of the payload
    payload
    digest   16 bytes   the first of the sha256 of all that comes before it in the record

The payload of *examples*, which stand once for each distinct test set and are known by their digest:

    official  1 byte    1 where they are of an official test set, 0 where they were drawn from the pool
    classes   4 bytes   K
    count     4 bytes   N
    places    4 N bytes where each example stands in the official test set, or in the pool
    labels    packed    their true classes

The payload of a *run*:

    size      2 bytes   of the run_id
    run_id    ASCII
    key      16 bytes   the digest of its examples
    classes   4 bytes   K
    count     4 bytes   N
    mode      1 byte    1 where probabilities follow, else 0
    predicted packed    the classes at the selected epoch, in the order of the examples
    probabilities       where mode is 1: N x K float32

Packed classes take max(1, ceil(log2 K)) bits each, the highest first, one after another; the last byte is filled with
zeros. Nothing is compressed: what a library compresses to depends on its version.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

import numpy as np

from dropexp.records import Answers

MAGIC = b"DXP1"
EXAMPLES, RUN = b"E", b"R"
HEAD = struct.Struct("<4scQ")
DIGEST = 16
LONGEST_NAME = 1000  # bytes of a run_id
_EXAMPLES, _NAME, _RUN = struct.Struct("<BII"), struct.Struct("<H"), struct.Struct("<16sIIB")
MOST_HEAD = HEAD.size + _NAME.size + LONGEST_NAME + _RUN.size  # bytes that say what a record is of, and how long


@dataclass(frozen=True)
class Head:
    """What the beginning of a record says: of a run or, where `run_id` is empty, of examples; and its bytes in all."""

    run_id: str
    key: str
    size: int
    classes: int
    count: int
    probabilities: bool = False


@dataclass(frozen=True, eq=False)
class Examples:
    """A test set: whether it is official, its number of classes, and the place and true class of each example."""

    official: bool
    classes: int
    place: np.ndarray
    label: np.ndarray


def digest_of(content: bytes) -> str:
    """Return the digest of a record without it, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()[: 2 * DIGEST]


def bits(classes: int) -> int:
    """Return how many bits a class takes."""
    return max(1, (classes - 1).bit_length())


def pack(of_N: np.ndarray, classes: int) -> bytes:
    """Return classes as bits, the highest of each first."""
    shifts = np.arange(bits(classes))[::-1]
    return np.packbits((of_N.astype(np.int64)[:, None] >> shifts & 1).astype(np.uint8)).tobytes()


def packed_size(count: int, classes: int) -> int:
    return (count * bits(classes) + 7) // 8


def unpack(content: bytes, count: int, classes: int) -> np.ndarray:
    """Return packed classes as (N,) int64; raises ValueError where one is none of them, or the filling is not zero."""
    width = bits(classes)
    every = np.unpackbits(np.frombuffer(content, np.uint8))
    found = every[: count * width].reshape(count, width) @ (1 << np.arange(width)[::-1])
    if every[count * width :].any() or (count and found.max() >= classes):
        raise ValueError("a class that does not exist")
    return found


def _record(kind: bytes, payload: bytes) -> tuple[bytes, str]:
    content = HEAD.pack(MAGIC, kind, len(payload)) + payload
    digest = digest_of(content)
    return content + bytes.fromhex(digest), digest


def examples_record(answers: Answers) -> tuple[bytes, str]:
    """Return the record of the examples that a run was tested on, and their key."""
    head = _EXAMPLES.pack(answers.official, answers.classes, len(answers.place))
    places = answers.place.astype("<u4").tobytes()
    return _record(EXAMPLES, head + places + pack(answers.label, answers.classes))


def run_record(answers: Answers, key: str, probabilities: bool = True) -> tuple[bytes, str]:
    """Return the record of a run's answers, and its digest; probabilities are left out where they are not wanted."""
    name, kept = answers.run_id.encode("ascii"), answers.probabilities if probabilities else None
    head = _RUN.pack(bytes.fromhex(key), answers.classes, len(answers.place), kept is not None)
    numbers = b"" if kept is None else kept.astype("<f4").tobytes()
    return _record(RUN, _NAME.pack(len(name)) + name + head + pack(answers.predicted, answers.classes) + numbers)


def head_of(content: bytes) -> Head | None:
    """Return what the first MOST_HEAD bytes of a record say of it, None where they are no beginning of one."""
    try:
        magic, kind, length = HEAD.unpack_from(content)
        if magic != MAGIC:
            return None
        at = HEAD.size
        if kind == EXAMPLES:
            official, classes, count = _EXAMPLES.unpack_from(content, at)
            expected, name, key, mode = _EXAMPLES.size + 4 * count, "", "", 0
            fine = official in (0, 1)
        elif kind == RUN:
            (size,) = _NAME.unpack_from(content, at)
            name = content[at + _NAME.size : at + _NAME.size + size].decode("ascii")
            raw, classes, count, mode = _RUN.unpack_from(content, at + _NAME.size + size)
            expected, key = _NAME.size + size + _RUN.size + 4 * count * classes * mode, raw.hex()
            fine = mode in (0, 1) and 0 < size <= LONGEST_NAME and name.isprintable()
        else:
            return None
    except (struct.error, UnicodeDecodeError):
        return None
    if not fine or not 1 <= classes <= 1 << 16 or length != expected + packed_size(count, classes):
        return None
    return Head(name, key, HEAD.size + length + DIGEST, classes, count, bool(mode))


def whole(content: bytes) -> bool:
    """Whether a record's digest is that of its content."""
    return bytes.fromhex(digest_of(content[:-DIGEST])) == content[-DIGEST:]


def examples_of(content: bytes) -> Examples:
    """Return what a whole record of examples holds; raises ValueError where no dropexp wrote it."""
    official, classes, count = _EXAMPLES.unpack_from(content, HEAD.size)
    at = HEAD.size + _EXAMPLES.size
    place = np.frombuffer(content, "<u4", count, at).astype(np.int64)
    return Examples(bool(official), classes, place, unpack(content[at + 4 * count : -DIGEST], count, classes))


def answers_of(content: bytes, examples: Examples) -> Answers:
    """Return what a whole record of a run holds; raises ValueError where it is of other examples, or none wrote it."""
    head = head_of(content)
    if head is None or (head.count, head.classes) != (len(examples.place), examples.classes):
        raise ValueError("other examples")
    at = HEAD.size + _NAME.size + len(head.run_id) + _RUN.size
    end = at + packed_size(head.count, head.classes)
    predicted = unpack(content[at:end], head.count, head.classes)
    kept = None
    if head.probabilities:
        kept = np.frombuffer(content, "<f4", head.count * head.classes, end).astype(np.float32)
        kept = kept.reshape(head.count, head.classes)
    return Answers(head.run_id, examples.official, head.classes, examples.place, examples.label, predicted, kept)
