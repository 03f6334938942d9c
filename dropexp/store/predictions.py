"""predictions.bin as it is found: where its records stand, what is damaged, and what a run answered, read when asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from dropexp import files
from dropexp.errors import StoreError
from dropexp.records import Answers
from dropexp.store import prediction_records as records
from dropexp.store.csv_lines import TORN

NAME = "predictions.bin"
MOST = 256 * files.GIB  # bytes, of which never more than one record is read at once
TRIES = 100  # records that only look like one, after which what is left of a damaged file is not searched for more
SIGNS = 10_000  # beginnings of records that are none, likewise
CHANGED = "is not a record, or differs from what was stored"


@dataclass(frozen=True)
class Record:
    """Where a record stands, of which run or, where `run_id` is empty, which examples; `digest` is as it is stored."""

    head: records.Head
    digest: str
    begin: int

    @property
    def end(self) -> int:
        return self.begin + self.head.size


@dataclass(frozen=True)
class Gap:
    """Bytes that are no record, or one that stands for nothing, and why."""

    begin: int
    end: int
    why: str


@dataclass
class Index:
    """The records of a file in their order, by run and, for examples, by key; and what is none."""

    size: int = 0
    every: list[Record] = field(default_factory=list)
    runs: dict[str, list[Record]] = field(default_factory=dict)
    examples: dict[str, Record] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)

    def of(self, run_id: str, digest: str) -> tuple[Record | None, str | None]:
        """Return the record that a run's row names, or what is wrong."""
        own = self.runs.get(run_id, [])
        found = next((record for record in own if record.digest == digest), None)
        if found is None:
            where = f"byte {own[-1].begin}: differs from what its row names" if own else "its record is missing"
            return None, f"predictions of {run_id}: {where} (predictions)"
        tested = self.examples.get(found.head.key)
        if tested is None or (tested.head.count, tested.head.classes) != (found.head.count, found.head.classes):
            return None, f"predictions of {run_id}: byte {found.begin}: the record of its examples is missing"
        return found, None


def scan(folder: Path, thorough: bool = True) -> Index:
    """Return where the records of a folder's predictions.bin stand, none where there is no such file.

    A `thorough` look reads every byte and holds it against its digest, the other one the beginnings and ends of records
    alone. Raises StoreError where the file cannot be read.
    """
    try:
        with files.open_bounded(folder / NAME, MOST) as file:
            return _scanned(file, os.fstat(file.fileno()).st_size, thorough)
    except FileNotFoundError:
        return Index()
    except OSError as error:
        raise _unread(folder / NAME, error) from None


def _unread(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path}: cannot be read ({error.strerror}); restore the file, or move it away")


def _scanned(file: BinaryIO, size: int, thorough: bool) -> Index:
    made, at, left = Index(size), 0, [SIGNS, TRIES]
    while at < size:
        record = _record_at(file, at, size, thorough)
        if record is None:
            begin, at = at, _next(file, at + 1, size, left)
            why = TORN if at == size and _torn(file, begin, size) else CHANGED
            made.gaps.append(Gap(begin, at, why))
            continue
        made.every.append(record)
        if record.head.run_id:
            made.runs.setdefault(record.head.run_id, []).append(record)
        else:
            made.examples.setdefault(record.digest, record)
        at = record.end
    return made


def _read(file: BinaryIO, begin: int, count: int) -> bytes:
    file.seek(begin)
    return file.read(count)


def _record_at(file: BinaryIO, at: int, size: int, thorough: bool) -> Record | None:
    head = records.head_of(_read(file, at, records.MOST_HEAD))
    if head is None or at + head.size > size:
        return None
    record = Record(head, _read(file, at + head.size - records.DIGEST, records.DIGEST).hex(), at)
    return record if not thorough or _digest(file, record) == record.digest else None


