"""Validation errors as sentences: the value, why it is refused, what the field means and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError

from dropexp.experiment.leaves import roles
from dropexp.experiment.vocabulary import (
    BOOLEAN_WORDS,
    KEY_WORDS,
    SHORTHANDS,
    near,
    percent_as_fraction,
    read_as_number,
    sort_of,
)
from dropexp.quoting import any_of, clean, dotted, inside, spelt
from dropexp.study_files.unknown_keys import TOP_LEVEL, explained

Loc = tuple[str | int, ...]


class Mistake(NamedTuple):
    """Where (a path in the file) and what: `dropout.rate: 1.5 is not below 1 (the probability that ...)`."""

    loc: Loc
    text: str


class _Fault(NamedTuple):
    """One refusal of the schema, and what the schema says about the place."""

    kind: str  # pydantic's name for it
    loc: Loc  # from the section down
    given: Any
    limits: Mapping[str, Any]
    message: str
    wants: Any  # the annotation of the field, Any below it
    means: str
    name: str
    known: tuple[str, ...]  # the keys of the section that the field stands in


def sentences(error: ValidationError, section: type[BaseModel], where: Loc = (), given: Any = None) -> list[Mistake]:
    """Return each mistake that a section's validation found, once.

    `where` is the section's own path; `given` what was validated, by which the path of a mapping
    such as rate_at can name its key. A text with the words `unknown key` is about the key, not its value.
    """
    groups: dict[Loc, list[_Fault]] = {}
    for found in error.errors(include_url=False):
        fault = _placed(found, section, where, given)
        groups.setdefault(fault.loc, []).append(fault)
    mistakes = []
    for loc, faults in groups.items():
        if faults[0].kind == "too_short" and any(len(o) > len(loc) and o[: len(loc)] == loc for o in groups):
            continue  # the list is only short of the items that are blamed themselves
        whole = where + loc
        path = f"{dotted(whole)}: " if whole else ""
        mistakes.append(Mistake(whole, path + _sentence(faults, whole)))
    return mistakes


def unknown_top_level(content: Mapping[Any, Any]) -> list[Mistake]:
    """Return a mistake for every key that a study file does not know, to be pointed at as a key."""
    unknown = [key for key in content if key not in TOP_LEVEL]
    return [Mistake((key,), f"{dotted([str(key)])}: {explained((key,), content[key], TOP_LEVEL)}") for key in unknown]


def _placed(found: Any, section: type[BaseModel], where: Loc, given: Any) -> _Fault:
    """Follow a refusal through the schema: leave out the branches of unions, name the keys of mappings."""
    loc: list[str | int] = []
    wants: Any = section
    means, name, known = "", str(where[-1]) if where else "", tuple(section.model_fields)
    at, paired = given, False
    for part in found["loc"]:
        if paired:  # the key or the value of a pair
            paired = False
            continue
        model = wants if isinstance(wants, type) and issubclass(wants, BaseModel) else None
        if model is not None and (part in model.model_fields or found["type"] in KEYED):
            field = model.model_fields.get(part)
            known, name = tuple(model.model_fields), str(part)
            wants, means = (field.annotation, field.description or "") if field else (Any, "")
        elif isinstance(part, int) and isinstance(at, dict):  # the pairs of a mapping, sorted as in fields._paired
            part = sorted(at, key=str)[part]
            wants, paired = Any, True
        elif isinstance(part, int) and isinstance(at, tuple | list | None):
            wants = Any
        elif not (isinstance(at, dict) and part in at):
            continue  # the branch of a union, the side of a pair, or the one item of a list without brackets
        loc.append(part)
        at = _below(at, part)
    limits = found.get("ctx", {})
    return _Fault(found["type"], tuple(loc), found["input"], limits, found["msg"], wants, means, name, known)


def _below(at: Any, part: str | int) -> Any:
    try:
        return at[part]
    except (LookupError, TypeError):
        return None


def _sentence(faults: list[_Fault], path: Loc) -> str:
    """Return what is wrong at one place: a broken limit, or else that the value has no type wanted there."""
    fault = next((fault for fault in faults if fault.kind not in TYPES), faults[0])
    if fault.kind in KEYED:
        return KEYED[fault.kind](fault, path)
    wanted = list(dict.fromkeys(TYPES[f.kind] for f in faults if f.kind in TYPES))
    if "a number" in wanted and "a whole number" in wanted:
        wanted.remove("a whole number")
    problem = LIMITS[fault.kind](fault) if fault.kind in LIMITS else _wrong_type(fault, wanted)
    means = f" ({fault.means})" if fault.means else ""
    hint = next((said for look in HINTS if (said := look(fault, path, wanted))), "")
    return f"{problem}{means}{hint}"


def _wrong_type(fault: _Fault, wanted: list[str]) -> str:
    given = spelt(fault.given)
    if not wanted:
        return f"{given}: {clean(fault.message, 200)}"
    if wanted == ["a number"] and sort_of(fault.given) == "number":
        return f"{given} is too large a number"
    words = [MAPPINGS_AS_WRITTEN.get(fault.name, word) if word == "a list" else word for word in wanted]
    if type(None) in get_args(fault.wants):
        words.append("null")
    return f"{given} is not {words[0]}" if len(words) == 1 else f"{given} is neither {any_of(words, 'nor')}"


def _allowed(fault: _Fault) -> list[str]:
    return re.findall("'([^']*)'", str(fault.limits.get("expected", "")))


# ---- what may have been meant: the first of HINTS that has something to say is heard


def _quoted(value: Any) -> str:
    return f"; did you mean {value}?"


def _as_axis(fault: _Fault, path: Loc, wanted: list[str]) -> str:
    """A list where one value belongs is an axis."""
    if not isinstance(fault.given, list | tuple) or not fault.given or dotted(path) not in roles():
        return ""
    widths = KEY_WORDS.get(fault.name) == "model.hidden" and sort_of(fault.given) == "numbers"
    meant = f"; the units of each layer are 'hidden: {inside(fault.given)}'" if widths else ""
    return f"{meant}; values to compare belong under sweep: 'sweep: {{{dotted(path)}: {inside(fault.given)}}}'"


def _as_number(fault: _Fault, path: Loc, wanted: list[str]) -> str:
    number: Any = None
    if isinstance(fault.given, str) and {"a number", "a whole number"} & set(wanted):
        number = read_as_number(fault.given)
    elif wanted == ["a whole number"] and isinstance(fault.given, float) and fault.given.is_integer():
        number = int(fault.given)
    elif fault.kind == "less_than" and fault.limits["lt"] == 1:
        number = percent_as_fraction(fault.given)
    return "" if number is None else _quoted(number)


def _as_switch(fault: _Fault, path: Loc, wanted: list[str]) -> str:
    sort = sort_of(BOOLEAN_WORDS.get(fault.given) if isinstance(fault.given, str | int) else fault.given)
    meant = {"on": "true", "off": "false"}.get(sort) if wanted == ["true or false"] else None
    return _quoted(meant) if meant else ""


def _as_word(fault: _Fault, path: Loc, wanted: list[str]) -> str:
    if fault.kind == "literal_error":
        word = near(fault.given, _allowed(fault))
        return _quoted(f"'{word}'") if word else ""
    return (
        _quoted(f"'{inside(fault.given)}', in quotes")
        if "a word" in wanted and sort_of(fault.given) == "number"
        else ""
    )


def _as_null(fault: _Fault, path: Loc, wanted: list[str]) -> str:
    """A field that null switches off, given a word or a switch for that."""
    off = sort_of(fault.given) == "off" or str(fault.given).casefold() == "none"
    return _quoted("null") if off and type(None) in get_args(fault.wants) else ""


def _as_section(fault: _Fault, path: Loc, wanted: list[str]) -> str:
    if "a mapping" not in wanted or fault.name not in (*TOP_LEVEL, "schedule"):
        return ""
    sort, given = sort_of(fault.given), fault.given
    if sort == "nothing":
        return _quoted(f"'{fault.name}: {{}}'")
    meant = SHORTHANDS.get((fault.name, sort), "")
    if fault.name == "dropout" and percent_as_fraction(given):
        given = percent_as_fraction(given)
    return _quoted(f"'{meant.format(inside(given))}'") if meant else ""


def _as_default(fault: _Fault, path: Loc, wanted: list[str]) -> str:
    return "; write a value, or leave the key out for its default" if fault.given is None and len(path) > 1 else ""


# ---- what is known of pydantic's kinds of refusal

MAPPINGS_AS_WRITTEN = {"rate_at": "a mapping of places to rates, as {input: 0.2}"}  # stored as pairs
TYPES: dict[str, str] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a word",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
LIMITS: dict[str, Callable[[_Fault], str]] = {
    "greater_than": lambda f: f"{spelt(f.given)} is not above {f.limits['gt']:g}",
    "greater_than_equal": lambda f: f"{spelt(f.given)} is below {f.limits['ge']:g}",
    "less_than": lambda f: f"{spelt(f.given)} is not below {f.limits['lt']:g}",
    "less_than_equal": lambda f: f"{spelt(f.given)} is above {f.limits['le']:,}",
    "finite_number": lambda f: f"{spelt(f.given)} is not finite; infinity and nan are not allowed",
    "literal_error": lambda f: f"{spelt(f.given)} is not one of {', '.join(_allowed(f))}",
    "string_too_short": lambda f: f"{spelt(f.given)} is too short; write {f.limits['min_length']} character or more",
    "string_pattern_mismatch": lambda f: f"{spelt(f.given)} is not of the form {f.limits['pattern']}",
    "too_short": lambda f: f"{spelt(f.given)} is too short; list {f.limits['min_length']} or more",
    "value_error": lambda f: f"{spelt(f.given)}: {f.message.removeprefix('Value error, ')}",
}
KEYED: dict[str, Callable[[_Fault, Loc], str]] = {
    "extra_forbidden": lambda f, path: explained(path, f.given, f.known),
    "missing": lambda f, path: (
        f"missing ({f.means}); add '{f.name}: ...'" if f.means else f"missing; add '{f.name}: ...'"
    ),
    "invalid_key": lambda f, path: f"the key {spelt(f.given)} is not a word; put it in quotes",
}
HINTS: tuple[Callable[[_Fault, Loc, list[str]], str], ...] = (
    _as_axis,
    _as_number,
    _as_switch,
    _as_null,
    _as_section,
    _as_word,
    _as_default,
)
