"""Train packs one after another in this process."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from dropexp.executors.executor import Listen, Meanwhile, Stop, Train
from dropexp.records import Outcome


def run_inline(
    train: Train,
    packs: Sequence[Any],
    shared: Mapping[str, Any],
    jobs: int,
    listen: Listen,
    stop: Stop = lambda: False,
    meanwhile: Meanwhile = lambda: None,
) -> Generator[tuple[int, Outcome], None, None]:
    """Yield (index of the pack, its outcome) as packs finish; a pack that raises yields an outcome with an error.

    There is nothing to do meanwhile.
    """
    for index, work in enumerate(packs):
        if stop():
            return

        def report(*heard: Any, index: int = index) -> bool:
            listen(index, *heard)
            return stop()

        yield index, attempt(train, work, shared, report)


def attempt(train: Train, work: Any, shared: Mapping[str, Any], report: Callable[..., bool]) -> Outcome:
    """Train one pack; turn an exception into an outcome that carries it."""
    try:
        return train(work, shared[work.source], report)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome(error=f"{type(error).__name__}: {error} ({place.name}, line {place.lineno})")
