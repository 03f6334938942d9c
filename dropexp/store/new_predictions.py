"""Records for the end of predictions.bin: what a pack answered, each test set once, and what a run keeps that it had before."""

from __future__ import annotations

import numpy as np

from dropexp.records import Answers
from dropexp.store.prediction_records import examples_record, run_record
from dropexp.store.predictions import Predictions


def differ(new: Answers | None, old: Answers | None) -> bool:
    """Whether a run that was trained again answered otherwise, where both are known."""
    if new is None or old is None:
        return False
    return not all(np.array_equal(getattr(new, name), getattr(old, name)) for name in ("place", "label", "predicted"))


def richer(new: Answers | None, old: Answers | None) -> Answers | None:
    """Return the answers that say more, the new ones of equal ones."""
    if new is None or (new.probabilities is None and old is not None and old.probabilities is not None):
        return old
    return new


class Added:
    """The records that a pack adds to a file which has those of the examples `known`, by key."""

    def __init__(self, known: set[str]):
        self.known, self.content = known, bytearray()
        self._keys: dict[tuple[int, int], tuple[bytes, str]] = {}  # of the arrays that runs share

    def add(self, answers: Answers, stored: Predictions | None) -> str:
        """Take a run's answers up, unless they are `stored` already; return the digest of their record."""
        arrays = id(answers.place), id(answers.label)
        if arrays not in self._keys:
            self._keys[arrays] = examples_record(answers)
        examples, key = self._keys[arrays]
        record, digest = run_record(answers, key)
        if stored is None or stored.index.of(answers.run_id, digest)[0] is None:
            self.content += b"" if key in self.known else examples
            self.content += record
            self.known.add(key)
        return digest
