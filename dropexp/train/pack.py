"""A pack from start to rows: trains it, records every epoch, stops each run by its own rule."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import torch

from dropexp.data import Dataset
from dropexp.records import EpochRow, Outcome, ProbeRow, RunRow
from dropexp.spec.config import Config
from dropexp.spec.layout import layout
from dropexp.spec.schedules import rate_factor
from dropexp.spec.study import Run
from dropexp.stopping import Stopper
from dropexp.train.evaluate import Scores
from dropexp.train.feed import Feed
from dropexp.train.loop import Epoch, train
from dropexp.train.memory import keep_memory
from dropexp.train.provenance import provenance

Report = Callable[[int, int, dict[str, float]], None]  # epoch, runs still training, test accuracy by run_id


@dataclass(frozen=True)
class Work:
    """A pack as plain data, which any executor can carry: its runs and what to do beside training them."""

    runs: tuple[Run, ...]
    source: str
    probes: tuple[str, ...] = ()
    save_weights: str = "none"
    device: str = "cpu"
    threads: int = 1


class _Recorder:
    """One run's rows and stopper while it trains."""

    def __init__(self, run: Run, parameters: int):
        self.run, self.parameters = run, parameters
        stop = run.config.early_stopping
        self.stopper = Stopper(stop.patience, stop.monitor, stop.min_delta, stop.start_from_epoch)
        self.rows: list[EpochRow] = []
        self.reason: str | None = None
        self.weights: list[tuple[str, dict[str, object]]] = []
        self.latest: dict[str, object] | None = None
        self.best: dict[str, object] | None = None

    def observe(self, number: int, scores: Scores, noisy_loss: float, noisy_accuracy: float, finite: bool) -> None:
        gap = None if scores.test_accuracy is None else scores.train_accuracy - scores.test_accuracy
        row = EpochRow(
            self.run.run_id, self.run.arm_id, self.run.seed, number,
            dropout_on_train_loss=noisy_loss, dropout_on_train_accuracy=noisy_accuracy, gap=gap,
            rate=self.run.config.dropout.rate * rate_factor(self.run.config.dropout.schedule, number), **dataclasses.asdict(scores),
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

    @property
    def selected(self) -> int | None:
        if self.reason == "diverged":
            return len(self.rows) - 1 or None
        return self.stopper.selected_epoch

    def kept(self) -> list[tuple[str, dict[str, object]]]:
        """Return the weights to store, under their names."""
        chosen = self.latest if self.reason == "diverged" else self.best
        return self.weights + ([(self.run.run_id, chosen)] if chosen is not None else [])

    def result(self) -> RunRow:
        selected = self.rows[self.selected - 1] if self.selected else None
        last = (self.rows[-2] if len(self.rows) > 1 else None) if self.reason == "diverged" else self.rows[-1]
        at = {} if selected is None else {
            name: getattr(selected, name)
            for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy", "gap",
                         "clean_train_accuracy")
        }  # fmt: skip
        if selected and selected.clean_train_accuracy is not None and selected.test_accuracy is not None:
            at["clean_gap"] = selected.clean_train_accuracy - selected.test_accuracy
        end = {} if last is None else {
            "final_train_accuracy": last.train_accuracy, "final_test_accuracy": last.test_accuracy, "final_gap": last.gap
        }  # fmt: skip
        return RunRow(
            self.run.run_id, self.run.arm_id, self.run.seed, len(self.rows), self.reason or "", self.selected,
            parameters=self.parameters, **at, **end,
        )  # fmt: skip


