"""The probe variance_shift: what dropout puts between the variances that batch norm meets in training and in testing."""

from __future__ import annotations

import torch
from torch import Tensor

from dropexp.train.batch_norm_repair import accuracies
from dropexp.train.dropout_before_norm import Before, before_norms
from dropexp.train.looking import Look, Measured, tapped

LEAST = 1e-4  # running variance below which a unit is left out: its ratio says nothing


def variance_shift(look: Look) -> Measured:
    """Return, for each batch-normalised layer, the variance at its norm without dropout over that with it.

    Test variance over running variance (Li et al. 2019, section 3), over the training examples; 1 without a shift. At ''
    stands the ratio of the sums over channels, at `median` the median of the channels' ratios: a mean of ratios would be
    ruled by channels that are nearly dead, whose running variance is next to nothing. At `left_out` stands how many
    channels have a running variance below 1e-4, and at `live` the ratio of the sums over the others; at `predicted` that
    ratio by the closed form (`Before`), where dropout is what comes next before the norm or its affine map.

    At the selected epoch `repair` adds the rows of `accuracies`, at the layer `test_accuracy`.
    """
    found = _ratios(look)
    return found + (accuracies(look) if look.moment == "selected" and look.settings.repair else [])


def _ratios(look: Look) -> Measured:
    network, feed = look.network, look.feed
    before = before_norms(look)
    sums: dict[str, list[Tensor]] = {name: [] for name in network.batch_norms}
    counts = dict.fromkeys(network.batch_norms, 0)  # numbers per channel

    def record(layer: str, point: str, x: Tensor) -> Tensor:
        if point == "norm":
            x_RBCP = x.reshape(*x.shape[:3], -1).double()
            sums[layer].append(torch.stack([x_RBCP.sum((1, 3)), x_RBCP.square().sum((1, 3))]))
            counts[layer] += x_RBCP.shape[1] * x_RBCP.shape[3]
        for own in before.values():
            own.see(layer, point, x)
        return x

    with torch.no_grad(), tapped(network, record):
        for begin, x_RB, _ in feed.chunks():
            left = feed.set_sizes[0] - begin  # training examples come first; what follows them is not looked at
            if left <= 0:
                break
            network(x_RB[:, :left], noise=None, norm="running")
    found: Measured = []
    for name, (_, running) in network.batch_norms.items():
        first, second = torch.stack(sums[name]).sum(0)
        test_RC = (second - first * first / counts[name]) / (counts[name] - 1)
        running_RC = network.statistics[running].double()
        found.append((name, "", [float(r) for r in test_RC.sum(1) / running_RC.sum(1)]))
        # statistics.median would pass NaN on or not by its place; torch's passes it on always
        found.append((name, "median", [float(r) for r in (test_RC / running_RC).quantile(0.5, dim=1)]))
        found += _live(name, test_RC, running_RC, first / counts[name], before.get(name))
    return found


def _live(name: str, test_RC: Tensor, running_RC: Tensor, mean_RC: Tensor, before: Before | None) -> Measured:
    """Return the rows of a layer that leave out channels whose running variance is next to nothing."""
    alive_RC = running_RC >= LEAST  # NaN is not
    predicted = None if before is None else before.training_variance(test_RC, mean_RC)
    left, ratios, closed = [], list[float | None](), list[float | None]()
    for r, alive in enumerate(alive_RC):
        left.append(float((~alive).sum()))
        test = test_RC[r][alive].sum()
        there = bool(alive.any())
        ratios.append(float(test / running_RC[r][alive].sum()) if there else None)
        own = None if predicted is None else predicted[r]
        closed.append(float(test / own[alive].sum()) if there and own is not None else None)
    return [(name, "live", ratios), (name, "predicted", closed), (name, "left_out", left)]
