"""Folders to tables: a study's stored rows read back beside its arms, and the studies below a path."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dropexp.errors import StoreError
from dropexp.spec.baseline import with_baseline
from dropexp.spec.parse import parse
from dropexp.spec.reader import read
from dropexp.spec.stored import joined
from dropexp.spec.study import Study
from dropexp.store import Store


def reading(folder: Path, everything: bool = False, baseline: Sequence[str] = ()) -> tuple[Any, str | None]:
    """Return the tidy tables of a study's folder, and a line on what is not shown.

    Raises StoreError where the folder holds no study.
    """
    from dropexp.analysis.tidy import tidy

    if not (folder / "study.yaml").is_file():
        raise StoreError(
            f"{folder}: no study.yaml here, so this is no study's folder; name results/ or results/<study>"
        )
    store = Store(folder)
    study = parse(read(folder / "study.yaml"), folder=folder, large=True, stored=True)
    runs = store.frame("runs.csv")
    study, note = joined(study, store.cells(), everything)
    study = with_baseline(study, baseline)
    return tidy(study, runs, store.frame("epochs.csv"), judged(folder)), "\n".join(
        filter(None, [note, _mixed(study, store)])
    ) or None


def judged(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a folder's claims.csv, the verdicts reached so far.

    Raises StoreError where the file is not as it was written.
    """
    from dropexp.analysis.ledger import recorded

    path = folder / "claims.csv"
    try:
        return recorded(path.read_text(encoding="utf-8") if path.exists() else "")
    except (OSError, ValueError, csv.Error) as error:
        raise StoreError(
            f"{path}: cannot be read ({error}); it was edited: put it back, or move it away, which forgets the looks"
        ) from None


def _mixed(study: Study, store: Store) -> str | None:
    """Return a line where the runs shown were trained in more than one way, so that bytes need not agree."""
    shown = {run.run_id for run in study.runs()}
    rows = store.frame("provenance.csv")
    rows = rows[rows["run_id"].isin(shown)]
    counts = rows.groupby(["device", "threads", "torch"]).size()
    if len(counts) < 2:
        return None
    parts = [
        f"{n} on {device}, {threads} thread{'s' * (threads != '1')}, torch {torch}"
        for (device, threads, torch), n in counts.items()
    ]
    return f"trained in more than one way: {'; '.join(parts)}"


def studies_below(path: Path) -> list[Path]:
    """Return the studies that a path names: itself, or the folders one level below it."""
    if (path / "study.yaml").is_file():
        return [path]
    if not path.is_dir():
        raise StoreError(f"{path}: no such folder; 'dropexp sweep' makes results/quickstart")
    found = sorted(p.parent for p in path.glob("*/study.yaml") if ".old-" not in p.parent.name)
    if not found:
        raise StoreError(f"{path}: no study in this folder yet; 'dropexp sweep --rates 0 0.2 0.5' makes one")
    return found
