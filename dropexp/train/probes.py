"""How each probe is measured after an epoch: functions that look at the network and change nothing in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor

from dropexp.nn.dropout import Noise
from dropexp.nn.protocol import Trainable
from dropexp.train.batches import Feed
from dropexp.train.evaluate import losses, mean

Measured = list[tuple[str, str, list[float]]]  # layer, at, one value per run


@contextmanager
def _restored(network: Trainable) -> Iterator[None]:
    """Put the running statistics back that passes with batch statistics move."""
    statistics = {name: tensor.clone() for name, tensor in network.statistics.items()}
    try:
        yield
    finally:
        network.put(statistics)


def gradient_norms(network: Trainable, feed: Feed, noise: Noise) -> Measured:
    """Return the L2 norm of each weight's gradient of the mean loss, over the epoch's first training batch.

    Dropout on, batch statistics: the gradient that training follows (Glorot & Bengio 2010, figures 7 to 9).
    """
    x_RB, labels_RB = next(iter(feed.batches(noise.epoch)))
    with _restored(network):
        (losses(network(x_RB, noise=noise, norm="batch"), labels_RB) / labels_RB.shape[1]).sum().backward()
    found = []
    for name, tensor in network.parameters.items():
        if network.roles[name] == "weight" and tensor.grad is not None:
            norms = [float(g.double().square().sum().sqrt()) for g in tensor.grad]
            found.append((name.removesuffix(".weight"), "", norms))
        tensor.grad = None
    return found


def variance_shift(network: Trainable, feed: Feed, noise: Noise) -> Measured:
    """Return, for each batch-normalised layer, the variance at its norm without dropout over that with it.

    Test variance over running variance (Li et al. 2019, section 3), over the training examples; 1 without a shift. At ''
    stands the ratio of the sums over channels, at `median` the median of the channels' ratios: a mean of ratios would be
    ruled by channels that are nearly dead, whose running variance is next to nothing.
    """
    if not network.batch_norms:
        return []
    sums: dict[str, list[Tensor]] = {name: [] for name in network.batch_norms}
    counts = dict.fromkeys(network.batch_norms, 0)  # numbers per channel

    def record(name: str, x_RBCP: Tensor) -> None:
        x = x_RBCP.double()
        sums[name].append(torch.stack([x.sum((1, 3)), x.square().sum((1, 3))]))
        counts[name] += x.shape[1] * x.shape[3]

    network.watch = record
    with torch.no_grad():
        for begin, x_RB, _ in feed.chunks():
            left = feed.set_sizes[0] - begin  # training examples come first; what follows them is not looked at
            if left <= 0:
                break
            network(x_RB[:, :left], noise=None, norm="running")
    network.watch = None
    found: Measured = []
    for name, running in network.batch_norms.items():
        first, second = torch.stack(sums[name]).sum(0)
        test_RC = (second - first * first / counts[name]) / (counts[name] - 1)
        running_RC = network.statistics[running].double()
        found.append((name, "", [float(r) for r in test_RC.sum(1) / running_RC.sum(1)]))
        # statistics.median would pass NaN on or not by its place; torch's passes it on always
        found.append((name, "median", [float(r) for r in (test_RC / running_RC).quantile(0.5, dim=1)]))
    return found


def gap_parts(network: Trainable, feed: Feed, noise: Noise) -> Measured:
    """Return training accuracies with the weights that the epoch ended with, over its own batches.

    `noise_batch` is with the epoch's masks and batch statistics, `batch` without masks, `running` with running statistics
    besides; without batch norm the last two are one. From dropout_on_train_accuracy to train_accuracy their differences
    are what the weights' movement, dropout and batch norm add to the gap that a training log shows.
    """
    plain = _accuracy(network, feed, noise.epoch, None, "running")
    return [
        ("noise_batch", "", _accuracy(network, feed, noise.epoch, noise, "batch")),
        ("batch", "", _accuracy(network, feed, noise.epoch, None, "batch") if network.batch_norms else plain),
        ("running", "", plain),
    ]


def _accuracy(
    network: Trainable, feed: Feed, epoch: int, noise: Noise | None, norm: Literal["batch", "running"]
) -> list[float]:
    """Return each run's accuracy over the batches of an epoch, whose weights no longer move."""
    right = []
    with torch.no_grad(), _restored(network):
        for x_RB, labels_RB in feed.batches(epoch):
            right.append(network(x_RB, noise=noise, norm=norm).argmax(-1) == labels_RB)
    return [mean(row) or 0.0 for row in torch.cat(right, 1).cpu().numpy()]


MEASURES: dict[str, Callable[[Trainable, Feed, Noise], Measured]] = {
    "gradient_norms": gradient_norms,
    "variance_shift": variance_shift,
    "gap_parts": gap_parts,
}


def take(names: Sequence[str], network: Trainable, feed: Feed, noise: Noise) -> list[tuple[str, str, str, list[float]]]:
    """Return (probe, layer, at, one value per run) for each named probe that the network has something for."""
    return [(name, *measured) for name in names for measured in MEASURES[name](network, feed, noise.again())]
