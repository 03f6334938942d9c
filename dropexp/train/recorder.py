"""One run while it trains: its rows, its stopper, the weights and answers it keeps, and how it ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dropexp.experiment.schedules import rate_in_force
from dropexp.experiment.study import Run
from dropexp.metrics import EPOCHS, RUNS, Column
from dropexp.records import EpochRow, ProbeRow, RunRow
from dropexp.stopping import Stopper
from dropexp.train.checkpoint import Checkpoint
from dropexp.train.evaluate import Scores

Weights = dict[str, object]
REMEMBERED = "remembered"
ANSWERS = ("best-answers", "latest-answers")  # under these names a checkpoint holds them


def _differences(columns: Mapping[str, Column], numbers: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are the difference of two others, where both are there."""
    found = {}
    for name, column in columns.items():
        a, b = (numbers.get(of) for of in column.of or ("", ""))
        if a is not None and b is not None:
            found[name] = a - b
    return found


def remembered_by(recorders: Sequence[Recorder]) -> dict[str, np.ndarray]:
    """Return what probes remember of some runs, by probe: (R, N)."""
    held = [recorder.remembered or {} for recorder in recorders]
    return {name: np.stack([np.asarray(own[name]) for own in held]) for name in held[0]}


class Recorder:
    """Hears of each epoch of a run; `reason` is why it has ended, None while it trains.

    `facts` are the columns of its row that its pack shares.
    """

    def __init__(self, run: Run, facts: Mapping[str, Any]):
        self.run, self.facts = run, facts
        stop = run.config.early_stopping
        self.stopper = Stopper(stop.patience, stop.monitor, stop.min_delta, stop.start_from_epoch)
        self.rows: list[EpochRow] = []
        self.probes: list[ProbeRow] = []
        self.reason: str | None = None
        self.weights: list[tuple[str, Weights]] = []
        self.latest: Weights | None = None
        self.best: Weights | None = None
        self.latest_answers: Weights | None = None
        self.best_answers: Weights | None = None
        self.remembered: Weights | None = None  # what probes remember, after the last epoch that was finite
        self.seconds = 0.0  # before this process
        self.began: str | None = None

    def observe(self, number: int, scores: Scores, noisy_loss: float, noisy_accuracy: float, finite: bool) -> None:
        """Record an epoch, and say whether it was the last."""
        found = vars(scores) | {"dropout_on_train_loss": noisy_loss, "dropout_on_train_accuracy": noisy_accuracy}
        row = EpochRow(
            self.run.run_id, self.run.arm_id, self.run.seed, number,
            rate=rate_in_force(self.run.config.dropout, number), **found, **_differences(EPOCHS, found),
        )  # fmt: skip
        self.rows.append(row)
        if not finite:
            self.reason = "diverged"
            return
        self.stopper = self.stopper.observe(getattr(row, self.stopper.monitor))
        if self.stopper.stopped:
            self.reason = "patience"
        elif number >= self.run.config.training.epochs:
            self.reason = "max_epochs"

    def keep_weights(self, arrays: Weights, *, every: bool, selected: bool) -> None:
        """Keep a copy of an epoch's weights: every one, the selected and the last, which of a diverged run are finite."""
        if every:
            self.weights.append((f"{self.run.run_id}/epoch-{len(self.rows):05d}", arrays))
        if selected and self.reason != "diverged":
            self.latest = arrays
            if self.selected == len(self.rows):
                self.best = arrays

    def keep_answers(self, arrays: Weights) -> None:
        """Keep what was predicted for the test examples in the selected epoch, as `keep_weights` keeps its weights."""
        if self.reason != "diverged":
            self.latest_answers = arrays
            self.best_answers = arrays if self.selected == len(self.rows) else self.best_answers

    def remember(self, arrays: Weights) -> None:
        """Keep what probes remember after an epoch."""
        if self.reason != "diverged":
            self.remembered = arrays

    @property
    def answers(self) -> Weights | None:
        return self.latest_answers if self.reason == "diverged" else self.best_answers

    @property
    def selected(self) -> int | None:
        if self.reason == "diverged":
            return len(self.rows) - 1 or None
        return self.stopper.selected_epoch

    @property
    def chosen(self) -> Weights | None:
        """The weights of the selected epoch, where they were kept and there is one."""
        return self.latest if self.reason == "diverged" else self.best

    def kept(self, which: str) -> list[tuple[str, Weights]]:
        """Return the weights to store, under their names: `all` epochs', the `selected` one's or `none`."""
        if which == "selected" and self.chosen is not None:
            return [(self.run.run_id, self.chosen)]
        return self.weights if which == "all" else []

    def result(self) -> RunRow:
        """Return the run's row, once it has ended."""
        selected = self.rows[self.selected - 1] if self.selected else None
        last = (self.rows[-2] if len(self.rows) > 1 else None) if self.reason == "diverged" else self.rows[-1]
        at = {} if selected is None else {name: getattr(selected, name) for name in RUNS if name in EPOCHS}
        end = {} if last is None else {name: getattr(last, c.last) for name, c in RUNS.items() if c.last}
        at = _differences(RUNS, at | end) | at | end
        return RunRow(
            self.run.run_id, self.run.arm_id, self.run.seed, len(self.rows), self.reason or "", self.selected,
            **self.facts, **at,
        )  # fmt: skip

    def checkpoint(self, state: Mapping[str, np.ndarray], notes: Mapping[str, Any]) -> Checkpoint:
        """Return the run as it stands; `state` is what training needs to go on, empty for a run that has ended."""
        arrays = {f"state/{name}": array for name, array in state.items()}
        named = {"best": self.best, "latest": self.latest, REMEMBERED: self.remembered}
        named |= dict(zip(ANSWERS, (self.best_answers, self.latest_answers), strict=True))
        for where, kept in [*named.items(), *self.weights]:
            arrays |= {f"{where}/{name}": np.asarray(array) for name, array in (kept or {}).items()}
        own = {
            "rows": [list(dataclasses.astuple(row)) for row in self.rows],
            "probes": [list(dataclasses.astuple(row)) for row in self.probes],
        }
        return Checkpoint(self.run.run_id, len(self.rows), self.reason, arrays, {**notes, **own})