def _digest(file: BinaryIO, record: Record) -> str:
    made = hashlib.sha256()
    for part in parts_of(file, record.begin, record.head.size - records.DIGEST):
        made.update(part)
    return made.hexdigest()[: 2 * records.DIGEST]


def parts_of(file: BinaryIO, begin: int, count: int) -> Iterator[bytes]:
    """Yield so many bytes of a file, part after part."""
    file.seek(begin)
    while count and (part := file.read(min(count, files.CHUNK))):
        yield part
        count -= len(part)


def _next(file: BinaryIO, at: int, size: int, left: list[int]) -> int:
    """Return where the next whole record begins, the end where there is none; `left` counts what may still be tried."""
    for begin in _signs(file, at, size):
        head = records.head_of(_read(file, begin, records.MOST_HEAD))
        left[0] -= 1
        left[1] -= head is not None
        if min(left) < 0:
            break
        if head is not None and _record_at(file, begin, size, True):
            left[1] += 1
            return begin
    return size


def _signs(file: BinaryIO, at: int, size: int) -> Iterator[int]:
    """Yield where the sign of a record stands."""
    while at < size:
        part = _read(file, at, files.CHUNK)
        place = part.find(records.MAGIC)
        while place >= 0:
            yield at + place
            place = part.find(records.MAGIC, place + 1)
        at += max(1, len(part) - len(records.MAGIC) + 1)


def _torn(file: BinaryIO, begin: int, size: int) -> bool:
    """Whether a file ends in a beginning of a record, as a kill leaves it, or in zeros, as a power cut does."""
    first = _read(file, begin, records.HEAD.size)
    if not any(_read(file, max(begin, size - records.DIGEST), records.DIGEST)):
        return True
    if len(first) < records.HEAD.size:
        return first[:4] == records.MAGIC[: len(first)]
    magic, kind, length = records.HEAD.unpack(first)
    whole = begin + records.HEAD.size + length + records.DIGEST
    return magic == records.MAGIC and kind in (records.EXAMPLES, records.RUN) and whole > size


class Predictions:
    """What a folder's runs answered, by the digests that their rows name; each is read when it is asked for."""

    def __init__(self, folder: Path, digests: Mapping[str, str], index: Index):
        self.folder, self.digests, self.index = folder, digests, index
        self._examples = lru_cache(8)(self._read_examples)

    def fault(self, run_id: str) -> str | None:
        """Return why a run's answers cannot be read, None where they can or it has none."""
        digest = self.digests.get(run_id)
        return self.index.of(run_id, digest)[1] if digest else None

    def get(self, run_id: str) -> Answers | None:
        """Return what a run answered, None where nothing was kept of it, or nothing that is left can be found.

        Raises StoreError where the bytes are differs from what was stored.
        """
        if not (digest := self.digests.get(run_id)):
            return None
        for again in (False, True):
            found = self.index.of(run_id, digest)[0]
            if found is None:
                return None
            try:
                return records.answers_of(self._content(found), self._examples(found.head.key))
            except ValueError:
                if again:
                    raise StoreError(
                        f"{self.folder / NAME}: byte {found.begin}: predictions of {run_id} are damaged; "
                        "run the study again, which retrains the run, or restore the file"
                    ) from None
            self.index = scan(self.folder, thorough=False)  # the file may have been put in order since
            self._examples.cache_clear()
        return None

    def _read_examples(self, key: str) -> records.Examples:
        return records.examples_of(self._content(self.index.examples[key]))

    def _content(self, record: Record) -> bytes:
        """Return a record's bytes; raises ValueError where they are not those of the index."""
        try:
            with files.open_bounded(self.folder / NAME, MOST) as file:
                content = _read(file, record.begin, record.head.size)
        except OSError as error:
            raise _unread(self.folder / NAME, error) from None
        if (
            len(content) != record.head.size
            or not records.whole(content)
            or content[-records.DIGEST :].hex() != record.digest
        ):
            raise ValueError("differs from what was stored")
        return content
