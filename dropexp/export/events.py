"""A study's curves for TensorBoard: one folder of events per run, its arm's axes as hyperparameters."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from dropexp.analysis.labelled_rows import epochs_frame
from dropexp.analysis.tidy import Tidy
from dropexp.errors import StoreError

NAME = "events.out.tfevents.0.dropexp"  # the same name each time, so that a second export replaces the first
KEYS = ("run_id", "arm_id", "seed", "epoch", "selected")


def as_events(tidy: Tidy, folder: Path) -> None:
    """Write FOLDER/<run_id>/ with one scalar per metric and epoch; the step is the epoch, the wall time is 0.

    TensorBoard keeps scalars as float32. Raises StoreError where the folder holds anything but an earlier export.
    """
    if folder.exists() and any(path.name != NAME for path in folder.rglob("*") if not path.is_dir()):
        raise StoreError(f"--out {folder}: already holds other files; choose a new folder for the events")
    shutil.rmtree(folder, ignore_errors=True)
    rows = epochs_frame(tidy)
    metrics = [c for c in rows.columns if c not in (*KEYS, *tidy.axes) and rows[c].notna().any()]
    for run, epochs in rows.groupby("run_id", sort=False):
        (folder / str(run)).mkdir(parents=True)
        _write(folder / str(run) / NAME, str(run), epochs, tidy.axes, metrics)


def _write(path: Path, run: str, epochs: pd.DataFrame, axes: tuple[str, ...], metrics: list[str]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.summary.writer.record_writer import RecordWriter

    first = epochs.iloc[0]
    settings = {path: value if isinstance(value, str) else float(value) for path, value in first[list(axes)].items()}
    known = {name: value for name, value in settings.items() if value == value}
    with path.open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(file_version="brain.Event:2").SerializeToString())
        hyper = hparams_pb({**known, "seed": int(first["seed"])}, trial_id=run, start_time_secs=0.0)
        writer.write(Event(summary=hyper).SerializeToString())
        for row in epochs[["epoch", *metrics]].itertuples(index=False, name=None):
            values = [
                Summary.Value(tag=metric, simple_value=number)
                for metric, number in zip(metrics, row[1:], strict=True)
                if number == number
            ]
            writer.write(Event(step=int(row[0]), summary=Summary(value=values)).SerializeToString())
        writer.flush()
