"""Whether a study's files agree with each other: every number that is stored twice, follows from others, or has a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dropexp.errors import DropexpError
from dropexp.experiment.config import Config
from dropexp.experiment.identity import arm_id, canonical, run_id
from dropexp.experiment.probes import AUDIT, PROBES
from dropexp.experiment.schedules import rate_in_force
from dropexp.metrics import EPOCHS, RUNS
from dropexp.records import EpochRow, RunRow
from dropexp.rows import CONFIG_COLUMNS, cell, config_cells, names
from dropexp.stopping import Stopper
from dropexp.study_files.stored_arms import from_cells

NAMES = ("run_id", "arm_id", "seed")
AT_SELECTED = tuple(name for name in names(RunRow) if name in names(EpochRow) and name not in NAMES)
FINAL = {name: column.last for name, column in RUNS.items() if column.last}
DIFFERENCES = {name: column.of for name, column in RUNS.items() if column.of}


@dataclass(frozen=True)
class Mismatch:
    """A cell with a wrong value: where it is, what is stored, what was expected, and why."""

    file: str
    line: int
    column: str
    stored: str
    expected: str
    why: str


@dataclass(frozen=True)
class Row:
    """A line of a file, counted from 1, as text and as cells."""

    line: int
    text: str
    cells: Mapping[str, str] = field(repr=False)

    def __getitem__(self, column: str) -> str:
        return self.cells[column]


@dataclass(frozen=True)
class Stored:
    """A study's files as rows; those of files with several rows per run are grouped by run."""

    runs: Sequence[Row]
    epochs: Mapping[str, Sequence[Row]]
    probes: Mapping[str, Sequence[Row]]
    provenance: Mapping[str, Sequence[Row]]


def mismatches(stored: Stored) -> Iterator[Mismatch]:
    """Yield what does not agree, run by run, then rows that belong to no run in runs.csv."""
    seen: dict[str, int] = {}
    for run in stored.runs:
        name = run["run_id"]
        if name in seen:
            yield Mismatch("runs.csv", run.line, "run_id", name, "", f"the run is already in line {seen[name]}")
            continue
        seen[name] = run.line
        config = _config(run.cells)
        if config is None or arm_id(config) != run["arm_id"]:
            yield _edited(run, stored.runs)
        if config is None:
            continue
        epochs = stored.epochs.get(name, ())
        yield from _named(run, config)
        yield from _counted(run, epochs)
        for row in epochs:
            yield from _epoch(run, row, config)
        yield from _result(run, epochs)
        yield from _stopped(run, epochs, config)
        yield from _probed(run, stored.probes.get(name, ()))
        if (n := len(stored.provenance.get(name, ()))) != 1:
            yield Mismatch("provenance.csv", 0, "run_id", str(n), "1", f"rows of {name}")
    for file, rows in (
        ("epochs.csv", stored.epochs),
        ("probes.csv", stored.probes),
        ("provenance.csv", stored.provenance),
    ):
        for name, own in rows.items():
            if name not in seen:
                why = "no such run in runs.csv; if the study was killed, repeating its command removes the row"
                yield Mismatch(file, own[0].line, "run_id", name, "", why)


def _config(cells: Mapping[str, str]) -> Config | None:
    try:
        return canonical(from_cells(cells))
    except (ValueError, KeyError, TypeError, DropexpError):
        return None


def _edited(run: Row, runs: Sequence[Row]) -> Mismatch:
    """Return the configuration cell that makes the run's name again with another row's value or with its default.

    Where no single cell does, it is the name itself that does not fit.
    """
    plain = dict(zip(CONFIG_COLUMNS, config_cells(Config()), strict=True))
    for column in CONFIG_COLUMNS:
        for value in dict.fromkeys([*(row[column] for row in runs), plain[column]]):
            config = _config({**run.cells, column: value}) if value != run[column] else None
            if config is not None and arm_id(config) == run["arm_id"]:
                return Mismatch("runs.csv", run.line, column, run[column], value, "which makes the run's arm_id")
    why = "not the name that the configuration's cells make"
    config = _config(run.cells)
    return Mismatch("runs.csv", run.line, "arm_id", run["arm_id"], "" if config is None else arm_id(config), why)


def _named(run: Row, config: Config) -> Iterator[Mismatch]:
    """The names follow from the configuration, and the configuration's cells from their values."""
    for column, expected in zip(CONFIG_COLUMNS, config_cells(config), strict=True):
        if run[column] != expected:
            yield Mismatch("runs.csv", run.line, column, run[column], expected, "as the configuration is spelt")
    if not run["seed"].isdigit():
        yield Mismatch("runs.csv", run.line, "seed", run["seed"], "", "no whole number")
        return
    if arm_id(config) == run["arm_id"]:
        yield from _same(
            "runs.csv", run, "run_id", run_id(config, int(run["seed"])), "made from configuration and seed"
        )


def _same(file: str, row: Row, column: str, expected: str, why: str) -> Iterator[Mismatch]:
    if row[column] != expected:
        yield Mismatch(file, row.line, column, row[column], expected, why)


def _counted(run: Row, epochs: Sequence[Row]) -> Iterator[Mismatch]:
    """Each of the epochs 1 to epochs_run stands once, in order."""
    wanted = int(run["epochs_run"]) if run["epochs_run"].isdigit() else -1
    if len(epochs) != wanted:
        why = f"rows of {run['run_id']} in epochs.csv"
        yield Mismatch("runs.csv", run.line, "epochs_run", run["epochs_run"], str(len(epochs)), why)
    for number, row in enumerate(epochs, 1):
        yield from _same("epochs.csv", row, "epoch", str(number), "epochs count from 1, each once")


