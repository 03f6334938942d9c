"""Checkpoints: all that determines the rest of a run, one file per run, so that a pack of any size can go on from it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import dropexp

FOLDER = ".checkpoints"
SCHEMA = 2
FIRST_SECONDS, SECONDS = 20.0, 60.0  # until a pack's first checkpoint, and between two
INTERVAL = "DROPEXP_CHECKPOINT_SECONDS"  # replaces both, for tests


@dataclass(frozen=True)
class Checkpoint:
    """A run at the end of an epoch; `reason` says why it has ended, None while it trains.

    `arrays` are its tensors by name, `notes` what JSON can hold: its rows, its probes, its seconds so far.
    """

    run_id: str
    epoch: int
    reason: str | None
    arrays: Mapping[str, np.ndarray] = field(repr=False)
    notes: Mapping[str, Any] = field(repr=False)


class Unusable(Exception):
    """A file that is no checkpoint of this run, these versions and these circumstances; the message says why."""


def circumstances(
    probes: Iterable[str] = (), save_weights: str = "none", device: str = "cpu", threads: int = 1
) -> dict[str, Any]:
    """Return what must be the same before and after for the bytes to be those of an uninterrupted run."""
    return {
        "dropexp": dropexp.__version__, "torch": _torch(), "processor": _processor(), "device": device,
        "threads": threads, "probes": list(probes), "save_weights": save_weights,
    }  # fmt: skip


@cache
def _torch() -> str:
    return version("torch")


@cache
def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def save(folder: Path, checkpoint: Checkpoint, made: Mapping[str, Any]) -> None:
    """Write a run's checkpoint in place of its last one: aside, to the disk, then renamed.

    A line of JSON that names schema, run and circumstances, and the sha256 of that and of what follows: an .npz with
    the notes as JSON. Raises OSError, the last one being left as it was.
    """
    body = io.BytesIO()
    notes = np.frombuffer(json.dumps(checkpoint.notes).encode(), dtype=np.uint8)
    np.savez(body, **checkpoint.arrays, notes=notes)  # type: ignore[arg-type]
    content = body.getvalue()
    head = {
        "schema": SCHEMA, "run_id": checkpoint.run_id, "epoch": checkpoint.epoch, "reason": checkpoint.reason,
        "made": made,
    }  # fmt: skip
    head["sha256"] = _digest(head, content)
    path = _path(folder, checkpoint.run_id)
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        folder.mkdir(exist_ok=True)
        with aside.open("wb") as file:
            file.write(json.dumps(head).encode() + b"\n")
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise


def load(folder: Path, run_id: str, made: Mapping[str, Any]) -> Checkpoint | None:
    """Return a run's checkpoint, None where it has none; raises Unusable where it cannot be gone on from."""
    try:
        head_line, _, content = _path(folder, run_id).read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unusable(f"cannot be read ({error.strerror})") from None
    try:
        head = json.loads(head_line)
        schema, digest, epoch = int(head["schema"]), head.pop("sha256"), int(head["epoch"])
        owner, before, reason = head["run_id"], dict(head["made"]), head["reason"]
        whole = _digest(head, content) == digest
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise Unusable("is torn or no checkpoint") from None
    if schema != SCHEMA:
        raise Unusable(f"has version {head['schema']!r:.60}, and this dropexp reads {SCHEMA}")
    if owner != run_id:
        raise Unusable("belongs to another run")
    for name, value in made.items():
        if before.get(name) != value:
            raise Unusable(f"was made with {name} {before.get(name)!r:.60}, not {value!r}")
    if not whole:
        raise Unusable("is torn")
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return Checkpoint(run_id, epoch, reason, arrays, json.loads(arrays.pop("notes").tobytes()))


def begun(folder: Path, run_ids: Iterable[str], made: Mapping[str, Any]) -> tuple[dict[str, Checkpoint], list[str]]:
    """Return the runs that can go on, without their content, and a line on every file that cannot be used."""
    found, lines = {}, []
    if folder.is_dir():
        for run_id in run_ids:
            try:
                made_by = load(folder, run_id, made)
            except Unusable as why:
                lines.append(f"{_path(folder, run_id)}: the checkpoint {why}; the run starts anew")
                continue
            if made_by is not None:
                found[run_id] = Checkpoint(run_id, made_by.epoch, made_by.reason, {}, {})
    return found, lines


def remove(folder: Path, run_ids: Iterable[str]) -> None:
    """Remove the checkpoints of runs that are done."""
    for run_id in run_ids:
        with contextlib.suppress(OSError):
            _path(folder, run_id).unlink(missing_ok=True)


def tidy(folder: Path) -> None:
    """Remove what a kill left half written, and the folder where it is empty; for when nobody writes here."""
    with contextlib.suppress(OSError):
        for path in folder.glob(".*.new"):
            path.unlink(missing_ok=True)
        folder.rmdir()


def _digest(head: Mapping[str, Any], content: bytes) -> str:
    return hashlib.sha256(repr(sorted(head.items())).encode() + content).hexdigest()


def _path(folder: Path, run_id: str) -> Path:
    return folder / f"{run_id}.checkpoint"


class Timer:
    """Says at each epoch's end whether to write: the first after 20 s, then before a minute would have passed."""

    def __init__(self) -> None:
        given = os.environ.get(INTERVAL)
        self._wait, self._every = (float(given), float(given)) if given else (FIRST_SECONDS, SECONDS)
        self._written = self._heard = time.monotonic()

    def due(self) -> bool:
        """Whether another epoch as long as this one would end too late; called once an epoch."""
        now = time.monotonic()
        epoch, self._heard = now - self._heard, now
        return now - self._written + epoch > self._wait

    def written(self) -> None:
        """Count from now."""
        self._written = self._heard = time.monotonic()
        self._wait = self._every
