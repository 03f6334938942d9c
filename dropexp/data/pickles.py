"""Pickles of plain data, read opcode by opcode: arrays, dicts, lists, tuples, bytes, words and numbers; nothing is called."""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dropexp.errors import DataError
from dropexp.quoting import clean

DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "b1")


def plain_pickle(path: Path) -> Any:
    """Return a pickle's content, arrays as they stand in it and bytes of Python 2 as bytes.

    Raises DataError where the file asks for anything but plain data, before it is built, and where it is damaged.
    """
    try:
        return _Machine().run(path.read_bytes())
    except Refused as refused:
        raise DataError(
            f"{path}: asks for {clean(str(refused), 120)}, and a data file may hold arrays and plain values only; fetch it again"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a damaged file can end in the middle of anything
        line = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: cannot be read as a python batch: {type(error).__name__}: {line}") from None


class Refused(Exception):
    """Carries what a pickle asks for and does not get."""


@dataclass(eq=False)
class _Name:
    """A function or class that a pickle names; it stands on the stack and is never looked up."""

    name: str


@dataclass(eq=False)
class _Type:
    code: str
    order: str = "="


@dataclass(eq=False)
class _Held:
    """An array that waits for its content; `array` is put in its place where it is an item or value."""

    array: np.ndarray | None = None


_MARK = object()


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, raw: bytes) -> Any:
        for opcode, argument, _ in pickletools.genops(raw):
            if opcode.name == "STOP":
                return _content(self.stack.pop())
            try:
                act = ACTS[opcode.name]
            except KeyError:
                raise Refused(f"the operation {opcode.name}") from None
            act(self, argument)
        raise EOFError("the file ends early")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def marked(self) -> list[Any]:
        """Take everything above the last mark off the stack, and the mark."""
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise ValueError("no mark")
        items = [_content(item) for item in self.stack[at + 1 :]]
        del self.stack[at:]
        return items

    def take(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError("the stack is empty")
        items = [_content(item) for item in self.stack[-count:]]
        del self.stack[-count:]
        return items

    def words(self, argument: Any) -> None:
        """Push a string of Python 2, which was bytes; the decoder reads them as Latin-1 text."""
        self.push(argument.encode("latin-1"))

    def extend(self, items: list[Any]) -> None:
        _kind(self.stack[-1], list).extend(items)

    def begin_dict(self, items: list[Any]) -> None:
        self.push({})
        self.set_items(items)

    def set_items(self, items: list[Any]) -> None:
        held = _kind(self.stack[-1], dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (bytes, str, int):  # nested tuples could take for ever to hash
                raise Refused(f"a key of type {type(key).__name__}")
            held[key] = value

    def name(self, argument: str) -> None:
        self.push(_Name(argument.replace(" ", ".", 1)))

    def stack_name(self, _: Any) -> None:
        module, name = self.take(2)
        self.push(_Name(f"{module}.{name}"))

    def reduce(self, _: Any) -> None:
        callee, arguments = self.take(2)
        called = callee.name if isinstance(callee, _Name) else type(callee).__name__
        if called not in MADE:
            raise Refused(called)
        self.push(MADE[called](*_kind(arguments, tuple)))

    def build(self, _: Any) -> None:
        state = self.stack.pop()
        made = self.stack[-1]
        if isinstance(made, _Type):
            made.order = _kind(state, tuple)[1]
        elif isinstance(made, _Held):
            made.array = _array(*_kind(state, tuple))
        else:
            raise Refused(f"a state for a {type(made).__name__}")


def _content(value: Any) -> Any:
    """Return what stands on the stack as a value: an array for one that is complete."""
    return value.array if isinstance(value, _Held) and value.array is not None else value


def _kind(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"a {type(value).__name__} stands where a {kind.__name__} should")
    return value


def _dtype(code: Any, *_: Any) -> _Type:
    code = code.decode("ascii") if isinstance(code, bytes) else code
    if code not in DTYPES:
        raise Refused("an array of Python objects" if code == "O8" else f"an array of type {str(code)[:20]}")
    return _Type(code)


def _array(_: Any, shape: Any, dtype: Any, fortran: Any, raw: Any) -> np.ndarray:
    order = _kind(dtype, _Type).order
    order = order.decode("ascii") if isinstance(order, bytes) else order
    numbers = np.dtype(dtype.code).newbyteorder("=" if order == "|" else order)
    shape = tuple(_kind(n, int) for n in _kind(shape, tuple))
    raw = raw.encode("latin-1") if isinstance(raw, str) else _kind(raw, bytes)
    if min(shape, default=0) < 0 or len(shape) > 8 or math.prod(shape) * numbers.itemsize != len(raw):
        raise ValueError(f"an array of shape {shape} holds {len(raw)} bytes")
    return np.frombuffer(raw, numbers).reshape(shape, order="F" if fortran else "C")


def _encode(text: Any, codec: Any = "latin1") -> bytes:
    if codec not in ("latin1", b"latin1") or not isinstance(text, str):
        raise Refused(f"the codec {codec!r}"[:80])
    return text.encode("latin1")


MADE: dict[str, Callable[..., Any]] = {
    **{f"{module}._reconstruct": lambda *_: _Held() for module in ("numpy.core.multiarray", "numpy._core.multiarray")},
    "numpy.dtype": _dtype,
    "_codecs.encode": _encode,
}
_VALUES = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "UNICODE"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
)
ACTS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda m, a: None,
    "FRAME": lambda m, a: None,
    "MARK": lambda m, a: m.push(_MARK),
    "POP": lambda m, a: m.take(1) and None,
    "NONE": lambda m, a: m.push(None),
    "NEWTRUE": lambda m, a: m.push(True),
    "NEWFALSE": lambda m, a: m.push(False),
    **dict.fromkeys(_VALUES, _Machine.push),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), _Machine.words),
    "EMPTY_LIST": lambda m, a: m.push([]),
    "LIST": lambda m, a: m.push(m.marked()),
    "APPEND": lambda m, a: m.extend(m.take(1)),
    "APPENDS": lambda m, a: m.extend(m.marked()),
    "EMPTY_TUPLE": lambda m, a: m.push(()),
    "TUPLE": lambda m, a: m.push(tuple(m.marked())),
    "TUPLE1": lambda m, a: m.push(tuple(m.take(1))),
    "TUPLE2": lambda m, a: m.push(tuple(m.take(2))),
    "TUPLE3": lambda m, a: m.push(tuple(m.take(3))),
    "EMPTY_DICT": lambda m, a: m.push({}),
    "DICT": lambda m, a: m.begin_dict(m.marked()),
    "SETITEM": lambda m, a: m.set_items(m.take(2)),
    "SETITEMS": lambda m, a: m.set_items(m.marked()),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda m, a: m.memo.__setitem__(a, m.stack[-1])),
    "MEMOIZE": lambda m, a: m.memo.__setitem__(len(m.memo), m.stack[-1]),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, a: m.push(m.memo[a])),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.stack_name,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}
