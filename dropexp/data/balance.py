"""How many examples each class has, and what always guessing the largest class would score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dropexp.data.dataset import Dataset, shorten
from dropexp.experiment.sources import Source


@dataclass(frozen=True)
class Balance:
    """`counts` are the examples of each class, those of an official test set apart in `test` (None without one)."""

    counts: dict[str, int]
    test: dict[str, int] | None = None

    @property
    def largest(self) -> str:
        """The class with most examples, the first of several."""
        return max(self.counts, key=self.counts.__getitem__)

    @property
    def guessed(self) -> float:
        """The accuracy of always guessing that class: on the official test set, else on all examples."""
        scored = self.test or self.counts
        return scored.get(self.largest, 0) / sum(scored.values())

    @property
    def sentence(self) -> str:
        """The counts and that accuracy in words."""
        sizes = list(self.counts.values())
        if len(set(sizes)) == 1:
            told = f"{len(sizes)} classes with {sizes[0]:,} examples each"
        else:
            told = "examples per class: " + shorten(f"{name}: {count:,}" for name, count in self.counts.items())
        if self.test:
            told += ", not counting the test set"
        where = " on the test set" if self.test else ""
        one = "one class" if len(set(sizes)) == 1 else shorten([self.largest])
        return f"{told}; always guessing {one} gives {100 * self.guessed:.1f}% accuracy{where}"


def balance(known: Dataset | Source) -> Balance:
    """Return the balance of a data set in memory, or of a built-in one that has not been read."""
    if isinstance(known, Source):
        in_pool, in_test = ({str(k): n for k, n in enumerate(part)} for part in (known.in_pool, known.in_test or ()))
        return Balance(in_pool, in_test or None)
    held = len(known.y) - (known.n_test or 0)
    pool, test = (dict(zip(known.classes, np.bincount(y, minlength=len(known.classes)).tolist(), strict=True))
                  for y in (known.y[:held], known.y[held:]))  # fmt: skip
    return Balance(pool, test if known.n_test else None)
