"""Grids of which a folder holds few arms: the cells that have rows, found without making all the others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

from dropexp.experiment.boxes import Box
from dropexp.experiment.config import Config
from dropexp.experiment.identity import arm_id, canonical
from dropexp.experiment.leaves import leaf
from dropexp.experiment.study import Grid
from dropexp.study_files.stored_arms import from_cells, with_leaves

SMALL, TIMES = 100, 4  # a grid of so many cells, or of so many times the arms stored, is made as a whole

Rows = Mapping[str, Mapping[str, str]]  # arm_id -> one of its rows of runs.csv
Leaf = Callable[..., Any]  # a path and a value as written -> as a configuration holds it; without a value, the base's
Make = Callable[[tuple[tuple[str, Any], ...]], Config]  # the paths and values of a cell, as written


def sparse(grids: Sequence[Grid], rows: Rows | None) -> bool:
    """Whether grids name far more arms than have rows, so that reading a folder must not make them all."""
    named = sum(prod(len(values) for _, values in grid) for grid in grids)
    return rows is not None and named > max(SMALL, TIMES * len(rows))


def few(grids: Sequence[Grid], rows: Rows, typed: Leaf, make: Make) -> tuple[list[Config], tuple[Box, ...]]:
    """Return the configurations of the cells whose arms have rows, in the order of the grids, and the grids as boxes.

    Beside each stands the cell at rate 0 that it is to be compared with, with or without rows: where it has none, nothing may
    be said of the difference, rather than something of another arm. Where no cell has rows, the first stands for all.
    """
    found = dict.fromkeys(config for grid in grids for config in _occupied(grid, rows, typed, make))
    paths = list(dict.fromkeys(path for grid in grids for path, _ in grid))
    boxes: list[Box] = []
    for grid in grids:
        own = {path: frozenset(typed(path, value) for value in values) for path, values in grid}
        boxes.append({path: own.get(path) or frozenset([typed(path)]) for path in paths})
    for config in list(found):
        bare = with_leaves(config, {"dropout.rate": 0.0})
        if any(all(leaf(bare, path) in side for path, side in box.items()) for box in boxes):
            found[bare] = None
    return list(found) or [make(tuple((path, values[0]) for path, values in grids[0]))], tuple(boxes)


def _occupied(grid: Grid, rows: Rows, typed: Leaf, make: Make) -> Iterator[Config]:
    """Yield the configurations of a grid's cells whose arms have rows, in the order of the grid.

    A stored configuration is canonical: an axis that says nothing about it (the place of a mask at rate 0) stands at its
    default there, and all values of that axis are its. So of each axis those values are kept that leave the arm the same
    function, one axis changed at a time, and only the cells of these are made.
    """
    places = [{typed(path, value): i for i, value in reversed([*enumerate(values)])} for path, values in grid]
    found: dict[tuple[int, ...], Config] = {}
    for name, row in rows.items():
        stored = _configuration(row)
        if stored is None:
            continue
        kept = [
            [i for value, i in place.items() if value == leaf(stored, path) or _same(stored, path, value, name)]
            for (path, _), place in zip(grid, places, strict=True)
        ]
        for at in itertools.product(*kept):
            config = make(tuple((path, values[i]) for (path, values), i in zip(grid, at, strict=True)))
            if arm_id(canonical(config)) == name:
                found[at] = config
    yield from (found[at] for at in sorted(found))


def _configuration(row: Mapping[str, str]) -> Config | None:
    """Return a row's configuration, None where its cells are none: what to say of it is not this search's."""
    try:
        return from_cells(row)
    except ValueError:
        return None


def _same(stored: Config, path: str, value: Any, name: str) -> bool:
    """Whether another value on one axis leaves an arm the same function."""
    if path == "model.kind":  # other fields belong to it
        return False
    return arm_id(canonical(with_leaves(stored, {path: value}))) == name
