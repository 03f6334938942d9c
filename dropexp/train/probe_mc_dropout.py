"""The probe mc_dropout: the mean of many passes with dropout on, against one pass with it off, and how unsure it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from dropexp.nn.dropout import Noise
from dropexp.train.calibration_error import Reliability, log_probabilities, logits_of_test
from dropexp.train.evaluate import mean
from dropexp.train.every_mask import every_mask, masked_at, units_of
from dropexp.train.looking import Look, Measured
from dropexp.train.rotation import rotated

BINS = 15  # of the calibration error, as the probe calibration has by default
EVERY = 100  # passes up to which every mean has a row; beyond, only 200, 500, 1000 and so on, and all passes
HALF_TURN = 180
Values = list[float | None]
Inputs = Callable[[], Iterable[Tensor]]  # batches of inputs (R, B, ...), anew for each pass


def mc_dropout(look: Look) -> Measured:
    """Return how good and how sure the mean of passes with dropout on is, over the test examples, running statistics.

    At the layers `accuracy`, `loss` (nats) and `ece` (15 bins of equal mass) stands `weight_scaling`, one pass with dropout
    off; `k` for the mean of the first k passes' probabilities (Srivastava et al. 2014, figure 11); and `exact`, the mean
    over all masks, each with its probability, where a run has at most `exact_units` units that are dropped each by itself.
    At `entropy` and `mutual_information` (nats; Gal & Ghahramani 2016) stand means of all passes over the examples that
    their mean answers `right` and `wrong`, and at `rotated.D` over the first `rotated` test examples, turned by D degrees,
    where inputs are images; there `accuracy` has `rotated.D` too. All rotations have the same masks. A run whose logits are
    not finite has no row.
    """
    if not look.feed.set_sizes[2]:
        return []
    found: dict[tuple[str, str], Values] = defaultdict(lambda: [None] * len(look.runs))
    scaled, labels = logits_of_test(look)
    finite = [r for r, logits_NK in enumerate(scaled) if np.isfinite(logits_NK).all()]
    for r in finite:
        _note(found, r, "weight_scaling", Mean().plus(log_probabilities(scaled[r])), labels[r])
    means = {r: Mean() for r in finite}
    for k, passed in enumerate(passes(look, lambda: (x for x, _ in look.feed.part("test"))), start=1):
        for r in finite:
            means[r].plus(log_probabilities(passed[r]))
            if k == look.settings.passes or k <= EVERY or str(k).rstrip("0") in ("1", "2", "5"):
                _note(found, r, str(k), means[r], labels[r])
    for r in finite:
        right = means[r].p.argmax(1) == labels[r]
        for at, of_N in (("right", right), ("wrong", ~right)):
            found["entropy", at][r] = mean(means[r].entropy[of_N])
            found["mutual_information", at][r] = mean(means[r].information[of_N])
    for r, exact in _exact(look, finite).items():
        _note(found, r, "exact", exact, labels[r])
    _turned(look, found, labels, finite)
    keys = sorted(found, key=lambda key: LAYERS.index(key[0]))
    return [(*key, [v if v is not None and np.isfinite(v) else None for v in found[key]]) for key in keys]


LAYERS = ("accuracy", "loss", "ece", "entropy", "mutual_information")


class Mean:
    """The mean of the probabilities (N, K) of passes, each with its weight; entropies are in nats, by example (N,)."""

    def __init__(self) -> None:
        self.weight, self.sum, self.entropies = 0.0, np.zeros(()), np.zeros(())
        self.log_sum = np.array(-np.inf)  # of the probabilities: a mean of tiny ones keeps its logarithm

    def plus(self, log_p_NK: np.ndarray, weight: float = 1.0) -> Mean:
        p = np.exp(log_p_NK)
        self.weight += weight
        self.sum = self.sum + weight * p
        self.entropies = self.entropies - weight * (p * log_p_NK).sum(1)
        if weight > 0:
            self.log_sum = np.logaddexp(self.log_sum, log_p_NK + np.log(weight))
        return self

    @property
    def p(self) -> np.ndarray:
        return np.asarray(self.sum / self.weight)

    @property
    def log_p(self) -> np.ndarray:
        return np.asarray(self.log_sum - np.log(self.weight))

    @property
    def entropy(self) -> np.ndarray:
        """Of the mean: the predictive entropy."""
        return np.asarray(-(self.p * self.log_p).sum(1))

    @property
    def information(self) -> np.ndarray:
        """Entropy of the mean minus mean of the entropies: what the answer would tell of the weights."""
        return np.asarray(self.entropy - self.entropies / self.weight)


def _note(found: dict[tuple[str, str], Values], r: int, at: str, of: Mean, label_N: np.ndarray) -> None:
    p_NK = of.p
    found["accuracy", at][r] = mean(p_NK.argmax(1) == label_N)
    found["loss", at][r] = mean(-of.log_p[np.arange(len(label_N)), label_N])
    found["ece", at][r] = Reliability.of(p_NK, label_N, BINS).error()


def passes(look: Look, inputs: Inputs) -> Iterator[list[np.ndarray]]:
    """Yield each run's logits (N, K) with the masks of one pass after another; the same masks for the same number."""
    passed: list[np.ndarray] = []
    for number in range(look.settings.passes):
        if look.network.sites or not passed:  # where nothing is dropped all passes are the same
            passed = _logits(look, inputs, look.masks(number))
        yield passed


def _logits(look: Look, inputs: Inputs, noise: Noise) -> list[np.ndarray]:
    with torch.no_grad():
        parts = [look.network(x_RB, noise=noise, norm="running") for x_RB in inputs()]
    return list(torch.cat(parts, 1).cpu().numpy())


def _exact(look: Look, runs: list[int]) -> dict[int, Mean]:
    """Return the mean over all masks of the runs that have few enough; a run that drops nothing has no such mean."""
    sites, found = look.network.sites, dict[int, Mean]()
    for names in dict.fromkeys(masked_at(sites, r) for r in runs):
        units = units_of(sites, names)
        if not names or units is None or units > look.settings.exact_units:
            continue
        own = [r for r in runs if masked_at(sites, r) == names]
        found |= {r: Mean() for r in own}
        for noise in every_mask(sites, len(look.runs), names, look.network.device):
            passed = _logits(look, lambda: (x for x, _ in look.feed.part("test")), noise)
            for r in own:
                found[r].plus(log_probabilities(passed[r]), noise.probability(r))
    return found


def _turned(look: Look, found: dict[tuple[str, str], Values], labels: list[np.ndarray], runs: list[int]) -> None:
    """Add the rows of rotated test examples, where inputs are images."""
    step, feed = look.settings.rotate, look.feed
    if not step or not feed.of_images or not look.settings.rotated:
        return
    begin = sum(feed.set_sizes[:2])
    end = begin + min(look.settings.rotated, feed.set_sizes[2])
    for degrees in range(0, HALF_TURN + 1, step):
        x_RB = feed.changed(begin, end, lambda x, degrees=degrees: rotated(x, degrees))  # type: ignore[misc]
        means = {r: Mean() for r in runs}
        for passed in passes(look, lambda x_RB=x_RB: (x_RB,)):  # type: ignore[misc]
            for r in runs:
                means[r].plus(log_probabilities(passed[r]))
        for r in runs:
            at = f"rotated.{degrees}"
            found["accuracy", at][r] = mean(means[r].p.argmax(1) == labels[r][: end - begin])
            found["entropy", at][r] = mean(means[r].entropy)
            found["mutual_information", at][r] = mean(means[r].information)
