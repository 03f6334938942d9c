"""A pack from start to rows: trains it, records every epoch, stops each run by its own rule."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dropexp.data import Dataset, sizes
from dropexp.experiment.layout import layout
from dropexp.experiment.study import Run
from dropexp.records import Outcome, ProbeRow
from dropexp.train.allocator import keep_memory
from dropexp.train.answers import answered, answers_of
from dropexp.train.batches import Feed
from dropexp.train.checkpoint import Timer, save
from dropexp.train.ending import at_the_end, in_order, rows_of
from dropexp.train.loop import Epoch, train
from dropexp.train.provenance import provenance
from dropexp.train.recorder import Recorder
from dropexp.train.resuming import resume
from dropexp.train.work import Report, Work


def train_pack(work: Work, dataset: Dataset, report: Report | None = None) -> Outcome:
    """Train a pack and return its rows, going on from checkpoints where its runs have them.

    `report` hears of every epoch; where it returns True, the pack is left at that epoch's end, checkpointed, and the
    outcome is `paused`. float32 with `work.threads` threads; the bytes of the rows depend on each run alone, not on its
    neighbours nor on where it was interrupted.
    """
    torch.set_num_threads(work.threads)
    keep_memory()
    began, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    network = layout(work.runs[0].config, dataset.example, len(dataset.classes))
    facts = _facts(work.runs[0], dataset, network.parameters)
    resumed = resume(work, network, facts)
    # the others can go on: the pack is taken apart, and each part tried again
    if resumed.refused and len(work.runs) > 1:
        return Outcome(error="a checkpoint was set aside", notes=resumed.refused)
    recorders = resumed.recorders
    runs = [run for run in work.runs if recorders[run.run_id].reason is None]
    keeper = _Keeper(work, recorders, began, clock)
    keeper.notes += resumed.refused
    if runs:
        feed = Feed(dataset, runs, torch.float32, torch.device(work.device))
        logits = work.save_predictions == "probabilities"
        loop = train(runs, feed, network, work.probes, resumed.state, logits)
        epoch = next(loop)
        while True:
            kept = _record(epoch, recorders, work)
            stop = report is not None and report(epoch.number, len(kept), _accuracies(epoch))
            paused = bool(stop) and len(kept) > 0
            keeper.keep(epoch, now=paused)
            if paused:
                return Outcome(paused=True, notes=tuple(keeper.notes))
            try:
                epoch = loop.send(kept)
            except StopIteration:
                break
    ends = at_the_end(work, network, dataset, recorders)
    seconds = (time.perf_counter() - clock) / len(work.runs)
    return Outcome(
        runs=tuple(r.result() for r in recorders.values()),
        epochs=tuple(row for r in recorders.values() for row in r.rows),
        probes=tuple(row for r in recorders.values() for row in in_order(r.probes + ends[r.run.run_id])),
        provenance=tuple(
            provenance(
                r.run.run_id, work.device, work.threads, len(work.runs), dataset.sha256, r.seconds + seconds, r.began or began
            )
            for r in recorders.values()
        ),
        weights=tuple(pair for r in recorders.values() for pair in r.kept(work.save_weights)),
        answers=answers_of(recorders.values(), dataset),
        notes=tuple(keeper.notes),
    )  # fmt: skip


def _record(epoch: Epoch, recorders: dict[str, Recorder], work: Work) -> list[int]:
    """Record an epoch of every run; return the positions of those that go on."""
    for i, run in enumerate(epoch.runs):
        recorder = recorders[run.run_id]
        recorder.observe(epoch.number, epoch.scores[i], epoch.noisy_loss[i], epoch.noisy_accuracy[i], epoch.finite[i])
        recorder.probes += rows_of(run, i, epoch.probes)
        recorder.probes += [
            ProbeRow(run.run_id, epoch.number, p, layer, "", value) for r, p, layer, value in epoch.wrong if r == i
        ]
        if work.save_predictions != "none":
            recorder.keep_answers(answered(epoch.evaluated, i))
        if epoch.remembered:
            recorder.remember({name: array[i].copy() for name, array in epoch.remembered.items()})
        every, selected = work.save_weights == "all", work.keeps_selected
        if every or selected:
            network = epoch.network
            arrays = _slice(network.parameters | network.statistics, i)
            recorder.keep_weights(arrays, every=every, selected=selected)
    return [i for i, run in enumerate(epoch.runs) if recorders[run.run_id].reason is None]


def _slice(tensors: Mapping[str, Tensor], i: int) -> dict[str, Any]:
    """Return a copy of one run's part of tensors with a leading axis of runs."""
    return {name: tensor[i].detach().cpu().numpy().copy() for name, tensor in tensors.items()}


class _Keeper:
    """Writes the checkpoints of a pack, when it is time."""

    def __init__(self, work: Work, recorders: dict[str, Recorder], began: str, clock: float):
        self.work, self.recorders, self.began, self.clock = work, recorders, began, clock
        self.timer, self.notes = Timer(), list[str]()
        self.ended: set[str] = set()  # whose last checkpoint is written

    def keep(self, epoch: Epoch, now: bool) -> None:
        """Write a checkpoint of every run where one is due or wanted now; a full disk is a note, not an end."""
        if self.work.checkpoints is None or not (self.timer.due() or now):
            return
        try:
            self._write(epoch, self.work.checkpoints)
        except OSError as error:
            told = f"{self.work.checkpoints}: no checkpoint could be written ({error.strerror}); training continues"
            self.notes += [told] if told not in self.notes else []
        self.timer.written()

    def _write(self, epoch: Epoch, folder: Path) -> None:
        seconds = (time.perf_counter() - self.clock) / len(self.work.runs)
        places = {run.run_id: i for i, run in enumerate(epoch.runs)}
        state = epoch.state()
        for run_id, recorder in self.recorders.items():
            if run_id in self.ended:
                continue
            notes = {
                "seconds": recorder.seconds + seconds, "began": recorder.began or self.began,
                "masks": state.masks.get(run_id, {}),
            }  # fmt: skip
            live = recorder.reason is None
            own = _slice(state.tensors, places[run_id]) if live else {}
            save(folder, recorder.checkpoint(own, notes), self.work.circumstances)
            if not live:
                self.ended.add(run_id)


def _facts(run: Run, dataset: Dataset, parameters: int) -> dict[str, Any]:
    """Return the columns of a run's row that all runs of a pack share."""
    train, val, test = sizes(run.config.data, len(dataset.y), dataset.n_test)
    return {
        "parameters": parameters, "train_examples": train, "val_examples": val, "test_examples": test,
        "classes": len(dataset.classes), "test_set": "pool" if dataset.n_test is None else "official",
    }  # fmt: skip


def _accuracies(epoch: Epoch) -> dict[str, float]:
    pairs = zip(epoch.runs, epoch.scores, strict=True)
    return {run.run_id: math.nan if s.test_accuracy is None else s.test_accuracy for run, s in pairs}
