"""A study's folder as it is read: rows, data frames, which runs are done and what is left out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dropexp import files
from dropexp.errors import ConfigError, StoreError
from dropexp.experiment.probes import complete, newest
from dropexp.quoting import spelt
from dropexp.rows import COLUMNS
from dropexp.store import seals
from dropexp.store.csv_lines import by_run
from dropexp.store.frames import framed
from dropexp.store.intact import Held, few, held
from dropexp.store.lock import Holder
from dropexp.store.predictions import NAME, Index, Predictions, scan
from dropexp.store.weights import lacks
from dropexp.study_files.yaml_reader import read

if TYPE_CHECKING:
    import pandas as pd


MOST_STUDY = 16 * files.MIB  # bytes of study.yaml


class Store:
    """The folder `results/<study>/`. Reading needs no lock; who writes is a Writer."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._held: tuple[object, Held] | None = None
        self._scanned: dict[bool, tuple[object, Index]] = {}

    def held(self) -> Held:
        """Return the rows of all files, held against each other; raises StoreError where one was edited."""
        state = [_state(self.folder / name) for name in COLUMNS]
        if self._held is None or self._held[0] != state:
            self._held = state, held(self.folder)
        return self._held[1]

    def lines(self, name: str) -> list[str]:
        """Return the lines of a file that whole runs left, in today's columns, without its header."""
        return self.held().lines[name]

    def doubts(self) -> list[str]:
        """Return sentences on what is not read: runs whose rows are not those that were stored, and lines that are no rows."""
        sentences = few([f"{doubt}; ignored" for doubt in self.held().doubts()])
        found = self.predictions()
        if found.digests and not (self.folder / NAME).exists():
            sentences.append(
                f"{self.folder / NAME}: is missing, although {len(found.digests)} runs stored their predictions there"
            )
        else:
            faults = [why for run_id in found.digests if (why := found.fault(run_id))]
            sentences += few([f"{self.folder / NAME}: {why}; ignored" for why in faults])
        if why := self.study_fault():
            sentences.append(f"{self.folder / 'study.yaml'}: {why}; run the study again, which rewrites it")
        return sentences

    def study_fault(self) -> str | None:
        """Return what is wrong with study.yaml, None where it is what the last command wrote or there is none."""
        path = self.folder / "study.yaml"
        try:
            text = files.read_bounded(path, MOST_STUDY).decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        sealed = any(seals.row_of(line)["rows_digest"] for line in reversed(self.lines("runs.csv")))
        return seals.signature_fault(text, sealed=sealed)

    def done(self, probes: Iterable[str] = (), save_weights: str = "none", save_predictions: str = "none") -> set[str]:
        """Return the run_ids that have a row in runs.csv, and all that a study asks for beside it."""
        rows = {line.partition(",")[0] for line in self.lines("runs.csv")}
        return rows.difference(self.lacking(probes, save_weights, save_predictions))

    def lacking(
        self, probes: Iterable[str] = (), save_weights: str = "none", save_predictions: str = "none"
    ) -> dict[str, str]:
        """Return the stored runs that lack probes, weights or predictions, with what they lack.

        A run of a version that kept no classes lacks nothing: they are kept by default, and nobody asked for them.
        """
        asked = set(probes)
        found = self._unpredicted(save_predictions) if save_predictions != "none" else {}
        if not asked and save_weights == "none":
            return found
        there = by_run(self.lines("probes.csv"))
        for row in self.cells():
            run_id = row["run_id"]
            taken = set(map(complete, seals.words_taken(row, there.get(run_id, ()))))
            if missing := [word for word in asked if complete(word) not in taken]:
                found[run_id] = f"has no probes {', '.join(newest(missing))}"
            elif why := lacks(self.folder, row, save_weights):
                found[run_id] = why
        return found

    def _unpredicted(self, which: str) -> dict[str, str]:
        """Return the runs whose record in predictions.bin is not what it was, or has no probabilities where they are asked."""
        stored, found = self.predictions(thorough=True), {}
        for line in self.lines("runs.csv") if stored.digests or which == "probabilities" else ():
            row = seals.row_of(line)
            run_id = row["run_id"]
            record, why = stored.index.of(run_id, row["predictions"]) if row["predictions"] else (None, None)
            if why:
                found[run_id] = f"has lost its predictions ({NAME}: {why})"
            elif which == "probabilities" and row["selected_epoch"] and not (record and record.head.probabilities):
                found[run_id] = "was trained without saving probabilities"
        return found

    def scanned(self, thorough: bool = True) -> Index:
        """Return where the records of predictions.bin stand; `thorough` holds every byte against its digest."""
        state = _state(self.folder / NAME)
        if thorough not in self._scanned or self._scanned[thorough][0] != state:
            self._scanned[thorough] = state, scan(self.folder, thorough)
        return self._scanned[thorough][1]

    def predictions(self, thorough: bool = False) -> Predictions:
        """Return what the runs answered; `thorough` looks at every byte, and not at the ends of records alone."""
        rows = (seals.row_of(line) for line in self.lines("runs.csv"))
        named = {row["run_id"]: row["predictions"] for row in rows if row["predictions"]}
        return Predictions(self.folder, named, self.scanned(thorough) if named or thorough else Index())

    def frame(self, name: str) -> pd.DataFrame:
        """Return one of the CSV files as a data frame, with no rows where the file is missing."""
        return framed(self.folder / name, self.lines(name), self.held().numbers[name])

    def cells(self) -> list[dict[str, str]]:
        """Return the rows of runs.csv as they are spelt."""
        return [seals.row_of(line) for line in self.lines("runs.csv")]

    def trained_on_other_content(self, source: str, digest: str) -> int:
        """Return how many stored runs were trained on a file of this name with another content."""
        return sum(row["data.source"] == source and row["data.sha256"] != digest for row in self.cells())

    def refuse_another(self, name: str, run_ids: Iterable[str]) -> None:
        """Raise StoreError where the folder holds a study of another name, none of whose runs is one of `run_ids`."""
        path = self.folder / "study.yaml"
        try:
            called = read(path).content.get("study") if path.is_file() else None
        except ConfigError:
            called = None
        if called in (None, name) or not (done := self.done()) or done.intersection(run_ids):
            return
        raise StoreError(
            f"{self.folder}: holds the study {spelt(called)} with {len(done)} runs, none of which belongs to "
            f"this study; choose another --study, or add --fresh, which moves that folder aside"
        )


def _state(path: Path) -> object:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def set_aside(folder: Path) -> None:
    """Move a study's folder aside under the next free number; raises StoreError where another process writes it."""
    Holder(folder).release()
    number = next(n for n in range(1, 1_000_000) if not folder.with_name(f"{folder.name}.old-{n}").exists())
    try:
        folder.rename(folder.with_name(f"{folder.name}.old-{number}"))
        files.sync_folder(folder.parent)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be moved aside ({error.strerror}); choose another --study") from None
