"""A study's folder: append results, read them back, say which runs are done; one writer, nothing ever deleted."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dropexp.errors import ConfigError, StoreError
from dropexp.experiment.study import Run
from dropexp.quoting import spelt
from dropexp.records import Failure, Outcome
from dropexp.rows import (
    COLUMNS,
    DEPENDENT,
    NUMERIC,
    config_cells,
    epoch_of,
    line_of,
    lines_of,
    run_key,
)  # fmt: skip
from dropexp.store.csv_lines import AGAIN, lines
from dropexp.store.frames import framed
from dropexp.store.lock import Holder
from dropexp.study_files.yaml_reader import read

if TYPE_CHECKING:
    import pandas as pd


class Store:
    """The folder `results/<study>/`. Reading needs no lock; writing goes through `writing()`."""

    def __init__(self, folder: Path):
        self.folder = folder

    def writing(self) -> Writer:
        """Return the one writer of this folder, after repairing what a kill left.

        Raises StoreError where another process holds the folder or it cannot be written.
        """
        return Writer(self)

    def done(self) -> set[str]:
        """Return the run_ids that have a row in runs.csv."""
        return {line.partition(",")[0] for line in self.lines("runs.csv")}

    def frame(self, name: str) -> pd.DataFrame:
        """Return one of the CSV files as a data frame, with no rows where the file is missing."""
        return framed(self.folder / name, self.lines(name))

    def cells(self) -> list[dict[str, str]]:
        """Return the rows of runs.csv as they are spelt."""
        return list(csv.DictReader([line_of(COLUMNS["runs.csv"]), *self.lines("runs.csv")]))

    def trained_on_other_content(self, source: str, digest: str) -> int:
        """Return how many stored runs were trained on a file of this name with another content."""
        rows = self.frame("runs.csv")
        return int(((rows["data.source"] == source) & (rows["data.sha256"] != digest)).sum())

    def lines(self, name: str) -> list[str]:
        """Return the whole lines of a file, in today's columns, without its header; raises StoreError if it was edited."""
        return lines(self.folder / name)

    def refuse_another(self, name: str, run_ids: Iterable[str]) -> None:
        """Raise StoreError where the folder holds a study of another name, none of whose runs is one of `run_ids`."""
        path = self.folder / "study.yaml"
        try:
            held = read(path).content.get("study") if path.is_file() else None
        except ConfigError:
            held = None
        if held in (None, name) or not (done := self.done()) or done.intersection(run_ids):
            return
        raise StoreError(
            f"{self.folder}: holds the study {spelt(held)} with {len(done)} runs, none of them of this one; choose another "
            "--study, or add --fresh, which moves that folder aside"
        )


