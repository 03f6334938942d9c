"""Pages of what is stored: a study's report, written anew only where something has changed, and the index of several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dropexp.errors import StoreError
from dropexp.files import GIB, make_folders, read_bounded, write_aside
from dropexp.store.folder import MOST_STUDY, Store
from dropexp.store.frames import framed
from dropexp.store.removal import DERIVED
from dropexp.workflow.drawing import stamp_of
from dropexp.workflow.reading import reading

PAGE, INDEX = "report.html", "index.html"
HEAD = 4096  # characters among which a page's stamp stands
MOST_PAGE = GIB  # bytes


@dataclass(frozen=True)
class Reported:
    """The page of one study: `current` where it was up to date; `sums` is what an index says of it."""

    folder: Path
    path: Path
    current: bool
    sums: Any
    note: str | None


def report(
    folder: Path, everything: bool = False, again: bool = False, out: Path | None = None, baseline: Sequence[str] = ()
) -> Reported:
    """Write a study's page, report.html in its folder or `out`, unless it is up to date.

    Raises StoreError where the folder holds no study or the page cannot be written.
    """
    from dropexp.page.origin import Beside
    from dropexp.page.render import STAMP, study_page, sums

    path = out or folder / PAGE
    # a digest of everything that the page depends on but the code that writes it
    tables = sorted(p.name for p in folder.glob("*.csv") if p.name not in DERIVED)
    stamp = stamp_of(folder, [*tables, "study.yaml"], everything, baseline)
    tidy, note = reading(folder, everything, baseline)
    store, own = Store(folder), (folder / "study.yaml").is_file()  # else what lies beside epochs.csv is of another kind
    places, failures = (
        store.frame(name) if own else framed(folder / name, []) for name in ("provenance.csv", "failures.csv")
    )
    text = read_bounded(folder / "study.yaml", MOST_STUDY).decode("utf-8") if own else ""
    beside = Beside(text, places, failures, note)
    current = not again and _stamped(path, STAMP) == stamp
    if not current:
        write(path, study_page(tidy, beside, stamp=stamp))
    return Reported(folder, path, current, sums(tidy, beside), note)


def index(root: Path, reports: Sequence[Reported], out: Path | None = None) -> Path:
    """Write the index of several studies, index.html in their folder or in `out`, and return its path."""
    from dropexp.page.render import index_page

    folder = out or root
    rows = [(quote(r.path.relative_to(folder).as_posix()), r.sums) for r in reports]
    write(folder / INDEX, index_page(root.resolve().name, rows))
    return folder / INDEX


def write(path: Path, text: str) -> None:
    """Write a page as a whole: aside, then renamed; raises StoreError where that cannot be done."""
    try:
        make_folders(path.parent)
        write_aside(path, text.encode())
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); name another file with --out") from None


def _stamped(path: Path, name: str) -> str | None:
    try:
        head = read_bounded(path, MOST_PAGE)[:HEAD].decode(errors="replace")
    except OSError:
        return None
    found = re.search(f'<meta name="{name}" content="([0-9a-f]+)">', head)
    return found and found.group(1)
