"""Loss and accuracy of every run on its training, validation and test examples, with dropout off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dropexp.nn.fused import CrossEntropy
from dropexp.nn.protocol import Trainable
from dropexp.train.batches import Feed


@dataclass(frozen=True)
class Scores:
    """One run's numbers after an epoch: losses in nats per example, accuracies in [0, 1], None for an empty set."""

    train_loss: float
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    test_loss: float | None
    test_accuracy: float | None
    clean_train_accuracy: float | None
    memorised: float | None
    recovered: float | None


def losses(logits_RBK: Tensor, labels_RB: Tensor) -> Tensor:
    """Return each example's negative log-likelihood, (R, B), in nats."""
    return CrossEntropy.apply(logits_RBK, labels_RB)


def guesses(logits_RBK: Tensor) -> Tensor:
    """Return the class of the largest logit, (R, B); the first of equal ones."""
    return logits_RBK.max(-1).indices


def evaluate(network: Trainable, feed: Feed) -> list[Scores]:
    """Return the scores of every run, without noise and with running statistics."""
    total = sum(feed.set_sizes)
    loss_RN = torch.empty(network.runs, total, dtype=feed.dtype, device=feed.device)
    guess_RN = torch.empty(network.runs, total, dtype=torch.int64, device=feed.device)
    with torch.no_grad():
        for begin, x_RB, labels_RB in feed.chunks():
            logits = network(x_RB, noise=None, norm="running")
            end = begin + labels_RB.shape[1]
            loss_RN[:, begin:end] = losses(logits, labels_RB)
            guess_RN[:, begin:end] = guesses(logits)
    losses_RN, guesses_RN = loss_RN.cpu().numpy(), guess_RN.cpu().numpy()
    labels_RN = feed.labels_RN.cpu().numpy()
    return [
        _scores(
            losses_RN[r],
            guesses_RN[r],
            labels_RN[r],
            feed.wrong_RN[r].numpy(),
            feed.true_RN[r].numpy(),
            feed.set_sizes,
        )
        for r in range(network.runs)
    ]


def mean(numbers: np.ndarray) -> float | None:
    """Return the mean of a run's numbers, summed in float64; None of none."""
    if not len(numbers):
        return None
    return float(np.sum(np.ascontiguousarray(numbers, dtype=np.float64)) / len(numbers))


def _scores(
    loss_N: np.ndarray, guess_N: np.ndarray, label_N: np.ndarray, wrong_N: np.ndarray, true_N: np.ndarray,
    set_sizes: tuple[int, int, int],
) -> Scores:  # fmt: skip
    train, val, _ = set_sizes
    right_N = guess_N == label_N
    trained, held_back, tested = slice(0, train), slice(train, train + val), slice(train + val, None)
    clean = memorised = recovered = None
    if wrong_N.any():
        clean = mean(right_N[:train][~wrong_N])
        memorised = mean(right_N[:train][wrong_N])
        recovered = mean((guess_N[:train] == true_N)[wrong_N])
    return Scores(
        train_loss=mean(loss_N[trained]) or 0.0,  # there is always an example to train on
        train_accuracy=mean(right_N[trained]) or 0.0,
        val_loss=mean(loss_N[held_back]), val_accuracy=mean(right_N[held_back]),
        test_loss=mean(loss_N[tested]), test_accuracy=mean(right_N[tested]),
        clean_train_accuracy=clean, memorised=memorised, recovered=recovered,
    )  # fmt: skip
