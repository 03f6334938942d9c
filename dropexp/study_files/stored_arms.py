"""Stored rows of runs.csv as configurations again, and those that join a study: they differ in its axes and seeds alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from dropexp.experiment.config import Config
from dropexp.experiment.identity import arm_id, canonical, run_id
from dropexp.experiment.leaves import LISTS, MAPPINGS, in_order, leaf, roles, shown
from dropexp.experiment.study import Grid, Study
from dropexp.study_files.command_words import read_word
from dropexp.study_files.yaml_scalars import core_value

WORDS = ("data.source", "data.sha256", "data.label")  # never numbers, whatever they look like


def from_cells(cells: Mapping[str, str]) -> Config:
    """Return the configuration that a row of runs.csv spells; an empty cell is a field's default."""
    sections: dict[str, Any] = {}
    for path in roles():
        cell = cells.get(path, "")
        if cell == "":
            continue
        value: Any = (
            cell if path in WORDS else read_word(path, cell) if path in (*LISTS, *MAPPINGS) else core_value(cell)
        )
        at = sections
        *parents, name = path.split(".")
        for parent in parents:
            at = at.setdefault(parent, {})
        at[name] = value
    if "patience" not in sections.get("early_stopping", {}):
        sections.pop("early_stopping", None)
    return Config.model_validate(sections)


def names_of(cells: tuple[str, ...], seed: int) -> tuple[str, str]:
    """Return the arm_id and run_id of a row by its configuration's cells, in the order of `roles`, and its seed.

    Raises ValueError where the cells are no configuration.
    """
    config, arm = _named(cells)
    return arm, run_id(config, seed)


@lru_cache(maxsize=4096)
def _named(cells: tuple[str, ...]) -> tuple[Config, str]:
    config = from_cells(dict(zip(roles(), cells, strict=True)))
    return config, arm_id(config)


def with_leaves(base: Config, changes: Mapping[str, Any]) -> Config:
    """Return a configuration with some leaves replaced by values of their types."""
    changed = base
    for path, value in changes.items():
        names = path.split(".")
        inner: Any = value
        for depth in range(len(names) - 1, -1, -1):
            holder = leaf(changed, ".".join(names[:depth])) if depth else changed
            inner = holder.model_copy(update={names[depth]: inner})
        changed = inner
    return changed


def joined(study: Study, rows: Iterable[Mapping[str, str]], everything: bool = False) -> tuple[Study, str | None]:
    """Return the study with every stored arm that differs from it in its axes and seeds alone, and a line on the rest.

    `rows` are those of runs.csv, one a run. With `everything`, what else differs becomes an axis, and nothing is left out.
    """
    by_arm: dict[str, Mapping[str, str]] = {}
    seeds: dict[str, set[int]] = {}
    for row in rows:
        by_arm.setdefault(row["arm_id"], row)
        seeds.setdefault(row["arm_id"], set()).add(int(row["seed"]))
    own = {arm.arm_id for arm in study.arms}
    paths = list(dict.fromkeys(path for grid in study.grids for path, _ in grid))
    reference = study.arms[0].config
    extra: list[Config] = []
    left: dict[str, int] = {}
    shown_ids = set(own)
    for name, row in by_arm.items():
        if name in own:
            continue
        stored = from_cells(row)
        close = with_leaves(reference, {path: leaf(stored, path) for path in paths})
        if arm_id(canonical(close)) == name:
            extra.append(close)
        elif everything:
            extra.append(stored)
            paths += [p for p in apart(canonical(close), stored) if p not in paths]
        else:
            why = _difference(canonical(close), stored)
            left[why] = left.get(why, 0) + len(seeds[name])
            continue
        shown_ids.add(name)
    union = sorted(set(study.seeds).union(*(seeds[name] for name in shown_ids if name in seeds)))
    configs = in_order(dict.fromkeys([*study.configs, *extra]), paths, leaf)
    grids: tuple[Grid, ...] = study.grids
    if extra:
        grids = (tuple((p, tuple(dict.fromkeys(leaf(c, p) for c in configs))) for p in paths),)
    note = None
    if left:
        why, count = max(left, key=left.__getitem__), sum(left.values())
        others = " and others" if len(left) > 1 else ""
        note = f"{count} runs with {why}{others} are not shown; 'dropexp plot --all' draws them"
    if study.grow is not None:  # what holds of such a study holds of the seeds of whole rounds
        union = list(study.seeds)
        more = sum(len(seeds.get(name, set()).difference(union)) for name in shown_ids)
        late = f"{more} run{'s' * (more != 1)} of seeds from {len(union)} on not shown, as not all arms have them yet"
        note = "\n".join(filter(None, [note, late if more else None])) or None
    wanted = frozenset((name, seed) for name in own for seed in study.seeds)
    return replace(
        study, configs=tuple(configs), grids=grids, seeds=tuple(union), asked=study.asked or study.seeds, wanted=wanted
    ), note


def _difference(here: Config, there: Config) -> str:
    path = next(iter(apart(here, there)), "another configuration")
    if path == "data.sha256":
        return f"an older version of {there.data.source}"
    return f"{path} {shown(path, leaf(there, path))}" if path in roles() else path


def apart(here: Config, there: Config) -> list[str]:
    """Return the paths in which two configurations differ; a user's file is its content, not its path."""
    by_content = here.data.sha256 and there.data.sha256
    return [p for p in roles() if leaf(here, p) != leaf(there, p) and not (p == "data.source" and by_content)]
