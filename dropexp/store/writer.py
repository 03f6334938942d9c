"""The one writer of a study's folder: finished packs go to the disk file by file, and what is not understood is kept."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from dropexp import files
from dropexp.errors import StoreError
from dropexp.experiment.probes import name_of
from dropexp.experiment.study import Run
from dropexp.records import Failure, Outcome
from dropexp.rows import COLUMNS, NUMERIC, cells_of, config_cells, line_of, lines_of
from dropexp.store import removal, seals
from dropexp.store.csv_lines import TORN, Lost, by_run, unsealed
from dropexp.store.folder import Store
from dropexp.store.intact import Held, few
from dropexp.store.lock import NOTE, Holder
from dropexp.store.lost_found import NAME, remembered, still_lost, written
from dropexp.store.new_predictions import Added, differ, richer
from dropexp.store.prediction_order import arranged, as_lines, rewrite, without_found
from dropexp.store.predictions import NAME as PREDICTIONS
from dropexp.store.weights import COLUMNS_OF_WEIGHTS, save

OTHERS = (
    "study.yaml",
    "summary.csv",
    removal.ALONG,
    "overfit.csv",
    "claims.csv",
    "design.csv",
    NAME,
    NOTE,
    removal.JOURNAL,
)
MOST_SUMMARY = 64 * files.MIB  # bytes of summary.csv
DIFFERENT = "replaced by the result of training it again"


class Writer:
    """Stores finished packs, each on the disk before the next; a context manager that holds the folder.

    It begins by repairing what a kill left; `notes` are sentences on what was found that was not as it had been stored.
    Raises StoreError where another process holds the folder or it cannot be written.
    """

    def __init__(self, folder: Path):
        self.store, self.folder = Store(folder), folder
        self._holder = Holder(folder)
        try:
            removal.finish(folder)
            found = self.store.held()
            self._refuse_loss(found)
            for name in NUMERIC:
                if found.lines[name]:  # a word among numbers is found before a night of training, not after
                    self.store.frame(name)
            files.sweep(self.folder, (*COLUMNS, *OTHERS, PREDICTIONS))
            self._stored = {line.partition(",")[0] for line in found.lines["runs.csv"]}
            gaps = [gap for gap in self.store.scanned().gaps if gap.why != TORN]
            doubts = [*found.doubts(), *(f"{self.folder / PREDICTIONS}: byte {gap.begin}: {gap.why}" for gap in gaps)]
            self.notes = few([f"{doubt}; moved to {NAME}" for doubt in doubts])
            if found.faults:
                self.notes.append(
                    f"{self.folder}: runs whose rows were moved are trained again when a command asks for them"
                )
            self._tidy(found)
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

    def _refuse_loss(self, found: Held) -> None:
        """Raise StoreError where runs.csv has gone, since what belongs to no run is taken out of the other files."""
        summary = self.folder / "summary.csv"
        if not found.lines["runs.csv"] and not found.faults and _tells_of_runs(summary):
            raise StoreError(
                f"{self.folder / 'runs.csv'}: is missing or empty, although summary.csv lists finished runs; "
                f"restore it, or add --fresh, which moves the folder aside"
            )

    def append(
        self,
        runs: Sequence[Run],
        outcome: Outcome,
        probes: Iterable[str] = (),
        save_weights: str = "none",
        save_predictions: str = "classes",
    ) -> list[str]:
        """Store a finished pack, each file on the disk before the next: weights, other rows, and the runs' own rows last.

        `probes`, as words with their settings, `save_weights` and `save_predictions` are what its study asked for. A run
        that is there already, and was trained again for what it lacked, keeps what it had, but for probes that were
        measured with other settings: those rows move to lost+found.csv. Return a sentence on each that came out another.
        """
        self._holder.check()
        wanted = tuple(probes)
        digests = save(self.folder, runs, outcome, save_weights)
        made = {row.run_id: row for row in outcome.runs}
        own = {
            name: by_run(lines_of(rows).splitlines(keepends=True))
            for name, rows in (("epochs.csv", outcome.epochs), ("probes.csv", outcome.probes))
        }
        answers = {a.run_id: a for a in outcome.answers if save_predictions != "none"}
        before = self._before(made)
        if stale := {run_id: names for run_id, found in before.items() if (names := _other_settings(found, wanted))}:
            self._unmeasured(stale)
            before = self._before(made)
        held = self.store.predictions(thorough=True) if before else None
        sentences, lines, added = [], [], Added(self._examples)
        for run in runs:
            epochs, probed = (own[name].get(run.run_id, []) for name in ("epochs.csv", "probes.csv"))
            cells = [*cells_of(lines_of([made[run.run_id]])), *config_cells(run.config)]
            asked, kept = wanted, digests[run.run_id]
            answer = answers.get(run.run_id)
            if run.run_id in before and held is not None:
                stored, old = before[run.run_id], held.get(run.run_id)
                why = _differ(stored, line_of(cells), epochs, probed)
                if why := why or ("its predictions differ" if differ(answer, old) else None):
                    sentences.append(
                        f"{self.folder / 'runs.csv'}: {run.run_id} was trained again with a different result: {why}"
                    )
                    self._replace(run.run_id)
                    held, added.known = self.store.predictions(thorough=True), self._examples
                else:
                    row = seals.row_of(stored["runs.csv"][0])
                    there = dict.fromkeys(stored["probes.csv"])
                    own["epochs.csv"][run.run_id] = []
                    own["probes.csv"][run.run_id] = [line for line in probed if line not in there]
                    probed = [*there, *own["probes.csv"][run.run_id]]
                    asked = (*seals.words_taken(row, there), *wanted)
                    kept = {column: kept.get(column) or row[column] for column in (*COLUMNS_OF_WEIGHTS, "predictions")}
                    answer = richer(answer, old)
            if answer is not None:
                kept["predictions"] = added.add(answer, held)
            lines.append(line_of(seals.sealed(cells, epochs, list(dict.fromkeys(probed)), asked, kept)))
        for name in ("epochs.csv", "probes.csv"):
            self._append(name, "".join(line for rows in own[name].values() for line in rows))
        plain = [replace(row, row_digest="") for row in outcome.provenance]
        places = [replace(row, row_digest=seals.provenance_digest(lines_of([row]))) for row in plain]
        self._append("provenance.csv", lines_of(places))
        self._append_bytes(PREDICTIONS, bytes(added.content))
        self._append("runs.csv", "".join(lines))
        self._stored |= set(made)
        return sentences

    def _before(self, runs: Iterable[str]) -> dict[str, dict[str, list[str]]]:
        """Return the lines by file of those runs that are stored already."""
        stored = self._stored.intersection(runs)
        if not stored:
            return {}  # the usual case, in which the files are not read again
        found = {name: by_run(lines) for name, lines in self.store.held().lines.items()}
        return {run_id: {name: found[name].get(run_id, []) for name in COLUMNS} for run_id in stored}

    def _unmeasured(self, stale: Mapping[str, Collection[str]]) -> None:
        """Take probes, named by run, out of what stored runs have taken; at every moment each run is whole."""
        rows = []
        for run_id, stored in self._before(stale).items():
            cells, names = cells_of(stored["runs.csv"][0]), stale[run_id]
            kept = [line for line in stored["probes.csv"] if seals.probe_of(line) not in names]
            words = seals.words_taken(seals.row_of(stored["runs.csv"][0]), kept)
            words = tuple(word for word in words if name_of(word) not in names)
            rows.append(line_of(seals.sealed(cells, stored["epochs.csv"], kept, words)))
        self._append(
            "runs.csv", "".join(rows)
        )  # of several rows of a run the last one counts that its others agree with
        self.tidy()

    def _replace(self, run_id: str) -> None:
        """Move a stored run's rows to lost+found.csv."""
        found = self.store.held()
        for name in ("runs.csv", "epochs.csv", "probes.csv"):
            ours = [line.partition(",")[0] == run_id for line in found.lines[name]]
            pairs = list(zip(ours, found.numbers[name], found.lines[name], strict=True))
            found.lost += [Lost(name, number, DIFFERENT, line.rstrip("\n")) for its, number, line in pairs if its]
            found.lines[name] = [line for its, _, line in pairs if not its]
            found.numbers[name] = [number for its, number, _ in pairs if not its]
        self._tidy(found)

    def remove(self, run_ids: Collection[str], loose: Sequence[Path] = ()) -> None:
        """Take runs out of every file, and `loose` files of theirs; the caller has copied them aside, as a whole."""
        self._holder.check()
        removal.remove(self.folder, run_ids, loose)
        self._stored -= set(run_ids)
        self._tidy(self.store.held())

    def append_failures(self, failures: Sequence[Failure]) -> None:
        self._append("failures.csv", lines_of(failures))

    def _append(self, name: str, text: str) -> None:
        self._append_bytes(name, text.encode(), line_of(COLUMNS[name]).encode())

    def _append_bytes(self, name: str, content: bytes, header: bytes = b"") -> None:
        if not content:
            return
        path = self.folder / name
        try:
            files.append(path, content, header=header)
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be written ({error.strerror}); everything reported so far is kept; free some "
                f"space and run the same command again"
            ) from None

    def write(self, name: str, text: str) -> None:
        """Write a small file as a whole, study.yaml with its digest."""
        write_whole(self.folder / name, seals.signed(text) if name == "study.yaml" else text)

    def gather_predictions(self, parts: Iterable[bytes]) -> None:
        """Write predictions.bin as a whole, from parts that may stand in the file that it replaces."""
        gathered = iter(parts)
        if first := next(gathered, b""):
            try:
                files.write_parts_aside(self.folder / PREDICTIONS, chain([first], gathered))
            except OSError as error:
                raise StoreError(
                    f"{self.folder / PREDICTIONS}: cannot be written ({error.strerror}); free some space and run again"
                ) from None

    def tidy(self) -> None:
        """Rewrite the files in an order that depends on the rows alone, without what a kill left half done.

        Raises StoreError, before anything is written, where a file was edited.
        """
        removal.finish(self.folder)  # where Ctrl-C ended one
        self._tidy(self.store.held())

    def _tidy(self, found: Held) -> None:
        """Write what is lost first, so that at any moment it stands in one file or the other."""
        index = self.store.scanned()
        rows = (seals.row_of(line) for line in found.lines["runs.csv"])
        kept, gaps = arranged(index, {row["run_id"]: row["predictions"] for row in rows})
        lost = still_lost([*remembered(self.folder), *found.lost, *as_lines(self.folder, gaps)], found.lines)
        lost = without_found(self.folder, lost, kept)
        if lost:
            self.write(NAME, written(lost))
        for name, body in found.lines.items():
            if body or (self.folder / name).exists():
                self.write(name, line_of(COLUMNS[name]) + "".join(body))
        rewrite(self.folder, index, kept)
        self._examples = {record.digest for record in kept if not record.head.run_id}
        if not lost:
            with contextlib.suppress(OSError):
                files.remove(self.folder / NAME)


