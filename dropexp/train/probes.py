"""Probes: diagnostics taken after an epoch, which see the network and change nothing in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor

from dropexp.nn.dropout import Noise
from dropexp.nn.network import Network
from dropexp.train.evaluate import losses
from dropexp.train.feed import Feed

Measured = list[tuple[str, list[float]]]  # layer, a value a run


def gradient_norms(network: Network, feed: Feed, noise: Noise) -> Measured:
    """Return the L2 norm of each weight's gradient of the mean loss, over the epoch's first training batch.

    Dropout on, batch statistics: the gradient that training follows (Glorot & Bengio 2010, figures 7 to 9).
    """
    statistics = {name: tensor.clone() for name, tensor in network.statistics.items()}
    x_RB, labels_RB = next(iter(feed.batches(noise.epoch)))
    (losses(network(x_RB, noise=noise, norm="batch"), labels_RB) / labels_RB.shape[1]).sum().backward()
    network.statistics.update(statistics)
    found = []
    for name, tensor in network.parameters.items():
        if name.endswith(".weight"):
            norms = [float(g.double().square().sum().sqrt()) for g in tensor.grad]
            found.append((name.removesuffix(".weight"), norms))
        tensor.grad = None
    return found


def variance_shift(network: Network, feed: Feed, noise: Noise) -> Measured:
    """Return, per batch-normalised layer, the variance at its norm without dropout over that with it.

    The mean over channels of test variance / running variance (Li et al. 2019, section 3); 1 without a shift.
    """
    names = [b.name for b in network.layout.blocks if "norm" in b.steps and network.model.norm == "batch"]
    if not names:
        return []
    sums: dict[str, list[Tensor]] = {}

    def record(name: str, x_RBCP: Tensor) -> None:
        x = x_RBCP.double()
        sums.setdefault(name, []).append(torch.stack([x.sum((1, 3)), x.square().sum((1, 3))]))

    network.watch = record
    with torch.no_grad():
        seen = 0
        for begin, x_RB, _ in feed.chunks():
            if begin + x_RB.shape[1] > feed.set_sizes[0]:
                x_RB = x_RB[:, : feed.set_sizes[0] - begin]
            if x_RB.shape[1] == 0:
                break
            seen += x_RB.shape[1]
            network(x_RB, noise=None, norm="running")
    network.watch = None
    found = []
    for name in names:
        first, second = torch.stack(sums[name]).sum(0)
        block = next(b for b in network.layout.blocks if b.name == name)
        count = seen * prod(block.map)
        variance = (second - first * first / count) / (count - 1)
        ratio = variance / network.statistics[f"{name}.norm.variance"].double()
        found.append((name, [float(r.mean()) for r in ratio]))
    return found


PROBES: dict[str, Callable[[Network, Feed, Noise], Measured]] = {
    "gradient_norms": gradient_norms,
    "variance_shift": variance_shift,
}


def take(names: Sequence[str], network: Network, feed: Feed, noise: Noise) -> list[tuple[str, str, list[float]]]:
    """Return (probe, layer, a value a run) for each named probe."""
    return [(name, layer, values) for name in names for layer, values in PROBES[name](network, feed, noise)]
