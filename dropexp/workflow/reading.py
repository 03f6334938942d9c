"""Folders to tables: stored rows read back beside the arms of their study, and the studies below a path."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dropexp.errors import StoreError
from dropexp.experiment.probes import AUDIT
from dropexp.files import MIB, read_bounded
from dropexp.store.csv_lines import LARGEST
from dropexp.store.folder import Store
from dropexp.store.predictions import Predictions
from dropexp.study_files.arm_conditions import with_baseline
from dropexp.study_files.parse import parse
from dropexp.study_files.stored_arms import joined
from dropexp.study_files.yaml_reader import read
from dropexp.workflow.registering import history

if TYPE_CHECKING:
    from dropexp.analysis.outcomes import Outcome
    from dropexp.analysis.tidy import Tidy

MOST_CLAIMS = 64 * MIB  # bytes
ABSENT = b"-"  # in the place of the content of a file that is not there


def reading(folder: Path, everything: bool = False, baseline: Sequence[str] = ()) -> tuple[Tidy, str | None]:
    """Return the tidy tables of a study's folder, and a line on what is not shown.

    A folder without study.yaml whose epochs.csv others have written is read too. Raises StoreError where it is neither.
    """
    from dropexp.analysis.tidy import tidy

    if not (folder / "study.yaml").is_file():
        return _elsewhere(folder, baseline)
    store = Store(folder)
    rows = store.cells()
    arms = {row["arm_id"]: row for row in rows}
    study = parse(read(folder / "study.yaml"), folder=folder, large=True, stored=True, rows=arms)
    runs = store.frame("runs.csv")
    study, note = joined(study.grown(rows), rows, everything)
    study = with_baseline(study, baseline)
    said, doubt = history(folder, study)
    kept = Kept(store.predictions())
    found = tidy(study, runs, store.frame("epochs.csv"), store.frame("probes.csv"), judged(folder), kept, said)
    return found, "\n".join(filter(None, [note, *store.doubts(), doubt, _mixed(found, store)])) or None


class Kept:
    """The outcomes of a folder's runs, each read when it is asked for."""

    def __init__(self, stored: Predictions):
        self.stored = stored

    def get(self, run_id: str) -> Outcome | None:
        """Return a run's outcome, None where none was kept; raises StoreError where it is damaged."""
        from dropexp.analysis.outcomes import Outcome

        found = self.stored.get(run_id)
        return None if found is None else Outcome(found.place, found.label, found.predicted, found.probabilities)


def content_of(path: Path) -> bytes:
    """Return what a stamp holds of one of a study's files; raises StoreError where it cannot be read, or is too large."""
    try:
        return read_bounded(path, LARGEST.get(path.name, MOST_CLAIMS), follow=True)  # a table of others may be a link
    except FileNotFoundError:
        return ABSENT
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from None


def left_out(paths: Sequence[Path]) -> list[str]:
    """Return sentences on what is not read of the studies that paths name."""
    own = [folder for folder in studies_below(*paths) if (folder / "study.yaml").is_file()]
    return [doubt for folder in own for doubt in Store(folder).doubts()]


def judged(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a folder's claims.csv, the verdicts reached so far.

    Raises StoreError where the file is not as it was written.
    """
    from dropexp.analysis.claims_csv import recorded

    path = folder / "claims.csv"
    try:
        return recorded(read_bounded(path, MOST_CLAIMS).decode("utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise StoreError(
            f"{path}: cannot be read ({why}); it was edited: restore it, or move it away, which forgets earlier looks"
        ) from None


def accused(shown: Tidy) -> tuple[str, ...]:
    """Return the runs shown in whose training the audit of dropout found something."""
    rows = shown.probes
    return tuple(rows.loc[rows["probe"].str.startswith(AUDIT), "run_id"].unique())


def _elsewhere(folder: Path, baseline: Sequence[str]) -> tuple[Tidy, str | None]:
    from dropexp.analysis.tidy import tidy
    from dropexp.foreign.as_study import read_foreign

    if not (folder / "epochs.csv").is_file():
        raise StoreError(
            f"{folder}: contains neither study.yaml nor epochs.csv, so it is not a study's folder; "
            "name results/ or results/<study>"
        )
    other = (folder / "runs.csv").is_file()
    note = (
        f"{folder / 'runs.csv'} is not read: without a study.yaml, the runs are those in epochs.csv" if other else None
    )
    study, runs, epochs = read_foreign(folder)
    return tidy(with_baseline(study, baseline), runs, epochs), note


def _mixed(shown: Tidy, store: Store) -> str | None:
    """Return a line where the runs shown were trained in more than one way, so that bytes need not agree."""
    rows = store.frame("provenance.csv")
    rows = rows[rows["run_id"].isin(set(shown.runs["run_id"]))]
    counts = rows.groupby(["device", "threads", "torch"]).size()
    if len(counts) < 2:
        return None
    parts = [
        f"{n} on {device}, {threads} thread{'s' * (threads != '1')}, torch {torch}"
        for device, threads, torch, n in counts.reset_index().itertuples(index=False, name=None)
    ]
    return f"trained in more than one way: {'; '.join(parts)}"


def studies_below(*paths: Path) -> list[Path]:
    """Return the studies that paths name: themselves, or the folders one level below them."""
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            raise StoreError(f"{path}: no such folder; 'dropexp sweep' makes results/quickstart")
        inside = [path] if _holds(path) else sorted(p for p in path.iterdir() if p.is_dir() and is_study(p))
        if not inside:
            raise StoreError(f"{path}: no study in this folder yet; 'dropexp sweep --rates 0 0.2 0.5' makes one")
        found |= dict.fromkeys(inside)
    return list(found)


def is_study(folder: Path) -> bool:
    """Whether a folder holds results: a study.yaml, or an epochs.csv of others; none that was moved aside."""
    return ".old-" not in folder.name and _holds(folder)


def _holds(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("study.yaml", "epochs.csv"))
