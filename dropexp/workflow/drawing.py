"""Pictures of what is stored: a study's figures, drawn anew only where something has changed."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import dropexp
from dropexp.errors import StoreError
from dropexp.executors.beside import shared
from dropexp.files import KIB, read_bounded, refuse_link, sync_folder, write_aside
from dropexp.workflow.reading import content_of, reading

if TYPE_CHECKING:
    from dropexp.analysis.tidy import Tidy

FIGURES_STAMP = ".drawn"
FILES = ("study.yaml", "runs.csv", "epochs.csv", "probes.csv", "claims.csv", "design.csv")  # that figures depend on
STALE = 3600.0  # seconds after which what a kill left of figures is nobody's


@dataclass(frozen=True)
class Drawn:
    """The figures of one study: `paths` empty and `current` true where they were up to date."""

    folder: Path
    paths: tuple[Path, ...]
    current: bool
    note: str | None


def load() -> None:
    """Load what draws; where that fails, it does so again and is said when a figure is asked for."""
    with contextlib.suppress(Exception):
        import dropexp.figures.all_figures  # noqa: F401


def plot(
    folder: Path,
    everything: bool = False,
    again: bool = False,
    baseline: Sequence[str] = (),
    known: tuple[Tidy, str | None] | None = None,
) -> Drawn:
    """Draw a study's figures into its folder, unless they are up to date; `known` is what `reading` has returned of it."""
    try:
        return _draw(folder, everything, again, baseline, known)
    except PermissionError as error:
        raise StoreError(f"{error.filename or folder}: cannot be read or written ({error.strerror})") from None


def _draw(
    folder: Path, everything: bool, again: bool, baseline: Sequence[str], known: tuple[Tidy, str | None] | None
) -> Drawn:
    stamp = stamp_of(folder, FILES, everything, baseline)
    figures = folder / "figures"
    mark = figures / FIGURES_STAMP
    if not again and _stamped(mark) == stamp:
        return Drawn(folder, tuple(sorted(figures.glob("*.png"))), True, None)
    shown, note = known or reading(folder, everything, baseline)
    if shown.runs.empty:
        raise StoreError([f"{folder}: no finished run to draw yet; run its study again", *(note or "").splitlines()])
    from dropexp.figures.all_figures import FIGURES, draw

    try:
        refuse_link(figures)
        for stale in folder.glob(".figures.*"):
            if stale.lstat().st_mtime < time.time() - STALE:
                shutil.rmtree(stale, ignore_errors=True)  # which follows no link
        with tempfile.TemporaryDirectory(dir=folder, prefix=".figures.", ignore_cleanup_errors=True) as fresh:
            aside = Path(fresh) / "figures"
            aside.mkdir()  # with the permissions of any folder, which a temporary one has not
            rows = list(FIGURES)

            def one(i: int) -> None:
                draw(shown, aside, rows[i : i + 1])

            shared(len(rows), one)
            write_aside(aside / FIGURES_STAMP, stamp.encode())
            shutil.rmtree(figures, ignore_errors=True)
            aside.replace(figures)
            sync_folder(folder)
    except OSError as error:
        raise StoreError(f"{figures}: cannot be written ({error.strerror})") from None
    return Drawn(folder, tuple(sorted(figures.glob("*.png"))), False, note)


def stamp_of(folder: Path, names: Iterable[str], everything: bool, baseline: Sequence[str]) -> str:
    """Return a digest of files of a study, of how they are read and of the libraries that draw them."""
    import matplotlib

    digest = sha256(f"{dropexp.__version__} {matplotlib.__version__} {everything} {list(baseline)}".encode())
    for name in names:
        digest.update(name.encode() + content_of(folder / name))
    return digest.hexdigest()


def _stamped(mark: Path) -> str | None:
    try:
        return read_bounded(mark, KIB).decode(errors="replace")
    except OSError:
        return None
