"""The probe calibration: whether the probabilities that a network gives its answers are how often these are right."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from dropexp.train.calibration_error import Reliability, brier, log_probabilities, logits_of_test
from dropexp.train.looking import Look, Measured


def calibration(look: Look) -> Measured:
    """Return Brier score, expected calibration error and a reliability diagram over the test examples, dropout off.

    At the layer `score`: `brier`, from 0 to 2; `ece`, the expected calibration error over `bins` bins of equal mass, ties
    together; `ece_perfect` and `ece_perfect_high`, mean and 95th percentile of the same error over `draws` simulations in
    which each answer is right with the probability that the network gives it; `overconfidence`, mean confidence minus
    accuracy. At `examples`, `confidence` and `accuracy`: how many answers each bin holds and its two means, bins counted
    from 1. A run whose logits are not finite has no row.
    """
    if not look.feed.set_sizes[2]:
        return []
    found: dict[tuple[str, str], list[float | None]] = defaultdict(lambda: [None] * len(look.runs))
    for r, (logits_NK, label_N) in enumerate(zip(*logits_of_test(look), strict=True)):
        if not np.isfinite(logits_NK).all():
            continue
        for key, value in _of_run(look, r, np.exp(log_probabilities(logits_NK)), label_N).items():
            found[key][r] = value
    bins = [str(b) for b in range(1, look.settings.bins + 1)]
    order = [("score", at) for at in SCORES] + [(layer, b) for layer in DIAGRAM for b in bins]
    return [(*key, found[key]) for key in order if key in found]


SCORES = ("brier", "ece", "ece_perfect", "ece_perfect_high", "overconfidence")
DIAGRAM = ("examples", "confidence", "accuracy")


def _of_run(look: Look, r: int, p_NK: np.ndarray, label_N: np.ndarray) -> dict[tuple[str, str], float]:
    bins = Reliability.of(p_NK, label_N, look.settings.bins)
    perfect = bins.under_perfect_calibration(look.settings.draws, look.generator(r))
    confidence, right = bins.sums(bins.confidence), bins.sums(bins.right)
    scores = (
        brier(p_NK, label_N),
        bins.error(),
        float(np.sum(perfect) / len(perfect)),
        float(np.sort(perfect)[-(-95 * len(perfect) // 100) - 1]),
        float((confidence.sum() - right.sum()) / len(label_N)),
    )
    found = {("score", at): value for at, value in zip(SCORES, scores, strict=True)}
    for b, (count, c, a) in enumerate(zip(bins.counts, confidence, right, strict=True), start=1):
        for layer, value in zip(DIAGRAM, (count, c / count, a / count), strict=True):
            found[layer, str(b)] = float(value)
    return found
