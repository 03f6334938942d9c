"""Folders to a comparison: two studies, or two arms of one, and what to call them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dropexp.errors import StoreError, UsageError
from dropexp.experiment.naming import label
from dropexp.study_files.arm_conditions import Picked, pick
from dropexp.workflow.reading import reading, studies_below

if TYPE_CHECKING:
    from dropexp.analysis.compare import Pair
    from dropexp.analysis.tidy import Tidy


def compare(
    paths: Sequence[Path], arms: Sequence[Sequence[str]] = (), alone: bool = False
) -> tuple[tuple[Pair, ...], tuple[str, str]]:
    """Return the arms that belong together, each with its differences, and the names of both sides.

    `paths` name two studies, or one of which `arms` holds two lists of conditions; with two studies, one list is for
    both and two are one for each. `alone`: each pair is judged by itself, as exploratory. Raises UsageError where that is
    not so or no arm of one agrees with one of the other, StoreError where no seed is finished in both.
    """
    from dropexp.analysis.compare import Side
    from dropexp.analysis.compare import compare as contrasted

    folders = studies_below(*paths)
    if len(arms) > 2:
        raise UsageError(f"--arm: given {len(arms)} times; a comparison has two sides")
    if len(folders) > 2:
        some = ", ".join(str(folder) for folder in folders[:3])
        raise UsageError(
            f"compare: {len(folders)} studies ({some} ...); name two, or join them with --together --out DIR"
        )
    if len(folders) == 1 and len(arms) < 2:
        raise UsageError("compare: only one study; name a second one, or two of its arms: --arm rate=0.5 --arm rate=0")
    both = [(folders[0], reading(folders[0])[0])]
    both.append((folders[1], reading(folders[1])[0]) if len(folders) > 1 else both[0])
    chosen = list(arms) * 2 if len(arms) == 1 else list(arms) or [(), ()]
    picked = [pick(shown.study, conditions) for (_, shown), conditions in zip(both, chosen, strict=True)]
    fixed = {path for side in picked for path in side.paths}
    free = [p for p in dict.fromkeys((*both[0][1].axes, *both[1][1].axes)) if p not in fixed]
    sides = [[Side(shown, arm) for arm in side.arms] for (_, shown), side in zip(both, picked, strict=True)]
    pairs = contrasted(sides[0], sides[1], free, alone)
    names = [_name(folder, shown, side) for (folder, shown), side in zip(both, picked, strict=True)]
    if not pairs:
        raise UsageError(
            f"compare: no arm of {names[0]} matches an arm of {names[1]} in {' and '.join(free)}; "
            "name one of each with --arm PATH=VALUE"
        )
    if not any(pair.contrasts for pair in pairs):
        raise StoreError(f"compare: no seed has a finished run both in {names[0]} and in {names[1]}; train them first")
    return pairs, (names[0], names[1])


def _name(folder: Path, shown: Tidy, picked: Picked) -> str:
    """Return a side's folder and what was picked of it."""
    fixed = tuple(path for path in dict.fromkeys(picked.paths))
    return ", ".join([str(folder), *([label(picked.arms[0], fixed)] if fixed else [])])
