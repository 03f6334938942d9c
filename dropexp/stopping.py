"""Early stopping: a pure reducer over the monitored number, one per run."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

HIGHER_IS_BETTER = {"val_loss": False, "test_loss": False, "val_accuracy": True, "test_accuracy": True}


@dataclass(frozen=True)
class Stopper:
    """The state after some epochs; `observe` returns the next. Without patience it never stops.

    An epoch improves when the monitored number beats the best so far by more than `min_delta`; NaN never does, and epochs
    before `start_from_epoch` are no candidates. Training stops after `patience` epochs in a row without improvement
    (Keras's rule; Prechelt 1998 for its family).
    """

    patience: int | None = None
    monitor: str = "val_loss"
    min_delta: float = 0.0
    start_from_epoch: int = 1
    epoch: int = 0
    best_epoch: int | None = None
    best: float = math.nan
    waited: int = 0

    def observe(self, number: float | None) -> Stopper:
        """Return the state after one more epoch whose monitored number is `number`; epochs count from 1."""
        epoch = self.epoch + 1
        if self.patience is None or epoch < self.start_from_epoch:
            return replace(self, epoch=epoch)
        if number is not None and not math.isnan(number):
            gain = number - self.best if HIGHER_IS_BETTER[self.monitor] else self.best - number
            if self.best_epoch is None or gain > self.min_delta:
                return replace(self, epoch=epoch, best_epoch=epoch, best=number, waited=0)
        return replace(self, epoch=epoch, waited=self.waited + 1)

    @property
    def stopped(self) -> bool:
        """Whether training ends here."""
        return self.patience is not None and self.waited >= self.patience

    @property
    def selected_epoch(self) -> int | None:
        """The best epoch so far; without patience, or before any candidate, the last one."""
        return self.best_epoch if self.best_epoch is not None else (self.epoch or None)
