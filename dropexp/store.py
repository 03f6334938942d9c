"""A study's folder: append results, read them back, say which runs are done; one writer, nothing ever deleted."""

from __future__ import annotations

import csv
import io
import json
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from dropexp.errors import StoreError
from dropexp.records import Failure, Outcome
from dropexp.rows import (
    COLUMNS,
    CONFIG_COLUMNS,
    DEPENDENT,
    NUMERIC,
    config_cells,
    epoch_of,
    is_number,
    line_of,
    lines_of,
    run_key,
)  # fmt: skip
from dropexp.spec.config import Config
from dropexp.spec.study import Run


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
        return {line.partition(",")[0] for line in self._body("runs.csv")}

    def frame(self, name: str) -> pd.DataFrame:
        """Return one of the CSV files as a data frame, with no rows where the file is missing."""
        words = {"run_id", "arm_id", "stop_reason", "test_set", "probe", "layer", "host", "device", *CONFIG_COLUMNS}
        columns = COLUMNS[name]
        body = "".join(self._body(name))
        frame = pd.read_csv(io.StringIO(body), names=list(columns), dtype="str", keep_default_na=False)
        for column in columns:
            if column not in words and name in NUMERIC:  # as Python reads them: exact, whatever the reader's default
                frame[column] = self._numbers(name, column, frame[column])
        return frame

    def _numbers(self, name: str, column: str, cells: pd.Series[str]) -> np.ndarray:
        try:
            return np.array(cells.replace("", "nan").to_numpy(dtype=object), dtype=np.float64)
        except ValueError:
            row = next(i for i, cell in enumerate(cells) if cell and not is_number(cell))
            raise StoreError(
                f"{self.folder / name}:{row + 2}: {column}: {cells[row]!r} is not a number; the file was edited; "
                "delete that line and run the same command again, which trains what is missing"
            ) from None

    def cells(self) -> list[dict[str, str]]:
        """Return the rows of runs.csv as they are spelt."""
        return list(csv.DictReader([line_of(COLUMNS["runs.csv"]), *self._body("runs.csv")]))

    def lines(self, name: str) -> list[str]:
        """Return the whole lines of one of the CSV files, in today's columns, without its header."""
        return self._body(name)

    def trained_on_other_content(self, source: str, digest: str) -> int:
        """Return how many stored runs were trained on a file of this name with another content."""
        rows = self.frame("runs.csv")
        return int(((rows["data.source"] == source) & (rows["data.sha256"] != digest)).sum())

    def _body(self, name: str) -> list[str]:
        """Return the whole lines of a file, in today's columns, without its header."""
        path = self.folder / name
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{path}: cannot be read ({error}); choose another folder with --results") from None
        lines = text.splitlines(keepends=True)
        if lines and not lines[-1].endswith("\n"):
            lines.pop()  # a kill or a full disk tore it
        if not lines:
            return []
        header, body = next(csv.reader(lines[:1])), lines[1:]
        if tuple(header) != COLUMNS[name]:
            body = self._moved(path, header, body)
        commas = len(COLUMNS[name]) - 1
        return [line for line in body if line.count(",") == commas or len(next(csv.reader([line]))) == commas + 1]

    def _moved(self, path: Path, header: Sequence[str], body: Sequence[str]) -> list[str]:
        """Bring rows under an older header into today's columns, new ones filled with their default."""
        known = COLUMNS[path.name]
        if unknown := [c for c in header if c not in known]:
            raise StoreError(
                f"{path}:1: unknown column {unknown[0]!r}; the file was written by a newer dropexp or edited; "
                "install that version, or choose another folder with --results"
            )
        if "run_id" not in header:
            raise StoreError(f"{path}:1: no column 'run_id', so this is no file of dropexp's; choose another --results")
        defaults = dict(zip(CONFIG_COLUMNS, config_cells(Config()), strict=True))
        moved = []
        for row in csv.DictReader([line_of(header), *body]):
            if len(row) == len(header) and None not in row.values():
                moved.append(line_of([row.get(c) if c in row else defaults.get(c, "") for c in known]))  # type: ignore[misc]
        return moved


class Writer:
    """Appends the rows of finished packs, one fsync a pack; a context manager that holds the folder."""

    def __init__(self, store: Store):
        self.store, self.folder = store, store.folder
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(str(self.folder / ".lock"))
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StoreError(
                f"{self.folder}: in use by {_owner(self.folder)}; wait for it, or use another --study"
            ) from None
        except OSError as error:
            raise StoreError(f"{self.folder}: cannot be written ({error.strerror}); choose another --results") from None
        try:
            note = {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            (self.folder / ".owner").write_text(json.dumps(note), encoding="utf-8")
            self.tidy()
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.tidy()
        finally:
            (self.folder / ".owner").unlink(missing_ok=True)
            self._lock.release()

    def append(self, runs: Sequence[Run], outcome: Outcome) -> None:
        """Write a finished pack's rows: epochs and probes first, the runs' own rows last."""
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
        """Write a small file as a whole: aside, then renamed."""
        path = self.folder / name
        if path.exists() and path.read_bytes() == text.encode():
            return
        aside = path.with_name(f".{name}.new")
        try:
            with aside.open("wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise StoreError(f"{path}: cannot be written ({error.strerror}); make room and run again") from None

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
                raise StoreError(f"{path}: cannot be written ({error.strerror}); make room and run again") from None

    def tidy(self) -> None:
        """Rewrite the files in an order that depends on the rows alone, without what a kill left half done."""
        try:
            self._tidy()
        except ValueError:
            for name in NUMERIC:
                self.store.frame(name)  # says which line of which file
            raise

    def _tidy(self) -> None:
        runs = sorted({line.partition(",")[0]: line for line in self.store._body("runs.csv")}.values(), key=run_key)
        place = {line.partition(",")[0]: i for i, line in enumerate(runs)}
        self._rewrite("runs.csv", runs)
        for name in DEPENDENT:
            body = self.store._body(name)
            epoch = COLUMNS[name].index("epoch") if "epoch" in COLUMNS[name] else None
            kept: dict[tuple[str, str], str] = {}  # a pack trained twice, after a kill between two files, counts once
            for line in body:
                run_id, _, rest = line.partition(",")
                if run_id in place:
                    key = "" if epoch is None else rest if name == "probes.csv" else rest.split(",", epoch)[epoch - 1]
                    kept[run_id, key] = line
            ordered = sorted(kept.items(), key=lambda item: (place[item[0][0]], epoch_of(item[1], epoch)))
            self._rewrite(name, [line for _, line in ordered])

    def _rewrite(self, name: str, body: Sequence[str]) -> None:
        if body or (self.folder / name).exists():
            self.write(name, line_of(COLUMNS[name]) + "".join(body))


def set_aside(folder: Path) -> None:
    """Move a study's folder aside under the next free number; raises StoreError where another process writes it."""
    Store(folder).writing().__exit__()
    number = next(n for n in range(1, 1_000_000) if not folder.with_name(f"{folder.name}.old-{n}").exists())
    try:
        folder.rename(folder.with_name(f"{folder.name}.old-{number}"))
    except OSError as error:
        raise StoreError(f"{folder}: cannot be moved aside ({error.strerror}); choose another --study") from None


def _owner(folder: Path) -> str:
    try:
        note = json.loads((folder / ".owner").read_text(encoding="utf-8"))
        return f"process {note['pid']} on {note['host']} since {note['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another dropexp"
