"""A worker process: how it is started and what it does until its parent is done with it, or is gone."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from dropexp.executors.executor import Train
from dropexp.executors.inline import attempt

LEFT_TO_THE_PARENT = (signal.SIGINT, signal.SIGTERM)
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def started(target: Callable[[Connection, int], None]) -> tuple[Connection, BaseProcess]:
    """Start a process that calls `target` with its end of a pipe and this process's number; return the other end too.

    Ctrl-C and SIGTERM do not reach it, from its first moment on: what is held back here is there.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, os.getpid()), daemon=True)
    with held_back(), _without_script():
        process.start()
    theirs.close()
    return ours, process


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until a worker is started; where nothing can wait, they are ignored meanwhile."""
    if hasattr(signal, "pthread_sigmask"):
        resource_tracker.ensure_running()  # which lets them through once it has started
        before = signal.pthread_sigmask(signal.SIG_BLOCK, LEFT_TO_THE_PARENT)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    main = threading.current_thread() is threading.main_thread()
    handlers = {name: signal.signal(name, signal.SIG_IGN) for name in LEFT_TO_THE_PARENT} if main else {}
    try:
        yield
    finally:
        for name, handler in handlers.items():
            signal.signal(name, handler)


@contextlib.contextmanager
def _without_script() -> Iterator[None]:
    """Hide the user's script from a new worker, which would run it again and needs nothing of it.

    A script that trains need therefore not ask whether `__name__ == "__main__"`.
    """
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def leave_signals() -> None:
    """Let the parent decide what Ctrl-C and SIGTERM mean; it says so over the pipe."""
    for name in LEFT_TO_THE_PARENT:
        signal.signal(name, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, LEFT_TO_THE_PARENT)


def serve(connection: Connection, train: Train, shared: Mapping[str, Any]) -> None:
    """Train packs until the parent says None or closes the pipe."""

    def report(*heard: Any) -> bool:
        connection.send(("heard", *heard))
        return connection.poll() and connection.recv() is None

    with contextlib.suppress(EOFError, OSError):
        while (work := connection.recv()) is not None:
            outcome = attempt(train, work, shared, report)
            connection.send(("done", outcome))
            if outcome.paused:
                return


def die_with(parent: int) -> None:
    """End this process when its parent is gone, however that ended: by the kernel on Linux, else by a thread's watch."""
    die_by_kernel(parent)
    threading.Thread(target=_follow, daemon=True).start()


def die_by_kernel(parent: int) -> None:
    """End this process when the one that started it is gone, where the kernel sees to that."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone before it could be asked
            os._exit(1)


def _follow() -> None:
    """Wait for the end of the pipe that only the parent holds open."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
