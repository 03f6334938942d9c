"""The folder of downloads: where it is, what is there, and whether that is what was published."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dropexp.data.published import PUBLISHED
from dropexp.errors import DataError
from dropexp.experiment.sources import SOURCES

VARIABLE = "DROPEXP_DATA"


@dataclass(frozen=True)
class File:
    """One file of a source: `state` is good, missing or damaged; checksums are MD5, `found` may be ''."""

    name: str
    path: Path
    state: str
    expected: str
    found: str


@dataclass(frozen=True)
class Listed:
    """One source as `dropexp data` shows it; `folder` is None and `files` empty for what needs no download."""

    source: str
    origin: str
    folder: Path | None
    files: tuple[File, ...]

    @property
    def state(self) -> str:
        """One of: embedded, checked, damaged, incomplete, not cached."""
        states = {file.state for file in self.files}
        if "damaged" in states:
            return "damaged"
        return {0: "embedded", 1: "checked" if "good" in states else "not cached"}.get(len(states), "incomplete")


def cache_dir(data_dir: Path | None = None) -> Path:
    """Return the folder of downloads: `data_dir`, else the variable DROPEXP_DATA, else the user's cache folder.

    Raises DataError for a home that nobody has, and for what is there and no folder.
    """
    told = f"--data-dir {data_dir}" if data_dir is not None else f"{VARIABLE}={os.environ.get(VARIABLE, '')}"
    if data_dir is None and os.environ.get(VARIABLE):
        data_dir = Path(os.environ[VARIABLE])
    if data_dir is not None:
        try:
            folder = Path(data_dir).expanduser()
            if folder.exists() and not folder.is_dir():
                raise DataError(
                    f"{told}: is not a folder; name the folder where data sets are stored or should be downloaded to"
                )
            return folder
        except (OSError, ValueError, RuntimeError) as error:  # a name too long, a ~user that is none
            raise DataError(
                f"{told}: cannot be used as a folder: {getattr(error, 'strerror', None) or error}; name another"
            ) from None
    from platformdirs import user_cache_path

    return user_cache_path("dropexp", appauthor=False)


def listing(data_dir: Path | None = None) -> list[Listed]:
    """Return what is known of every source, each cached file's checksum compared with the published one."""
    return [listed(source, data_dir) for source in SOURCES]


def listed(source: str, data_dir: Path | None = None) -> Listed:
    """Return what is known of one source, its cached files' checksums compared with the published ones."""
    origin = SOURCES[source].origin
    if source not in PUBLISHED:
        return Listed(source, origin, None, ())
    folder = cache_dir(data_dir) / source
    return Listed(source, origin, folder, tuple(examine(source, folder)))


def examine(source: str, folder: Path) -> list[File]:
    """Return each file of a source with its state, the unpacked form where only that is good.

    Raises DataError where a file is there and cannot be read.
    """
    published, found = PUBLISHED[source], []
    for name, md5 in published.files.items():
        forms = [(folder / name, md5)]
        if name in published.unpacked:
            forms.append((folder / name.removesuffix(".gz"), published.unpacked[name]))
        files = [_state(name, path, expected) for path, expected in forms]
        files.sort(key=lambda file: ("good", "damaged", "missing").index(file.state))
        found.append(files[0])
    return found


def _state(name: str, path: Path, expected: str) -> File:
    try:
        if not path.is_file():
            return File(name, path, "missing", expected, "")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
        return File(name, path, "good" if found == expected else "damaged", expected, found)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}; check its permissions") from None
