"""What a checkpoint may hold: arrays no larger than its bytes, and rows as training writes them; the rest is refused."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from dropexp.records import EpochRow, ProbeRow
from dropexp.store.stored_arrays import from_npz

REASONS = (None, "max_epochs", "patience", "diverged")
MASKS = {"first", "last", "fired", "units", "low"}  # what the audit remembers of a site
EPOCHS = "epochs"  # under this name, which is no site's, it remembers the last epoch


class Unusable(Exception):
    """A file that is no checkpoint of this run, these versions and these circumstances; the message says why."""


def arrays_and_notes(content: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of an .npz and its notes; raises Unusable for what is damaged, no number or larger than it says."""
    try:
        arrays = from_npz(content)
    except ValueError as error:
        raise Unusable(str(error)) from None
    try:
        notes = json.loads(arrays.pop("notes").tobytes())
    except (KeyError, ValueError, RecursionError) as error:
        raise Unusable(f"is damaged ({type(error).__name__})") from None
    return arrays, _notes(notes)


def _notes(notes: Any) -> dict[str, Any]:
    """Return the notes, each of the kind that its reader takes it for."""
    if not isinstance(notes, dict) or set(notes) != {"rows", "probes", "seconds", "began", "masks"}:
        raise Unusable("has no rows, or has unknown entries beside them")
    for name, kind in (("rows", EpochRow), ("probes", ProbeRow)):
        if not isinstance(notes[name], list) or not all(_is_row(cells, kind) for cells in notes[name]):
            raise Unusable(f"holds {name} that training never writes")
    seconds, began, masks = notes["seconds"], notes["began"], notes["masks"]
    try:
        datetime.fromisoformat(began)
    except (TypeError, ValueError):
        raise Unusable("does not say when the run began") from None
    if not _is_number(seconds) or not 0 <= seconds < math.inf:
        raise Unusable("does not say how long the run has taken so far")
    if not isinstance(masks, dict) or not all(map(_is_memory, masks, masks.values())):
        raise Unusable("holds records of masks that training never writes")
    return notes


def _is_row(cells: Any, kind: type) -> bool:
    columns = dataclasses.fields(kind)
    return (
        isinstance(cells, list)
        and len(cells) == len(columns)
        and all(_fits(cell, str(column.type)) for cell, column in zip(cells, columns, strict=True))
    )


def _fits(cell: Any, kind: str) -> bool:
    if kind == "str":  # a line break would make two lines of one in a study's files
        return isinstance(cell, str) and (not cell or cell.isprintable())
    if kind == "int":
        return type(cell) is int and 0 <= cell < 2**63
    return _is_number(cell) or (cell is None and kind == "Number")


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**53)


def _is_memory(name: str, site: Any) -> bool:
    if name == EPOCHS:
        return isinstance(site, Mapping) and set(site) == {"last"} and type(site["last"]) is int and site["last"] > 0
    if not isinstance(site, Mapping) or set(site) != MASKS:
        return False
    words = (
        [*site["first"], *site["last"]] if isinstance(site["first"], list) and isinstance(site["last"], list) else [0]
    )
    counts = all(type(site[name]) is int for name in ("fired", "units")) and 0 <= site["fired"] <= site["units"] < 2**63
    return counts and all(isinstance(w, str) for w in words) and (site["low"] is None or _is_number(site["low"]))