def _other_settings(stored: Mapping[str, Sequence[str]], wanted: Sequence[str]) -> set[str]:
    """Return the probes that a stored run has taken with other settings than those wanted."""
    taken = seals.words_taken(seals.row_of(stored["runs.csv"][0]), stored["probes.csv"])
    return {name_of(word) for word in taken if word not in wanted} & {name_of(word) for word in wanted}


def _differ(stored: Mapping[str, Sequence[str]], line: str, epochs: Sequence[str], probes: Sequence[str]) -> str | None:
    """Return in what a run that was trained again differs from its stored rows, None where it is the same."""
    if unsealed(stored["runs.csv"][0]) != unsealed(line):
        return "its row in runs.csv differs"
    if set(stored["epochs.csv"]) != set(epochs):
        return "its rows in epochs.csv differ"
    again = {seals.probe_of(x) for x in probes}
    if {x for x in stored["probes.csv"] if seals.probe_of(x) in again} - set(probes):
        return "its rows in probes.csv differ"
    return None


def write_whole(path: Path, text: str) -> None:
    """Write a file aside and rename it, unless it says so already; raises StoreError where it cannot be written."""
    try:
        files.write_aside(path, text.encode())
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); free some space and run again") from None


def _tells_of_runs(path: Path) -> bool:
    """Whether a summary.csv counts a run in any of its arms; one of a study that was interrupted early counts none."""
    try:
        text = files.read_bounded(path, MOST_SUMMARY).decode("utf-8", "replace")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); move it away") from None
    rows = csv.reader(text.splitlines()[1:])
    return any(row[1:3] != ["0", "0"] for row in rows)
