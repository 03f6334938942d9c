"""Progress of work in steps, such as laws and reports: a bar on a terminal, otherwise a line now and then."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any, TextIO

from dropexp.console.progress import FIRST_SECONDS, QUIET_SECONDS
from dropexp.console.screen import fits, warn


class Steps:
    """Shows how many of `total` steps are done, and the current one; a context manager that removes the bar."""

    def __init__(self, stream: TextIO, total: int, what: str, quiet: bool = False):
        self.stream, self.total, self.what, self.quiet = stream, total, what, quiet
        self.done = 0
        self.bar: Any = None
        self.task: Any = None
        self.spoke, self.wait = time.monotonic(), FIRST_SECONDS

    def __enter__(self) -> Steps:
        if not self.quiet and self.stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (
                TextColumn(self.what),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[name]}", markup=False),
            )
            self.bar = Progress(*columns, console=Console(file=self.stream), transient=True)
            self.task = self.bar.add_task("", total=self.total, name="")
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show that a step begins, and count it when it has ended, successfully or not."""
        if self.bar is not None:
            self.bar.update(self.task, name=fits(name, self.stream))
        elif not self.quiet and time.monotonic() - self.spoke > self.wait:
            self.spoke, self.wait = time.monotonic(), QUIET_SECONDS
            warn(f"{self.done} of {self.total} {self.what} done, now {name}")
        try:
            yield
        finally:
            self.done += 1
            if self.bar is not None:
                self.bar.update(self.task, completed=self.done)
