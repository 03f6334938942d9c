"""Repair of variance shift: the statistics of batch norm estimated anew with fixed weights, and the accuracy that brings."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from dropexp.nn.dropout import Noise
from dropexp.train.batches import CHUNK
from dropexp.train.evaluate import guesses, mean
from dropexp.train.looking import Look, Measured, tapped, unchanged


def accuracies(look: Look) -> Measured:
    """Return each run's test accuracy, dropout off, by the statistics that batch norm takes; weights are the same in all.

    `running` are those that training left, with dropout on; `batch` those of the test batches themselves, of training's
    batch size; `repaired` are estimated anew over the training examples with dropout off, layer by layer (Li et al. 2019,
    section 5.2), and `repaired_dropout_on` likewise with dropout on: a control, which changes the estimate and not the shift.
    """
    size = look.runs[0].config.training.batch_size
    found: Measured = [
        ("test_accuracy", "running", _accuracy(look, "running")),
        ("test_accuracy", "batch", _accuracy(look, "batch", size)),
    ]
    for at, with_noise in (("repaired", False), ("repaired_dropout_on", True)):
        with unchanged(look.network):
            look.network.put(estimated(look, with_noise))
            found.append(("test_accuracy", at, _accuracy(look, "running")))
    return found


def estimated(look: Look, with_noise: bool = False) -> dict[str, Tensor]:
    """Return running means and variances over all training examples, (R, C) each, by their names in `statistics`.

    Each layer is estimated behind layers that normalise by their new statistics, so that a second time changes no bit.
    """
    network, made = look.network, dict[str, Tensor]()
    with unchanged(network):
        for layer, (mean_name, variance_name) in network.batch_norms.items():
            average, variance = _moments(look, layer, look.masks(0) if with_noise else None)
            made |= {mean_name: average.to(network.dtype), variance_name: variance.to(network.dtype)}
            network.put({mean_name: made[mean_name].clone(), variance_name: made[variance_name].clone()})
    return made


def _moments(look: Look, layer: str, noise: Noise | None) -> tuple[Tensor, Tensor]:
    """Return mean and unbiased variance of what enters a layer's norm over the training examples, (R, C) each."""
    sums, counts = list[Tensor](), list[int]()

    def record(name: str, point: str, x: Tensor) -> Tensor:
        if (name, point) == (layer, "norm"):
            x_RBCP = x.reshape(*x.shape[:3], -1).double()
            sums.append(torch.stack([x_RBCP.sum((1, 3)), x_RBCP.square().sum((1, 3))]))
            counts.append(x_RBCP.shape[1] * x_RBCP.shape[3])
        return x

    with torch.no_grad(), tapped(look.network, record):
        for x_RB, _ in look.feed.part("train"):
            look.network(x_RB, noise=noise, norm="running")
    (first, second), count = torch.stack(sums).sum(0), sum(counts)
    return first / count, ((second - first * first / count) / max(1, count - 1)).clamp_(min=0.0)


def _accuracy(look: Look, norm: Literal["running", "batch"], size: int = CHUNK) -> list[float | None]:
    """Return each run's accuracy on the test examples, None where there are none."""
    right = []
    with torch.no_grad(), unchanged(look.network):
        for x_RB, labels_RB in look.feed.part("test", size):
            right.append(guesses(look.network(x_RB, noise=None, norm=norm)) == labels_RB)
    return [mean(row) for row in torch.cat(right, 1).cpu().numpy()]
