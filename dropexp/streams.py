"""Keyed random streams: (seed, purpose, place, index) -> generator, so that adding a draw moves no other."""

from __future__ import annotations

import hashlib

import numpy as np

PURPOSES = ("init", "order", "mask", "split", "labels")  # that training draws from, each of which a study can pin
PROBE = "probe"  # what diagnostics draw from, beside masks


def generator(seed: int, purpose: str, place: str = "", index: int = 0) -> np.random.Generator:
    """Return the generator of one stream, a pure function of its four names.

    `seed` is any integer >= 0; `purpose` is one of PURPOSES or PROBE; `place` names a layer, mask site or is empty;
    `index` is an epoch or a pass over the data. Streams of different names are independent: the key is hashed
    (BLAKE2b, 256 bits) before it seeds SFC64, whose cycles do not meet in practice. Nothing is shared or
    advanced between callers, so a stream needs no state in a checkpoint and does not know of packs.
    """
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(key(seed, purpose, place, index))))


def key(seed: int, purpose: str, place: str = "", index: int = 0) -> int:
    """Return the 256 bits that a stream's four names stand for, which seed whatever draws it."""
    if purpose not in (*PURPOSES, PROBE):
        raise ValueError(f"unknown stream {purpose!r}; the streams are {', '.join(PURPOSES)}")
    name = f"{seed}|{purpose}|{place}|{index}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=32).digest(), "little")


def integers16(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return `count` uniform integers of 16 bits, shape (count,), int16: all 65,536 values equally likely.

    Drawn as whole 64-bit words and reinterpreted, which costs a small part of a float draw; a call takes
    ceil(count / 4) words from the stream.
    """
    words = rng.bit_generator.random_raw(-(-count // 4))
    return words.view(np.int16)[:count]
