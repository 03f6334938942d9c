"""The probes of a study file: a list of names, a mapping of names to settings, or `all`; read into words and written back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from dropexp.experiment.probes import PROBES, asked, name_of, settings_of
from dropexp.experiment.vocabulary import meant
from dropexp.quoting import clean, spelt
from dropexp.study_files.claims_reader import Blame
from dropexp.study_files.mistakes import sentences
from dropexp.study_files.unknown_keys import explained

ALL = "all"


def probes_of(content: Mapping[str, Any], blame: Blame) -> tuple[str, ...]:
    """Return the probes that a study file asks for, as words with their settings, in the order of PROBES."""
    raw = content.get("probes") or []
    if raw == ALL:
        return tuple(map(asked, PROBES))
    if isinstance(raw, Mapping):
        found = {str(name): _configured(str(name), value, blame) for name, value in raw.items()}
        return tuple(word for name in PROBES if (word := found.get(name)))
    names = raw if isinstance(raw, list) else [raw]
    for i, name in enumerate(names):
        if not isinstance(name, str) or name not in PROBES:
            blame(("probes", i), f"probes: {_unknown(name)}")
    return tuple(asked(name) for name in PROBES if name in names)


def _unknown(name: Any) -> str:
    if isinstance(name, Mapping):
        return f"{spelt(name)} is not a name; settings belong in a mapping, as in 'probes: {{{_example()}}}'"
    return f"{spelt(name)} is not one of {', '.join(PROBES)}, or {ALL}{meant(name, [*PROBES, ALL])}"


def _example() -> str:
    return f"{next(iter(PROBES))}: {{every: 5}}"


def _configured(name: str, value: Any, blame: Blame) -> str | None:
    """Return the word for one entry of the mapping, None where it has mistakes, which are noted."""
    loc = ("probes", name)
    if name not in PROBES:
        blame(loc, f"probes.{clean(name)}: {explained(loc, value, PROBES)}", key=True)
        return None
    if value is not None and not isinstance(value, Mapping):
        blame(loc, f"probes.{name}: {spelt(value)} is not a mapping of settings; write '{name}: {{}}' for its defaults")
        return None
    kind = PROBES[name].settings
    try:
        return asked(name, kind.model_validate(value or {}))
    except ValidationError as error:
        for where, text in sentences(error, kind, loc, value):
            blame(where, text, key="unknown key" in text)
        return None


def written(words: Sequence[str]) -> list[str] | dict[str, dict[str, Any]]:
    """Return what a study file says of probes: their names, or with settings where some have not their defaults."""
    names = [name_of(word) for word in words]
    if list(words) == [asked(name) for name in names]:
        return names
    return {name: settings_of(word).model_dump(mode="json") for name, word in zip(names, words, strict=True)}


def schema() -> dict[str, Any]:
    """Return the JSON schema of the key `probes`."""
    settings = {
        name: {"anyOf": [{"type": "null"}, row.settings.model_json_schema() | {"description": row.means}]}
        for name, row in PROBES.items()
    }
    mapping = {"type": "object", "properties": settings, "additionalProperties": False}
    return {"anyOf": [{"const": ALL}, {"type": "array", "items": {"enum": list(PROBES)}}, mapping]}
