"""Train packs in worker processes, each started once, which get the data once and die with their parent."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from dropexp.executors.executor import Listen, Meanwhile, Stop, Train
from dropexp.executors.template import Forking
from dropexp.executors.worker import die_with, leave_signals, serve, started
from dropexp.records import Outcome

POLL_SECONDS = 0.25  # how long a request to stop may go unheard by the workers


class Crew(Protocol):
    """Worker processes, each known by this end of its pipe."""

    def start(self, count: int) -> list[Connection]:
        """Start workers; all are on their way when this returns."""

    def ended(self, worker: Connection) -> int | None:
        """Return the exit code of a worker whose pipe has ended."""

    def close(self) -> None:
        """Kill whatever works still, and return when it is gone."""


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
    crew = CREW(train, shared)
    todo = list(range(len(packs)))[::-1]
    workers: dict[Connection, int] = {}  # the pack that each trains
    told, idle = False, True
    try:
        while todo or workers:
            if not told and stop():
                told = True
                todo.clear()
                for worker in workers:
                    _send(worker, None)
            fresh = crew.start(min(len(todo), jobs - len(workers)))
            for worker in fresh:
                workers[worker] = todo.pop()
                _send(worker, packs[workers[worker]])
            if idle and fresh:
                idle = False
                meanwhile()
            for ready in wait(list(workers), POLL_SECONDS):
                assert isinstance(ready, Connection)
                index = workers.pop(ready)
                try:
                    message = ready.recv()
                except (EOFError, OSError):
                    yield index, Outcome(error=f"its worker process ended with {_ending(crew.ended(ready))}")
                    continue
                if message[0] == "heard":
                    workers[ready] = index
                    listen(index, *message[1:])
                    continue
                if todo:
                    workers[ready] = todo.pop()
                    _send(ready, packs[workers[ready]])
                else:
                    ready.close()  # which ends the worker
                yield index, message[1]
    finally:
        crew.close()


class Spawning:
    """Workers that begin as new processes, each of which loads everything and gets the data."""

    def __init__(self, train: Train, shared: Mapping[str, Any]):
        self.first = (train, dict(shared))
        self.processes: dict[Connection, BaseProcess] = {}

    def start(self, count: int) -> list[Connection]:
        fresh = []
        for _ in range(count):
            ours, process = started(_alone)
            self.processes[ours] = process  # at once: whatever happens next, it is killed in the end
            fresh.append(ours)
        for ours in fresh:  # all are starting by now; data go by the pipe, whose other end only the worker holds
            _send(ours, self.first)
        return fresh

    def ended(self, worker: Connection) -> int | None:
        self.processes[worker].join()
        return self.processes[worker].exitcode

    def close(self) -> None:
        for connection, process in self.processes.items():
            process.kill()
            connection.close()
        for process in self.processes.values():
            process.join()


CREW: Callable[[Train, Mapping[str, Any]], Crew] = Forking if sys.platform == "linux" else Spawning


def _alone(connection: Connection, parent: int) -> None:
    """A worker in a process of its own."""
    leave_signals()
    die_with(parent)
    with contextlib.suppress(EOFError, OSError):
        serve(connection, *connection.recv())


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}; the system kills processes when memory runs out"
    return f"exit code {code}"


def _send(connection: Connection, message: object) -> None:
    """Send to a worker; one that has died is met as the end of its pipe."""
    with contextlib.suppress(OSError):
        connection.send(message)
