"""The keys of a study file beside its sections: name, seeds, probes and weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dropexp.spec.claims import Blame

LARGEST_SEED = 2**53  # above it, spreadsheets and data frames merge neighbours
WEIGHTS = ("none", "selected", "all")


def seeds_of(content: dict[str, Any], given: Sequence[Any] | None, blame: Blame) -> tuple[int, ...]:
    """Return the seeds: `given` is what --seeds was given, else the file's `seeds`, a count or a list."""
    raw: Any = content.get("seeds", 5)
    option = None
    if given is not None:
        raw, option = (given[0] if len(given) == 1 else list(given)), "--seeds"

    def where(text: str) -> None:
        blame(("seeds",), f"seeds: {text}", option=option)

    if isinstance(raw, bool) or not isinstance(raw, int | list):
        where(f"{raw!r} is neither a count nor a list of seeds; write 5 for seeds 0 to 4, or [7] for seed 7")
        return (0,)
    if isinstance(raw, int):
        if not 1 <= raw <= 100_000:
            where(f"{raw} is not a count from 1 to 100,000; write [{max(raw, 0)}] for that one seed")
            return (0,)
        return tuple(range(raw))
    bad = [s for s in raw if isinstance(s, bool) or not isinstance(s, int) or not 0 <= s < LARGEST_SEED]
    if bad:
        where(f"{bad[0]!r} is not a seed, a whole number from 0 to 2^53")
    elif not raw or len(set(raw)) < len(raw):
        where("the list is empty" if not raw else f"{raw} names a seed twice; each seed is one run of every arm")
    else:
        return tuple(raw)
    return (0,)


def name_of(content: dict[str, Any], path: str, given: str | None, blame: Blame) -> str:
    """Return the study's name, one folder name: `given` by --study, else the file's `study`, else the file's own."""
    stem = Path(path).stem
    name = given if given is not None else content.get("study", stem)
    allowed = "letters, digits, '-', '_' and '.' only, not beginning with '.'"
    if not is_name(name):
        text = f"study: {name!r} is not the name of one folder: {allowed}"
        if given is None and "study" not in content:
            text += "; add 'study: NAME' to the file"
        blame(("study",), text, option="--study" if given is not None else None)
        return "study"
    return str(name)


def is_name(name: Any) -> bool:
    """Whether a study may be called so: one folder's name, of letters, digits, '-', '_' and '.', no '.' first."""
    fits = isinstance(name, str) and 0 < len(name) <= 100 and not name.startswith(".")
    return fits and all(c.isalnum() or c in "-_." for c in name)


def words_of(content: dict[str, Any], key: str, known: Sequence[str], blame: Blame) -> tuple[str, ...]:
    """Return the words of a list that may be written `all`, in the order in which they are known."""
    raw = content.get(key) or []
    if raw == "all":
        return tuple(known)
    words = raw if isinstance(raw, list) else [raw]
    for i, word in enumerate(words):
        if word not in known:
            blame((key, i), f"{key}: {word!r} is not one of {', '.join(known)}, or all")
    return tuple(w for w in known if w in words)
