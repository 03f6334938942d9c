"""lost+found.csv: what stood in a study's files and was no row, or stood for nothing; no line is ever thrown away."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dropexp.errors import StoreError
from dropexp.files import MIB, read_bounded
from dropexp.rows import COLUMNS as OF_FILES
from dropexp.rows import line_of
from dropexp.store.csv_lines import TORN, Lost
from dropexp.store.intact import ORPHAN

NAME = "lost+found.csv"
COLUMNS = ("file", "line", "why", "text")
MOST = 512 * MIB


def remembered(folder: Path) -> list[Lost]:
    """Return what a folder's lost+found.csv holds. Raises StoreError where it is not as it was written."""
    path, usual = folder / NAME, csv.field_size_limit()
    try:
        text = read_bounded(path, MOST).decode("utf-8")
        csv.field_size_limit(MOST)  # a line that is none may be long
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
        if rows and (tuple(rows[0]) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows)):
            raise ValueError("its rows are not those of lost+found.csv")
        return [Lost(file, int(line), why, text) for file, line, why, text in rows[1:]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise StoreError(f"{path}: cannot be read ({why}); move it away, and a new one is started") from None
    finally:
        csv.field_size_limit(usual)


def written(lost: Iterable[Lost]) -> str:
    """Return the text of lost+found.csv, nothing for nothing."""
    body = "".join(line_of([x.file, str(x.line), x.why, x.text]) for x in lost)
    return line_of(COLUMNS) + body if body else ""


def still_lost(lost: Sequence[Lost], lines: Mapping[str, Sequence[str]]) -> list[Lost]:
    """Return, each once, the entries that the files do not hold again.

    A run that is trained once more leaves the very lines that it left before, where those were whole; its provenance is
    then another, and the older one says nothing any more.
    """
    found = {name: {*lines.get(name, ()), line_of(OF_FILES.get(name, ()))} for name in {x.file for x in lost}}
    runs = {line.partition(",")[0] for line in lines["runs.csv"]}
    first: dict[tuple[str, str], Lost] = {}
    for x in lost:
        if x.file == "provenance.csv" and x.why in (ORPHAN, TORN) and x.text.partition(",")[0] in runs:
            continue
        if f"{x.text}\n" in found[x.file] or (x.why == TORN and any(line.startswith(x.text) for line in found[x.file])):
            continue
        first.setdefault((x.file, x.text), x)
    return list(first.values())
