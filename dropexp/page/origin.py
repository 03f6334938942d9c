"""Where numbers come from: versions and machines, failed and diverged runs, and what to install to repeat them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from dropexp.analysis.tidy import Tidy
from dropexp.experiment.naming import label
from dropexp.page.grid import Cell, Column, Grid
from dropexp.rows import COLUMNS

WAY = ("host", "device", "threads", "dropexp", "python", "torch", "numpy", "git_commit", "data_sha256")
NAMES = {"git_commit": "git commit", "data_sha256": "data sha256"}
SHOWN = 50
LONGEST = 500  # characters of an error


def _empty(name: str) -> pd.DataFrame:
    return pd.DataFrame(columns=list(COLUMNS[name]), dtype=str)


@dataclass(frozen=True)
class Beside:
    """What a folder holds besides the tables: the text of study.yaml, provenance, failures, and a note on what is not shown."""

    config: str = ""
    provenance: pd.DataFrame = field(default_factory=lambda: _empty("provenance.csv"))
    failures: pd.DataFrame = field(default_factory=lambda: _empty("failures.csv"))
    note: str | None = None


def shown_places(tidy: Tidy, beside: Beside) -> pd.DataFrame:
    """Return the provenance of the runs shown, the latest row of each."""
    rows = beside.provenance[beside.provenance["run_id"].isin(set(tidy.runs["run_id"]))]
    return rows.drop_duplicates("run_id", keep="last")


def date(places: pd.DataFrame) -> str:
    """Return the day on which the last run ended, '' if that is not known."""
    return str(places["ended"].max())[:10] if len(places) else ""


def seconds(places: pd.DataFrame) -> float:
    """Return the time that training took: the sum of each run's share of its pack's seconds."""
    return float(pd.to_numeric(places["seconds"], errors="coerce").sum())


def provenance_grid(places: pd.DataFrame) -> Grid | None:
    """Return a table of the machines and versions that trained runs, one row each; None if nothing is known."""
    if places.empty:
        return None
    ways = places.assign(seconds=pd.to_numeric(places["seconds"], errors="coerce")).groupby(list(WAY), sort=True)
    rows = [(way, len(group), float(group["seconds"].sum())) for way, group in ways][:SHOWN]
    columns = [Column("runs", "number", tuple(Cell(str(n), n) for _, n, _ in rows))]
    for i, name in enumerate(WAY):
        if any(way[i] for way, _, _ in rows):
            columns.append(Column(NAMES.get(name, name), "text", tuple(Cell(str(way[i])) for way, _, _ in rows)))
    columns.append(Column("seconds", "number", tuple(Cell(f"{s:.1f}", s) for _, _, s in rows)))
    return Grid("provenance-table", "How the runs were trained, one row per machine and versions", tuple(columns))


def failures_grid(tidy: Tidy, beside: Beside) -> Grid | None:
    """Return a table of the runs that raised an error, newest last; None if none did."""
    rows = beside.failures.drop_duplicates("run_id", keep="last")
    names = {arm.arm_id: label(arm, tidy.axes) for arm in reversed(tidy.arms)}
    rows = rows[rows["arm_id"].isin(names)].tail(SHOWN)
    if rows.empty:
        return None
    there = set(tidy.runs["run_id"])
    cells = {
        "arm": [names[arm_id] for arm_id in rows["arm_id"]],
        "seed": list(rows["seed"]),
        "error": [str(e)[:LONGEST] for e in rows["error"]],
        "ended": list(rows["ended"]),
        "since": ["trained since" if run_id in there else "missing" for run_id in rows["run_id"]],
    }
    kinds = {"arm": "name", "seed": "number"}
    columns = tuple(Column(k, kinds.get(k, "text"), tuple(Cell(str(v)) for v in v)) for k, v in cells.items())
    return Grid("failures-table", "Runs that failed", columns)


def diverged_grid(tidy: Tidy) -> Grid | None:
    """Return a table of the runs that diverged; None if none did."""
    names = {arm.arm_id: label(arm, tidy.axes) for arm in reversed(tidy.arms)}
    rows = tidy.runs[tidy.runs["stop_reason"] == "diverged"]
    if rows.empty:
        return None
    rows = rows.head(SHOWN)

    def whole(values: pd.Series) -> tuple[Cell, ...]:
        return tuple(Cell("none" if pd.isna(v) else str(int(v))) for v in values)

    columns = (
        Column("arm", "name", tuple(Cell(names[arm_id]) for arm_id in rows["arm_id"])),
        Column("seed", "number", whole(rows["seed"])),
        Column("epochs run", "number", whole(rows["epochs_run"])),
        Column("last finite epoch", "number", whole(rows["selected_epoch"])),
    )
    return Grid("diverged-table", "Runs that diverged: a loss or a weight was no longer finite", columns)


def installs(places: pd.DataFrame) -> str:
    """Return the lines that install the versions most runs were trained with, '' if they are not known.

    dropexp is installed from its source, as the README says, and not from a package index.
    """
    if places.empty:
        return ""
    (own, python, torch, numpy), _ = max(
        places.groupby(["dropexp", "python", "torch", "numpy"]).size().items(), key=lambda pair: pair[1]
    )
    where = f"# SOURCE is the folder of dropexp {own}'s source code" + (f"; Python was {python}" if python else "")
    wanted = [f"{name}=={str(v).partition('+')[0]}" for name, v in (("torch", torch), ("numpy", numpy)) if v]
    return f"{where}\n" + " ".join(["pip install SOURCE", *wanted])


def earlier(tidy: Tidy) -> set[str]:
    """Return the arm_ids that are shown but not asked for by study.yaml, which is that of the last command."""
    asked = {arm_id for arm_id, _ in tidy.study.wanted}
    return {arm.arm_id for arm in tidy.arms} - asked if asked else set()
