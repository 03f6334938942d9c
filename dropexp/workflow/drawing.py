"""Pictures of what is stored: a study's figures, drawn anew only where something has changed."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import dropexp
from dropexp.errors import StoreError
from dropexp.files import KIB, read_bounded, refuse_link, sync_folder, write_aside
from dropexp.workflow.reading import content_of, reading

FIGURES_STAMP = ".drawn"
STALE = 3600.0  # seconds after which what a kill left of figures is nobody's


@dataclass(frozen=True)
class Drawn:
    """The figures of one study: `paths` empty and `current` true where they were up to date."""

    folder: Path
    paths: tuple[Path, ...]
    current: bool
    note: str | None


def plot(folder: Path, everything: bool = False, again: bool = False, baseline: Sequence[str] = ()) -> Drawn:
    """Draw a study's figures into its folder, unless they are up to date."""
    try:
        return _draw(folder, everything, again, baseline)
    except PermissionError as error:
        raise StoreError(f"{error.filename or folder}: cannot be read or written ({error.strerror})") from None


def _draw(folder: Path, everything: bool, again: bool, baseline: Sequence[str]) -> Drawn:
    import matplotlib

    stamp = sha256(f"{dropexp.__version__} {matplotlib.__version__} {everything} {list(baseline)}".encode())
    for name in ("study.yaml", "runs.csv", "epochs.csv", "probes.csv", "claims.csv"):
        stamp.update(content_of(folder / name))
    figures = folder / "figures"
    mark = figures / FIGURES_STAMP
    if not again and _stamped(mark) == stamp.hexdigest():
        return Drawn(folder, tuple(sorted(figures.glob("*.png"))), True, None)
    shown, note = reading(folder, everything, baseline)
    if shown.runs.empty:
        raise StoreError([f"{folder}: no finished run to draw yet; run its study again", *(note or "").splitlines()])
    from dropexp.figures.all_figures import draw

    try:
        refuse_link(figures)
        for stale in folder.glob(".figures.*"):
            if stale.lstat().st_mtime < time.time() - STALE:
                shutil.rmtree(stale, ignore_errors=True)  # which follows no link
        with tempfile.TemporaryDirectory(dir=folder, prefix=".figures.", ignore_cleanup_errors=True) as fresh:
            aside = Path(fresh) / "figures"
            aside.mkdir()  # with the permissions of any folder, which a temporary one has not
            draw(shown, aside)
            write_aside(aside / FIGURES_STAMP, stamp.hexdigest().encode())
            shutil.rmtree(figures, ignore_errors=True)
            aside.replace(figures)
            sync_folder(folder)
    except OSError as error:
        raise StoreError(f"{figures}: cannot be written ({error.strerror})") from None
    return Drawn(folder, tuple(sorted(figures.glob("*.png"))), False, note)


def _stamped(mark: Path) -> str | None:
    try:
        return read_bounded(mark, KIB).decode(errors="replace")
    except OSError:
        return None
