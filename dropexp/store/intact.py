"""Which stored runs are whole: the rows of several files held against what each run's own row says of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from dropexp.rows import COLUMNS, DEPENDENT, cells_of, epoch_of, run_key
from dropexp.store.csv_lines import TORN, Found, Lost, read_lines
from dropexp.store.seals import covered, order_of, provenance_digest, row_of, rows_fault

ORPHAN = "its run has no row in runs.csv"
SHOWN = 5  # sentences of a kind
OVER = "belongs to a probe that the row of its run does not name"


@dataclass(frozen=True)
class Fault:
    """A run whose rows are not those that were stored: its line in runs.csv, and what is wrong."""

    run_id: str
    line: int
    why: str


@dataclass
class Held:
    """What a folder holds: the rows of whole runs by file, in order, with their lines' numbers; the faults; what is lost.

    The order depends on the rows alone: configuration columns from left to right, then seed, then epoch.
    """

    folder: Path
    lines: dict[str, list[str]] = field(default_factory=dict)
    numbers: dict[str, list[int]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)

    def doubts(self) -> list[str]:
        """Return a sentence on each run that is left out, and on each line that is no row."""
        # what a kill leaves, and what is told by run
        known = {TORN, ORPHAN, OVER, *(fault.why for fault in self.faults)}
        lines = [f"{self.folder / x.file}:{x.line}: {x.why}" for x in self.lost if x.why not in known]
        return [
            f"{self.folder / 'runs.csv'}:{fault.line}: {fault.run_id}: {fault.why}" for fault in self.faults
        ] + lines


def held(folder: Path) -> Held:
    """Return what a folder holds. Raises StoreError as `read_lines` does.

    runs.csv is read first: a run that another process stores meanwhile has its other rows before its own.
    """
    found = {name: read_lines(folder / name) for name in reversed(COLUMNS)}
    made = Held(folder, lost=[x for name in COLUMNS for x in found[name].lost])
    places = {name: _by_run(found[name].lines) for name in COLUMNS}
    _without_edits(found["provenance.csv"], places["provenance.csv"], made)
    kept: dict[str, dict[str, list[int]]] = {name: {} for name in COLUMNS}  # by run, the places of the lines that count
    for run_id, own in places["runs.csv"].items():
        at, fault = _whole(run_id, own, found, places)
        if fault is not None:
            made.faults.append(Fault(run_id, found["runs.csv"].numbers[own[-1]], fault))
            for name in ("runs.csv", "epochs.csv", "probes.csv"):
                made.lost += _lost(name, found[name], places[name].get(run_id, []), fault)
            continue
        kept["runs.csv"][run_id] = [at]
    order = sorted(kept["runs.csv"], key=lambda run_id: run_key(found["runs.csv"].lines[kept["runs.csv"][run_id][0]]))
    for name in DEPENDENT:
        _count(name, found, places, kept, made)
    kept["failures.csv"] = {"": list(range(len(found["failures.csv"].lines)))}
    for name in COLUMNS:
        runs: Iterable[str] = [""] if name == "failures.csv" else order
        at_ = [i for run_id in runs for i in kept[name].get(run_id, ())]
        made.lines[name] = [found[name].lines[i] for i in at_]
        made.numbers[name] = [found[name].numbers[i] for i in at_]
    return made


def _by_run(lines: Sequence[str]) -> dict[str, list[int]]:
    """Return the places of each run's lines."""
    found: dict[str, list[int]] = {}
    at = 0
    for run_id, own in groupby(lines, lambda line: line.partition(",")[0]):
        count = sum(1 for _ in own)
        found.setdefault(run_id, []).extend(range(at, at + count))
        at += count
    return found


def _whole(
    run_id: str, own: Sequence[int], found: dict[str, Found], places: dict[str, dict[str, list[int]]]
) -> tuple[int, str | None]:
    """Return the place of the row that counts, the last one that its other rows agree with, and what is wrong if none."""
    epochs, probes = (
        [found[name].lines[i] for i in places[name].get(run_id, ())] for name in ("epochs.csv", "probes.csv")
    )
    epochs, fault = list(dict.fromkeys(epochs)), None
    for at in reversed(own):  # several where a run was trained once more for probes or weights that it lacked
        row = row_of(found["runs.csv"].lines[at])
        why = rows_fault(row, epochs, covered(row, probes) if row["rows_digest"] else probes)
        if why is None:
            return at, None
        fault = fault or why
    return own[-1], fault


def _count(
    name: str,
    found: dict[str, Found],
    places: dict[str, dict[str, list[int]]],
    kept: dict[str, dict[str, list[int]]],
    made: Held,
) -> None:
    """Keep the lines that whole runs' rows speak of, each once and in the order of epochs; the others are lost."""
    lines = found[name].lines
    epoch = COLUMNS[name].index("epoch") if "epoch" in COLUMNS[name] else None
    faulty = {fault.run_id for fault in made.faults}
    for run_id, own in places[name].items():
        if run_id not in kept["runs.csv"]:
            if run_id not in faulty or name == "provenance.csv":
                made.lost += _lost(name, found[name], own, ORPHAN)
            continue
        once = list({lines[i]: i for i in reversed(own)}.values())[::-1]
        if epoch is None:
            once = once[-1:]  # how a run was last trained
        elif name == "probes.csv":
            row = row_of(found["runs.csv"].lines[kept["runs.csv"][run_id][0]])
            if row["rows_digest"]:
                counts = set(covered(row, [lines[i] for i in once]))
                made.lost += _lost(name, found[name], [i for i in once if lines[i] not in counts], OVER)
                once = [i for i in once if lines[i] in counts]
        if name == "probes.csv":
            kept[name][run_id] = sorted(once, key=lambda i: order_of(lines[i]))
        else:
            kept[name][run_id] = sorted(once, key=lambda i: epoch_of(lines[i], epoch))


def _lost(name: str, found: Found, own: Iterable[int], why: str) -> list[Lost]:
    return [Lost(name, found.numbers[i], why, found.lines[i].rstrip("\n")) for i in own]


def _without_edits(found: Found, places: dict[str, list[int]], made: Held) -> None:
    """Take out of provenance.csv the rows that are not what was written; those of versions before 0.3.0 cannot be told."""
    for run_id, own in list(places.items()):
        for i in list(own):
            line = found.lines[i]
            stated = dict(zip(COLUMNS["provenance.csv"], cells_of(line), strict=True))["row_digest"]
            if stated and stated != provenance_digest(line):
                own.remove(i)
                made.lost += _lost(
                    "provenance.csv", found, [i], f"{run_id[:120]}: differs from what was written (row_digest)"
                )
        if not own:
            del places[run_id]


def few(sentences: Sequence[str]) -> list[str]:
    """Return the first of many sentences, and how many more there are."""
    more = [f"and {len(sentences) - SHOWN} more like these"] if len(sentences) > SHOWN else []
    return [*sentences[:SHOWN], *more]
