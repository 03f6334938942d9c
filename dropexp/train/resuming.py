"""From checkpoints to a pack as it stood: every part is held against the run before training goes on from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from dropexp.experiment.layout import Layout
from dropexp.experiment.probes import name_of
from dropexp.experiment.study import Run
from dropexp.nn.network import Network
from dropexp.records import EpochRow, ProbeRow
from dropexp.stopping import Stopper
from dropexp.train import answers
from dropexp.train.alarms import SAID
from dropexp.train.checkpoint import Checkpoint, load, note, set_aside
from dropexp.train.checkpoint_content import Unusable
from dropexp.train.loop import State
from dropexp.train.optim import MEMORIES
from dropexp.train.probes import REMEMBERS, remembering
from dropexp.train.recorder import ANSWERS, REMEMBERED, Recorder, remembered_by
from dropexp.train.work import Work

Shapes = Mapping[str, tuple[tuple[int, ...], np.dtype]]


@dataclasses.dataclass(frozen=True)
class Resumed:
    """A pack as its checkpoints leave it: a recorder per run, and the state to go on from, None for the first epoch.

    `refused` are lines on checkpoints that say impossible things; they were set aside.
    """

    recorders: dict[str, Recorder]
    state: State | None = None
    refused: tuple[str, ...] = ()


def resume(work: Work, layout: Layout, facts: Mapping[str, Any]) -> Resumed:
    """Bring every run to its checkpoint, which all have at one epoch; where they have not, all begin anew."""
    fresh = Resumed({run.run_id: Recorder(run, facts) for run in work.runs})
    if work.checkpoints is None:
        return fresh
    try:
        loaded = [load(work.checkpoints, run.run_id, work.circumstances) for run in work.runs]
    except Unusable:
        return fresh  # which the command has said already
    found = {c.run_id: c for c in loaded if c is not None}
    if len(found) < len(work.runs) or len({c.epoch for c in found.values() if c.reason is None}) > 1:
        return fresh
    like = shapes(work.runs[0], layout)
    recorders, states, refused = {}, [], []
    for run in work.runs:
        recorders[run.run_id] = Recorder(run, facts)
        try:
            states.append(restored(recorders[run.run_id], found[run.run_id], like, work))
        except Unusable as why:
            refused.append(note(work.checkpoints, run.run_id, why))
            set_aside(work.checkpoints, run.run_id)
    if refused:
        return dataclasses.replace(fresh, refused=tuple(refused))
    live = [c for c in found.values() if c.reason is None]
    if not live:
        return Resumed(recorders)
    stacked = {name: np.stack([state[name] for state in states if state]) for name in like}
    masks = {c.run_id: c.notes["masks"] for c in live}
    return Resumed(recorders, State(live[0].epoch, stacked, masks, remembered_by([recorders[c.run_id] for c in live])))


def shapes(run: Run, layout: Layout) -> Shapes:
    """Return the shape and type of every array that training one run goes on from."""
    network = Network(layout, [run.config], [run.stream_seed("init")], torch.float32)
    kept = {f"network.{name}": t for name, t in (network.parameters | network.statistics).items()}
    for name, t in network.parameters.items():
        kept |= {f"optimiser.{name}{of}": t for of in MEMORIES[run.config.training.optimizer]}
    return {name: (tuple(t.shape[1:]), t.numpy().dtype) for name, t in kept.items()}


def restored(recorder: Recorder, found: Checkpoint, like: Shapes, work: Work) -> dict[str, np.ndarray]:
    """Let a recorder take over what a checkpoint holds; return the state that training goes on from.

    Raises Unusable where the run could never have written it.
    """
    run = recorder.run
    rows = [EpochRow(*cells) for cells in found.notes["rows"]]
    probes = [ProbeRow(*cells) for cells in found.notes["probes"]]
    for number, row in enumerate(rows, 1):
        if (row.run_id, row.arm_id, row.seed, row.epoch) != (run.run_id, run.arm_id, run.seed, number):
            raise Unusable(f"holds another run's row in place of epoch {number}")
    if len(rows) > run.config.training.epochs:
        raise Unusable(f"holds {len(rows)} epochs, and the run has {run.config.training.epochs}")
    known = {*map(name_of, work.probes), *SAID}
    if any(p.run_id != run.run_id or not 0 <= p.epoch <= len(rows) or p.probe not in known for p in probes):
        raise Unusable("holds rows of probes that the run does not ask for")
    stopper = _stopped(recorder.stopper, rows, found.reason, run.config.training.epochs)
    groups: dict[str, dict[str, np.ndarray]] = {}
    for key, array in found.arrays.items():
        where, _, name = key.rpartition("/")
        groups.setdefault(where, {})[name] = array
    parameters = {name.removeprefix("network."): own for name, own in like.items() if name.startswith("network.")}
    wanted = dict.fromkeys(_kept(run.run_id, len(rows), found.reason, work), parameters)
    if work.save_predictions != "none" and len(rows) > (found.reason == "diverged"):
        size, classes = recorder.facts["test_examples"], recorder.facts["classes"]
        wanted |= dict.fromkeys(ANSWERS, answers.shapes(size, classes, work.save_predictions))
    if (names := remembering(work.probes)) and len(rows) > (found.reason == "diverged"):
        wanted[REMEMBERED] = dict.fromkeys(names, ((recorder.facts["train_examples"],), REMEMBERS))
    if found.reason is None:
        wanted["state"] = like  # type: ignore[assignment]
    held = {where: {name: (a.shape, a.dtype) for name, a in arrays.items()} for where, arrays in groups.items()}
    if held != wanted:
        raise Unusable("holds arrays whose names, shapes or types are not those of the run")
    state = groups.pop("state", {})
    recorder.best, recorder.latest = groups.pop("best", None), groups.pop("latest", None)  # type: ignore[assignment]
    recorder.best_answers, recorder.latest_answers = (groups.pop(name, None) for name in ANSWERS)  # type: ignore[assignment]
    recorder.remembered = groups.pop(REMEMBERED, None)  # type: ignore[assignment]
    if any(np.any((a < 0) | (a > len(rows))) for a in (recorder.remembered or {}).values()):  # type: ignore[operator]
        raise Unusable("remembers epochs that there were not")
    for kept in (recorder.best_answers, recorder.latest_answers):
        if kept is not None and np.max(kept["predicted"], initial=0) >= recorder.facts["classes"]:  # type: ignore[call-overload]
            raise Unusable("holds predictions of classes that do not exist")
    recorder.weights = sorted(groups.items())  # type: ignore[arg-type]
    recorder.rows, recorder.probes, recorder.reason, recorder.stopper = rows, probes, found.reason, stopper
    recorder.seconds, recorder.began = float(found.notes["seconds"]), found.notes["began"]
    return state


def _stopped(stopper: Stopper, rows: list[EpochRow], reason: str | None, epochs: int) -> Stopper:
    """Return the stopping rule after the stored epochs; raises Unusable where it ends the run elsewhere."""
    ends = None
    for number, row in enumerate(rows[: len(rows) - (reason == "diverged")], 1):
        if ends is not None:
            break
        stopper = stopper.observe(getattr(row, stopper.monitor))
        ends = "patience" if stopper.stopped else "max_epochs" if number >= epochs else None
    if ends != (None if reason == "diverged" else reason) or (ends and number < len(rows)):
        raise Unusable("ends at an epoch at which the run's stopping rule does not stop")
    return stopper


def _kept(run_id: str, epochs: int, reason: str | None, work: Work) -> list[str]:
    """Return what the weights of a run are stored under, so far."""
    every = [f"{run_id}/epoch-{number:05d}" for number in range(1, epochs + 1)] if work.save_weights == "all" else []
    finite = epochs - (reason == "diverged")
    return every + (["best", "latest"] if work.keeps_selected and finite else [])
