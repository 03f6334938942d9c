"""Arms by what is said of them, such as `rate=0.5 placement=input`: those to look at, or those that others are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from dropexp.errors import UsageError
from dropexp.experiment.design import Arm, Design
from dropexp.experiment.foreign_study import Foreign
from dropexp.experiment.leaves import LISTS, shown, spell
from dropexp.experiment.naming import keys, value
from dropexp.experiment.study import Study
from dropexp.study_files.command_words import read_word
from dropexp.study_files.path_values import pair, resolve

D = TypeVar("D", Study, Foreign)


@dataclass(frozen=True)
class Picked:
    """The arms that meet every condition, and the paths that the conditions fix."""

    arms: tuple[Arm, ...]
    paths: tuple[str, ...]


def pick(study: Design, conditions: Sequence[str], option: str = "--arm") -> Picked:
    """Return the arms of a study that meet conditions as `option` takes them, all where there is none.

    A path may be written by its last part. Raises UsageError for what is no condition, no path or a value no arm has.
    """
    arms, paths = tuple(study.arms), list[str]()
    known = list(dict.fromkeys([*study.axes, *(path for arm in arms for path in arm.cells)]))
    words = {word: path for path, word in keys(study.axes).items()}
    for condition in conditions:
        if (said := pair(condition)) is None:
            raise UsageError(f"{option} {condition}: write PATH=VALUE, as in {option} rate=0.5")
        name, word = said
        try:
            path = resolve(name, known, words, f"; the axes of {study.name} are {', '.join(study.axes) or 'none'}")
        except ValueError as error:
            raise UsageError(f"{option} {condition}: {error}") from None
        found = tuple(arm for arm in arms if _meets(arm, path, word))
        if not found:
            has = ", ".join(dict.fromkeys(value(arm, path) for arm in arms))
            raise UsageError(f"{option} {condition}: no arm of {study.name} has this; its values of {name} are {has}")
        arms = found
        paths.append(path)
    return Picked(arms, tuple(paths))


def with_baseline(study: D, conditions: Sequence[str]) -> D:
    """Return the study with the arms that meet the conditions as baselines; without conditions it is left as it is.

    Raises UsageError where `pick` does, and where no other arm is compared with such an arm.
    """
    if not conditions:
        return study
    picked = pick(study, conditions, "--baseline")
    chosen = {path: shown(path, picked.arms[0].value(path)) for path in picked.paths}
    named = replace(study, chosen=tuple(chosen.items()))
    if all(base is None for base in named.baselines) and len(study.arms) > 1:
        words = " ".join(conditions)
        raise UsageError(f"--baseline {words}: no other arm has the same values as such an arm on every other axis")
    return named


def _meets(arm: Arm, path: str, word: str) -> bool:
    """Whether an arm has the value that a word spells, as a cell, as shown or as on the command line."""
    here = arm.value(path)
    read = read_word(path, word)
    if path in LISTS and isinstance(here, tuple):
        return sorted(map(str, here)) == sorted(map(str, read)) if path == "dropout.placement" else here == tuple(read)
    order = path == "model.order" and "".join(part[:1] for part in str(here).split("-")).upper() == word.upper()
    return order or word in (spell(here), value(arm, path)) or spell(read) == spell(here)
