"""Stored runs trained again, from their configuration cells alone, and held against what is stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dropexp.analysis.consistency import Mismatch, Row, Stored, apart
from dropexp.data import Dataset, load, sizes
from dropexp.errors import DataError, Interrupted
from dropexp.experiment.config import Data
from dropexp.experiment.identity import canonical
from dropexp.experiment.layout import layout
from dropexp.experiment.packs import Size, pack_key
from dropexp.experiment.probes import AUDIT, again, complete, name_of, newest
from dropexp.experiment.sources import SOURCES
from dropexp.experiment.study import Run, Study
from dropexp.metrics import AVERAGED
from dropexp.records import Outcome
from dropexp.rows import COLUMNS, SEAL, cells_of, config_cells, line_of, lines_of
from dropexp.store.prediction_records import examples_record, run_record
from dropexp.store.seals import words_taken
from dropexp.study_files.stored_arms import from_cells
from dropexp.workflow.planning import Plan, pack
from dropexp.workflow.request import Options
from dropexp.workflow.running import Listener, outcomes

if TYPE_CHECKING:
    from dropexp.analysis.agreement import Compared

COMPARED = tuple(column.name for column in AVERAGED if column.metric.fraction and not column.noisy)
PLACE = ("epoch", "probe", "layer", "at")  # by which a row of a run in probes.csv is known
CIRCUMSTANCES = ("host", "device", "threads", "dropexp", "torch", "numpy")


class Again:
    """Trains stored runs again and compares."""

    def __init__(self, stored: Stored, study: Study, options: Options):
        self.stored, self.study, self.options = stored, study, options
        self.trained = 0
        self.equal: list[str] = []
        self.elsewhere: list[str] = []
        self.left: list[str] = []
        self.wrong: list[Mismatch] = []
        self.circumstances: set[str] = set()
        self._metrics: list[tuple[str, int, str, float, float]] = []

    def train(self, rows: Sequence[Row], listener: Listener) -> Iterator[tuple[list[Run], Outcome]]:
        """Yield (pack, outcome) of rows of runs.csv, from their configuration cells alone."""
        self.rows = {row["run_id"]: row for row in rows}
        configs = {row["run_id"]: canonical(from_cells(row.cells)) for row in rows}
        runs = [Run(configs[r["run_id"]], int(r["seed"]), r["arm_id"], r["run_id"]) for r in rows]
        datasets = self._datasets(runs)
        runs = [run for run in runs if run.config.data.as_read in datasets and self._same_data(run, datasets)]
        predicted = "probabilities" if any(row["predictions"] for row in rows) else "none"  # which hold the classes too
        parts: dict[tuple[str, ...], list[Run]] = {}
        for run in runs:
            words = filter(None, map(again, self._taken(run.run_id)))
            parts.setdefault(tuple(newest(words)), []).append(run)
        done = 0
        for probes, members in parts.items():
            study = replace(self.study, probes=probes, save_weights="none", save_predictions=predicted)
            others = len(self.stored.runs) - len(members)
            for found in self._train(Plan(study, datasets, {}, {}, members, others), listener):
                done += len(found[0])
                yield found
        if done < len(runs):
            raise Interrupted(f"interrupted: {done} of {len(runs)} runs trained again; nothing was changed")

    def _train(self, made: Plan, listener: Listener) -> Iterator[tuple[list[Run], Outcome]]:
        for run in made.todo:
            key, data = pack_key(run.config), made.datasets[run.config.data.as_read]
            made.layouts[key] = layout(run.config, data.example, len(data.classes))
            made.sizes[key] = Size(*sizes(run.config.data, len(data.y), data.n_test))
        pack(made, replace(self.options, fresh=True))
        listener.started(made)
        for members, outcome in outcomes(made, self.options, listener, None):
            listener.finished(members)
            yield members, outcome

    def _taken(self, run_id: str) -> tuple[str, ...]:
        """Return the words for the probes that a stored run has taken."""
        return words_taken(self.rows[run_id].cells, [f"{row.text}\n" for row in self.stored.probes.get(run_id, ())])

    def _datasets(self, runs: Sequence[Run]) -> dict[str, Dataset]:
        """Load what the runs were trained on: built-in sets by name, a user's files by their content."""
        own: dict[str | None, str] = {}  # sha256 -> the path at which the study has that content
        made: dict[str, Dataset] = {}
        found: dict[str, Dataset] = {}
        problems: dict[str, str] = {}

        def read(data: Data) -> Dataset:
            if data.as_read not in made:
                made[data.as_read] = load(data, folder=self.study.folder, data_dir=self.options.data_dir)
            return made[data.as_read]

        for data in self.study.readings.values():
            if data.source not in SOURCES:
                try:
                    own[read(data).sha256] = data.source
                except DataError as error:
                    problems[data.source] = error.messages[0]
        for data in dict.fromkeys(run.config.data for run in runs):
            if data.as_read in found:
                continue
            here = data if data.source in SOURCES else data.model_copy(update={"source": own.get(data.sha256)})
            if here.source is not None:
                try:
                    found[data.as_read] = read(here)
                except DataError as error:
                    problems[data.source] = error.messages[0]
        lost = {run.config.data.source for run in runs if run.config.data.as_read not in found}
        self.left += [
            problems.get(s, f"{s}: its content has changed since, or study.yaml no longer names it") for s in lost
        ]
        return found

    def _same_data(self, run: Run, datasets: dict[str, Dataset]) -> bool:
        data = run.config.data
        if data.source in SOURCES or datasets[data.as_read].sha256 == data.sha256:
            return True
        self.left.append(f"{run.run_id}: {data.source} has changed since")
        return False

    def compare(self, done: tuple[list[Run], Outcome]) -> None:
        """Hold a pack that was trained again against what is stored."""
        members, outcome = done
        self.trained += len(members)
        for run in members:
            row = self.rows[run.run_id]
            if outcome.error is not None:
                self.wrong.append(
                    Mismatch("runs.csv", row.line, "", "", "", f"it failed when trained again: {outcome.error}")
                )
                continue
            found = list(self._differences(run, row, outcome))
            elsewhere = self._circumstances(run, outcome) if found else []
            self.equal += [run.run_id] if not found else []
            if found and elsewhere:
                self.elsewhere.append(run.run_id)
                self.circumstances |= set(elsewhere)
                self._remember(run, row, outcome)
            else:
                self.wrong += found

    def _differences(self, run: Run, row: Row, outcome: Outcome) -> Iterator[Mismatch]:
        why = "trained again"
        result = next(r for r in outcome.runs if r.run_id == run.run_id)
        made = dict(zip(COLUMNS["runs.csv"], [*cells_of(lines_of([result])), *config_cells(run.config)], strict=True))
        made |= {column: row[column] for column in SEAL}  # it speaks of the stored rows, which are compared themselves
        yield from apart("runs.csv", row, _row("runs.csv", line_of(made.values()).rstrip("\n")), why)
        if row["predictions"] and row["predictions"] not in (again := _digests(run.run_id, outcome)):
            yield Mismatch(
                "runs.csv",
                row.line,
                "predictions",
                row["predictions"],
                again[0],
                f"{why}, its record in predictions.bin",
            )
        taken = {name_of(word): word for word in self._taken(run.run_id)}
        older = {name for name, word in taken.items() if complete(word) != word}  # which measured less
        there = {tuple(r[c] for c in PLACE) for r in self.stored.probes.get(run.run_id, ())}
        probes = [
            r for r in outcome.probes
            if r.run_id == run.run_id
            and (r.probe in taken or r.probe.startswith(AUDIT))
            and (r.probe not in older or tuple(str(getattr(r, c)) for c in PLACE) in there)
        ]  # fmt: skip
        epochs = [r for r in outcome.epochs if r.run_id == run.run_id]
        for file, own, lines in (
            ("epochs.csv", self.stored.epochs, lines_of(epochs)), ("probes.csv", self.stored.probes, lines_of(probes)),
        ):  # fmt: skip
            stored, anew = own.get(run.run_id, ()), lines.splitlines()
            for before, after in zip(stored, anew, strict=False):
                yield from apart(file, before, _row(file, after), why)
            if len(stored) != len(anew):
                line = stored[-1].line if stored else 0
                yield Mismatch(file, line, "", f"{len(stored)} rows", f"{len(anew)} rows", f"{run.run_id}, {why}")

    def _circumstances(self, run: Run, outcome: Outcome) -> list[str]:
        """Return in what the run was trained otherwise than here and now."""
        now = next(p for p in outcome.provenance if p.run_id == run.run_id)
        for row in self.stored.provenance.get(run.run_id, ()):
            return [
                f"{name} {row[name]} then, {getattr(now, name)} now"
                for name in CIRCUMSTANCES
                if row[name] != str(getattr(now, name))
            ]
        return []

    def _remember(self, run: Run, row: Row, outcome: Outcome) -> None:
        result = next(r for r in outcome.runs if r.run_id == run.run_id)
        for metric in COMPARED:
            number = getattr(result, metric)
            if row[metric] and number is not None:
                self._metrics.append((run.arm_id, run.seed, metric, float(row[metric]), float(number)))

    def arms(self) -> list[Compared]:
        """Return the arms of runs that were trained elsewhere, stored and again."""
        from dropexp.analysis.agreement import compared

        return compared(self._metrics)


def _digests(run_id: str, outcome: Outcome) -> tuple[str, ...]:
    """Return the digests that a run's record in predictions.bin may have: of classes alone, and of probabilities too."""
    for answers in outcome.answers:
        if answers.run_id == run_id:
            key = examples_record(answers)[1]
            return tuple(run_record(answers, key, probabilities=kept)[1] for kept in (False, True))
    return ("",)


def _row(file: str, text: str) -> Row:
    return Row(0, text, dict(zip(COLUMNS[file], cells_of(text), strict=True)))
