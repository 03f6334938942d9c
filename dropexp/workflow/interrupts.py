"""Ctrl-C and SIGTERM while training: the first asks for the end of the epoch, the second stops now."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)  # batch systems send the second


@contextlib.contextmanager
def finishing(tell: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether the first signal has come; the second raises KeyboardInterrupt.

    `tell` is called at the first. Signals that were ignored before stay so; outside the main thread nothing changes.
    """
    asked = threading.Event()

    def hear(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        with contextlib.suppress(RuntimeError):  # where the signal fell into another line of output
            tell()

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    taken = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for number in taken:
        signal.signal(number, hear)
    try:
        yield asked.is_set
    finally:
        for number in taken:
            signal.signal(number, before[number])
