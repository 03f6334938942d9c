"""What follows from a study's rows, verified: summary.csv, claims.csv, and design.csv beside them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dropexp.analysis.consistency import Mismatch, Stored, apart, table
from dropexp.errors import DropexpError, StoreError
from dropexp.experiment.registration import faults
from dropexp.rows import line_of
from dropexp.workflow.reading import reading
from dropexp.workflow.registering import NAME, entries

# What a summary.csv before 0.4.0 has, and the columns that meant something else there
OLDER, INTERVAL = "_diff_p_holm", ("_diff_low", "_diff_high")
DECLARING = (0, 4, 0)  # the first version that says beforehand what it trains


def cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def registered(folder: Path) -> Iterator[Mismatch]:
    """Yield the cells of design.csv that show that its rows are not those that were written, one after another."""
    try:
        found = entries(folder)
    except StoreError as error:
        yield Mismatch(NAME, 0, "", "", "", str(error))
        return
    for fault in faults(found):
        yield Mismatch(NAME, fault.line, fault.column, fault.stored, fault.expected, fault.why)


def undeclared(folder: Path, stored: Stored) -> Iterator[Mismatch]:
    """Yield that design.csv has gone, which every version from 0.4.0 on writes before it trains."""
    made_by = {row["dropexp"] for rows in stored.provenance.values() for row in rows}
    with suppress(StoreError):
        if any(_version(name) >= DECLARING for name in made_by) and not entries(folder):
            yield Mismatch(NAME, 0, "", "", "", "is missing or empty: what was said before training cannot be told")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:3] if part.isdigit())


def claimed(folder: Path) -> Iterator[Mismatch]:
    """Yield the cells of claims.csv that are not what the study's runs make of its claims."""
    from dropexp.analysis.claims_csv import COLUMNS as LEDGER
    from dropexp.analysis.claims_csv import entries as ledger
    from dropexp.analysis.judging import judge

    with suppress(FileNotFoundError), (folder / "claims.csv").open(encoding="utf-8") as file:
        if file.readline().rstrip("\n").split(",") != list(LEDGER):
            return  # by the rules of a version before 0.4.0
    try:
        shown, _ = reading(folder)
    except (DropexpError, OSError, ValueError, KeyError):
        return  # what cannot be read is named where summary.csv is made again
    there = {(row["claim"], row["part"], row["seeds"]): (i, row) for i, row in enumerate(shown.judged, 2)}
    for made in ledger(judge(shown), ()):
        line, row = there.get((made["claim"], made["part"], made["seeds"]), (0, None))
        if row is None:
            yield Mismatch("claims.csv", 0, "claim", "", made["claim"], "the study's claim is not there")
            continue
        for column, cell in made.items():
            if row[column] != cell and not _close(row[column], cell):
                yield Mismatch("claims.csv", line, column, row[column], cell, "judged again from runs.csv")


def summed(folder: Path) -> Iterator[Mismatch]:
    """Yield the cells of summary.csv that are not what its runs make."""
    from dropexp.analysis.summary import summary

    if not (folder / "summary.csv").exists():
        yield Mismatch("summary.csv", 0, "", "", "", "is missing; the study's command writes it again")
        return
    try:
        text = (folder / "summary.csv").read_text(encoding="utf-8")
        shown, _ = reading(folder)
        expected = summary(shown).to_csv(index=False, lineterminator="\n")
    except (DropexpError, OSError, ValueError, KeyError) as error:
        yield Mismatch("summary.csv", 0, "", "", "", f"cannot be made again: {' '.join(str(error).split())[:200]}")
        return
    heads = next(csv.reader([expected.partition("\n")[0]]))
    written = next(csv.reader([text.partition("\n")[0]]))
    if any(column.endswith(OLDER) for column in written):  # its differences had an interval each
        heads = [column for column in heads if column in written and not column.endswith(INTERVAL)]
        text, expected = (_only(heads, cells) for cells in (text, expected))
    ours, wrong = table("summary.csv", text, heads, cells)
    yield from wrong
    theirs, _ = table("summary.csv", expected, heads, cells)
    if shown.study.unmade:  # earlier versions wrote a row for every arm of a large grid, trained or not
        ours, theirs = ([row for row in rows if (row["n"], row["n_diverged"]) != ("0", "0")] for rows in (ours, theirs))
    if len(ours) != len(theirs):
        yield Mismatch("summary.csv", 0, "", f"{len(ours)} rows", f"{len(theirs)} rows", "one row per arm")
    for row, made in zip(ours, theirs, strict=False):
        for mismatch in apart("summary.csv", row, made, "computed again from runs.csv"):
            if not _close(mismatch.stored, mismatch.expected):  # other versions of scipy round in other places
                yield mismatch


def _only(heads: list[str], text: str) -> str:
    """Return some columns of a table as a table."""
    rows = csv.DictReader(text.splitlines())
    return line_of(heads) + "".join(line_of(str(row[column]) for column in heads) for row in rows)


def _close(a: str, b: str) -> bool:
    try:
        return abs(float(a) - float(b)) <= 1e-12 * max(abs(float(a)), abs(float(b)))
    except ValueError:
        return False
