"""Early stopping: criteria as pure reducers over the losses and accuracies of one run, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dropexp.metrics import MONITORS

STRIP = 5  # epochs, the k of Prechelt 1998
# Accuracies are counts over a number of examples. Their difference as floats is off by up to 2e-16, while two gains that
# differ as counts lie at least 1e-12 apart for any set and min_delta in use: below it, gain and min_delta are equal.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Stopper:
    """The state after some epochs; `observe` returns the next. Without patience it never stops.

    An epoch improves when the monitored number beats the best so far by more than `min_delta`; NaN never does, and epochs
    before `start_from_epoch` are no candidates. Accuracies are compared as the counts that they are: a gain of exactly
    `min_delta` is none, however the fractions round. Training stops after `patience` epochs in a row without improvement
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

    def observe(self, number: float | None, train_loss: float = math.nan) -> Stopper:
        """Return the state after one more epoch whose monitored number is `number`; epochs count from 1.

        The training loss has no part in this rule.
        """
        return self.after((number,))

    def after(self, numbers: Sequence[float | None]) -> Stopper:
        """Return the state after these epochs, or after the one of them at which training stops."""
        if self.patience is None:
            return replace(self, epoch=self.epoch + len(numbers))
        epoch, best_epoch, best, waited = self.epoch, self.best_epoch, self.best, self.waited
        sign = 1.0 if MONITORS[self.monitor].higher else -1.0
        least = self.min_delta + (ROUNDING if MONITORS[self.monitor].counts else 0.0)
        for number in numbers:
            epoch += 1
            if epoch >= self.start_from_epoch:
                there = number is not None and not math.isnan(number)
                if number is not None and there and (best_epoch is None or sign * (number - best) > least):
                    best_epoch, best, waited = epoch, number, 0
                else:
                    waited += 1
            if waited >= self.patience:
                break
        return replace(self, epoch=epoch, best_epoch=best_epoch, best=best, waited=waited)

    @property
    def stopped(self) -> bool:
        """Whether training ends here."""
        return self.patience is not None and self.waited >= self.patience

    @property
    def selected_epoch(self) -> int | None:
        """The best epoch so far; without patience, or before any candidate, the last one."""
        return self.best_epoch if self.best_epoch is not None else (self.epoch or None)


@dataclass(frozen=True)
class Prechelt:
    """The state of a criterion of Prechelt (1998, "Early stopping - but when?", section 2); `observe` returns the next.

    `error` is the validation error E_va(t), the monitored loss or one minus the monitored accuracy, `best` its minimum
    E_opt(t) so far, whose epoch is selected. `losses` are the training losses of the last five epochs and `rises` counts
    the strips of five epochs in a row that end with a larger error than the strip before; `end` is the error at the
    last strip's end. What ends training where no criterion does, there a progress below 0.1, is here the last epoch.
    """

    rule: Callable[[Prechelt], bool]
    threshold: float
    monitor: str = "val_loss"
    epoch: int = 0
    best_epoch: int | None = None
    best: float = math.nan
    error: float = math.nan
    losses: tuple[float, ...] = ()
    end: float = math.nan
    rises: int = 0
    stopped: bool = False

    def observe(self, number: float | None, train_loss: float = math.nan) -> Prechelt:
        """Return the state after one more epoch, with its monitored number and its training loss; epochs count from 1."""
        epoch = self.epoch + 1
        error = math.nan if number is None else 1.0 - number if MONITORS[self.monitor].higher else number
        better = error < self.best or (self.best_epoch is None and not math.isnan(error))
        end, rises = self.end, self.rises
        if epoch % STRIP == 0:
            end, rises = error, rises + 1 if error > end else 0
        now = replace(
            self, epoch=epoch, best_epoch=epoch if better else self.best_epoch, best=error if better else self.best,
            error=error, losses=(*self.losses[1 - STRIP :], train_loss), end=end, rises=rises,
        )  # fmt: skip
        return replace(now, stopped=True) if self.rule(now) else now

    @property
    def selected_epoch(self) -> int | None:
        """The epoch of the least validation error so far, the earlier of equals; before there is one, the last."""
        return self.best_epoch if self.best_epoch is not None else (self.epoch or None)

    @property
    def generalisation_loss(self) -> float:
        """GL(t) = 100 (E_va(t) / E_opt(t) - 1), in percent; infinite above an E_opt of 0."""
        if self.best == 0:
            return math.inf if self.error > 0 else 0.0
        return 100 * (self.error / self.best - 1)

    @property
    def progress(self) -> float:
        """P_k(t) = 1000 (mean over minimum of the training losses of the last five epochs - 1), in per mille."""
        least = min(self.losses)
        if least == 0:
            return math.inf if max(self.losses) > 0 else 0.0
        return 1000 * (sum(self.losses) / (len(self.losses) * least) - 1)


