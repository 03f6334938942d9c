"""Stored runs by what is said of them: a run_id or its beginning, or conditions on the arm and the seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropexp.errors import StoreError, UsageError
from dropexp.experiment.design import Arm
from dropexp.experiment.identity import canonical
from dropexp.experiment.naming import label
from dropexp.experiment.study import Run, Study
from dropexp.experiment.vocabulary import near
from dropexp.quoting import clean, counted
from dropexp.store.folder import Store
from dropexp.study_files.arm_conditions import pick
from dropexp.study_files.path_values import pair
from dropexp.study_files.stored_arms import from_cells
from dropexp.train.checkpoint import FOLDER as CHECKPOINTS
from dropexp.workflow.reading import is_study, reading

if TYPE_CHECKING:
    from dropexp.analysis.tidy import Tidy

SEED = "seed"
SHOWN = 5  # runs that a message names


@dataclass(frozen=True)
class Match:
    """A study as it is read, and its finished runs that were asked for, each as (arm, row of the table of runs)."""

    folder: Path
    shown: Tidy
    note: str | None
    runs: tuple[tuple[Arm, dict[str, Any]], ...]

    @property
    def own(self) -> bool:
        """Whether dropexp trained the study."""
        return isinstance(self.shown.study, Study)

    def name(self, arm: Arm, seed: int) -> str:
        """Return what a run is called in a sentence."""
        axes = self.shown.axes
        return f"{label(arm, axes)}, seed {seed}" if axes else f"seed {seed}"


def runs_like(folder: Path, words: Sequence[str]) -> Match:
    """Return the runs of a study that meet every word, all where there is none.

    A word is PATH=VALUE, as `--arm` takes it, or seed=N, or a run_id: whole, its beginning, or the beginning of its last
    part. Raises UsageError where no run meets them, with what is near, and StoreError where the study cannot be read.
    """
    if not is_study(folder):
        raise UsageError(f"{folder}: is no study's folder; name one study, as in results/quickstart")
    shown, note = reading(folder, everything=True)
    names = [word for word in words if "=" not in word]
    said = [word for word in words if "=" in word]
    conditions = [word for word in said if (pair(word) or ("", ""))[0] != SEED]
    seeds = [word for word in said if word not in conditions]
    arms = {arm.arm_id: arm for arm in reversed(pick(shown.study, conditions, "run").arms)}
    rows: Any = shown.runs.sort_values("seed", kind="stable").to_dict("records")
    place = {arm.arm_id: i for i, arm in reversed(list(enumerate(shown.arms)))}
    every = sorted(
        ((arms[row["arm_id"]], row) for row in rows if row["arm_id"] in arms), key=lambda r: place[r[0].arm_id]
    )
    match = Match(folder, shown, note, tuple(every))
    for name in names:
        match = _named(match, name)
    for word in seeds:
        match = _of_seed(match, word)
    if not match.runs:
        raise StoreError(
            f"{folder}: no finished run{' of ' + ' '.join(words) if words else ''} yet; run its study again"
        )
    return match


def the_run(folder: Path, words: Sequence[str]) -> tuple[Match, Arm, dict[str, Any]]:
    """Return the one run that meets every word; raises UsageError as `runs_like` does, and where several meet them."""
    match = runs_like(folder, words)
    if len(match.runs) > 1:
        some = "; ".join(f"{row['run_id']} ({match.name(arm, row['seed'])})" for arm, row in match.runs[:SHOWN])
        more = f"; and {len(match.runs) - SHOWN} more" if len(match.runs) > SHOWN else ""
        asked = f"meet {' '.join(map(clean, words))}" if words else f"are in {folder}"
        raise UsageError(f"{len(match.runs)} runs {asked}: {some}{more}; name one, as in {_example(match)}")
    ((arm, row),) = match.runs
    return match, arm, row


def _example(match: Match) -> str:
    """Return the shortest words that name the first of some runs by its seed, or its run_id."""
    row = match.runs[0][1]
    alone = sum(other["seed"] == row["seed"] for _, other in match.runs) == 1
    return f"{SEED}={row['seed']}" if alone else str(row["run_id"]).rpartition("-")[2]


def _named(match: Match, name: str) -> Match:
    if not name:
        raise UsageError(f"an empty word names no run; 'dropexp inspect {match.folder.as_posix()}' lists them")
    every = {str(row["run_id"]): (arm, row) for arm, row in match.runs}
    if name in every:
        return Match(match.folder, match.shown, match.note, (every[name],))
    found = [
        run for run_id, run in every.items() if run_id.startswith(name) or run_id.rpartition("-")[2].startswith(name)
    ]
    if found:
        return Match(match.folder, match.shown, match.note, tuple(found))
    if match.own and (why := _unfinished(match, name)):
        raise UsageError(why)
    begins = {begin[: len(name)]: run_id for run_id in every for begin in (run_id.rpartition("-")[2], run_id)}
    guess = begins.get(near(name, begins) or "")
    hint = f"the nearest is {guess}" if guess else f"'dropexp inspect {match.folder.as_posix()}' lists them"
    raise UsageError(
        f"{match.folder}: no run begins with {clean(name)}; {hint}; a run is named by its run_id, or by "
        "PATH=VALUE and seed=N, as in rate=0.5 seed=0"
    )


def _unfinished(match: Match, name: str) -> str | None:
    """Return a sentence on a run that a study asks for and that has no result yet, None where `name` names none."""
    store, study = Store(match.folder), match.shown.study
    failures = {row["run_id"]: row for row in store.frame("failures.csv").to_dict("records")}
    again = f"'dropexp run {match.folder.as_posix()}/study.yaml' trains it"
    for run_id, row in failures.items():
        if run_id.startswith(name) or run_id.rpartition("-")[2].startswith(name):
            return f"{run_id}: failed on {row['ended'][:10]} with {clean(row['error'])}; {again} again"
    for run in study.runs() if isinstance(study, Study) else ():
        if run.run_id.startswith(name) or run.run_id.rpartition("-")[2].startswith(name):
            begun = (match.folder / CHECKPOINTS / f"{run.run_id}.checkpoint").is_file()
            return f"{run.run_id}: {'has begun and is not finished' if begun else 'is not trained yet'}; {again}"
    return None


def _of_seed(match: Match, word: str) -> Match:
    seed = word.partition("=")[2]
    found = tuple(run for run in match.runs if str(run[1]["seed"]) == seed)
    if not found:
        there = sorted({int(row["seed"]) for _, row in match.runs})
        known = ", ".join(map(str, there[:20])) + (" and others" if len(there) > 20 else "")
        raise UsageError(f"{clean(word)}: none of {counted(len(match.runs), 'run')} has it; seeds are {known}")
    return Match(match.folder, match.shown, match.note, found)


def stored_run(folder: Path, run_id: str) -> tuple[Run, dict[str, str]]:
    """Return a run of dropexp's own as its row in runs.csv has it, and the row's cells; its run_id is its configuration's."""
    row = next(row for row in Store(folder).cells() if row["run_id"] == run_id)  # which refuses a made-up run_id
    return Run(canonical(from_cells(row)), int(row["seed"]), row["arm_id"], row["run_id"]), row
