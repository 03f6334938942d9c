"""What follows from a study's rows, verified: summary.csv, axis_differences.csv, claims.csv, and design.csv beside them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dropexp.analysis.consistency import Mismatch, Stored, apart, table
from dropexp.errors import DropexpError, StoreError
from dropexp.experiment.registration import faults
from dropexp.rows import CONFIG_COLUMNS, headers, line_of
from dropexp.store.removal import ALONG
from dropexp.workflow.reading import ABSENT, content_of, reading
from dropexp.workflow.registering import NAME, entries

if TYPE_CHECKING:
    from dropexp.analysis.tidy import Tidy

# What a summary.csv before 0.4.0 has, and the columns that meant something else there
OLDER, INTERVAL = "_diff_p_holm", ("_diff_low", "_diff_high")
AGAIN = "the study's command writes it again"
DECLARING = (0, 4, 0)  # the first version that says beforehand what it trains


def cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def registered(folder: Path, stored: Stored) -> Iterator[Mismatch]:
    """Yield what shows that the rows of design.csv are not those that were written, one after another, or have gone."""
    try:
        found = entries(folder)
    except StoreError as error:
        yield Mismatch(NAME, 0, "", "", "", str(error))
        return
    if not found and declares(stored):
        yield Mismatch(NAME, 0, "", "", "", "is missing or empty: it is not known what was declared before training")
    for fault in faults(found):
        yield Mismatch(NAME, fault.line, fault.column, fault.stored, fault.expected, fault.why)


def declares(stored: Stored) -> bool:
    """Whether a version that says beforehand what it trains had a part in the stored runs."""
    return any(_version(row["dropexp"]) >= DECLARING for rows in stored.provenance.values() for row in rows)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:3] if part.isdigit())


def made_again(folder: Path, stored: Stored) -> Iterator[Mismatch]:
    """Yield the cells of summary.csv, axis_differences.csv and claims.csv that are not what the study's runs make."""
    if not (folder / "summary.csv").exists():
        yield Mismatch("summary.csv", 0, "", "", "", f"is missing; {AGAIN}")
        return
    try:
        shown, _ = reading(folder)
        summed, along = content_of(folder / "summary.csv"), content_of(folder / ALONG)
        yield from _together(summed, along, shown)
    except (DropexpError, OSError, ValueError, KeyError) as error:
        yield Mismatch("summary.csv", 0, "", "", "", f"cannot be computed again: {' '.join(str(error).split())[:200]}")
        return
    yield from _claimed(content_of(folder / "claims.csv"), shown, declares(stored))


def _claimed(content: bytes, shown: Tidy, expected: bool) -> Iterator[Mismatch]:
    from dropexp.analysis.claims_csv import COLUMNS as LEDGER
    from dropexp.analysis.claims_csv import entries as ledger
    from dropexp.analysis.judging import judge

    if content != ABSENT and content.partition(b"\n")[0].decode("utf-8") != ",".join(LEDGER):
        return  # by the rules of a version before 0.4.0
    there = {(row["claim"], row["part"], row["seeds"]): (i, row) for i, row in enumerate(shown.judged, 2)}
    for made in ledger(judge(shown), ()):
        line, row = there.get((made["claim"], made["part"], made["seeds"]), (0, None))
        if row is not None:
            for column, cell in made.items():
                if row[column] != cell and not _close(row[column], cell):
                    yield Mismatch("claims.csv", line, column, row[column], cell, "judged again from runs.csv")
        elif expected:
            yield Mismatch("claims.csv", 0, "claim", "", made["claim"], f"the study's claim is missing; {AGAIN}")


def _together(summed: bytes, along: bytes, shown: Tidy) -> Iterator[Mismatch]:
    """Yield what is wrong in summary.csv and axis_differences.csv, whose intervals hold together.

    Before 0.5.0 arms were compared with baselines alone: where the file is missing, summary.csv may be of that kind.
    """
    text = summed.decode("utf-8")
    if along != ABSENT:
        yield from _summed(text, shown)
        yield from _along(along.decode("utf-8"), shown)
    elif list(_summed(text, replace(shown, along_axes=False))):
        wrong = list(_summed(text, shown))
        if not wrong and shown.along:
            yield Mismatch(ALONG, 0, "", "", "", f"is missing; {AGAIN}")
        yield from wrong


def _along(text: str, shown: Tidy) -> Iterator[Mismatch]:
    from dropexp.analysis.axis_differences import COLUMNS, axis_differences

    ours, wrong = table(ALONG, text, COLUMNS, cells)
    yield from wrong
    theirs, _ = table(ALONG, axis_differences(shown).to_csv(index=False, lineterminator="\n"), COLUMNS, cells)
    if len(ours) != len(theirs):
        why = "one row per comparison along an axis and metric"
        yield Mismatch(ALONG, 0, "", f"{len(ours)} rows", f"{len(theirs)} rows", why)
    for row, made in zip(ours, theirs, strict=False):
        for mismatch in apart(ALONG, row, made, "computed again from runs.csv"):
            if not _close(mismatch.stored, mismatch.expected):
                yield mismatch


def _earlier(heads: list[str]) -> Iterator[list[str]]:
    """Yield the columns of summary.csv in earlier versions, whose configurations had fewer fields."""
    for header in headers("runs.csv")[1:]:
        yield [column for column in heads if column not in CONFIG_COLUMNS or column in header]


def _summed(text: str, shown: Tidy) -> Iterator[Mismatch]:
    from dropexp.analysis.summary import summary

    expected = summary(shown).to_csv(index=False, lineterminator="\n")
    heads = next(csv.reader([expected.partition("\n")[0]]))
    written = next(csv.reader([text.partition("\n")[0]]))
    if any(column.endswith(OLDER) for column in written):  # its differences had an interval each
        heads = [column for column in heads if column in written and not column.endswith(INTERVAL)]
        text, expected = _only(heads, text), _only(heads, expected)
    elif written in (earlier := list(_earlier(heads))):
        heads, expected = written, _only(earlier[earlier.index(written)], expected)
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