def train_pack(work: Work, dataset: Dataset, report: Report | None = None) -> Outcome:
    """Train a pack and return its rows; `report` hears of every epoch.

    float32 with `work.threads` threads; the bytes of the rows depend on each run alone, not on its neighbours.
    """
    torch.set_num_threads(work.threads)
    keep_memory()
    began, clock = datetime.now(UTC), time.perf_counter()
    feed = Feed(dataset, work.runs, torch.float32, torch.device(work.device))
    network = layout(work.runs[0].config.model, dataset.example, len(dataset.classes))
    recorders = {run.run_id: _Recorder(run, network.parameters) for run in work.runs}
    probes: list[ProbeRow] = []
    loop = train(work.runs, feed, network, work.probes)
    epoch = next(loop)
    while True:
        for i, run in enumerate(epoch.runs):
            recorder = recorders[run.run_id]
            recorder.observe(
                epoch.number, epoch.scores[i], epoch.noisy_loss[i], epoch.noisy_accuracy[i], epoch.finite[i]
            )
            _keep_weights(recorder, epoch, i, work.save_weights)
        probes += [
            ProbeRow(run.run_id, epoch.number, probe, layer, values[i])
            for probe, layer, values in epoch.probes
            for i, run in enumerate(epoch.runs)
        ]
        kept = [i for i, run in enumerate(epoch.runs) if recorders[run.run_id].reason is None]
        if report is not None:
            report(epoch.number, len(kept), _accuracies(epoch))
        try:
            epoch = loop.send(kept)
        except StopIteration:
            break
    seconds = (time.perf_counter() - clock) / len(work.runs)
    return Outcome(
        runs=tuple(r.result() for r in recorders.values()),
        epochs=tuple(row for r in recorders.values() for row in r.rows),
        probes=tuple(probes),
        provenance=tuple(
            provenance(run.run_id, work.device, work.threads, len(work.runs), dataset.sha256, seconds, began)
            for run in work.runs
        ),
        weights=tuple(pair for r in recorders.values() for pair in r.kept()),
    )


def _accuracies(epoch: Epoch) -> dict[str, float]:
    pairs = zip(epoch.runs, epoch.scores, strict=True)
    return {run.run_id: math.nan if s.test_accuracy is None else s.test_accuracy for run, s in pairs}


def _keep_weights(recorder: _Recorder, epoch: Epoch, i: int, which: str) -> None:
    """Keep a copy of a run's weights: of every epoch, or of the selected one, which for a diverged run is the last finite."""
    if which == "none" or (which == "selected" and recorder.reason == "diverged"):
        return
    network = epoch.network
    arrays: dict[str, object] = {
        name: tensor[i].detach().cpu().numpy().copy()
        for name, tensor in (network.parameters | network.statistics).items()
    }
    if which == "all":
        recorder.weights.append((f"{recorder.run.run_id}/epoch-{epoch.number:05d}", arrays))
        return
    recorder.latest = arrays
    if recorder.selected == epoch.number:
        recorder.best = arrays


def measure(runs: Sequence[Run], dataset: Dataset, steps: int = 4) -> float:
    """Return the seconds that one epoch of a pack takes, from a few steps and one evaluation."""
    torch.set_num_threads(1)
    full = Feed(dataset, runs, torch.float32, torch.device("cpu")).steps_per_epoch()
    _first_epoch(runs, dataset, 1)  # pays for what is paid once
    one, several = _first_epoch(runs, dataset, 1), _first_epoch(runs, dataset, 1 + steps)
    return one + max(several - one, 0.0) / steps * (full - 1)


def _first_epoch(runs: Sequence[Run], dataset: Dataset, steps: int) -> float:
    """Return the seconds of a first epoch cut to so many steps."""
    cut = [dataclasses.replace(run, config=_with_steps(run.config, steps)) for run in runs]
    feed = Feed(dataset, cut, torch.float32, torch.device("cpu"))
    loop = train(cut, feed, layout(cut[0].config.model, dataset.example, len(dataset.classes)))
    clock = time.perf_counter()
    next(loop)
    return time.perf_counter() - clock


def _with_steps(config: Config, steps: int) -> Config:
    training = config.training.model_copy(update={"steps_per_epoch": steps})
    return config.model_copy(update={"training": training})
