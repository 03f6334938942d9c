"""A data set in memory: its rows, its labels as 0..K-1, and what was recognised while reading it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dropexp.errors import DataError

Progress = Callable[[str, int, int], None]  # (file name, bytes so far, bytes in all or 0)
_SHOWN = 12
_CHUNK = 4096  # rows
LARGEST, SMALL, RATIO = 4 << 30, 64 << 20, 200  # bytes, bytes, and unpacked bytes for each stored one
CLASSES = 10_000


@dataclass(frozen=True, eq=False)
class Dataset:
    """Everything that is known of a data set, the official test rows last.

    `x` is (N, F) float32 for vectors or (N, C, H, W) uint8 or float32 for images; `y` is (N,) int64 in 0..K-1; `n_test` counts
    the official test rows at the end, None where there are none; `classes` are the original labels in their sorted order;
    `sha256` is that of a user's content, None for a built-in source; `notes` are sentences. NaN in the vectors of a .csv is a
    blank cell, which each split fills in.
    """

    source: str
    x: np.ndarray
    y: np.ndarray
    n_test: int | None
    classes: tuple[str, ...]
    sha256: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def example(self) -> tuple[int, ...]:
        """The shape of one example: (F,) or (C, H, W)."""
        return tuple(self.x.shape[1:])

    @property
    def kind(self) -> str:
        """Either 'vector' or 'image'."""
        return "vector" if self.x.ndim == 2 else "image"

    @cached_property
    def has_blanks(self) -> bool:
        """Whether x holds NaN, which stands for a blank cell of a .csv."""
        return self.kind == "vector" and bool(np.isnan(self.x).any())

    @cached_property
    def pixel_sums(self) -> np.ndarray:
        """Sum and sum of squares of each row's pixels, (2, N, C) int64: exact; only where x is uint8 images."""
        found = np.empty((2, *self.x.shape[:2]), np.int64)
        for start in range(0, len(self.x), _CHUNK):
            rows = self.x[start : start + _CHUNK].reshape(-1, self.x.shape[1], int(np.prod(self.x.shape[2:])))
            found[0, start : start + _CHUNK] = rows.sum(2, dtype=np.int64)
            wide = rows.astype(np.uint32)
            wide *= wide
            found[1, start : start + _CHUNK] = wide.sum(2, dtype=np.int64)
        return found


def assemble(
    source: str,
    place: str,
    parts: list[tuple[str, np.ndarray, str, np.ndarray]],
    *,
    sha256: str | None = None,
    notes: Iterable[str] = (),
    row: Callable[[int], str] = "row {} (counted from 0)".format,
    blanks: bool = False,
) -> Dataset:
    """Make a Dataset of one part (name of x, x, name of y, labels), or of two, the second the official test set.

    x is (N, F), (N, H, W), (N, C, H, W) or (N, H, W, C), finite numbers; labels are (N,) whole numbers or
    words. `place` is the path that messages begin with and `row` names a row in them; with `blanks`, numbers may be NaN,
    which `split` fills in. Raises DataError where the numbers, shapes or labels do not fit together.
    """
    told = list(notes)
    numbers, labels = [], []
    for x_name, x, y_name, y in parts:
        if len(x) != len(y):
            raise DataError(
                f"{place}: {x_name} has {len(x)} rows and {y_name} has {len(y)}; each example needs exactly one label"
            )
        if len(x) == 0:
            raise DataError(f"{place}: {x_name} has no rows; give at least one example of each of two classes")
        if x.shape[1:] != parts[0][1].shape[1:]:
            raise DataError(
                f"{place}: {x_name} has examples of shape {x.shape[1:]} but {parts[0][0]} has examples of shape "
                f"{parts[0][1].shape[1:]}; they must be equal"
            )
        numbers.append(_numbers(x, place, x_name, row, blanks))
        labels.append(_labels(y, place, y_name, row))
    if len({values.dtype.kind for values in labels}) > 1:
        raise DataError(
            f"{place}: {parts[0][2]} and {parts[1][2]} mix numbers and words; use the same kind of labels in both"
        )
    y, classes = relabel(np.concatenate(labels), place)
    told += describe_classes(classes, labels[0])
    kinds = {values.dtype for values in numbers}
    joined = np.concatenate([v if len(kinds) == 1 else v.astype(np.float32) for v in numbers])
    x, layout = _layout(joined, parts[0][0])
    n_test = len(numbers[1]) if len(numbers) > 1 else None
    return Dataset(source, x, y, n_test, classes, sha256, (*layout, *told))


