"""Several studies as one: their arms and seeds together, where they differ in nothing but axes and seeds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dropexp.errors import StoreError
from dropexp.experiment.config import Config
from dropexp.experiment.identity import arm_id, canonical
from dropexp.experiment.leaves import leaf, spell
from dropexp.experiment.probes import name_of, newest
from dropexp.experiment.study import Grid, Study
from dropexp.study_files.stored_arms import apart, with_leaves
from dropexp.study_files.writing import plain


def union(studies: Mapping[Path, Study], name: str) -> tuple[Study, tuple[str, ...]]:
    """Return the study of all arms and seeds, and notes on what only some folders say.

    Raises StoreError where two studies differ in a field that neither sweeps.
    """
    studies = _same_paths(studies)
    (first_folder, first), *others = studies.items()
    paths = list(dict.fromkeys(p for study in studies.values() for grid in study.grids for p, _ in grid))
    reference = first.arms[0].config
    for folder, study in others:
        for arm in study.arms:
            close = with_leaves(reference, {path: leaf(arm.config, path) for path in paths})
            if arm_id(canonical(close)) != arm.arm_id:
                path = next(iter(apart(canonical(close), arm.trained)), "data.source")
                here, there = (spell(leaf(config, path)) or "none" for config in (close, arm.config))
                raise StoreError(
                    f"{folder}: {path} is {there}, but {here} in {first_folder}; "
                    "the folders of one study may differ only in axes and seeds: leave one out, or sweep that field in both"
                )
    grids: list[dict[str, tuple[object, ...]]] = []
    for study in studies.values():
        for grid in study.grids:
            values = dict(grid)
            _merge(grids, {p: tuple(values.get(p, (plain(leaf(study.base, p)),))) for p in paths})
    made: tuple[Grid, ...] = tuple(tuple(grid.items()) for grid in grids)
    configs = dict.fromkeys(config for study in studies.values() for config in study.configs)
    seeds = sorted({seed for study in studies.values() for seed in study.seeds})
    probes = newest([word for study in reversed(studies.values()) for word in study.probes])
    notes = []
    if odd := [str(folder) for folder, study in others if study.claims != first.claims]:
        notes.append(f"claims: those of {first_folder} are kept; they differ from those of {', '.join(odd)}")
    if odd := [str(folder) for folder, study in others if study.margins != first.margins]:
        notes.append(f"margins: those of {first_folder} are kept; they differ from those of {', '.join(odd)}")
    asked = {name_of(word): word for word in probes}
    if odd := [str(folder) for folder, study in others if any(asked[name_of(word)] != word for word in study.probes)]:
        notes.append(f"probes: settings of {first_folder} are kept; they differ from those of {', '.join(odd)}")
    if grown := [str(folder) for folder, study in studies.items() if study.grow]:
        notes.append(
            f"seeds: {', '.join(grown)} was declared to grow until all is decided; the joined study's intervals "
            "do not account for that"
        )
    # which seeds there are no longer depends on what was decided in one of the folders
    joined = replace(
        first,
        name=name,
        grids=made,
        seeds=tuple(seeds),
        configs=tuple(configs),
        probes=tuple(probes),
        grow=None,
        marks=(),
    )
    return joined, tuple(notes)


def _same_paths(studies: Mapping[Path, Study]) -> dict[Path, Study]:
    """Return the studies with every user's file at one path, as seen from the first folder, whoever holds a copy."""
    home = next(iter(studies.values())).folder
    known: dict[tuple[str, str | None], str] = {}  # the name is part of a run's own
    found = {}
    for folder, study in studies.items():
        moved = {}
        for data in (config.data for config in study.configs if config.data.sha256):
            path = study.folder / data.source
            moved[data.source] = known.setdefault((path.name, data.sha256), seen_from(home, path))
        configs = [_with_source(config, moved) for config in (study.base, *study.configs)]
        grids = tuple(
            tuple((p, tuple(moved.get(v, v) for v in values) if p == "data.source" else values) for p, values in grid)
            for grid in study.grids
        )
        found[folder] = replace(study, folder=home, base=configs[0], configs=tuple(configs[1:]), grids=grids)
    return found


def seen_from(home: Path, path: Path) -> str:
    """Return a path as seen from a folder; on another drive, the whole of it."""
    try:
        return Path(os.path.relpath(path.resolve(), home.resolve())).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _with_source(config: Config, moved: Mapping[str, str]) -> Config:
    source = config.data.source
    return with_leaves(config, {"data.source": moved[source]}) if source in moved else config


def _merge(grids: list[dict[str, tuple[object, ...]]], new: dict[str, tuple[object, ...]]) -> None:
    """Add a grid to others; one that differs from it on one axis at most takes that axis's values up."""
    for grid in grids:
        differ = [path for path, values in new.items() if grid[path] != values]
        if len(differ) < 2:
            for path in differ:
                grid[path] += tuple(v for v in new[path] if v not in grid[path])
            return
    grids.append(new)
