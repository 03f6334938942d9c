"""Loss and accuracy of every run on its training, validation and test examples, with dropout off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from dropexp.metrics import CLEAN, METRICS, SCORED, WHILE_TRAINING
from dropexp.nn.fused import CrossEntropy
from dropexp.nn.protocol import Trainable
from dropexp.train.batches import Feed


class Scores(SimpleNamespace):
    """One run's numbers after an epoch, the metrics SCORED: None for an empty set, and without the label noise they need."""


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What an evaluation found: the scores of every run, and its guesses for the test examples, (R, N).

    `train_guess_RN` are those for the training examples. `logits` (R, N, K) are those of the test examples, where they were
    asked for.
    """

    scores: list[Scores]
    guess_RN: np.ndarray
    train_guess_RN: np.ndarray
    logits_RNK: np.ndarray | None = None


def losses(logits_RBK: Tensor, labels_RB: Tensor) -> Tensor:
    """Return each example's negative log-likelihood, (R, B), in nats."""
    return CrossEntropy.apply(logits_RBK, labels_RB)


def guesses(logits_RBK: Tensor) -> Tensor:
    """Return the class of the largest logit, (R, B); the first of equal ones."""
    return logits_RBK.max(-1).indices


# What each example adds to a metric's mean over a set, (R, B), from the logits (R, B, K), the guesses and the labels (R, B).
EACH: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "loss": lambda logits_RBK, guess_RB, labels_RB: losses(logits_RBK, labels_RB),
    "accuracy": lambda logits_RBK, guess_RB, labels_RB: guess_RB == labels_RB,
}


def evaluate(network: Trainable, feed: Feed, logits: bool = False) -> Evaluated:
    """Return the scores and guesses of every run, without noise and with running statistics."""
    parts: dict[str, list[Tensor]] = {name: [] for name in EACH}
    guess_parts: list[Tensor] = []
    logits_parts: list[Tensor] = []
    test = sum(feed.set_sizes[:2])  # where the test examples begin
    with torch.no_grad():
        for begin, x_RB, labels_RB in feed.chunks():
            logits_RBK = network(x_RB, noise=None, norm="running")
            guess_parts.append(guesses(logits_RBK))
            if logits:
                logits_parts.append(logits_RBK[:, max(0, test - begin) :])
            for name, each in EACH.items():
                parts[name].append(each(logits_RBK, guess_parts[-1], labels_RB))
    each_RN = {name: torch.cat(part, 1).cpu().numpy() for name, part in parts.items()}
    guess_RN, label_RN = torch.cat(guess_parts, 1).cpu().numpy(), feed.labels_RN.cpu().numpy()
    scores = [
        _scores(
            {name: of_RN[r] for name, of_RN in each_RN.items()},
            guess_RN[r],
            label_RN[r],
            feed.wrong_RN[r].numpy(),
            feed.true_RN[r].numpy(),
            feed.set_sizes,
        )
        for r in range(network.runs)
    ]
    logits_RNK = torch.cat(logits_parts, 1).cpu().numpy() if logits else None
    return Evaluated(scores, guess_RN[:, test:], guess_RN[:, : feed.set_sizes[0]], logits_RNK)


def mean(numbers: np.ndarray) -> float | None:
    """Return the mean of a run's numbers, summed in float64; None of none."""
    if not len(numbers):
        return None
    return float(np.sum(np.ascontiguousarray(numbers, dtype=np.float64)) / len(numbers))


def _scores(
    each: dict[str, np.ndarray], guess_N: np.ndarray, label_N: np.ndarray, wrong_N: np.ndarray, true_N: np.ndarray,
    set_sizes: tuple[int, int, int],
) -> Scores:  # fmt: skip
    train, val, _ = set_sizes
    sets = {
        "train": lambda of_N: of_N[:train],
        "val": lambda of_N: of_N[train : train + val],
        "test": lambda of_N: of_N[train + val :],
        "clean_train": lambda of_N: of_N[:train][~wrong_N],
    }
    noisy = wrong_N.any()
    found = {
        f"{on}_{metric.name}": mean(sets[on](each[metric.name])) if noisy or not on.startswith(CLEAN) else None
        for metric in METRICS for on in metric.on if on != WHILE_TRAINING
    }  # fmt: skip
    found["memorised"] = mean((guess_N == label_N)[:train][wrong_N]) if noisy else None
    found["recovered"] = mean((guess_N[:train] == true_N)[wrong_N]) if noisy else None
    return Scores(**{name: found[name] for name in SCORED})
