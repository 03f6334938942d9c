"""predictions.bin in order: which records stay and in which order, and what stood there and belongs to no run, as text."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from dropexp import files
from dropexp.errors import StoreError
from dropexp.store.csv_lines import Lost
from dropexp.store.intact import ORPHAN
from dropexp.store.predictions import MOST, NAME, Gap, Index, Predictions, Record, parts_of

PART = 48 * files.KIB  # bytes of what is lost that one line of lost+found.csv holds, as base64
MOST_LOST = 128 * files.MIB
OTHER = "is not the record named in the row of its run"
ALONE = "the record of its examples is missing"


def arranged(index: Index, digests: Mapping[str, str]) -> tuple[list[Record], list[Gap]]:
    """Return the records that stay, in order, and what does not.

    Those of examples come first, by key, then those of runs in the order of `digests`, which says by run which record
    its row names. Records that a later one of the same run replaced, and examples of no run, go without a trace.
    """
    found = {run_id: record for run_id, digest in digests.items() if (record := index.of(run_id, digest)[0])}
    keys = sorted({record.head.key for record in found.values()})
    lost = list(index.gaps)
    for run_id, own in index.runs.items():
        if run_id not in found:
            named = [record.digest == digests.get(run_id) for record in own]
            whys = [ORPHAN if run_id not in digests else ALONE if its else OTHER for its in named]
            lost += [Gap(record.begin, record.end, why) for record, why in zip(own, whys, strict=True)]
    return [*(index.examples[key] for key in keys), *found.values()], sorted(lost, key=lambda gap: gap.begin)


def as_lines(folder: Path, gaps: Sequence[Gap]) -> list[Lost]:
    """Return what is lost of predictions.bin as entries of lost+found.csv: its bytes as base64, at the byte where each began."""
    if not gaps:
        return []
    if (count := sum(gap.end - gap.begin for gap in gaps)) > MOST_LOST:
        raise StoreError(
            f"{folder / NAME}: {count:,} bytes belong to no run, more than the {MOST_LOST:,} that "
            f"lost+found.csv takes; restore the file, or move it away"
        )
    found = []
    with _opened(folder) as file:
        for gap in gaps:
            for begin in range(gap.begin, gap.end, PART):
                file.seek(begin)
                content = file.read(min(PART, gap.end - begin))
                if any(content):  # zeros are what a power cut leaves of what was never written
                    found.append(Lost(NAME, begin, gap.why, base64.b64encode(content).decode("ascii")))
    return found


def without_found(folder: Path, lost: Sequence[Lost], kept: Sequence[Record]) -> list[Lost]:
    """Return the entries of lost+found.csv but those of predictions.bin whose bytes stand in one of the records kept."""
    texts = {x.text: _bytes(x.text) for x in lost if x.file == NAME}
    again: set[str] = set()
    if texts and kept:
        with _opened(folder) as file:
            for record in kept:
                file.seek(record.begin)
                content = file.read(record.head.size)
                again |= {text for text, part in texts.items() if part is not None and part in content}
    return [x for x in lost if x.file != NAME or x.text not in again]


def rewrite(folder: Path, index: Index, kept: Sequence[Record]) -> None:
    """Write the file anew in order, unless it is; without records there is none."""
    ends = [0, *(record.end for record in kept)]
    if [record.begin for record in kept] == ends[:-1] and ends[-1] == index.size:
        return
    try:
        if kept:
            files.write_parts_aside(folder / NAME, parts(folder, kept))
        else:
            files.remove(folder / NAME)
            files.sync_folder(folder)
    except OSError as error:
        raise StoreError(
            f"{folder / NAME}: cannot be written ({error.strerror}); free some space and run again"
        ) from None


def gathered(sources: Mapping[str, Predictions]) -> Iterator[bytes]:
    """Yield the records of runs out of several folders, by run, each test set before the first run that names it."""
    seen: set[str] = set()
    for run_id, source in sources.items():
        record = source.index.of(run_id, source.digests.get(run_id, ""))[0]
        if record is None:
            continue
        key = record.head.key
        yield from parts(source.folder, [record] if key in seen else [source.index.examples[key], record])
        seen.add(key)


def parts(folder: Path, kept: Sequence[Record]) -> Iterator[bytes]:
    """Yield the bytes of records, part after part."""
    with _opened(folder) as file:
        for record in kept:
            yield from parts_of(file, record.begin, record.head.size)


def _opened(folder: Path) -> BinaryIO:
    return files.open_bounded(folder / NAME, MOST)


def _bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True) or None
    except ValueError:
        return None
