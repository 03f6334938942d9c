"""From the words of a command line to typer's: lists without commas, and options that are fields of a study."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dropexp.workflow.request import AXES, SHORTCUTS

if TYPE_CHECKING:
    from dropexp.study_files.path_values import Override

EXAMPLES = dict(zip(AXES, ("0 0.5", "bernoulli vanilla", "hidden input", "NAD DNA", "none 5"), strict=True))
LISTS = (
    *(f"--{name}" for name in (*AXES, *SHORTCUTS)),
    "--seeds",
    "--set",
    "--baseline",
    "--min-deltas",
    "--criteria",
    "--alphas",
    "--strips",
    "--only",
    "--format",
)
PAIRS = ("--arm",)  # lists of PATH=VALUE, which end at a word without '='
_NUMBER = re.compile(r"-[\d.].*")


def gather(argv: Sequence[str]) -> list[str]:
    """Join the words that follow a list option into one, so that `--rates 0 0.2 0.5` is read as a list.

    A list ends at the next option or at a word that ends in .yaml or .yml, which is the config.
    """
    found: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        found.append(word)
        if word == "--":
            return found + words
        name, equals, value = word.partition("=")
        if name not in (*LISTS, *PAIRS):
            continue
        taken = [value] if equals else []
        while words and _belongs(words[0]) and (name in LISTS or "=" in words[0]):
            taken.append(words.pop(0))
        found[-1:] = [name, "\n".join(taken)] if taken else [name]
    return found


def _belongs(word: str) -> bool:
    option = word.startswith("-") and not _NUMBER.fullmatch(word)
    return not option and not word.lower().endswith((".yaml", ".yml"))


def split(given: Sequence[str] | None) -> list[str]:
    """Return the words of a list option, which may have been repeated."""
    return [word for text in given or () for word in re.split(r"\s+", text) if word]


def overrides(lists: Mapping[str, Sequence[str] | None], sets: Sequence[str] | None) -> list[Override]:
    """Return what the options say of fields; `lists` holds each list option's words by its name, `sets` those of --set.

    Raises UsageError for a --set without a path and a value, for a field that two options set, and for malformed ranges.
    """
    from dropexp.errors import UsageError
    from dropexp.study_files.command_words import read_words
    from dropexp.study_files.path_values import Override, from_here, pair, resolved

    found = []
    for name, path in AXES.items():
        if words := split(lists.get(name)):
            typed = f"--{name} {' '.join(words)}"
            if not (values := read_words(path, words, typed)):
                raise UsageError(f"{typed}: no value; list at least one, as in --{name} {EXAMPLES[name]}")
            found.append(Override(path, tuple(values), typed, axis=True))
    given: dict[str, tuple[str, list[str]]] = {}  # path -> what was typed before its words, and these
    for name, path in SHORTCUTS.items():
        if words := split(lists.get(name)):
            given[path] = (f"--{name} ", words)
    path = ""
    for word in split(sets):
        if (said := pair(word)) is not None:  # else one more value of the path before
            path, word = resolved(said[0]), said[1]
        if not path:
            raise UsageError(f"--set {word}: write PATH=VALUE, as in --set training.lr=0.01,0.1")
        begin, words = given.setdefault(path, (f"--set {said[0] if said else path}=", []))
        if not begin.startswith("--set"):
            option = begin.strip()
            raise UsageError(f"--set {path}={word}: {option} sets {path} already; leave one of the two out")
        words.append(word)
    for path, (begin, words) in given.items():
        typed = begin + ("," if begin.endswith("=") else " ").join(words)
        values = read_words(path, words, typed, axis=False)
        if not values:
            raise UsageError(f"{typed}: no value; write {begin}VALUE, as in --set training.lr=0.01")
        found.append(Override(path, tuple(map(from_here, values) if path == "data.source" else values), typed))
    return found


def seeds(given: Sequence[str] | None) -> list[object] | None:
    """Return what --seeds names: [5] is a count, two numbers or more are seeds, and [7] in brackets is a list of one."""
    from dropexp.study_files.command_words import read_words

    words = split(given)
    if not words:
        return None
    text = " ".join(words)
    values = read_words("seeds", text.strip("[] ").split(), f"--seeds {text}")
    return [values] if text.startswith("[") else values