def relabel(labels: np.ndarray, place: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return labels as 0..K-1, (N,) int64, and the K original labels sorted: numbers by value, words alphabetically.

    Raises DataError where there is only one class.
    """
    values, y = np.unique(labels, return_inverse=True)
    if len(values) < 2:
        raise DataError(
            f"{place}: has only one class, label {shorten(values)}, in all of its rows ({len(labels)}); training "
            "needs at least two classes"
        )
    if len(values) > CLASSES:
        raise DataError(
            f"{place}: has {len(values):,} different labels in {len(labels):,} rows, but at most {CLASSES:,} are "
            "allowed; is the label a number to predict? dropexp trains only classifiers"
        )
    return y.astype(np.int64).reshape(-1), tuple(str(value) for value in values)


def describe_classes(classes: tuple[str, ...], trained: np.ndarray | None = None) -> list[str]:
    """Return the sentences that say which label became which class, and which classes the pool lacks."""
    if classes == tuple(str(k) for k in range(len(classes))):
        told = [f"labels 0 to {len(classes) - 1} as given"]
    else:
        pairs = [f"{_one_line(name)} -> {k}" for k, name in enumerate(classes)]
        if len(pairs) > _SHOWN:
            pairs = [*pairs[: _SHOWN - 2], "...", pairs[-1]]
        told = [f"{len(classes)} classes: {', '.join(pairs)}"]
    if trained is not None and (absent := sorted(set(classes) - {str(v) for v in np.unique(trained)})):
        told.append(f"no training example has label {shorten(absent)}, but the official test set does")
    return told


def shorten(words: Iterable[str], limit: int = _SHOWN) -> str:
    """Return words joined by commas, the middle left out where there are more than `limit`."""
    listed = [_one_line(word) for word in words]
    return ", ".join(listed if len(listed) <= limit else [*listed[: limit - 2], "...", listed[-1]])


def _one_line(word: object) -> str:
    return " ".join(str(word).split())[:60]


def bounded(place: object, what: str, size: int, stored: int | None = None) -> None:
    """Raise DataError for data too large for this tool, and for what would unpack to RATIO times its `stored` bytes."""
    if size > LARGEST:
        raise DataError(
            f"{place}: {what} takes {size / 1e9:,.1f} GB unpacked; at most {LARGEST / 1e9:.1f} GB are allowed"
        )
    if stored is not None and size > SMALL and size > RATIO * stored:
        raise DataError(
            f"{place}: {what} would unpack from {stored / 1e6:,.1f} MB to {size / 1e6:,.1f} MB, which is rare for "
            "real data; if that is intended, store it uncompressed"
        )


def _numbers(x: np.ndarray, place: str, name: str, row: Callable[[int], str], blanks: bool) -> np.ndarray:
    """Return x as uint8 where it is whole numbers of 8 bits, else float32."""
    if x.dtype.kind not in "buif":
        raise DataError(f"{place}: {name} holds {_called(x.dtype)}; it must hold numbers")
    if x.ndim not in (2, 3, 4):
        raise DataError(
            f"{place}: {name} has shape {x.shape}; it must be (N, F), (N, H, W), (N, C, H, W) or (N, H, W, C)"
        )
    if 0 in x.shape:
        raise DataError(f"{place}: {name} has shape {x.shape}, so its examples are empty")
    if x.dtype in (np.uint8, np.bool_):
        return x.astype(np.uint8, copy=False)
    with np.errstate(over="ignore"):
        single = x.astype(np.float32, copy=False)
    fine = np.isfinite(single) | np.isnan(x) if blanks else np.isfinite(single)
    bad = ~fine.reshape(len(x), -1).all(1)
    if bad.any():
        first = int(bad.argmax())
        value = x[first].reshape(-1)[(~fine[first]).reshape(-1).argmax()]
        why = "is too large for a 32-bit float" if np.isfinite(value) else "is not a finite number"
        raise DataError(
            f"{place}: {name}, {row(first)}: {value!s} {why}; {int(bad.sum())} of {len(x)} rows have this "
            "problem: remove them or fill in a number"
        )
    return single


def _labels(y: np.ndarray, place: str, name: str, row: Callable[[int], str]) -> np.ndarray:
    """Return labels as whole numbers or words, (N,)."""
    y = y.reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y
    if y.ndim != 1:
        hint = "; turn one-hot labels into numbers with argmax(axis=1)" if y.ndim == 2 else ""
        raise DataError(f"{place}: {name} has shape {y.shape}; it must be (N,), one label per example{hint}")
    if y.dtype.kind == "f":
        whole = np.isfinite(y) & (y == np.trunc(y)) & (abs(y) < 2.0**53)
        if not whole.all():
            first = int((~whole).argmax())
            raise DataError(
                f"{place}: {name}, {row(first)}: label {y[first]!s} is not a whole number; labels are whole numbers "
                "or words, one per class"
            )
        return y.astype(np.int64)
    if y.dtype.kind in "bui":
        if y.dtype == np.uint64 and y.max() > np.iinfo(np.int64).max:
            raise DataError(f"{place}: {name} holds {y.max()!s}; labels as numbers must be below 2**63")
        return y.astype(np.int64)
    if y.dtype.kind == "S":
        try:
            return np.char.decode(y, "utf-8")
        except UnicodeDecodeError:
            raise DataError(f"{place}: {name} holds bytes that are not UTF-8; store the labels as text") from None
    if y.dtype.kind != "U":
        raise DataError(f"{place}: {name} holds {_called(y.dtype)}; labels must be whole numbers or words")
    codes = np.frombuffer(y.tobytes(), np.dtype("u4").newbyteorder(y.dtype.byteorder))
    if (codes > sys.maxunicode).any():
        raise DataError(f"{place}: {name} holds numbers that are not characters; store the labels as text")
    return y


def _layout(x: np.ndarray, name: str) -> tuple[np.ndarray, list[str]]:
    """Return x as (N, F) float32 or (N, C, H, W), contiguous, and how it was read."""
    if x.ndim == 2:
        return np.ascontiguousarray(x, np.float32), [f"read as vectors (N, F) of {x.shape[1]} features"]
    if x.ndim == 3:
        return np.ascontiguousarray(x[:, None]), ["read as images of one channel (N, H, W)"]
    if x.shape[3] in (1, 3, 4):
        told = f"read as channels last (N, H, W, C), because the last axis of {name} has size {x.shape[3]}"
        if x.shape[1] in (1, 3, 4):
            told += f"; its second axis has size {x.shape[1]}: if the channels come first, transpose to (N, H, W, C)"
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2)), [told]
    return np.ascontiguousarray(x), ["read as channels first (N, C, H, W)"]


def _called(dtype: Any) -> str:
    names = {"O": "Python objects", "U": "words", "S": "bytes", "c": "complex numbers", "M": "dates", "m": "durations"}
    return names.get(dtype.kind, f"values of type {dtype}")
