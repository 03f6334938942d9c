"""Outcomes: the answers of each finished run to its test examples, and the right answers."""

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
    """A source of the outcomes of runs, each read when it is requested."""

    def get(self, run_id: str) -> Outcome | None:
        """Return the outcome of a run, None if it was not kept."""


class NoOutcomes:
    """The source of a study without outcomes: one trained by other programs, or by an older version."""

    def get(self, run_id: str) -> Outcome | None:
        return None
