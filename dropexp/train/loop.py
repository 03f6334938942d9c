"""The training loop: a generator that yields once an epoch and is told which runs go on."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dropexp.nn.dropout import Noise
from dropexp.nn.network import Network
from dropexp.spec.layout import Layout
from dropexp.spec.study import Run
from dropexp.train.evaluate import Scores, evaluate, guesses, losses, mean
from dropexp.train.feed import Feed
from dropexp.train.optim import Optimiser
from dropexp.train.probes import take


@dataclass(frozen=True)
class Epoch:
    """What an epoch left: scores and running means a run still training, in the order of `runs`."""

    number: int
    runs: tuple[Run, ...]
    scores: tuple[Scores, ...]
    noisy_loss: tuple[float, ...]
    noisy_accuracy: tuple[float, ...]
    finite: tuple[bool, ...]
    probes: tuple[tuple[str, str, list[float]], ...]
    network: Network


def train(
    runs: Sequence[Run], feed: Feed, layout: Layout, probes: Sequence[str] = ()
) -> Generator[Epoch, Sequence[int], None]:
    """Train a pack of runs epoch by epoch; yield an Epoch, and be sent the positions of the runs that go on.

    The runs agree in their shape fields. The generator ends when none goes on.
    """
    runs = list(runs)
    network = Network(layout, [r.config for r in runs], [r.stream_seed("init") for r in runs], feed.dtype)
    network.to(feed.device)
    optimiser = Optimiser([r.config for r in runs], feed.dtype, feed.device)
    network.require_grad()
    number = 0
    while runs:
        number += 1
        optimiser.configure([r.config for r in runs], number)
        network.set_epoch(number)
        noisy = _one_epoch(network, optimiser, feed, _noise(runs, network, number), number)
        scores = evaluate(network, feed)
        measured = take(probes, network, feed, _noise(runs, network, number)) if probes else []
        finite = _finite(network, [s.train_loss for s in scores], noisy[0])
        kept = yield Epoch(number, tuple(runs), tuple(scores), noisy[0], noisy[1], finite, tuple(measured), network)
        if len(kept) < len(runs):
            runs = [runs[i] for i in kept]
            if runs:
                network.keep(kept)
                optimiser.keep(kept)
                feed.keep(kept)


def _noise(runs: Sequence[Run], network: Network, epoch: int) -> Noise:
    seeds = [run.stream_seed("mask") for run in runs]
    distinct = list(dict.fromkeys(seeds))
    of_run = torch.tensor([distinct.index(seed) for seed in seeds], device=network.device)
    return Noise(network.sites, distinct, of_run, epoch)


def _one_epoch(
    network: Network, optimiser: Optimiser, feed: Feed, noise: Noise, number: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Take an epoch's steps; return each run's mean loss and accuracy during it, dropout on."""
    seen_losses: list[Tensor] = []
    seen_right: list[Tensor] = []
    for x_RB, labels_RB in feed.batches(number):
        logits = network(x_RB, noise=noise, norm="batch")
        loss_RB = losses(logits, labels_RB)
        loss_RB.backward(torch.full_like(loss_RB, 1.0 / labels_RB.shape[1]))
        optimiser.step(network.parameters)
        seen_losses.append(loss_RB.detach())
        seen_right.append(guesses(logits.detach()) == labels_RB)
    loss_RN = torch.cat(seen_losses, 1).cpu().numpy()
    right_RN = torch.cat(seen_right, 1).cpu().numpy()
    return (
        tuple(mean(row) or 0.0 for row in loss_RN),
        tuple(mean(row) or 0.0 for row in right_RN),
    )


def _finite(network: Network, train_losses: Sequence[float], noisy_losses: Sequence[float]) -> tuple[bool, ...]:
    """Return whether each run's losses and parameters are all finite."""
    fine = torch.isfinite(torch.tensor([train_losses, noisy_losses], dtype=torch.float64)).all(0)
    for tensor in network.parameters.values():
        fine &= torch.isfinite(tensor.detach()).flatten(1).all(1).cpu()
    return tuple(bool(f) for f in fine)