def _epoch(run: Row, row: Row, config: Config) -> Iterator[Mismatch]:
    for column in ("arm_id", "seed"):
        yield from _same("epochs.csv", row, column, run[column], "as in runs.csv")
    for column in DIFFERENCES:
        if column in EPOCHS:
            yield from _difference("epochs.csv", row, column)
    if row["epoch"].isdigit():
        rate = rate_in_force(config.dropout, int(row["epoch"]))
        yield from _same("epochs.csv", row, "rate", cell(rate), "dropout.rate by its schedule")


def _difference(file: str, row: Row, column: str) -> Iterator[Mismatch]:
    a, b = (_number(row[name]) for name in DIFFERENCES[column])
    expected = "" if a is None or b is None else cell(a - b)
    yield from _same(file, row, column, expected, " minus ".join(DIFFERENCES[column]))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _result(run: Row, epochs: Sequence[Row]) -> Iterator[Mismatch]:
    """The run's metrics are those of its selected and of its last finite epoch."""
    place = int(run["selected_epoch"]) if run["selected_epoch"].isdigit() else 0
    chosen = epochs[place - 1] if 0 < place <= len(epochs) else None
    for column in AT_SELECTED:
        expected = "" if chosen is None else chosen[column]
        yield from _same("runs.csv", run, column, expected, f"as in epoch {place} of epochs.csv")
    lasting = epochs[: len(epochs) - (run["stop_reason"] == "diverged")]
    for column, name in FINAL.items():
        yield from _same(
            "runs.csv", run, column, lasting[-1][name] if lasting else "", "as in the last epoch of epochs.csv"
        )
    for column in DIFFERENCES:
        yield from _difference("runs.csv", run, column)


def _stopped(run: Row, epochs: Sequence[Row], config: Config) -> Iterator[Mismatch]:
    """The stopping rule, replayed over the stored epochs, ends and selects where the run did."""
    stop = config.early_stopping
    stopper, reason = Stopper(stop.patience, stop.monitor, stop.min_delta, stop.start_from_epoch), ""
    diverged = run["stop_reason"] == "diverged"
    lasting = epochs[: len(epochs) - diverged]
    for number, row in enumerate(lasting, 1):
        stopper = stopper.observe(_number(row[stop.monitor]))
        reason = "patience" if stopper.stopped else "max_epochs" if number >= config.training.epochs else ""
        if reason and (number < len(lasting) or diverged):
            why = f"by the stopping rule the run ends after epoch {number}"
            yield Mismatch("runs.csv", run.line, "epochs_run", run["epochs_run"], str(number), why)
            return
    if not diverged:
        yield from _same("runs.csv", run, "stop_reason", reason or "diverged", "by the stopping rule, replayed")
    selected = (len(epochs) - 1 or None) if diverged else stopper.selected_epoch
    yield from _same("runs.csv", run, "selected_epoch", cell(selected), "by the stopping rule, replayed")


def _probed(run: Row, rows: Sequence[Row]) -> Iterator[Mismatch]:
    seen: set[tuple[str, ...]] = set()
    last = int(run["epochs_run"]) if run["epochs_run"].isdigit() else 0
    for row in rows:
        key = (row["epoch"], row["probe"], row["layer"], row["at"])
        if key in seen:
            yield Mismatch("probes.csv", row.line, "layer", row["layer"], "", "the same probe twice in an epoch")
        seen.add(key)
        if row["probe"] not in PROBES and not row["probe"].startswith(AUDIT):
            yield Mismatch("probes.csv", row.line, "probe", row["probe"], " | ".join(PROBES), "no such probe")
        first = int(row["probe"] not in PROBES or "start" not in PROBES[row["probe"]].moments)
        if not row["epoch"].isdigit() or not first <= int(row["epoch"]) <= last:
            yield Mismatch("probes.csv", row.line, "epoch", row["epoch"], f"{first} to {last}", "the run's epochs")


def apart(file: str, row: Row, expected: Row, why: str) -> Iterator[Mismatch]:
    """Yield every cell in which a row differs from what it should be; at least one where the bytes differ."""
    if row.text == expected.text:
        return
    cells = [c for c in row.cells if row[c] != expected.cells.get(c)]
    for column in cells:
        yield Mismatch(file, row.line, column, row[column], expected.cells.get(column, ""), why)
    if not cells:
        yield Mismatch(file, row.line, "", row.text, expected.text, f"{why}; spelt in another way")


def table(
    file: str, text: str, columns: Sequence[str], read: Callable[[str], list[str]]
) -> tuple[list[Row], list[Mismatch]]:
    """Return a file's complete lines as rows, and its other lines; `read` splits a line."""
    lines = text.split("\n")
    ended = lines.pop() == ""
    if not ended:
        lines.append(text.rpartition("\n")[2])
    found: list[Row] = []
    wrong: list[Mismatch] = []
    if lines and read(lines[0]) != list(columns):
        stray = next((c for c in read(lines[0]) if c not in columns), "") or lines[0]
        wrong.append(
            Mismatch(
                file, 1, "", stray, "", "the header is from another version; repeating the study's command rewrites it"
            )
        )
        return [], wrong
    for number, line in enumerate(lines[1:], 2):
        cells = read(line)
        if len(cells) != len(columns) or (number == len(lines) and not ended):
            why = "incomplete line; if the study was killed, repeating its command removes it"
            wrong.append(Mismatch(file, number, "", line[-60:], f"{len(columns)} cells", why))
        else:
            found.append(Row(number, line, dict(zip(columns, cells, strict=True))))
    return found, wrong
