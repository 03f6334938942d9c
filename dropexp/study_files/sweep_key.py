"""The key `sweep` of a study file: its grids, each a mapping of YAML path to values."""

from __future__ import annotations

from typing import Any

from dropexp.experiment.fields import off_as_null
from dropexp.experiment.leaves import annotation, roles
from dropexp.quoting import clean, inside
from dropexp.study_files.claims_reader import Blame
from dropexp.study_files.path_values import no_path

Loc = tuple[str | int, ...]


def grids_of(content: dict[str, Any], blame: Blame) -> tuple[list[dict[str, tuple[Any, ...]]], dict[str, Loc]]:
    """Return the grids that are written, at least one, and where each path was written first; mistakes are noted.

    A value `none` that switches a field off is null there, as everywhere.
    """
    written = content.get("sweep") or {}
    many = isinstance(written, list)
    grids: list[dict[str, tuple[Any, ...]]] = []
    places: dict[str, Loc] = {}
    for i, grid in enumerate(written if isinstance(written, list) else [written]):
        loc: Loc = ("sweep", i) if many else ("sweep",)
        if not isinstance(grid, dict):
            blame(loc, "sweep: write a mapping of YAML paths to values, as in 'dropout.rate: [0, 0.5]'")
            continue
        grids.append({})
        for path, values in grid.items():
            listed = values if isinstance(values, list) else [values]
            if path in ("seed", "seeds"):
                text = f"sweep: seeds cannot be swept; write 'seeds: {inside(listed)}' at the top of the file"
                blame((*loc, path), f"{text}; every arm is trained with each of them", key=True)
            elif path not in roles():
                blame((*loc, path), f"sweep: {no_path(path)}", key=True)
            elif not listed:
                blame((*loc, path), f"sweep: {clean(path)} has no values; list at least one, as in [0, 0.5]")
            else:
                grids[-1][path] = tuple(off_as_null(annotation(path), value) for value in listed)
                places.setdefault(path, (*loc, path))
    return grids or [{}], places
