"""What training costs here: seconds of a step and of an epoch, from a few steps of a pack."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from dropexp.data import Dataset
from dropexp.experiment.layout import layout
from dropexp.experiment.study import Run
from dropexp.nn.network import Network
from dropexp.study_files.stored_arms import with_leaves
from dropexp.train.allocator import keep_memory
from dropexp.train.batches import Feed
from dropexp.train.looking import noise_of
from dropexp.train.loop import one_epoch, train
from dropexp.train.optim import Optimiser

CPU = torch.device("cpu")


def seconds_a_step(runs: Sequence[Run], dataset: Dataset, steps: int = 3) -> float:
    """Return the processor seconds that an optimiser step of a pack takes, the first steps aside."""
    torch.set_num_threads(1)
    keep_memory()
    cut = _cut(runs, steps)
    feed = Feed(dataset, cut, torch.float32, CPU)
    configs = [run.config for run in cut]
    shapes = layout(configs[0], dataset.example, len(dataset.classes))
    network = Network(shapes, configs, [0] * len(cut), torch.float32)
    network.require_grad()
    optimiser = Optimiser(configs, network)
    spent = []
    for epoch in (1, 2, 3):
        clock = time.process_time()
        one_epoch(network, optimiser, feed, noise_of(cut, network, epoch), epoch)
        spent.append(time.process_time() - clock)
    return min(spent[1:]) / steps


def measure(runs: Sequence[Run], dataset: Dataset, steps: int = 4) -> float:
    """Return the seconds that one epoch of a pack takes, from a few steps and one evaluation."""
    torch.set_num_threads(1)
    full = Feed(dataset, runs, torch.float32, CPU).steps_per_epoch()
    _first_epoch(runs, dataset, 1)  # pays for what is paid once
    one, several = _first_epoch(runs, dataset, 1), _first_epoch(runs, dataset, 1 + steps)
    return one + max(several - one, 0.0) / steps * (full - 1)


def _first_epoch(runs: Sequence[Run], dataset: Dataset, steps: int) -> float:
    """Return the seconds of a first epoch cut to so many steps."""
    cut = _cut(runs, steps)
    feed = Feed(dataset, cut, torch.float32, CPU)
    loop = train(cut, feed, layout(cut[0].config, dataset.example, len(dataset.classes)))
    clock = time.perf_counter()
    next(loop)
    return time.perf_counter() - clock


def _cut(runs: Sequence[Run], steps: int) -> list[Run]:
    """Return the runs with epochs of so many steps."""
    return [replace(run, config=with_leaves(run.config, {"training.steps_per_epoch": steps})) for run in runs]
