"""The probe gap_parts: training accuracy measured in several ways, which splits the gap in a training log into its parts."""

from __future__ import annotations

from typing import Literal

import torch

from dropexp.nn.dropout import Noise
from dropexp.train.evaluate import mean
from dropexp.train.looking import Look, Measured, unchanged


def gap_parts(look: Look) -> Measured:
    """Return training accuracies with the weights that the epoch ended with, over its own batches.

    `noise_batch` is with the epoch's masks and batch statistics, `batch` without masks, `running` with running statistics
    besides; without batch norm the last two are one. From dropout_on_train_accuracy to train_accuracy their differences
    are what the weights' movement, dropout and batch norm add to the gap that a training log shows.
    """
    plain = _accuracy(look, None, "running")
    return [
        ("noise_batch", "", _accuracy(look, look.training_masks(), "batch")),
        ("batch", "", _accuracy(look, None, "batch") if look.network.batch_norms else plain),
        ("running", "", plain),
    ]


def _accuracy(look: Look, noise: Noise | None, norm: Literal["batch", "running"]) -> list[float]:
    """Return each run's accuracy over the batches of an epoch, whose weights no longer move."""
    right = []
    with torch.no_grad(), unchanged(look.network):
        for x_RB, labels_RB in look.feed.batches(look.batches):
            right.append(look.network(x_RB, noise=noise, norm=norm).argmax(-1) == labels_RB)
    return [mean(row) or 0.0 for row in torch.cat(right, 1).cpu().numpy()]
