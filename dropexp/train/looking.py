"""What a probe gets to see, and the care that it leaves nothing changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from dropexp.experiment.study import Run
from dropexp.nn.dropout import Noise
from dropexp.nn.protocol import Tap, Trainable
from dropexp.streams import PROBE, generator
from dropexp.train.batches import Feed

Measured = list[tuple[str, str, Sequence[float | None]]]  # layer, at, one value per run; None is no row for that run


@dataclass(frozen=True)
class Look:
    """R runs of a pack at one moment, as a probe sees them.

    `name` is the probe's, `moment` one of MOMENTS, `epoch` the one just ended: 0 at the start; at the end 0 too, since
    each run may have selected another. `batches` counts the epoch whose batches `feed.batches` is to be asked for where
    training's own are wanted: the epoch, or the first one. After an epoch `guess_RN` are the guesses for the training
    examples, dropout off. `remembered` (R, N) is for a probe that remembers (see PROBES): what it writes there it finds
    after the next epoch and, for a run that did not diverge, at the end; 0 before the first. Every value of run r must
    depend on run r alone, to the bit: sum over examples and units with `nn/reduce.py` or run by run, and draw from `masks`
    and `generator` only.
    """

    name: str
    moment: str
    settings: Any  # of the probe's own class of settings
    network: Trainable
    feed: Feed
    runs: Sequence[Run]
    epoch: int = 0
    guess_RN: np.ndarray | None = None
    remembered: np.ndarray | None = None

    @property
    def batches(self) -> int:
        return max(1, self.epoch)

    def training_masks(self) -> Noise:
        """Return the masks that training draws in the epoch `batches`, from its first step on."""
        return noise_of(self.runs, self.network, self.batches)

    def masks(self, number: int) -> Noise:
        """Return masks of the probe's own, other ones for each `number`, from their first step on."""
        return noise_of(self.runs, self.network, self.epoch, f"{self._when}.{number} ")

    def generator(self, run: int, place: str = "", index: int = 0) -> np.random.Generator:
        """Return random numbers of the probe's own for the run at position `run`, by its seed, the moment and the epoch."""
        return generator(self.runs[run].seed, PROBE, f"{self._when}.{self.epoch}.{place}", index)

    @property
    def _when(self) -> str:
        return f"{self.name}.{self.moment}"


def noise_of(runs: Sequence[Run], network: Trainable, epoch: int, drawn_for: str = "") -> Noise:
    """Return the masks of an epoch; those not of training are `drawn_for` something else."""
    seeds = [run.stream_seed("mask") for run in runs]
    distinct = list(dict.fromkeys(seeds))
    of_run = torch.tensor([distinct.index(seed) for seed in seeds], device=network.device)
    return Noise(network.sites, distinct, of_run, epoch, drawn_for)


def examples_of(look: Look, which: Literal["train", "val", "test"], most: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs (R, B, ...) and labels (R, B) of the first examples of a set, `most` of them or all."""
    for x_RB, labels_RB in look.feed.part(which):
        if most <= 0:
            return
        yield x_RB[:, :most], labels_RB[:, :most]
        most -= labels_RB.shape[1]


@contextmanager
def tapped(network: Trainable, tap: Tap) -> Iterator[None]:
    """Let a tap see what passes through a network meanwhile."""
    network.tap = tap
    try:
        yield
    finally:
        network.tap = None


@contextmanager
def unchanged(network: Trainable) -> Iterator[None]:
    """Put back what a probe moves: running statistics, gradients, and parameters in whose place it put others.

    Raises AssertionError where it wrote into a parameter, which nothing could put back.
    """
    statistics = {name: tensor.clone() for name, tensor in network.statistics.items()}
    parameters = dict(network.parameters)
    versions = {name: tensor._version for name, tensor in parameters.items()}
    try:
        yield
    finally:
        network.tap = None
        network.put(statistics)
        for name, tensor in parameters.items():
            if network.parameters[name] is not tensor:
                network.put({name: tensor})
            tensor.grad = None
    written = [name for name, tensor in parameters.items() if tensor._version != versions[name]]
    assert not written, f"a probe wrote into {', '.join(written)}; put other tensors in its place"
