"""Verification: a study's files held against each other, and its runs trained again and compared byte for byte."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from dropexp.analysis.consistency import Mismatch, Row, Stored, mismatches
from dropexp.errors import DropexpError, StoreError
from dropexp.experiment.identity import canonical
from dropexp.experiment.probes import PROBES, again, complete, epochs_of, name_of
from dropexp.experiment.study import Study
from dropexp.rows import COLUMNS, CONFIG_COLUMNS, DEPENDENT, cells_of
from dropexp.store.csv_lines import read_lines
from dropexp.store.folder import Store
from dropexp.store.intact import held
from dropexp.store.lock import LOCK
from dropexp.store.seals import row_of, words_taken
from dropexp.store.weights import COLUMNS_OF_WEIGHTS, column_of, weights_fault
from dropexp.study_files.parse import parse
from dropexp.study_files.stored_arms import from_cells
from dropexp.study_files.yaml_reader import read
from dropexp.workflow.request import Options
from dropexp.workflow.retraining import Again
from dropexp.workflow.running import Listener
from dropexp.workflow.verifying_answers import LATER, lacking, predicted
from dropexp.workflow.verifying_sums import made_again, registered

if TYPE_CHECKING:
    from dropexp.analysis.agreement import Compared

HERE, QUIET = Options(), Listener()
FILES = ("runs.csv", *DEPENDENT)
GONE = "its rows are missing"


@dataclass(frozen=True)
class Verified:
    """What verification found in a study's folder.

    Of `chosen` runs so many were `trained` again: `equal` ones to the same bytes; `elsewhere` ones were not, and come from
    other `circumstances`, so that their arms are compared instead; `left` says why runs could not be trained again.
    """

    folder: Path
    runs: int
    epochs: int
    chosen: int
    trained: int
    seed: int
    equal: tuple[str, ...]
    elsewhere: tuple[str, ...]
    circumstances: tuple[str, ...]
    arms: tuple[Compared, ...]
    left: tuple[str, ...]
    mismatches: tuple[Mismatch, ...]

    @property
    def fine(self) -> bool:
        """Whether all that was to be verified was, and agrees: a run that could not be trained again is not verified."""
        whole = self.runs > 0 and self.trained == self.chosen
        return whole and not self.left and not self.mismatches and not any(arm.differs for arm in self.arms)


def verify(
    folder: Path, sample: int | None = 5, seed: int = 0, options: Options = HERE, listener: Listener = QUIET
) -> Verified:
    """Check a study's files and train `sample` of its runs again, drawn by `seed`, or all where it is None.

    Nothing in the folder is changed. Raises StoreError where there is no study or somebody writes it, Interrupted.
    """
    _nobody_writes(folder)
    rows, wrong = {}, []
    for name in FILES:
        rows[name], torn = _rows(folder, name)
        wrong += torn
    wrong += predicted(folder)
    stored = Stored(rows["runs.csv"], *(_by_run(rows[name]) for name in FILES[1:]))
    wrong += mismatches(stored)
    study, unread = _study(folder, stored)
    wrong += unread
    wrong += _sealed(folder, study)
    wrong += registered(folder, stored)
    if study is not None:
        wrong += made_again(folder, stored)
        wrong += _asked(study, stored)
        wrong += lacking(folder, study)
    named = ("run_id", "arm_id", "seed", *CONFIG_COLUMNS)  # where these are wrong, nothing can be trained from them
    bad = {m.line for m in wrong if m.file == "runs.csv" and m.column in named}
    chosen = [row for row in stored.runs if row.line not in bad]
    if sample is not None:
        chosen = random.Random(seed).sample(chosen, min(sample, len(chosen)))
    again = Again(stored, study or Study("", folder, from_cells({}), (), (), ()), options)
    for outcome in again.train(chosen, listener) if chosen else ():
        again.compare(outcome)
    wrong += again.wrong
    return Verified(
        folder, len(stored.runs), len(rows["epochs.csv"]), len(chosen), again.trained, seed,
        tuple(again.equal), tuple(again.elsewhere), tuple(sorted(again.circumstances)), tuple(again.arms()), tuple(again.left),
        _each_once(wrong),
    )  # fmt: skip


def _each_once(wrong: Sequence[Mismatch]) -> tuple[Mismatch, ...]:
    """Return differences by place, a cell that two checks expect the same of once."""
    first: dict[tuple[object, ...], Mismatch] = {}
    for m in wrong:
        first.setdefault((m.file, m.line, m.column, m.expected, m.why if not m.expected or not m.line else ""), m)
    return tuple(sorted(first.values(), key=lambda m: (m.file, m.line, m.column)))


def _nobody_writes(folder: Path) -> None:
    if not (folder / "runs.csv").is_file():
        raise StoreError(f"{folder}: no runs.csv here, so there is nothing to verify; name results/ or results/<study>")
    if (folder / LOCK).exists():
        lock = FileLock(str(folder / LOCK))
        try:
            lock.acquire(timeout=0)
            lock.release()
        except Timeout:
            raise StoreError(
                f"{folder}: another dropexp command is writing here; verify when it has finished"
            ) from None
        except OSError:
            return  # a folder that may only be read is written by nobody


def _rows(folder: Path, name: str) -> tuple[list[Row], list[Mismatch]]:
    """Return a file's rows with their lines, and its lines that are none."""
    try:
        found = read_lines(folder / name, names=False)
    except StoreError as error:
        return [], [Mismatch(name, 0, "", "", "", str(error))]
    none = [
        Mismatch(name, lost.line, "", lost.text[-60:], "", f"not a complete line: {lost.why}") for lost in found.lost
    ]
    none += [Mismatch(name, line, "", "", "", "not written the way dropexp writes it") for line in found.respelt]
    rows = zip(found.numbers, found.lines, strict=True)
    columns = COLUMNS[name]
    return [Row(number, line[:-1], dict(zip(columns, cells_of(line), strict=True))) for number, line in rows], none


