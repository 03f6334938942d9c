"""Said first: what a study declares is on the disk before anything is trained, and later what was looked at and removed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dropexp.errors import StoreError
from dropexp.experiment.claims import Claim
from dropexp.experiment.design import Design
from dropexp.experiment.registration import (
    DESIGN,
    LOOK,
    REMOVAL,
    Entry,
    canonical_json,
    declared,
    faults,
    following,
    key,
    recorded,
    written,
)
from dropexp.files import MIB, read_bounded
from dropexp.quoting import counted
from dropexp.store.writer import Writer

if TYPE_CHECKING:
    from dropexp.analysis.history import History
    from dropexp.analysis.tidy import Tidy

NAME = "design.csv"
MOST = 64 * MIB  # bytes
DIGITS = 16  # of a hash that is printed


def entries(folder: Path) -> list[Entry]:
    """Return the rows of a folder's design.csv, none where there is no such file.

    Raises StoreError where they are no rows of such a file; whether they are those that were written, `faults` says.
    """
    path = folder / NAME
    try:
        return recorded(read_bounded(path, MOST).decode("utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise StoreError(
            f"{path}: cannot be read ({why}); it was edited: restore it, or move it away; it is then not known "
            "what was declared before training"
        ) from None


def register(writer: Writer, study: Design) -> str | None:
    """Add what a study declares to its folder's design.csv, unless the last design there says the same.

    It is on the disk on return. Return a sentence with the hash of the row, None where there is no new one.
    """
    before, says = _of_these_arms(writer, study), declared(study)
    last = next((entry for entry in reversed(before) if entry.kind == DESIGN), None)
    if last is not None and last.content == canonical_json(says):
        return None
    made = _add(writer, before, DESIGN, says)
    grow, seeds = study.grow, len(study.asked or study.seeds)
    counts = [counted(len(study.claims), "claim"), counted(len(study.arms), "arm")]
    counts += [f"{grow.start} to {grow.grow_to} seeds" if grow else counted(seeds, "seed")]
    return f"design registered: {made.sha256[:DIGITS]}… ({', '.join(counts)})"


def looked(writer: Writer, shown: Tidy) -> None:
    """Add to design.csv which seeds all was judged on, unless that stands there, or runs are missing or too few."""
    from dropexp.experiment.levels import FEWEST

    study = shown.study
    own = {arm_id for arm_id, _ in study.wanted} or {arm.arm_id for arm in shown.arms}
    arms = {arm.arm_id: arm for arm in shown.arms}
    there = {arm_id: set(shown.rows(arm).index) for arm_id, arm in arms.items()}
    for seeds in dict.fromkeys((study.asked or study.seeds, study.seeds)):
        before = entries(writer.folder)
        if not before or len(seeds) < FEWEST or not all(there.get(arm_id, set()).issuperset(seeds) for arm_id in own):
            continue
        counts = {arm_id: _among(shown.finished(arm).index, seeds) for arm_id, arm in arms.items()}
        says: dict[str, object] = {"arms": counts, "seeds": sorted(seeds)}
        if not any(entry.kind == LOOK and entry.content == canonical_json(says) for entry in before):
            _add(writer, before, LOOK, says)


def _among(there: Collection[int], seeds: Collection[int]) -> int:
    return len(set(there).intersection(seeds))


def removed(writer: Writer, runs: Iterable[tuple[str, int]]) -> None:
    """Add to design.csv that the runs of these arms and seeds are moved aside; on the disk on return."""
    seeds: dict[str, list[int]] = {}
    for arm_id, seed in sorted(runs):
        seeds.setdefault(arm_id, []).append(seed)
    if seeds:
        _add(writer, entries(writer.folder), REMOVAL, {"arms": seeds})


def _of_these_arms(writer: Writer, study: Design) -> list[Entry]:
    """Return the rows of design.csv, none where all runs were removed and no row speaks of an arm of this study."""
    found, own = entries(writer.folder), {arm.arm_id for arm in study.arms}
    emptied = not writer.store.lines("runs.csv") and any(entry.kind == REMOVAL for entry in found)
    return [] if emptied and not any(entry.arms & own for entry in found) else found


def _add(writer: Writer, before: list[Entry], kind: str, says: dict[str, object]) -> Entry:
    rows = (line.split(",", 3) for line in writer.store.lines("runs.csv"))
    seen = {(row[1], int(row[2])) for row in rows}.union(*(entry.removed for entry in before))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    made = following(before, now, kind, len(seen), {arm for arm, _ in seen} if kind == DESIGN else (), says)
    writer.write(NAME, written([*before, made]))
    return made


def history(folder: Path, study: Design) -> tuple[History, str | None]:
    """Return what a folder's design.csv says of the study as it is now, and a sentence where it is not to be believed."""
    from dropexp.analysis.history import History

    found = entries(folder)
    if fault := next(faults(found), None):
        why = f"{folder / NAME}:{fault.line}: {fault.column}: {fault.why}; it is not known what was declared before training"
        return History(), f"{why}; restore the file, or move it away"
    arms = frozenset(arm.arm_id for arm in study.arms)
    compared = {key(claim): _compared(study, claim) for claim in study.claims} if found else {}
    return History(tuple(found), arms, compared, dict(study.margins), study.grow), None


def _compared(study: Design, claim: Claim) -> frozenset[str]:
    """Return the ids of the arms that a claim compares, whatever else they differ in."""
    from dropexp.analysis.contrasts import sides

    wanted = [side for part in claim.parts for side in sides(part)]
    return frozenset(
        arm.arm_id
        for arm in study.arms
        if any(all(arm.value(path) in values for path, values in side.items()) for side in wanted)
    )
