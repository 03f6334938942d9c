"""design.csv as text: what a study declares before it is trained and when it was looked at, each row sealed over those before."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from dropexp.experiment.claims import Claim, Part
from dropexp.experiment.design import Design

COLUMNS = ("entry", "time", "kind", "runs_stored", "arms_stored", "content", "sha256")
DESIGN, LOOK, REMOVAL = "design", "look", "removal"
LONGEST = 1 << 28  # characters of a cell: the ids of all arms of a large grid


@dataclass(frozen=True)
class Entry:
    """A row: of kind `design` what is declared from then on, of kind `look` the seeds on which all was judged, of kind
    `removal` the seeds by arm whose runs were moved aside then.

    `runs_stored` counts the runs that had been stored by then, those removed since included: a result that was seen stays
    seen. `arms_stored` of a design are the ids of their arms, with a space between. `sha256` covers the row
    before too, so that no row can be changed, taken out or put between two others without those after it.
    """

    entry: str
    time: str
    kind: str
    runs_stored: str
    arms_stored: str
    content: str
    sha256: str

    @cached_property
    def said(self) -> dict[str, Any]:
        """The content, read."""
        return dict(json.loads(self.content))

    @cached_property
    def arms(self) -> frozenset[str]:
        """The arms of which a row speaks."""
        return frozenset(self.said["arms"])

    @cached_property
    def stored(self) -> frozenset[str]:
        return frozenset(self.arms_stored.split())

    @cached_property
    def removed(self) -> frozenset[tuple[str, int]]:
        """The arm and the seed of each run that a row of kind `removal` speaks of."""
        arms = self.said["arms"].items() if self.kind == REMOVAL else ()
        return frozenset((arm_id, seed) for arm_id, seeds in arms for seed in seeds)


@dataclass(frozen=True)
class Fault:
    """A cell that is not what the rows before and beside it make it."""

    line: int
    column: str
    stored: str
    expected: str
    why: str


def canonical_json(value: Any) -> str:
    """Return JSON that is the same text for the same value."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)


def declared(study: Design) -> dict[str, Any]:
    """Return what a study declares: arms, seeds or how they grow, claims, margins and the arms that others are compared with."""
    seeds = study.asked or study.seeds
    counted = seeds == tuple(range(len(seeds)))
    return {
        "arms": list(dict.fromkeys(arm.arm_id for arm in study.arms)),
        "baseline": dict(study.chosen),
        "claims": [{"says": claim.says, "parts": [_part(part) for part in claim.parts]} for claim in study.claims],
        "margins": dict(study.margins),
        "seeds": asdict(study.grow) if study.grow else len(seeds) if counted else list(seeds),
    }


def _part(part: Part) -> dict[str, Any]:
    names = ("metric", "expect", "margin", "compare", "against")
    return {name: getattr(part, name) for name in names} | {"tuned_over": sorted(part.tuned_over)}


def key(claim: Claim) -> str:
    """Return what a claim says whatever its words are: two claims of one key are the same claim."""
    return key_of_parts([_part(part) for part in claim.parts])


def key_of_parts(parts: Iterable[Mapping[str, Any]]) -> str:
    return canonical_json(sorted(canonical_json(part) for part in parts))


def following(
    before: Sequence[Entry], time: str, kind: str, runs: int, arms: Iterable[str], content: Mapping[str, Any]
) -> Entry:
    """Return the row that comes after others."""
    cells = (str(len(before) + 1), time, kind, str(runs), " ".join(sorted(arms)), canonical_json(content))
    return Entry(*cells, _seal(before[-1].sha256 if before else "", cells))


def _seal(before: str, cells: Sequence[str]) -> str:
    return hashlib.sha256(canonical_json([before, *cells]).encode()).hexdigest()


def faults(entries: Sequence[Entry]) -> Iterator[Fault]:
    """Yield what shows that rows were changed, taken out or put in later."""
    before, clock = "", None
    for number, entry in enumerate(entries, 1):
        line, cells = number + 1, tuple(asdict(entry).values())
        if entry.entry != str(number):
            yield Fault(line, "entry", entry.entry, str(number), "entries count up from 1")
        if (sealed := _seal(before, cells[:-1])) != entry.sha256:
            why = "the row, or one before it, differs from what was written"
            yield Fault(line, "sha256", entry.sha256, sealed, why)
        now = datetime.fromisoformat(entry.time)
        if clock is not None and now < clock:
            yield Fault(line, "time", entry.time, "", "its time is earlier than that of the row before")
        before, clock = entry.sha256, now


def written(entries: Iterable[Entry]) -> str:
    """Return rows as the text of design.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(asdict(entry).values() for entry in entries)
    return text.getvalue()


def recorded(text: str) -> list[Entry]:
    """Return the rows of a design.csv. Raises ValueError with a sentence where they are not rows of such a file."""
    usual = csv.field_size_limit()
    try:
        csv.field_size_limit(LONGEST)
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from None
    finally:
        csv.field_size_limit(usual)
    if rows and tuple(rows[0]) != COLUMNS:
        raise ValueError("its columns are not those of design.csv")
    return [_entry(number, row) for number, row in enumerate(rows[1:], 1)]


def _entry(number: int, row: Sequence[str]) -> Entry:
    if len(row) != len(COLUMNS):
        raise ValueError(f"entry {number} has {len(row)} cells, but the header has {len(COLUMNS)}")
    found = Entry(*row)
    try:
        said, whole = found.said, found.runs_stored.isascii() and found.runs_stored.isdigit()
        aware = datetime.fromisoformat(found.time).tzinfo is not None
    except (ValueError, TypeError, RecursionError):
        raise ValueError(f"entry {number}: its time or its content cannot be read") from None
    if found.kind not in SHAPES or not whole or not aware or not _shaped(said, SHAPES[found.kind]):
        raise ValueError(f"entry {number} is not a design, a look or a removal")
    return found


SHAPES: dict[str, dict[str, tuple[type, ...]]] = {  # of what a row says
    DESIGN: {"arms": (list,), "baseline": (dict,), "claims": (list,), "margins": (dict,), "seeds": (int, list, dict)},
    LOOK: {"arms": (dict,), "seeds": (list,)},
    REMOVAL: {"arms": (dict,)},
}


def _shaped(said: Mapping[str, Any], shape: Mapping[str, tuple[type, ...]]) -> bool:
    if set(said) != set(shape) or not all(isinstance(said[name], kinds) for name, kinds in shape.items()):
        return False
    parts = [claim.get("parts") if isinstance(claim, dict) else None for claim in said.get("claims", ())]
    seeds = said.get("seeds")
    lists = [said["arms"], seeds if isinstance(seeds, list) else []]
    if shape is SHAPES[REMOVAL]:
        lists = [said["arms"], *said["arms"].values()]
        if not all(isinstance(own, list) for own in lists[1:]):
            return False
    plain = all(isinstance(item, str | int) for items in lists for item in items)
    return plain and all(isinstance(found, list) and all(isinstance(p, dict) for p in found) for found in parts)
