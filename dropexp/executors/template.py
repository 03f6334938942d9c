"""Workers as copies of one process, which loads torch once and holds the data once, where forking is safe."""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from dropexp.executors.executor import Train
from dropexp.executors.worker import die_by_kernel, die_with, leave_signals, serve, started

LOAD, HOLD, START, ENDED = "load", "hold", "start", "ended"  # what a template is asked
READY = "ready"  # what it says once it may have copies
PATIENCE = 5.0  # seconds in which a template ends its copies and itself

_ahead: list[Template] = []  # begun before it was known what to train


@contextlib.contextmanager
def loading(module: str) -> Iterator[None]:
    """Have a template load a module already, of which the first workers begun within are copies."""
    if sys.platform == "linux" and not _ahead:
        _ahead.append(Template())
        _ahead[-1].ask(LOAD, module)
    try:
        yield
    finally:
        forget()


def forget() -> None:
    """End a template of which no worker has been made."""
    while _ahead:
        _ahead.pop().close()


class Forking:
    """Workers that are copies of a template; where that dies, they die with it, and another takes its place."""

    def __init__(self, train: Train, shared: Mapping[str, Any]):
        self.first = (train, dict(shared))
        self.templates: list[Template] = []
        self.workers: dict[Connection, tuple[Template, int]] = {}

    def start(self, count: int) -> list[Connection]:
        if count and not (self.templates and self.templates[-1].process.is_alive()):
            self.templates.append(_ahead.pop() if _ahead else Template())
            self.templates[-1].ask(HOLD, self.first)
        fresh = [self.templates[-1].copy() for _ in range(count)]
        for number, worker in enumerate(fresh, self.templates[-1].copies - count):
            self.workers[worker] = (self.templates[-1], number)
        return fresh

    def ended(self, worker: Connection) -> int | None:
        template, number = self.workers[worker]
        return template.ended(number)

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        for template in self.templates:
            template.close()


class Template:
    """A process that has loaded what training needs, and starts no thread, so that a copy of it works."""

    def __init__(self) -> None:
        self.control, self.process = started(_template)
        self.copies, self.ready = 0, False

    def ask(self, what: str, content: Any = None) -> None:
        with contextlib.suppress(OSError):  # one that has died is met as the end of its copies' pipes
            self.control.send((what, content))

    def copy(self) -> Connection:
        """Ask for a copy; return this end of its pipe."""
        ours, theirs = multiprocessing.Pipe()
        self.ask(START)
        with contextlib.suppress(OSError):
            reduction.send_handle(self.control, theirs.fileno(), None)
        theirs.close()
        self.copies += 1
        return ours

    def ended(self, number: int) -> int | None:
        """Return the exit code of a copy that has ended, or the template's, with which its copies end."""
        try:
            self.ask(ENDED, number)
            while (answer := self.control.recv()) == READY:
                self.ready = True
            return int(answer)
        except (EOFError, OSError):
            self.process.join()
            return self.process.exitcode

    def close(self) -> None:
        """Kill it and its copies."""
        with contextlib.suppress(OSError):
            self.ready = self.ready or self.control.poll()
        self.control.close()
        if self.ready:  # so it hears that, and ends its copies; before, it has none
            self.process.join(PATIENCE)
        self.process.kill()  # whose copies the kernel then kills
        self.process.join()


def _template(control: Connection, parent: int) -> NoReturn:
    """Load and hold what copies need, start one for each pipe that the parent sends, and say how they have ended."""
    leave_signals()
    die_by_kernel(parent)
    gc.disable()  # what is loaded leaves no garbage, and what is never looked through stays common to all copies
    copies: list[int] = []
    with contextlib.suppress(EOFError, OSError):
        while True:
            asked, content = control.recv()
            if asked == LOAD:
                with contextlib.suppress(Exception):  # a copy tries again, and says what is wrong
                    importlib.import_module(content)
            elif asked == HOLD:
                train, shared = content
                control.send(READY)
            elif asked == START:
                copies.append(_copy(control, reduction.recv_handle(control), train, shared))
            else:
                control.send(os.waitstatus_to_exitcode(os.waitpid(copies[content], 0)[1]) if copies[content] else 1)
                copies[content] = 0
    for pid in filter(None, copies):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    os._exit(0)


def _copy(control: Connection, pipe: int, train: Train, shared: Mapping[str, Any]) -> int:
    """Start a copy of this process that serves a pipe; return its number, or 0 where the system has no room for it."""
    template = os.getpid()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # numpy's threads, which end before a fork and start again
        try:
            pid = os.fork()
        except OSError:
            os.close(pipe)
            return 0
    if pid:
        os.close(pipe)
        return pid
    code = 1
    try:
        control.close()
        gc.freeze()
        gc.enable()
        die_with(template)
        serve(Connection(pipe), train, shared)
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)  # nothing of the template's is to be ended or flushed here