def _gl(now: Prechelt) -> bool:
    return now.generalisation_loss > now.threshold


def _pq(now: Prechelt) -> bool:
    return now.epoch % STRIP == 0 and now.generalisation_loss > now.threshold * now.progress


def _up(now: Prechelt) -> bool:
    return now.epoch % STRIP == 0 and now.rises >= now.threshold


@dataclass(frozen=True)
class Criterion:
    """A family of rules: how it is called, when it stops, the option that lists its thresholds, and usual ones.

    `whole` is whether a threshold counts something. `rule` is None where the rule is a Stopper's.
    """

    title: str
    stops: str
    option: str
    usual: tuple[float, ...]
    whole: bool
    rule: Callable[[Prechelt], bool] | None = None


CRITERIA = {
    "patience": Criterion(
        "patience", "after this many epochs in a row without improvement", "--patiences", (1, 2, 3, 5, 10, 20), True
    ),
    "gl": Criterion("GL", "when the error is this many percent above its minimum", "--alphas", (1, 2, 5), False, _gl),
    "pq": Criterion(
        "PQ", "when GL exceeds this many times the training progress, in per mille", "--alphas", (0.5, 1, 2), False, _pq
    ),
    "up": Criterion(
        "UP",
        "after this many strips of five epochs in a row, each ending with a higher error",
        "--strips",
        (2, 4, 8),
        True,
        _up,
    ),
}


@dataclass(frozen=True)
class Setting:
    """One criterion at one threshold, a row of CRITERIA or `none`, which trains to the end."""

    criterion: str = "none"
    threshold: float | None = None
    min_delta: float = 0.0

    @property
    def name(self) -> str:
        """How tables call it: `patience 5`, `patience 5, min_delta 0.001`, `GL 2`."""
        if self.threshold is None:
            return "to the end"
        delta = f", min_delta {self.min_delta:g}" if self.min_delta else ""
        return f"{CRITERIA[self.criterion].title} {self.threshold:g}{delta}"

    def begin(self, monitor: str) -> Stopper | Prechelt:
        """Return the state before the first epoch."""
        if self.threshold is None:
            return Stopper(None, monitor)
        rule = CRITERIA[self.criterion].rule
        if rule is None:
            return Stopper(int(self.threshold), monitor, self.min_delta)
        return Prechelt(rule, self.threshold, monitor)


def settings(
    names: Iterable[str], thresholds: Mapping[str, Sequence[float]], min_deltas: Sequence[float] = (0.0,)
) -> tuple[Setting, ...]:
    """Return criteria, rows of CRITERIA, at each of the thresholds of their option, the usual ones where it has none."""
    found = [
        Setting(name, threshold, min_delta)
        for name in names
        for threshold in thresholds.get(CRITERIA[name].option) or CRITERIA[name].usual
        for min_delta in (min_deltas if name == "patience" else (0.0,))
    ]
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Number:
    """The numbers that an option of rules takes, and the words for them."""

    words: str
    whole: bool = False
    zero: bool = False

    def allows(self, given: object) -> bool:
        """Return whether a value is such a number."""
        if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
            return False
        if self.whole:
            return isinstance(given, int) and 1 <= given <= 1_000_000
        return given >= 0 if self.zero else given > 0


_COUNT, _ABOVE = Number("a whole number from 1 to 1,000,000", whole=True), Number("a number above 0")
NUMBERS = {row.option: _COUNT if row.whole else _ABOVE for row in CRITERIA.values()}
NUMBERS["--min-deltas"] = Number("a number of at least 0", zero=True)


def follow(state: Stopper | Prechelt, numbers: Sequence[float], train_losses: Sequence[float]) -> Stopper | Prechelt:
    """Return the state where a run of those monitored numbers and training losses, one an epoch, stops or ends."""
    if isinstance(state, Stopper):
        return state.after(numbers)
    for number, loss in zip(numbers, train_losses, strict=True):
        state = state.observe(number, loss)
        if state.stopped:
            break
    return state
