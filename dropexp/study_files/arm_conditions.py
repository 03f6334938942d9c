"""Arms by what is said of them: `rate=0.5 placement=input` to those of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dropexp.errors import UsageError
from dropexp.experiment.design import Arm, Design
from dropexp.experiment.leaves import LISTS, spell
from dropexp.experiment.naming import headings, value
from dropexp.experiment.vocabulary import near
from dropexp.study_files.command_words import read_word


@dataclass(frozen=True)
class Picked:
    """The arms that meet every condition, and the paths that the conditions fix."""

    arms: tuple[Arm, ...]
    paths: tuple[str, ...]


def pick(study: Design, conditions: Sequence[str]) -> Picked:
    """Return the arms of a study that meet conditions as `--arm` takes them, all where there is none.

    A path may be written by its last part. Raises UsageError for what is no condition, no path or a value no arm has.
    """
    arms, paths = tuple(study.arms), list[str]()
    for condition in conditions:
        name, equals, word = condition.partition("=")
        if not equals or not name:
            raise UsageError(f"--arm {condition}: write PATH=VALUE, as in --arm rate=0.5")
        path = _path(study, name, condition)
        found = tuple(arm for arm in arms if _meets(arm, path, word))
        if not found:
            has = ", ".join(dict.fromkeys(value(arm, path) for arm in arms))
            raise UsageError(f"--arm {condition}: no arm of {study.name} has it; {name} is {has}")
        arms = found
        paths.append(path)
    return Picked(arms, tuple(paths))


def _path(study: Design, name: str, condition: str) -> str:
    known = dict.fromkeys([*study.axes, *(path for arm in study.arms for path in arm.cells)])
    words = {word: path for path, word in headings(study.axes).items()}
    if name in known or name in words:
        return words.get(name, name)
    ends = [path for path in known if path.endswith(f".{name}")]
    if len(ends) == 1:
        return ends[0]
    guess = near(name, [*words, *known])
    hint = f"did you mean {guess!r}?" if guess else f"its axes are {', '.join(study.axes) or 'none'}"
    many = f"it may be {' or '.join(ends)}" if ends else f"{study.name} has no such field; {hint}"
    raise UsageError(f"--arm {condition}: {many}")


def _meets(arm: Arm, path: str, word: str) -> bool:
    """Whether an arm has the value that a word spells, as a cell, as shown or as on the command line."""
    here = arm.value(path)
    read = read_word(path, word)
    if path in LISTS and isinstance(here, tuple):
        return sorted(map(str, here)) == sorted(map(str, read)) if path == "dropout.placement" else here == tuple(read)
    order = path == "model.order" and "".join(part[:1] for part in str(here).split("-")).upper() == word.upper()
    return order or word in (spell(here), value(arm, path)) or spell(read) == spell(here)
