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
from dropexp import files
from dropexp.errors import UsageError
from dropexp.quoting import clean
from dropexp.train.checkpoint_content import REASONS, Unusable, arrays_and_notes

FOLDER = ".checkpoints"
REFUSED = ".refused"  # what ends the name of one that was set aside
SCHEMA = 3
MOST = 16 * files.GIB  # bytes of one checkpoint
FIRST_SECONDS, SECONDS = 20.0, 60.0  # until a pack's first checkpoint, and between two
LONGEST = 1e6  # seconds between two that the environment may ask for: more is a mistake in the unit
INTERVAL = "DROPEXP_CHECKPOINT_SECONDS"  # replaces both, for tests


_version = cache(version)


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


def circumstances(
    probes: Iterable[str] = (),
    save_weights: str = "none",
    save_predictions: str = "classes",
    device: str = "cpu",
    threads: int = 1,
) -> dict[str, Any]:
    """Return what must be the same before and after for the bytes to be those of an uninterrupted run."""
    return {
        "dropexp": dropexp.__version__, "torch": _version("torch"), "processor": _processor(), "device": device,
        "threads": threads, "probes": list(probes), "save_weights": save_weights,
        "save_predictions": save_predictions,
    }  # fmt: skip


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
    files.make_folder(folder)
    files.write_aside(_path(folder, checkpoint.run_id), json.dumps(head).encode() + b"\n" + content)


def load(folder: Path, run_id: str, made: Mapping[str, Any]) -> Checkpoint | None:
    """Return a run's checkpoint, None where it has none; raises Unusable where it cannot be gone on from."""
    path = _path(folder, run_id)
    try:
        head_line, _, content = files.read_bounded(path, MOST).partition(b"\n")
    except FileNotFoundError:
        return None
    except (OSError, MemoryError) as error:
        raise Unusable(
            f"cannot be read ({getattr(error, 'strerror', None) or 'it does not fit into memory'})"
        ) from None
    try:
        head = json.loads(head_line)
        schema, digest, epoch = int(head["schema"]), head.pop("sha256"), int(head["epoch"])
        owner, before, reason = head["run_id"], dict(head["made"]), head["reason"]
        whole = _digest(head, content) == digest
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise Unusable("is incomplete or not a checkpoint") from None
    if schema != SCHEMA:
        raise Unusable(f"has version {clean(repr(head['schema']))}, and this dropexp reads {SCHEMA}")
    if owner != run_id:
        raise Unusable("belongs to another run")
    for name, value in made.items():
        if before.get(name) != value:
            raise Unusable(f"was made with {name} {clean(repr(before.get(name)))}, not {value!r}")
    if not whole:
        raise Unusable("is torn")
    arrays, notes = arrays_and_notes(content)
    if reason not in REASONS or not 1 <= epoch == len(notes["rows"]):
        raise Unusable("does not hold the epochs that it claims")
    return Checkpoint(run_id, epoch, reason, arrays, notes)


def begun(folder: Path, run_ids: Iterable[str], made: Mapping[str, Any]) -> tuple[dict[str, Checkpoint], list[str]]:
    """Return the runs that can go on, without their content, and a line on every file that cannot be used."""
    found, lines = {}, []
    if folder.is_symlink():
        return {}, [f"{folder}: is a symbolic link and is not followed; its runs start over"]
    if folder.is_dir():
        for run_id in run_ids:
            try:
                made_by = load(folder, run_id, made)
            except Unusable as why:
                lines.append(note(folder, run_id, why))
                continue
            if made_by is not None:
                found[run_id] = Checkpoint(run_id, made_by.epoch, made_by.reason, {}, {})
    return found, lines


def note(folder: Path, run_id: str, why: Unusable) -> str:
    """Return the line on a checkpoint that cannot be used."""
    return f"{_path(folder, run_id)}: the checkpoint {why}; the run starts over"


def set_aside(folder: Path, run_id: str) -> None:
    """Put a checkpoint that says impossible things where no run looks for it; it leaves with the run's other traces."""
    with contextlib.suppress(OSError):
        _path(folder, run_id).replace(_path(folder, run_id).with_suffix(REFUSED))


def remove(folder: Path, run_ids: Iterable[str]) -> None:
    """Remove the checkpoints of runs that are done."""
    for run_id in run_ids:
        with contextlib.suppress(OSError):
            files.remove(_path(folder, run_id))
            files.remove(_path(folder, run_id).with_suffix(REFUSED))


def tidy(folder: Path) -> None:
    """Remove what a kill left half written, and the folder where it is empty; for when nobody writes here."""
    with contextlib.suppress(OSError):
        files.refuse_link(folder)
        for path in folder.glob(".*.new"):
            files.remove(path)
        folder.rmdir()


def _digest(head: Mapping[str, Any], content: bytes) -> str:
    return hashlib.sha256(repr(sorted(head.items())).encode() + content).hexdigest()


def _path(folder: Path, run_id: str) -> Path:
    return folder / f"{run_id}.checkpoint"


def interval() -> float | None:
    """Return the seconds between checkpoints that the environment asks for, None where it asks for nothing.

    Raises UsageError for what is no number of seconds: found out by each run, it would fail them all.
    """
    given = os.environ.get(INTERVAL)
    if not given:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST:
        raise UsageError(
            f"{INTERVAL}={clean(given)}: not a number of seconds from 0 to {LONGEST:,.0f}; unset it, or set it "
            f"to a number such as 60"
        )
    return seconds


class Timer:
    """Says at each epoch's end whether to write: the first after 20 s, then before a minute would have passed."""

    def __init__(self) -> None:
        given = interval()
        self._wait, self._every = (FIRST_SECONDS, SECONDS) if given is None else (given, given)
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
