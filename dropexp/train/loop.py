"""The training loop: a generator that yields once per epoch and is told which runs go on."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dropexp.experiment.layout import Layout
from dropexp.experiment.study import Run
from dropexp.nn.dropout import Noise
from dropexp.nn.network import Network
from dropexp.nn.protocol import Trainable
from dropexp.train.audit import Audit, Audited, Finding, checked_evaluation
from dropexp.train.batches import Feed
from dropexp.train.evaluate import Evaluated, Scores, evaluate, guesses, losses, mean
from dropexp.train.looking import noise_of
from dropexp.train.optim import Optimiser
from dropexp.train.probes import REMEMBERS, Taken, remembering, take


@dataclass(frozen=True)
class State:
    """A pack at the end of an epoch: tensors, or arrays, with a leading axis of runs, by name.

    Random streams are keyed by epoch, so that they are no part of it.
    """

    epoch: int
    tensors: Mapping[str, Any]
    masks: Mapping[str, Any] = field(default_factory=dict)  # what the audit remembers, by run
    remembered: Mapping[str, np.ndarray] = field(default_factory=dict)  # what probes remember, by probe: (R, N)


@dataclass(frozen=True)
class Epoch:
    """What an epoch left: scores, guesses and running means a run still training, in the order of `runs`."""

    number: int
    runs: tuple[Run, ...]
    evaluated: Evaluated
    noisy_loss: tuple[float, ...]
    noisy_accuracy: tuple[float, ...]
    finite: tuple[bool, ...]
    probes: tuple[Taken, ...]
    network: Trainable
    optimiser: Optimiser
    audit: Audit
    wrong: tuple[Finding, ...]  # what the audit found
    remembered: Mapping[str, np.ndarray]  # by probe: (R, N), which the next epoch writes into

    @property
    def scores(self) -> list[Scores]:
        return self.evaluated.scores

    def state(self) -> State:
        """Return what the rest of training depends on, beside the runs and their data."""
        network = {f"network.{name}": t for name, t in (self.network.parameters | self.network.statistics).items()}
        optimiser = {f"optimiser.{name}": t for name, t in self.optimiser.state.items()}
        return State(self.number, network | optimiser, self.audit.memory)


def train(
    runs: Sequence[Run],
    feed: Feed,
    layout: Layout,
    probes: Sequence[str] = (),
    start: State | None = None,
    logits: bool = False,
) -> Generator[Epoch, Sequence[int], None]:
    """Train a pack of runs epoch by epoch; yield an Epoch, and be sent the positions of the runs that go on.

    The runs agree in their shape fields. The generator ends when none goes on. With `start` it goes on after that epoch.
    With `logits` those of the test examples are kept.
    """
    runs = list(runs)
    configs, seeds = [r.config for r in runs], [r.stream_seed("init") for r in runs]
    network: Trainable = Network(layout, configs, seeds, feed.dtype)  # from here on nothing knows which network it is
    network.to(feed.device)
    optimiser = Optimiser(configs, network)
    if start is not None:
        _restore(network, optimiser, start, feed)
    network.require_grad()
    number = 0 if start is None else start.epoch
    audit = Audit(None if start is None else start.masks)
    shape = len(runs), feed.set_sizes[0]
    remembered = {name: np.zeros(shape, REMEMBERS) for name in remembering(probes)}
    if start is not None:
        remembered = {name: np.array(array) for name, array in start.remembered.items()}
    measured = list[Taken]()
    if probes and start is None:
        network.set_epoch(1)
        measured = take(probes, "start", network, feed, runs)
    while runs:
        number += 1
        optimiser.configure([r.config for r in runs], number)
        network.set_epoch(number)
        audit.begin(runs, number, feed.steps_per_epoch())
        noisy = one_epoch(network, optimiser, feed, audited(runs, network, number, audit), number)
        before = network.noisy_calls  # an evaluation that drew masks would have asked for some
        evaluated = evaluate(network, feed, logits)
        wrong = audit.end(optimiser.step_count) + checked_evaluation(
            network, feed, network.noisy_calls - before, number
        )
        measured += take(probes, "epoch", network, feed, runs, number, evaluated.train_guess_RN, remembered)
        finite = _finite(network, [s.train_loss for s in evaluated.scores], noisy[0])
        kept = yield Epoch(
            number, tuple(runs), evaluated, noisy[0], noisy[1], finite, tuple(measured), network, optimiser,
            audit, tuple(wrong), remembered,
        )  # fmt: skip
        measured = []
        if len(kept) < len(runs):
            runs = [runs[i] for i in kept]
            remembered = {name: array[list(kept)] for name, array in remembered.items()}
            if runs:
                network.keep(kept)
                optimiser.keep(kept)
                feed.keep(kept)


def _restore(network: Trainable, optimiser: Optimiser, start: State, feed: Feed) -> None:
    """Put a pack's tensors back as they were."""
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimiser": {}}
    for key, array in start.tensors.items():
        part, _, name = key.partition(".")
        parts[part][name] = torch.as_tensor(array).to(feed.device)
    network.put(parts["network"])
    optimiser.state = parts["optimiser"]
    optimiser.step_count = start.epoch * feed.steps_per_epoch()


def audited(runs: Sequence[Run], network: Trainable, epoch: int, audit: Audit) -> Noise:
    """Return the masks of an epoch, shown to an audit."""
    plain = noise_of(runs, network, epoch)
    return Audited(audit, plain.sites, plain.seeds, plain.seed_of_R, epoch)


def one_epoch(
    network: Trainable, optimiser: Optimiser, feed: Feed, noise: Noise, number: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Take an epoch's steps; return each run's mean loss and accuracy during it, dropout on."""
    seen_losses: list[Tensor] = []
    seen_right: list[Tensor] = []
    for x_RB, labels_RB in feed.batches(number):
        logits = network(x_RB, noise=noise, norm="batch")
        loss_RB = losses(logits, labels_RB)
        (loss_RB * (1.0 / labels_RB.shape[1])).sum().backward()  # given a gradient, torch would load sympy first
        noise.backward_done(network.parameters)
        optimiser.step(network.parameters)
        noise.step_done(network.parameters)
        seen_losses.append(loss_RB.detach())
        seen_right.append(guesses(logits.detach()) == labels_RB)
    loss_RN = torch.cat(seen_losses, 1).cpu().numpy()
    right_RN = torch.cat(seen_right, 1).cpu().numpy()
    return (tuple(mean(row) or 0.0 for row in loss_RN), tuple(mean(row) or 0.0 for row in right_RN))


def _finite(network: Trainable, train_losses: Sequence[float], noisy_losses: Sequence[float]) -> tuple[bool, ...]:
    """Return whether each run's losses and parameters are all finite."""
    fine = torch.isfinite(torch.tensor([train_losses, noisy_losses], dtype=torch.float64)).all(0)
    for tensor in network.parameters.values():
        flat = tensor.detach().flatten(1)
        fine &= (
            torch.isfinite(flat.amax(1)) & torch.isfinite(flat.amin(1))
        ).cpu()  # both pass NaN on; isfinite is slow
    return tuple(bool(f) for f in fine)
