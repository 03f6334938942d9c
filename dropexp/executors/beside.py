"""Parts of a job shared with a second process, forked where that is safe, which has everything loaded that this one has."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess

from dropexp.executors import machine
from dropexp.executors.worker import die_with, held_back, leave_signals

PATIENCE = 10.0  # seconds at least that the second process may take longer than this one


def shared(parts: int, do: Callable[[int], None]) -> None:
    """Call `do` with each number below `parts`, here and in a second process, or here alone.

    `do` leaves what it makes in files, the same ones however often it is called. Parts whose process failed, died or
    hung are done again here, where an exception reaches the caller. Takes at most 256 parts.
    """
    if parts < 2 or not _may_fork():
        for part in range(parts):
            do(part)
        return
    todo = _queue(parts)
    started, done = time.monotonic(), set[int]()
    other: BaseProcess | None = None
    try:
        other = _fork(do, todo)
        for part in _taken(todo):
            do(part)
            done.add(part)
        if other is not None:
            other.join(max(PATIENCE, 4 * (time.monotonic() - started)))
        if other is None or other.exitcode != 0:
            if other is not None:
                other.kill()
                other.join()  # so that it writes no more
            for part in set(range(parts)) - done:
                do(part)
    finally:
        os.close(todo)
        if other is not None:
            other.kill()
            other.join()


def _may_fork() -> bool:
    """Whether a copy of this process works: one with threads of its own, or with torch's, would miss them."""
    alone = threading.current_thread() is threading.main_thread() and threading.active_count() == 1
    quiet = sys.platform == "linux" and alone and "torch" not in sys.modules
    return quiet and machine.may_start() and machine.usable_cores() > 1


def _queue(parts: int) -> int:
    """Return the reading end of a pipe with a byte for each part, which whoever reads it first takes."""
    reading, writing = os.pipe()
    os.write(writing, bytes(range(parts)))
    os.close(writing)
    return reading


def _taken(todo: int) -> Iterator[int]:
    while byte := os.read(todo, 1):
        yield byte[0]


def _fork(do: Callable[[int], None], todo: int) -> BaseProcess | None:
    """Start the second process; None where the system has no room for it."""
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(do, todo, os.getpid()), daemon=True)
    with held_back(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # numpy's threads, which end before a fork and start again
        try:
            process.start()
        except OSError:
            return None
    return process


def _serve(do: Callable[[int], None], todo: int, parent: int) -> None:
    """Do parts until none is left; what goes wrong is seen and said by the parent."""
    leave_signals()
    die_with(parent)
    code = 1
    with contextlib.suppress(BaseException):
        for part in _taken(todo):
            do(part)
        code = 0
    os._exit(code)  # nothing of the parent's is to be ended or flushed here
