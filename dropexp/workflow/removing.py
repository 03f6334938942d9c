"""Runs or a whole study moved aside, never deleted, and put back: design.csv goes on, so that what was seen stays seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dropexp.errors import UsageError
from dropexp.experiment.naming import label
from dropexp.experiment.study import Study
from dropexp.files import make_folders
from dropexp.rows import COLUMNS, line_of
from dropexp.store import removal
from dropexp.store.folder import Store, set_aside
from dropexp.store.writer import Writer
from dropexp.study_files.arm_conditions import pick
from dropexp.train.checkpoint import FOLDER as CHECKPOINTS
from dropexp.workflow.reading import reading
from dropexp.workflow.registering import NAME as DESIGN
from dropexp.workflow.registering import entries, removed
from dropexp.workflow.running import summarise
from dropexp.workflow.together import Rows, poured

WHOLE = ("study.yaml", DESIGN)  # what a folder of runs moved aside has of the study
SHOWN = 5


@dataclass(frozen=True)
class Removed:
    """What was moved aside, or would be: how many runs of a study, finished, unfinished and failed, and where to."""

    folder: Path
    aside: Path
    runs: int
    unfinished: int
    failed: int
    arms: tuple[str, ...]
    whole: bool
    by_hand: bool = False  # a study of others, which comes back by its old name alone
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chosen:
    """The runs of some arms: those that are stored, by run_id with arm and seed, and the checkpoints of others."""

    runs: Mapping[str, tuple[str, int]]
    checkpoints: tuple[Path, ...]
    failures: tuple[str, ...]
    arms: tuple[str, ...]
    notes: tuple[str, ...]


def remove_arms(folder: Path, arms: Sequence[Sequence[str]], dry: bool = False) -> Removed:
    """Move all that a folder holds of the arms that meet any of the lists of conditions into a new folder beside it.

    The copy is complete before anything is removed, and a kill at any moment loses nothing. Raises UsageError where no
    arm meets the conditions or none of them has a run, StoreError where the folder is in use, unreadable or not to write.
    """
    if not (folder / "study.yaml").is_file():
        raise UsageError(
            f"{folder}: --arm works only on studies that dropexp trained; edit this table in the program that wrote it"
        )
    found, aside = _chosen(folder, arms), removal.free_name(folder)
    if not dry:
        with Writer(folder) as writer:
            found = _chosen(folder, arms)  # nobody else writes from here on
            gone = {*found.runs, *found.failures}
            removal.copied(folder, gone, WHOLE, found.checkpoints, aside)
            removed(writer, found.runs.values())
            writer.remove(gone, found.checkpoints)
            summarise(writer)
    return Removed(
        folder,
        aside,
        len(found.runs),
        len(found.checkpoints),
        len(set(found.failures)),
        found.arms,
        False,
        notes=found.notes,
    )


def remove_study(folder: Path, dry: bool = False) -> Removed:
    """Move a whole study aside. What it declared, and what was seen of it, stays in design.csv under its name.

    Raises StoreError where the folder is in use or cannot be moved.
    """
    own, aside = (folder / "study.yaml").is_file(), removal.free_name(folder)
    rows = Store(folder).cells() if own else []
    if not dry:
        said = entries(folder) if own else []
        if said and rows:
            with Writer(folder) as writer:
                removed(writer, [(row["arm_id"], int(row["seed"])) for row in rows])
        set_aside(folder)
        if said:
            make_folders(folder)
            removal.place(aside / DESIGN, aside, folder)
    return Removed(folder, aside, len(rows), 0, 0, (), True, not own)


def restore(folder: Path, aside: Path) -> tuple[int, int]:
    """Put the runs that were moved to `aside` back into a study's folder.

    Return how many finished runs and how many unfinished ones were not there already.

    `aside` stays as it is. Raises UsageError where it holds no runs, or those of a study of another name.
    """
    if not (aside / "study.yaml").is_file():
        raise UsageError(
            f"--restore {aside}: contains no runs that were moved aside; 'dropexp remove' printed where it put them"
        )
    if not removal.is_aside(folder, aside):
        raise UsageError(
            f"--restore {aside}: was not moved aside from {folder}; to join studies, use compare --together"
        )
    with Writer(folder) as writer:
        if not (folder / "study.yaml").exists():
            removal.place(aside / "study.yaml", aside, folder)
        rows = {path: Rows(path) for path in (folder, aside)}
        chosen = {run: path for path in (aside, folder) for run in rows[path].runs}  # its own rows win
        back = [run for run, path in chosen.items() if path == aside]
        removal.copy_weights(aside, folder, back)
        begun = [
            path
            for path in _begun(aside)
            if path.stem not in chosen and not (folder / CHECKPOINTS / path.name).exists()
        ]
        for path in begun:
            removal.place(path, aside, folder)
        failed = dict.fromkeys([*writer.store.lines("failures.csv"), *Store(aside).lines("failures.csv")])
        if failed:
            writer.write("failures.csv", line_of(COLUMNS["failures.csv"]) + "".join(failed))
        poured(writer, rows, chosen)
        writer.tidy()
        summarise(writer)
    return len(back), len(begun)


def _begun(folder: Path) -> list[Path]:
    """Return the checkpoints that a folder holds, none where they are reached by a link."""
    kept = folder / CHECKPOINTS
    return [] if kept.is_symlink() else [path for path in kept.glob("*.checkpoint") if not path.is_symlink()]


def _chosen(folder: Path, arms: Sequence[Sequence[str]]) -> Chosen:
    shown, _ = reading(folder)
    picked = {arm.arm_id: arm for conditions in arms for arm in pick(shown.study, conditions).arms}
    store = Store(folder)
    rows = [row for row in store.cells() if row["arm_id"] in picked]
    failures = [row for row in store.frame("failures.csv").to_dict("records") if row["arm_id"] in picked]
    runs = {row["run_id"]: (row["arm_id"], int(row["seed"])) for row in rows}
    planned = shown.study.runs() if isinstance(shown.study, Study) else []
    names = {*runs, *(run.run_id for run in planned if run.arm_id in picked)}
    checkpoints = [path for path in _begun(folder) if path.stem in names]
    asked = "; ".join(" ".join(conditions) for conditions in arms)
    if not (runs or checkpoints or failures):
        raise UsageError(f"--arm {asked}: {folder} has no stored run of this arm, so there is nothing to remove")
    axes = shown.study.axes
    named = tuple(label(arm, axes) for arm in picked.values())
    others = [label(arm, axes) for arm in shown.study.arms if arm.arm_id in picked and label(arm, axes) not in named]
    some = "; ".join(others[:SHOWN]) + (f"; and {len(others) - SHOWN} more" if len(others) > SHOWN else "")
    notes = (f"the same function, and so the same runs: {some}",) if others else ()
    return Chosen(runs, tuple(sorted(checkpoints)), tuple(row["run_id"] for row in failures), named, notes)