def _sealed(folder: Path, study: Study | None) -> Iterator[Mismatch]:
    """Yield the runs whose rows or weights are not what their row in runs.csv says of them, or study.yaml asks for."""
    try:
        found = held(folder)
    except StoreError:
        return  # it was told of the file
    if why := Store(folder).study_fault():
        yield Mismatch("study.yaml", 0, "", "", "", why)
    for fault in found.faults:
        yield Mismatch("runs.csv", fault.line, "rows_digest", "", "", f"{fault.run_id}: {fault.why}")
    asked = {run.run_id: column_of(study.save_weights) for run in study.runs()} if study is not None else {}
    for line, number in zip(found.lines["runs.csv"], found.numbers["runs.csv"], strict=True):
        row = row_of(line)
        for column in COLUMNS_OF_WEIGHTS:
            wanted = column == asked.get(row["run_id"])
            if (row[column] or wanted) and (why := weights_fault(folder, row, column)):
                yield Mismatch("runs.csv", number, column, "", "", f"{why}; {LATER}" if wanted else why)


def _by_run(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["run_id"], []).append(row)
    return found


def _study(folder: Path, stored: Stored) -> tuple[Study | None, list[Mismatch]]:
    arms = {row["arm_id"]: row.cells for row in stored.runs}
    try:
        return parse(read(folder / "study.yaml"), folder=folder, large=True, rows=arms), []
    except DropexpError as error:
        return None, [Mismatch("study.yaml", 0, "", "", "", message) for message in error.messages]


def _asked(study: Study, stored: Stored) -> Iterator[Mismatch]:
    """Yield what study.yaml asks for and the folder lacks: files as a whole, epochs of a probe."""
    rows = {row["run_id"]: row for row in stored.runs}
    for name, own in zip(FILES[1:], (stored.epochs, stored.probes, stored.provenance), strict=True):
        if rows and not own and name != "probes.csv":
            yield Mismatch(name, 0, "", "", "", f"is missing or empty, but runs.csv holds {len(rows)} runs")
    every = study.with_seeds(study.grow.grow_to) if study.grow else study
    for run in every.runs():
        row = rows.get(run.run_id)
        if row is None or not row["epochs_run"].isdigit():
            continue
        wanted = {name_of(word): word for word in study.probes if PROBES[name_of(word)].measures(canonical(run.config))}
        yield from _probes(row, stored.probes.get(run.run_id, ()), wanted)


def _probes(run: Row, rows: Sequence[Row], wanted: Mapping[str, str]) -> Iterator[Mismatch]:
    """Yield what a run lacks of the probes that are wanted, by name, and of those that its row says were taken."""
    epochs: dict[str, set[int]] = {}
    for row in rows:
        if row["epoch"].isdigit():
            epochs.setdefault(row["probe"], set()).add(int(row["epoch"]))
    words = words_taken(run.cells, [f"{row.text}\n" for row in rows])
    taken = {name_of(word): word for word in words if name_of(word) in epochs or name_of(word) in wanted}
    selected = int(run["selected_epoch"]) if run["selected_epoch"].isdigit() else None
    whole = run["probe_rows"] == str(len(rows))  # a probe may find nothing to measure, as in too few examples
    for name in dict.fromkeys([*wanted, *taken]):
        word, why = taken.get(name, ""), LATER if name in wanted else GONE
        if name in wanted and complete(word) != complete(wanted[name]):
            lacking = f"measured as {word!r}" if word else "every epoch"
            yield Mismatch("probes.csv", 0, "probe", word, wanted[name], f"{run['run_id']}, {lacking}; {why}")
        elif again(word) is not None and (name in epochs or not whole):
            due = epochs_of(word, int(run["epochs_run"]), selected, run["stop_reason"] == "diverged")
            if gone := sorted(due - epochs.get(name, set())):
                some = f"epochs {gone[0]} to {gone[-1]}" if name in epochs else "every epoch"
                yield Mismatch("probes.csv", 0, "probe", "", name, f"{run['run_id']}, {some}; {why}")
