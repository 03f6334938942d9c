"""Whether confidences are as high as answers are right: Brier score, and calibration error over bins of equal mass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from dropexp.train.looking import Look

NUMBERS = 4_000_000  # simulated at a time


def log_probabilities(logits_NK: np.ndarray) -> np.ndarray:
    """Return the logarithms of the probabilities that logits stand for, (N, K), in double precision."""
    shifted = logits_NK.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinite logits have none, which is NaN
        shifted -= shifted.max(1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))


def logits_of_test(look: Look) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return each run's logits (N, K) and labels (N,) of the test examples, dropout off."""
    parts, labels = [], []
    with torch.no_grad():
        for x_RB, labels_RB in look.feed.part("test"):
            parts.append(look.network(x_RB, noise=None, norm="running"))
            labels.append(labels_RB)
    return list(torch.cat(parts, 1).cpu().numpy()), list(torch.cat(labels, 1).cpu().numpy())


def brier(p_NK: np.ndarray, label_N: np.ndarray) -> float:
    """Return the Brier score: the mean over examples of the sum over classes of (p - [true class])^2, from 0 to 2."""
    apart = p_NK.copy()
    apart[np.arange(len(p_NK)), label_N] -= 1.0
    return float(np.sum(np.square(apart).sum(1)) / len(p_NK))


@dataclass(frozen=True, eq=False)
class Reliability:
    """N answers by confidence, the probability of the class answered, in bins of as equal a mass as ties allow.

    `confidence` (N,) is in ascending order and `right` (N,) says which of these answers are right; bin b holds those from
    `begins[b]` up to the next. Equal confidences are in one bin, that of the first of them, so that there may be fewer
    bins than were asked for.
    """

    confidence: np.ndarray
    right: np.ndarray
    begins: np.ndarray

    @classmethod
    def of(cls, p_NK: np.ndarray, label_N: np.ndarray, bins: int) -> Reliability:
        """Put the answers of probabilities (N, K) in bins; of equal probabilities the first class is the answer."""
        answer = p_NK.argmax(1)
        confidence, right = p_NK[np.arange(len(p_NK)), answer], answer == label_N
        order = np.argsort(confidence, kind="stable")
        confidence, right = confidence[order], right[order]
        first = np.searchsorted(confidence, confidence, side="left")
        return cls(confidence, right, np.unique(first * bins // len(first), return_index=True)[1])

    @property
    def counts(self) -> np.ndarray:
        return np.diff(np.append(self.begins, len(self.confidence)))

    def sums(self, of_N: np.ndarray) -> np.ndarray:
        """Return the sums over each bin of numbers in the order of `confidence`, (..., N) to (..., bins)."""
        return np.asarray(np.add.reduceat(of_N.astype(np.float64), self.begins, axis=-1))

    def error(self) -> float:
        """Return the expected calibration error: the mean of |accuracy - mean confidence| over bins, weighted by answers.

        Guo et al. 2017, equation 3.
        """
        return float(self._errors(self.right))

    def _errors(self, right: np.ndarray) -> np.ndarray:
        """Return the error of answers (..., N) that are right in these places, (...)."""
        return np.asarray(np.abs(self.sums(right) - self.sums(self.confidence)).sum(-1) / len(self.confidence))

    def under_perfect_calibration(self, draws: int, random: np.random.Generator) -> np.ndarray:
        """Return the errors (draws,) of answers that are right with exactly the probability that they are given.

        It is above 0, more so for few examples or many bins (Bröcker & Smith 2007; Vaicenavicius et al. 2019).
        """
        found, n = [], len(self.confidence)
        most = max(1, NUMBERS // n)
        for begin in range(0, draws, most):
            found.append(self._errors(random.random((min(most, draws - begin), n)) < self.confidence))
        return np.concatenate(found)
