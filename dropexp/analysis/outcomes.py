"""Outcomes: what each finished run answered to each of its test examples, beside the right answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one run answered to its N test examples at its selected epoch, dropout off.

    `place` (N,) int64 is where each example stands in the official test set, or in the pool that test examples are drawn
    from; `label` and `predicted` (N,) are classes from 0; `probabilities` (N, K) are float32, None where none were kept.
    """

    place: np.ndarray
    label: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray | None = None

    @property
    def right(self) -> np.ndarray:
        """Which answers are right, (N,) bool."""
        return np.asarray(self.predicted == self.label)


class Outcomes(Protocol):
    """Where the outcomes of runs are found, each read when it is asked for."""

    def get(self, run_id: str) -> Outcome | None:
        """Return the outcome of a run, None where none was kept."""


class NoOutcomes:
    """Those of a study that kept none: one of others, or of a version that did not."""

    def get(self, run_id: str) -> Outcome | None:
        return None
