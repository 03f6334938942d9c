"""Train packs in worker processes that are spawned once, get the data once, and die with their parent."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from dropexp.executors.inline import Listen, Train, attempt
from dropexp.records import Outcome


def run_pool(
    train: Train, packs: Sequence[Any], shared: Mapping[str, Any], jobs: int, listen: Listen
) -> Iterator[tuple[int, Outcome]]:
    """Yield (index of the pack, its outcome) as packs finish in `jobs` processes.

    A worker that dies takes its pack with it: the outcome says so, and a new worker takes the next pack.
    """
    context = multiprocessing.get_context("spawn")
    todo = list(range(len(packs)))[::-1]
    workers: dict[Connection, tuple[BaseProcess, int]] = {}
    try:
        while todo or workers:
            while todo and len(workers) < jobs:
                ours, theirs = context.Pipe()
                process: BaseProcess = context.Process(
                    target=_serve, args=(theirs, train, dict(shared), os.getpid()), daemon=True
                )
                process.start()
                theirs.close()
                workers[ours] = (process, todo.pop())
                ours.send((workers[ours][1], packs[workers[ours][1]]))
            for ready in wait(list(workers)):
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
                    ready.send((workers[ready][1], packs[workers[ready][1]]))
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


def _serve(connection: Connection, train: Train, shared: Mapping[str, Any], parent: int) -> None:
    """A worker: take packs until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    while True:
        try:
            _, work = connection.recv()
            outcome = attempt(train, work, shared, lambda *heard: connection.send(("heard", *heard)))
            connection.send(("done", outcome))
        except (EOFError, OSError):
            return


def _follow(parent: int) -> None:
    """End this process when its parent is gone, however that ended."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
