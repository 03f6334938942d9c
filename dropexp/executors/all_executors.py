"""EXECUTORS: every way of training packs, by the name that `--executor` takes, and which one trains where none is named."""

from __future__ import annotations

from dropexp.errors import UsageError
from dropexp.executors.executor import Executor
from dropexp.executors.inline import run_inline
from dropexp.executors.pool import run_pool
from dropexp.executors.template import loading
from dropexp.quoting import spelt


def chosen(name: str | None, jobs: int | None = None) -> Executor:
    """Return the executor of a name; without one, worker processes where they may start and `jobs` is not 1.

    Raises UsageError for a name that is no row's, and for what that row cannot do here.
    """
    if name is None:
        pool = EXECUTORS["pool"]
        return pool if jobs != 1 and pool.machine.may_start() else EXECUTORS["inline"]
    if name not in EXECUTORS:
        raise UsageError(f"--executor: {spelt(name)} is not one of {', '.join(EXECUTORS)}")
    made = EXECUTORS[name]
    if made.workers and not made.machine.may_start():
        raise UsageError(f"--executor {name}: this process cannot start other processes; use --executor inline")
    if not made.workers and (jobs or 1) > 1:
        raise UsageError(f"--executor {name}: trains {made.says}; remove --jobs {jobs}, or use --executor pool")
    return made


EXECUTORS = {
    "inline": Executor("one pack after another in this process", run_inline, workers=False),
    "pool": Executor("packs in worker processes on this machine", run_pool, workers=True, loading=loading),
}
