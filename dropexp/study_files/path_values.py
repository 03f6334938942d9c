"""PATH=VALUE: the one way to name a field and a value, of `--set`, `--arm` and `--baseline` and their like in Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropexp.experiment.leaves import roles, spell
from dropexp.experiment.sources import SOURCES
from dropexp.experiment.vocabulary import SHORT_NAMES, near
from dropexp.quoting import clean
from dropexp.study_files.from_dict import without_arrays


@dataclass(frozen=True)
class Override:
    """Values for one path from the command line; `option` is as typed.

    Several values make an axis, and so does one where `axis` says so; else one value sets the field.
    """

    path: str
    values: tuple[Any, ...]
    option: str
    axis: bool = False


def pair(text: str) -> tuple[str, str] | None:
    """Return path and value of `PATH=VALUE`, None where the text is no such pair."""
    path, equals, value = text.partition("=")
    return (path, value) if path and equals else None


def pairs(given: str | Mapping[str, Any] | Sequence[str]) -> list[str]:
    """Return PATH=VALUE for each condition that Python gives: words in one text or several, or a dict of them."""
    if isinstance(given, Mapping):
        return [f"{path}={spell(_as_stored(value))}" for path, value in given.items()]
    return given.split() if isinstance(given, str) else list(given)


def _as_stored(value: Any) -> Any:
    """Return a value as a configuration holds it: numbers of Python, and tuples for lists and mappings."""
    plain = without_arrays(value)
    if isinstance(plain, Mapping):
        return tuple((name, _as_stored(inner)) for name, inner in plain.items())
    return tuple(map(_as_stored, plain)) if isinstance(plain, list | tuple) else plain


def resolve(
    name: str, known: Iterable[str] | None = None, words: Mapping[str, str] | None = None, hint: str | None = None
) -> str:
    """Return the path that a name stands for: itself, a word of `words`, a short name, or the only path with this last part.

    `known` are the paths there are, those of a configuration where nothing is said; for `hint` see `no_path`. Raises
    ValueError with the sentence for a name that stands for several paths, or for none.
    """
    known, words = list(roles() if known is None else known), words or {}
    if name in words or name in known:
        return words.get(name, name)
    if (short := SHORT_NAMES.get(name)) in known:
        return str(short)
    ends = [path for path in known if path.endswith(f".{name}")]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise ValueError(f"{clean(name)} may be {' or '.join(ends)}; write one of them in full")
    raise ValueError(no_path(name, [*words, *known], hint))


def resolved(name: str) -> str:
    """Return the path that a name stands for, or the name: the parser says what is wrong, beside every other mistake."""
    try:
        return resolve(name)
    except ValueError:
        return name


def from_here(source: Any) -> Any:
    """Return a data source as it reads from any folder: a path that is there, seen from the current folder, as a whole path.

    Paths in a file are relative to the file, those of a command or a call to the folder where it is given.
    """
    if not isinstance(source, str) or source in SOURCES:
        return source
    path = Path(source)
    return path.absolute().as_posix() if path.exists() else source


def with_value(raw: Any, path: Sequence[str], value: Any) -> Any:
    """Return a copy of a nested mapping with one value changed; what is no mapping stays, to be blamed later."""
    if not path:
        return value
    inner = raw if isinstance(raw, dict) else {} if raw is None else None
    if inner is None:
        return raw
    return {**inner, path[0]: with_value(inner.get(path[0]), path[1:], value)}


def no_path(path: object, known: Iterable[str] | None = None, hint: str | None = None) -> str:
    """Return the sentence for what is no field's path, with the nearest that is, else with `hint`."""
    name, known = str(path), list(roles() if known is None else known)
    if name in ("seed", "seeds"):
        return f"{name} is not the path of a field; seeds are given by --seeds, or by 'seeds' at the top of the file"
    by_end = {end: [p for p in known if p.rpartition(".")[2] == end] for end in (p.rpartition(".")[2] for p in known)}
    end = near(name, by_end)
    short = SHORT_NAMES.get(name) or SHORT_NAMES.get(end or "")
    guess = short if short in known else near(name, known)
    guesses = [guess] if guess else by_end[end] if end else []
    guesses += [path for path in by_end.get(name, []) if short not in known and path not in guesses]
    meant = (
        f"; did you mean {' or '.join(map(repr, guesses))}?"
        if guesses
        else hint or "; write a path such as dropout.rate"
    )
    return f"{clean(name)} is not the path of a field{meant}"
