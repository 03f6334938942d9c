"""Train packs in worker processes that are spawned once, get the data once, and die with their parent."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from dropexp.executors.executor import Listen, Meanwhile, Stop, Train
from dropexp.executors.inline import attempt
from dropexp.records import Outcome

LEFT_TO_THE_PARENT = (signal.SIGINT, signal.SIGTERM)
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

POLL_SECONDS = 0.25  # how long a request to stop may go unheard by the workers


def run_pool(
    train: Train,
    packs: Sequence[Any],
    shared: Mapping[str, Any],
    jobs: int,
    listen: Listen,
    stop: Stop = lambda: False,
    meanwhile: Meanwhile = lambda: None,
) -> Generator[tuple[int, Outcome], None, None]:
    """Yield (index of the pack, its outcome) as packs finish in `jobs` processes.

    A worker that dies takes its pack with it: the outcome says so, and a new worker takes the next pack. Where `stop`
    turns true, each worker is told to leave its pack at the end of the epoch, and ends. `meanwhile` is called once the
    first packs are on their way.
    """
    context = multiprocessing.get_context("spawn")
    todo = list(range(len(packs)))[::-1]
    workers: dict[Connection, tuple[BaseProcess, int]] = {}
    told, idle = False, True
    try:
        while todo or workers:
            if not told and stop():
                told = True
                todo.clear()
                for ours in workers:
                    _send(ours, None)
            fresh = []
            while todo and len(workers) < jobs:
                ours, theirs = context.Pipe()
                workers[ours] = (_start(context, theirs), todo.pop())
                theirs.close()
                fresh.append(ours)
            for ours in fresh:  # all are starting by now; data go by the pipe, whose other end only the worker holds
                _send(ours, (train, dict(shared)))
                _send(ours, packs[workers[ours][1]])
            if idle and fresh:
                idle = False
                meanwhile()
            for ready in wait(list(workers), POLL_SECONDS):
                assert isinstance(ready, Connection)
                process, index = workers[ready]
                try:
                    message = ready.recv()
                except (EOFError, OSError):
                    process.join()
                    del workers[ready]
                    yield index, Outcome(error=f"its worker process ended with {_ending(process.exitcode)}")
                    continue
                if message[0] == "heard":
                    listen(index, *message[1:])
                    continue
                if todo:
                    workers[ready] = (process, todo.pop())
                    _send(ready, packs[workers[ready][1]])
                else:
                    del workers[ready]
                    ready.close()
                    process.join(5)
                yield index, message[1]
    finally:
        for connection, (process, _) in workers.items():
            process.kill()
            connection.close()
        for process, _ in workers.values():
            process.join()


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}; the system kills processes where memory runs out"
    return f"exit code {code}"


def _start(context: SpawnContext, theirs: Connection) -> BaseProcess:
    """Start a worker that Ctrl-C and SIGTERM do not reach, from its first moment on: what is held back here is there."""
    process = context.Process(target=_serve, args=(theirs, os.getpid()), daemon=True)
    with held_back(), _without_script():
        process.start()
    return process


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


def _send(connection: Connection, message: object) -> None:
    """Send to a worker; one that has died is met as the end of its pipe."""
    with contextlib.suppress(OSError):
        connection.send(message)


def _serve(connection: Connection, parent: int) -> None:
    """A worker: take the data once, then packs until the parent says None or closes the pipe."""
    for name in LEFT_TO_THE_PARENT:  # it decides what they mean, and says so over the pipe
        signal.signal(name, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, LEFT_TO_THE_PARENT)
    die_with(parent)

    def report(*heard: Any) -> bool:
        connection.send(("heard", *heard))
        return connection.poll() and connection.recv() is None

    try:
        train, shared = connection.recv()
        while (work := connection.recv()) is not None:
            outcome = attempt(train, work, shared, report)
            connection.send(("done", outcome))
            if outcome.paused:
                return
    except (EOFError, OSError):
        return


def die_with(parent: int) -> None:
    """End this process when its parent is gone, however that ended: by the kernel on Linux, else by a thread's watch."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone before it could be asked
            os._exit(1)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    """Wait for the end of the pipe that only the parent holds open."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
