"""Grids as boxes: how many different cells they have together, found without making one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import prod
from typing import Any

Box = Mapping[str, frozenset[Any]]  # path -> the values that a grid has there; the boxes of a study have the same paths


def cells(boxes: Sequence[Box]) -> int:
    """Return how many points lie in any of several boxes: those of the first, and those of the others outside it."""
    if not boxes:
        return 0
    first, *rest = boxes
    both = [{path: values & other[path] for path, values in first.items()} for other in rest]
    return prod(map(len, first.values())) + cells(rest) - cells([box for box in both if all(box.values())])


def where(boxes: Sequence[Box], wanted: Mapping[str, Collection[Any]]) -> list[Box]:
    """Return the parts of boxes that have one of the values wanted on each path; paths that no box has are no limit."""
    parts = [{path: side & set(wanted.get(path, side)) for path, side in box.items()} for box in boxes]
    return [part for part in parts if all(part.values())]
