"""The keys of a study file that belong to no section and are words or numbers: study, seeds and what is saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dropexp.experiment.growth import START, STEP, Grow
from dropexp.experiment.levels import FEWEST
from dropexp.quoting import clean, spelt
from dropexp.study_files.claims_reader import Blame
from dropexp.study_files.from_dict import DICT
from dropexp.study_files.unknown_keys import explained

UNNAMED = "unnamed"  # the study of a dict that does not name itself
MOST_GROWN = 1000  # seeds of a study that grows: intervals that hold at each number of seeds are drawn for all of them
LARGEST_SEED = 2**53  # above it, spreadsheets and data frames merge neighbours
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³")}
WEIGHTS = ("none", "selected", "last", "all")
PREDICTIONS = ("classes", "probabilities", "none")


def seeds_of(content: dict[str, Any], given: Sequence[Any] | None, blame: Blame) -> tuple[tuple[int, ...], Grow | None]:
    """Return the seeds: `given` is what --seeds was given, else the file's `seeds`, a count or a list.

    Where the file says how far they grow, they are those of the first round, and that comes with them.
    """
    if given is None and isinstance(content.get("seeds"), dict):
        grow = _grow(content["seeds"], blame)
        return tuple(range(grow.start)), grow
    return _counted(content, given, blame), None


def _grow(raw: dict[Any, Any], blame: Blame) -> Grow:
    """Return how seeds are added; with mistakes, which are noted, something that may stand in its place."""
    found = {"start": START, "step": STEP, "grow_to": 0}
    least = {"start": FEWEST, "step": 1, "grow_to": 1}
    wrong = len(raw)
    for key, value in raw.items():
        loc, name = ("seeds", key), f"seeds.{clean(str(key))}"
        if key not in found:
            blame(loc, f"{name}: {explained(('seeds', str(key)), value, found)}", key=True)
        elif isinstance(value, bool) or not isinstance(value, int) or not least[key] <= value <= MOST_GROWN:
            blame(loc, f"{name}: {spelt(value)} is not a whole number from {least[key]} to {MOST_GROWN:,}")
        else:
            found[key], wrong = value, wrong - 1
    grow = Grow(**found)
    if wrong:
        return Grow(START, STEP, START + STEP)
    if "grow_to" not in raw:
        blame(("seeds",), "seeds: a mapping needs grow_to, the largest number of seeds, as in {start: 5, grow_to: 30}")
    elif grow.grow_to <= grow.start:
        text = f"{grow.grow_to} is not above start, {grow.start}; write seeds: {grow.grow_to} for a fixed number"
        blame(("seeds", "grow_to"), f"seeds.grow_to: {text}")
    return grow


def _counted(content: dict[str, Any], given: Sequence[Any] | None, blame: Blame) -> tuple[int, ...]:
    raw: Any = content.get("seeds", 5)
    option = None
    if given is not None:
        raw, option = (given[0] if len(given) == 1 else list(given)), "--seeds"

    def where(text: str) -> None:
        blame(("seeds",), f"seeds: {text}", option=option)

    if isinstance(raw, bool) or not isinstance(raw, int | list):
        where(
            f"{spelt(raw)} is neither a number of seeds nor a list of seeds; write 5 for seeds 0 to 4, or [7] for seed 7"
        )
        return (0,)
    if isinstance(raw, int):
        if not 1 <= raw <= 100_000:
            where(
                f"{spelt(raw)} is not a number of seeds from 1 to 100,000; write [{spelt(max(raw, 0))}] for that one seed"
            )
            return (0,)
        return tuple(range(raw))
    bad = [s for s in raw if isinstance(s, bool) or not isinstance(s, int) or not 0 <= s < LARGEST_SEED]
    if bad:
        where(f"{spelt(bad[0])} is not a seed; seeds are whole numbers from 0 to 2^53")
    elif not raw or len(set(raw)) < len(raw):
        where("the list is empty" if not raw else f"{spelt(raw)} names a seed twice; each seed trains every arm once")
    else:
        return tuple(raw)
    return (0,)


def no_folder(name: Any) -> str | None:
    """Return why some operating system allows no folder of this name, None where all do."""
    if not isinstance(name, str) or not name or not all(c.isalnum() or c in "-_." for c in name) or name[0] == ".":
        return "use only letters, digits, '-', '_' and '.', and do not begin with '.'"
    if len(name.encode()) > 100:
        return "it is longer than 100 bytes"
    if name.endswith("."):
        return "Windows drops a full stop at the end"
    if name.partition(".")[0].lower() in DEVICES:
        return "Windows reserves that name for a device"
    if ".old-" in name:
        return "names with '.old-' are reserved for folders that --fresh or remove moved aside"
    return None


def name_of(content: dict[str, Any], path: str, given: str | None, blame: Blame) -> str:
    """Return the study's name, one folder name: `given` by --study, else the file's `study`, else the file's own.

    A dict has no file's name: its study is UNNAMED where it names none.
    """
    stem = UNNAMED if path == DICT else Path(path).stem
    name = given if given is not None else content.get("study", stem)
    if why := no_folder(name):
        text = f"study: {spelt(name)} is not a valid folder name: {why}"
        if given is None and "study" not in content:
            text += "; add 'study: NAME' to the file"
        blame(("study",), text, option="--study" if given is not None else None)
        return "study"
    return str(name)


def word_of(content: dict[str, Any], key: str, known: Sequence[str], default: str, blame: Blame) -> str:
    """Return the one word of a key, its default where it is not written."""
    word = content.get(key, default)
    if word not in known:
        blame((key,), f"{key}: {spelt(word)} is not one of {', '.join(known)}")
        return default
    return str(word)
