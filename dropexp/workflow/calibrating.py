"""The size of packs from a few steps on this machine, where there is so much to train that it pays."""

from __future__ import annotations

import time

from dropexp.experiment.packs import keys_by_arm, largest, pack_size
from dropexp.experiment.study import Run
from dropexp.workflow.planning import Plan, pack, room
from dropexp.workflow.request import Options

WORTH_SECONDS = 120.0  # of a worker's estimated time, from which on a kind of network is calibrated
SHARE = 0.02  # of that time, which calibrating may take
BETTER = 0.97  # a smaller pack must take less than this part of a larger one's time a run


def calibrate(made: Plan, options: Options) -> None:
    """Plan the packs anew, in the sizes whose steps cost least a run; no size leaves a trace in any result.

    Sizes from the largest that memory allows are tried in turn, each half of the one before. Without effect where little is
    to be trained, where the size is given, and where another device than the processor trains.
    """
    if options.pack is not None or options.device != "cpu" or made.seconds / max(1, made.jobs) < WORTH_SECONDS:
        return
    groups: dict[tuple[str, ...], list[Run]] = {}
    keys = keys_by_arm(made.todo)
    for run in made.todo:
        groups.setdefault(keys[run.arm_id], []).append(run)
    measured = {}
    for key, runs in groups.items():
        seconds = made.seconds * len(runs) / len(made.todo) / max(1, made.jobs)
        if seconds >= WORTH_SECONDS:
            measured[key] = _best(made, key, sorted(runs, key=lambda run: run.seed), seconds * SHARE)
    if measured:
        pack(made, options, measured)


def _best(made: Plan, key: tuple[str, ...], runs: list[Run], allowed: float) -> int:
    """Return the size whose steps cost least a run, of those that `allowed` seconds suffice to try."""
    from dropexp.train.timing import seconds_a_step

    config = runs[0].config
    dataset, network = made.datasets[config.data.as_read], made.layouts[key]
    size = min(largest(config, network, room(made)), -(-len(runs) // made.jobs))
    best, least = pack_size(config, network, room(made)), float("inf")
    clock = time.perf_counter()
    while size >= 1 and time.perf_counter() - clock < allowed:
        try:
            cost = seconds_a_step(runs[:size], dataset) / size
        except (MemoryError, RuntimeError):  # torch's word for no memory; what else it may be, training will say
            cost = float("inf")
        if cost < least * BETTER:
            best, least = size, cost
        size //= 2
    return best
