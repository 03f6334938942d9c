"""The folder of a study that names none: its file's name, and what the command line makes of another question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from dropexp.experiment.leaves import roles, shown
from dropexp.experiment.naming import short
from dropexp.experiment.sources import SOURCES
from dropexp.experiment.vocabulary import SHORT_NAMES

LONGEST = 60  # characters of what is added to a file's name; beyond them a digest stands for the rest
DIGITS = 8
MOST_BYTES = 100  # of a whole name


def folder_name(stem: str, own_axes: Iterable[str], axes: Iterable[str], settings: Mapping[str, Any]) -> str:
    """Return the name of a folder: one per question, whatever the order of the options.

    `stem` is the file's name, `own_axes` are the paths that the file sweeps and `axes` those that the command does.
    `settings` holds the single values that the command line gives other than the file, by path. Over the file's own axes
    and settings, the name is the file's: other values on the same axes continue in the same folder.
    """
    own, swept = ({path for path in paths if path != "data.sha256"} for paths in (own_axes, axes))
    words = sorted(map(folder_word, swept)) if swept != own else []
    words += sorted(f"{folder_word(path)}-{_value(path, value)}" for path, value in settings.items())
    if not words:
        return stem
    tail = "-".join(words)
    longest = min(LONGEST, MOST_BYTES - 1 - len(stem.encode()))
    if len(tail.encode()) > longest:
        kept = tail.encode()[: max(0, longest - DIGITS - 1)].decode(errors="ignore").rstrip("-.")
        tail = "-".join(filter(None, [kept, sha256(tail.encode()).hexdigest()[:DIGITS]]))
        stem = stem.encode()[: MOST_BYTES - 1 - len(tail.encode())].decode(errors="ignore")
    return f"{stem}-{tail}"


def folder_word(path: str) -> str:
    """Return the word for a path in a folder's name: its short name, else its heading in tables, with the part of the path
    before it where the heading of another field is the same.
    """
    own = {there: name for name, there in SHORT_NAMES.items()}
    if path in own:
        return own[path]
    word = short(path)
    alone = sum(short(other) == word for other in roles()) == 1
    return word.replace(" ", "-") if alone else ".".join(path.split(".")[-2:])


def _value(path: str, value: Any) -> str:
    text = shown(path, value)
    if path == "data.source" and text not in SOURCES:  # a file of the user's: its name, without folders and ending
        text = text.replace("\\", "/").rstrip("/").rpartition("/")[2].partition(".")[0] or text
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in text).strip("-.") or "none"
