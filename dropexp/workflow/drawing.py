"""Pictures of what is stored: a study's figures, drawn anew only where something has changed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import dropexp
from dropexp.errors import StoreError
from dropexp.workflow.reading import reading

FIGURES_STAMP = ".drawn"


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
        path = folder / name
        stamp.update(path.read_bytes() if path.is_file() else b"-")
    figures = folder / "figures"
    mark = figures / FIGURES_STAMP
    if not again and mark.is_file() and mark.read_text(encoding="utf-8") == stamp.hexdigest():
        return Drawn(folder, tuple(sorted(figures.glob("*.png"))), True, None)
    shown, note = reading(folder, everything, baseline)
    if shown.runs.empty:
        raise StoreError(f"{folder}: no finished run to draw yet; run its study again")
    from dropexp.figures.all_figures import draw

    aside = folder / ".figures.new"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir()
        draw(shown, aside)
        (aside / FIGURES_STAMP).write_text(stamp.hexdigest(), encoding="utf-8")
        shutil.rmtree(figures, ignore_errors=True)
        aside.replace(figures)
    except OSError as error:
        raise StoreError(f"{figures}: cannot be written ({error.strerror})") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Drawn(folder, tuple(sorted(figures.glob("*.png"))), False, note)
