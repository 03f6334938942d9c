"""Unknown keys of a study file: what each was likely meant to be, and the section where it belongs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from dropexp.experiment.config import Config
from dropexp.experiment.leaves import LISTS, roles
from dropexp.experiment.vocabulary import KEY_VALUES, KEY_WORDS, OPTION_WORDS, SHORT_NAMES, near
from dropexp.quoting import any_of, clean, dotted, inside

TOP_LEVEL = (
    "study", *Config.model_fields, "seeds", "sweep", "claims", "margins", "probes", "save_weights", "save_predictions",
)  # fmt: skip


def explained(path: tuple[str | int, ...], value: Any, known: Iterable[str]) -> str:
    """Return the sentence about an unknown key: `path` is its own path, `known` are the keys allowed beside it."""
    key, here, names = str(path[-1]), dotted(path[:-1]), list(known)
    head, _, tail = key.partition(":")
    if tail and value is None and near(head, names):
        return f"unknown key; did you mean '{near(head, names)}: {clean(tail)}', with a space after ':'?"
    if not here and key in OPTION_WORDS:
        worth = f" {clean(str(value))}" if isinstance(value, str | int) else ""
        return f"unknown key; it is an option of run and sweep: --{key}{worth}"
    word, targets = _meant(key, here, names)
    if not targets:
        return f"unknown key; known here: {', '.join(names)}"
    if len(targets) > 1:
        targets = [path for path in targets if _takes(path, value)] or targets
    if len(targets) > 1:
        return f"unknown key; '{clean(key)}' belongs under {any_of(_split(target)[0] for target in targets)}"
    parent, name = _split(targets[0])
    if word in KEY_VALUES:
        value = KEY_VALUES[word](value)
    example = clean(_written(targets[0], value))
    if example.startswith("sweep:"):
        return f"unknown key; to compare values, write '{example}'"
    if parent == here:
        worth = f"{name}: {inside(value)}" if word in KEY_VALUES and value is not None else name
        return f"unknown key; did you mean '{worth}'?"
    place = f"under {parent}" if parent else "at the top of the file"
    if name == key:
        return f"unknown key; '{name}' belongs {place}: '{example}'"
    return f"unknown key; did you mean '{name}' {place}: '{example}'?"


def _takes(path: str, value: Any) -> bool:
    """Whether a value is one that the field at a path may have."""
    name, _, rest = path.partition(".")
    if path not in roles():
        return False
    for part in reversed(rest.split(".")):
        value = {part: value}
    try:
        type(Config.model_fields[name].default).model_validate(value)
    except ValidationError:
        return False
    return True


def _meant(key: str, here: str, names: list[str]) -> tuple[str, list[str]]:
    """Return the word that a key was read as, and the paths that this word names."""
    within = here in ("", *_sections())  # a claim is no part of a configuration: its keys belong nowhere else
    if within and (found := _elsewhere(key)):
        return found
    if guess := near(key, names):
        return guess, [f"{here}.{guess}" if here else guess]
    candidates = [word for word in (*KEY_WORDS, *(_split(path)[1] for path in _paths())) if len(word) > 3]
    if within and (guess := near(key, candidates)) and (found := _elsewhere(guess)):
        return found
    return key, []


def _elsewhere(key: str) -> tuple[str, list[str]] | None:
    """Return what a key names anywhere: by the field's words, as a whole path, or as the end of paths."""
    word = key.strip().casefold().replace("-", "_")
    if word in KEY_WORDS or word in SHORT_NAMES:
        return word, [KEY_WORDS.get(word) or SHORT_NAMES[word]]
    found = [path for path in _paths() if key in (path, _split(path)[1])]
    return (key, found) if found else None


def _sections() -> list[str]:
    return list(dict.fromkeys(_split(path)[0] for path in roles()))


def _paths() -> list[str]:
    """Return every path at which something can be written."""
    return list(dict.fromkeys([*TOP_LEVEL, *_sections(), *roles()]))


def _split(path: str) -> tuple[str, str]:
    parent, _, name = path.rpartition(".")
    return parent, name


def _written(path: str, value: Any) -> str:
    """Return YAML that sets a path, or sweeps it where a list is given for a field that holds one value."""
    if isinstance(value, list) and path in roles() and path not in LISTS:
        return f"sweep: {{{path}: {inside(value)}}}"
    text = "..." if value is None or (isinstance(value, dict) and path in roles()) else inside(value)
    for name in reversed(path.split(".")[1:]):
        text = f"{{{name}: {text}}}"
    return f"{path.split('.')[0]}: {text}"
