"""A stored run's network as a module of stock layers: its weights found, checked and laid out, or written as two files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dropexp.errors import StoreError, UsageError
from dropexp.experiment.applicability import cells
from dropexp.experiment.config import Config
from dropexp.experiment.study import Run
from dropexp.files import MIB, write_named
from dropexp.store.stored_arrays import SAFETENSORS, to_safetensors
from dropexp.store.weights import COLUMNS_OF_WEIGHTS, epoch_of, files_of, read, weights_fault
from dropexp.workflow.finding import stored_run, the_run

if TYPE_CHECKING:
    from dropexp.nn.torch_source import Module

SOURCE = ".py"
WIDEST = 1 << 24  # features, channels, rows or columns of an example
EPOCH = "epoch="


@dataclass(frozen=True)
class Stored:
    """A stored run's network: the module, and what is to be said of it."""

    module: Module
    run: Run
    epoch: int
    example: tuple[int, ...]
    classes: int
    notes: tuple[str, ...]


def network(folder: Path, words: Sequence[str], epoch: int | None = None) -> Stored:
    """Return a run's network at an epoch, by default the selected one where its weights are stored, else the last stored.

    `words` name the run as `the_run` takes them; `epoch=N` among them is the epoch. Raises UsageError where they name no
    single run, StoreError where its weights of that epoch are not stored or not as they were, DataError where the data
    set is needed for the scale of the inputs and is not there, and ConfigError where a run has no stock layers.
    """
    from dropexp.nn.to_torch import FILL, SCALE, SHAPE, to_torch
    from dropexp.nn.torch_source import freed

    asked = [word for word in words if word.startswith(EPOCH)]
    for word in asked:
        if not word.removeprefix(EPOCH).isdecimal():
            raise UsageError(f"{word}: an epoch is a whole number from 1, as in epoch=3")
        epoch = int(word.removeprefix(EPOCH))
    match, _, found = the_run(folder, [word for word in words if word not in asked])
    if not match.own:
        raise UsageError(f"{folder}: dropexp did not train this study, so no weights are stored")
    run, row = stored_run(folder, found["run_id"])
    path, at = _file(folder, row, epoch)
    most = MIB + 32 * int(row["parameters"]) if row["parameters"].isdigit() else None
    arrays, _ = read(path, most) if most else read(path)
    if SHAPE in arrays and all(name in arrays for name in SCALE):
        example, (mean, sd), fill = _example(path, arrays), (arrays[name] for name in SCALE), arrays.get(FILL)
    else:
        example, mean, sd, fill = _scale(folder, run)
    made = to_torch(run.config, example, arrays, mean=mean, sd=sd, fill=fill, epoch=at)
    return Stored(freed(made), run, at, example, len(arrays["output.bias"]), made.notes)


def write(stored: Stored, out: Path) -> tuple[Path, Path]:
    """Write a network as NAME.py, which builds it with torch alone, and NAME.safetensors, its weights; return both paths.

    `out` is NAME with one of the two endings or none. Raises UsageError for another ending, StoreError where the files
    cannot be written.
    """
    from dropexp.nn.torch_source import source

    check_name(out)
    paths = out.with_suffix(SOURCE), out.with_suffix(SAFETENSORS)
    config = {path: cell for path, cell in cells(stored.run.config).items() if cell}
    facts = {"run_id": stored.run.run_id, "seed": stored.run.seed, "epoch": stored.epoch, "config": config}
    title = f"run {stored.run.run_id}, epoch {stored.epoch}"
    text = source(stored.module, title, stored.example, stored.classes, stored.notes, config)
    tensors = {name: tensor.numpy() for name, tensor in stored.module.state_dict().items()}
    try:
        write_named(paths[1], to_safetensors(tensors, facts))
        write_named(paths[0], text.encode())
    except OSError as error:
        raise StoreError(f"--out {out}: cannot be written ({error.strerror}); name another") from None
    return paths


def check_name(out: Path) -> None:
    """Raise UsageError for a name that the two files of a network cannot have."""
    if out.suffix not in ("", SOURCE, SAFETENSORS) or not out.stem:
        raise UsageError(f"--out {out}: two files are written, NAME.py and NAME.safetensors; write --out NAME.py")
    if out.with_suffix(SOURCE).is_dir() or out.with_suffix(SAFETENSORS).is_dir():
        raise UsageError(f"--out {out}: is a folder; name a file in it")


def _file(folder: Path, row: Mapping[str, str], epoch: int | None) -> tuple[Path, int]:
    """Return the file that has a run's weights of an epoch, and the epoch."""
    found = files_of(folder, row["run_id"])
    by_epoch = {at: (path, column) for column in reversed(COLUMNS_OF_WEIGHTS) for path in found[column]
                if (at := epoch_of(path, row)) is not None}  # fmt: skip
    if not by_epoch:
        raise StoreError(
            f"{folder}: {row['run_id']} has no stored weights; add 'save_weights: selected' to its study and run it again"
        )
    selected = int(row["selected_epoch"]) if row["selected_epoch"] else None
    at = epoch or (selected if selected in by_epoch else max(by_epoch))
    if at not in by_epoch:
        there = sorted(by_epoch)
        known = (
            f"{there[0]} to {there[-1]}" if len(there) == there[-1] - there[0] + 1 > 1 else ", ".join(map(str, there))
        )
        raise UsageError(f"epoch {at}: its weights are not stored; stored epochs of {row['run_id']}: {known}")
    path, column = by_epoch[at]
    if why := weights_fault(folder, row, column):
        raise StoreError(f"{folder}: {why}; run the study again, which trains the run anew")
    return path, at


def _example(path: Path, arrays: Mapping[str, np.ndarray]) -> tuple[int, ...]:
    """Return an example's shape as it stands beside weights; raises StoreError for what is none, or has another scale."""
    from dropexp.nn.to_torch import FILL, SCALE, SHAPE

    stored = arrays[SHAPE]
    shape = tuple(int(length) for length in stored.flat) if stored.size in (1, 3) and stored.dtype.kind == "i" else ()
    scales = [arrays[name] for name in (*SCALE, FILL) if name in arrays]
    if not shape or not all(1 <= n <= WIDEST for n in shape) or any(own.shape != shape[:1] for own in scales):
        raise StoreError(
            f"{path}: the shape of an example or the scale of its features is not as it was written; "
            "train the run again with save_weights"
        )
    return shape


def _scale(folder: Path, run: Run) -> tuple[tuple[int, ...], Any, Any, Any]:
    """Return an example's shape and the scale of a run's inputs from its data set: weights before 0.5.0 have neither."""
    from dropexp.data import load, split

    config: Config = run.config
    data = load(config.data, folder=folder)
    parts = split(data, config.data, split_seed=run.stream_seed("split"), label_seed=run.stream_seed("labels"))
    return data.example, parts.mean, parts.sd, parts.fill