class Writer:
    """Appends the rows of finished packs, one fsync per pack; a context manager that holds the folder."""

    def __init__(self, store: Store):
        self.store, self.folder = store, store.folder
        self._holder = Holder(self.folder)
        try:
            held = {name: self.store.lines(name) for name in COLUMNS}
            self._refuse_loss(held["runs.csv"])
            for name in NUMERIC:
                if held[name]:  # a word among numbers is found before a night of training, not after
                    framed(self.folder / name, held[name])
            self._tidy(held)
        except BaseException:
            self._holder.release()
            raise

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.tidy()
        finally:
            self._holder.release()

    def _refuse_loss(self, runs: Sequence[str]) -> None:
        """Raise StoreError where runs.csv has gone, since what belongs to no run is dropped from the other files."""
        summary = self.folder / "summary.csv"
        if not runs and summary.exists() and _tells_of_runs(summary):
            raise StoreError(
                f"{self.folder / 'runs.csv'}: is missing or empty, and summary.csv tells of finished runs; put it back, or "
                "add --fresh, which moves the folder aside"
            )

    def append(self, runs: Sequence[Run], outcome: Outcome) -> None:
        """Write a finished pack's rows: epochs and probes first, the runs' own rows last."""
        self._holder.check()
        configs = {run.run_id: run.config for run in runs}
        self._append("epochs.csv", lines_of(outcome.epochs))
        self._append("probes.csv", lines_of(outcome.probes))
        self._append("provenance.csv", lines_of(outcome.provenance))
        lines = [
            lines_of([row]).rstrip("\n") + "," + line_of(config_cells(configs[row.run_id])) for row in outcome.runs
        ]
        self._append("runs.csv", "".join(lines), sync=True)

    def append_failures(self, failures: Sequence[Failure]) -> None:
        self._append("failures.csv", lines_of(failures), sync=True)

    def _append(self, name: str, text: str, sync: bool = False) -> None:
        if not text:
            return
        path = self.folder / name
        try:
            with path.open("ab") as file:
                if file.tell() == 0:
                    file.write(line_of(COLUMNS[name]).encode())
                file.write(text.encode())
                file.flush()
                if sync:
                    os.fsync(file.fileno())
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be written ({error.strerror}); what was reported before is kept; "
                "make room and run the same command again"
            ) from None

    def write(self, name: str, text: str) -> None:
        """Write a small file as a whole."""
        write_whole(self.folder / name, text)

    def save_weights(self, outcome: Outcome) -> None:
        """Write the weights that a pack kept, weights/<run_id>.npz or weights/<run_id>/epoch-<n>.npz."""
        for name, arrays in outcome.weights:
            path = self.folder / "weights" / f"{name}.npz"
            aside = path.with_name(f".{path.name}")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with aside.open("wb") as file:
                    np.savez(file, **arrays)  # type: ignore[arg-type]
                aside.replace(path)
            except OSError as error:
                aside.unlink(missing_ok=True)
                raise StoreError(f"{path}: cannot be written ({error.strerror}); make room and run again") from None

    def tidy(self) -> None:
        """Rewrite the files in an order that depends on the rows alone, without what a kill left half done.

        Raises StoreError, before anything is written, where a file was edited.
        """
        self._tidy({name: self.store.lines(name) for name in COLUMNS})

    def _tidy(self, held: dict[str, list[str]]) -> None:
        try:
            ordered = _ordered(held)
        except ValueError:
            raise StoreError(f"{self.folder}: its rows were edited while this command ran: {AGAIN}") from None
        for name, body in ordered.items():
            if body or (self.folder / name).exists():
                self.write(name, line_of(COLUMNS[name]) + "".join(body))


def _ordered(held: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the lines of each file in order; those of runs that are not in runs.csv are left out."""
    runs = sorted({line.partition(",")[0]: line for line in held["runs.csv"]}.values(), key=run_key)
    place = {line.partition(",")[0]: i for i, line in enumerate(runs)}
    ordered = {"runs.csv": runs, "failures.csv": held["failures.csv"]}
    for name in DEPENDENT:
        epoch = COLUMNS[name].index("epoch") if "epoch" in COLUMNS[name] else None
        kept: dict[str, dict[str, str]] = {}  # a pack trained twice, after a kill between two files, counts once
        for run_id, own in groupby(held[name], _run_of):
            if run_id in place:
                mine = kept.setdefault(run_id, {})
                if epoch is None:
                    mine[""] = [*own][-1]
                elif name == "probes.csv":
                    mine.update((line, line) for line in own)
                else:
                    mine.update((line.split(",", epoch + 1)[epoch], line) for line in own)
        ordered[name] = []
        for run_id in sorted(kept, key=place.__getitem__):
            ordered[name] += sorted(kept[run_id].values(), key=lambda line: epoch_of(line, epoch))
    return ordered


def _run_of(line: str) -> str:
    return line.partition(",")[0]


def write_whole(path: Path, text: str) -> None:
    """Write a file aside and rename it, unless it says so already; raises StoreError where it cannot be written."""
    aside = path.with_name(f".{path.name}.new")
    try:
        if path.exists() and path.read_bytes() == text.encode():
            return
        with aside.open("wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise StoreError(f"{path}: cannot be written ({error.strerror}); make room and run again") from None


def _tells_of_runs(summary: Path) -> bool:
    """Whether a summary.csv counts a run in any of its arms; one of a study that was interrupted early counts none."""
    rows = csv.reader(summary.read_text(encoding="utf-8", errors="replace").splitlines()[1:])
    return any(row[1:3] != ["0", "0"] for row in rows)


def set_aside(folder: Path) -> None:
    """Move a study's folder aside under the next free number; raises StoreError where another process writes it."""
    Holder(folder).release()
    number = next(n for n in range(1, 1_000_000) if not folder.with_name(f"{folder.name}.old-{n}").exists())
    try:
        folder.rename(folder.with_name(f"{folder.name}.old-{number}"))
    except OSError as error:
        raise StoreError(f"{folder}: cannot be moved aside ({error.strerror}); choose another --study") from None
