"""The probe variance_shift: what dropout puts between the variances that batch norm meets in training and in testing."""

from __future__ import annotations

import torch
from torch import Tensor

from dropexp.train.looking import Look, Measured, tapped


def variance_shift(look: Look) -> Measured:
    """Return, for each batch-normalised layer, the variance at its norm without dropout over that with it.

    Test variance over running variance (Li et al. 2019, section 3), over the training examples; 1 without a shift. At ''
    stands the ratio of the sums over channels, at `median` the median of the channels' ratios: a mean of ratios would be
    ruled by channels that are nearly dead, whose running variance is next to nothing.
    """
    network, feed = look.network, look.feed
    sums: dict[str, list[Tensor]] = {name: [] for name in network.batch_norms}
    counts = dict.fromkeys(network.batch_norms, 0)  # numbers per channel

    def record(layer: str, point: str, x: Tensor) -> Tensor:
        if point == "norm":
            x_RBCP = x.reshape(*x.shape[:3], -1).double()
            sums[layer].append(torch.stack([x_RBCP.sum((1, 3)), x_RBCP.square().sum((1, 3))]))
            counts[layer] += x_RBCP.shape[1] * x_RBCP.shape[3]
        return x

    with torch.no_grad(), tapped(network, record):
        for begin, x_RB, _ in feed.chunks():
            left = feed.set_sizes[0] - begin  # training examples come first; what follows them is not looked at
            if left <= 0:
                break
            network(x_RB[:, :left], noise=None, norm="running")
    found: Measured = []
    for name, running in network.batch_norms.items():
        first, second = torch.stack(sums[name]).sum(0)
        test_RC = (second - first * first / counts[name]) / (counts[name] - 1)
        running_RC = network.statistics[running].double()
        found.append((name, "", [float(r) for r in test_RC.sum(1) / running_RC.sum(1)]))
        # statistics.median would pass NaN on or not by its place; torch's passes it on always
        found.append((name, "median", [float(r) for r in (test_RC / running_RC).quantile(0.5, dim=1)]))
    return found
