"""Ensembles of a stored study: what they reach, ensemble.csv in its folder and the picture among its figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropexp.errors import StoreError, UsageError
from dropexp.files import make_folder
from dropexp.quoting import spelt
from dropexp.store.writer import write_whole
from dropexp.workflow.reading import reading

if TYPE_CHECKING:
    from dropexp.analysis.tidy import Tidy


@dataclass(frozen=True)
class Ensembled:
    """The ensembles of one study: what was found, the rows of ensemble.csv, the files and a line on what is not read."""

    folder: Path
    found: Any
    rows: Any
    files: tuple[Path, ...]
    note: str | None


def checked_members(name: str, members: int | None) -> int | None:
    """Return a number of members; raises UsageError, under the name that it was given by, where it is none."""
    whole = isinstance(members, int) and not isinstance(members, bool)
    if members is not None and not (whole and 2 <= members <= 1000):
        raise UsageError(f"{name}: {spelt(str(members))} is not a whole number from 2 to 1,000")
    return members


def ensemble(folder: Path, members: int | None = None, everything: bool = False) -> Ensembled:
    """Put the runs of a study together to ensembles and write ensemble.csv and figures/ensemble.

    Raises StoreError where runs are no members by their streams, kept no probabilities, or are fewer than the members.
    """
    shown, note = reading(folder, everything)
    from dropexp.analysis.ensemble import MEMBERS, ensembles, table
    from dropexp.figures.ensemble import draw_ensembles

    members = MEMBERS if members is None else members
    if not (folder / "study.yaml").is_file():
        raise StoreError(f"{folder}: dropexp did not train these runs and has no predictions to combine")
    if shown.runs.empty:
        raise StoreError([f"{folder}: no finished run yet; train the study first", *(note or "").splitlines()])
    if wrong := _faults(shown, members):
        raise StoreError([f"{folder}: {line}" for line in wrong])
    found = ensembles(shown, members)
    if not found.arms:
        raise StoreError(
            f"{folder}: no {members} consecutive seeds of an arm have finished with probabilities; "
            "run its study again, with save_predictions: probabilities, or name fewer --members"
        )
    rows = table(found)
    path, figures = folder / "ensemble.csv", folder / "figures"
    write_whole(path, rows.to_csv(index=False, lineterminator="\n"))
    try:
        make_folder(figures)
        drawn = draw_ensembles(found, figures)
    except OSError as error:
        raise StoreError(f"{figures}: cannot be written ({error.strerror})") from None
    return Ensembled(folder, found, rows, (path, *drawn), note)


def _faults(shown: Tidy, members: int) -> list[str]:
    """Return why a study has no ensembles: each reason once, with the arms that it is of where others are fit."""
    from dropexp.analysis.ensemble import unfit
    from dropexp.experiment.naming import label

    reasons: dict[str, list[str]] = {}
    for arm in shown.arms:
        if why := unfit(shown, arm):
            reasons.setdefault(why, []).append(label(arm, shown.axes))
    everywhere = sum(map(len, reasons.values())) == len(shown.arms) and len(reasons) == 1
    lines = [why if everywhere else f"{'; '.join(names)}: {why}" for why, names in reasons.items()]
    if lines:
        return lines
    if len(shown.study.seeds) < members:
        count = len(shown.study.seeds)
        return [
            f"{count} seed{'s' * (count != 1)}, fewer than the {members} members of one ensemble; "
            f"run the study with --seeds {2 * members}, or name fewer --members"
        ]
    for arm in shown.arms:
        for run_id in shown.finished(arm)["run_id"]:
            outcome = shown.outcomes.get(str(run_id))
            if outcome is not None and outcome.probabilities is not None:
                return []
    return [
        "no run has stored its probabilities; write save_predictions: probabilities into the study and run it again"
    ]
