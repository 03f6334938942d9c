"""Downloads of the published files: checksummed, from several mirrors in turn, never over a good file."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from dropexp.data.cache import File, Listed, cache_dir, examine, listed
from dropexp.data.dataset import Progress
from dropexp.data.published import PUBLISHED
from dropexp.errors import DataError
from dropexp.experiment.sources import SOURCES
from dropexp.experiment.vocabulary import meant
from dropexp.files import make_folder, refuse_link

TIMEOUT = 20.0  # seconds without a byte
SLOW, PATIENCE = 1000, 60.0  # bytes a second that a download must reach, and the seconds before that is asked of it
WAIT = 600.0  # seconds for another process that fetches the same source
LARGEST = 1 << 30  # bytes of a download
TRIES = 2  # a mirror, where it may be a matter of the moment
HEADERS = {"Accept-Encoding": "identity"}  # the bytes as published
WORDS = {
    "ConnectTimeout": "no answer",
    "ReadTimeout": "no answer",
    "ChunkedEncodingError": "the connection broke off",
    "InvalidSchema": "a redirect to something that is not a web address",
}


def fetch(names: Iterable[str], data_dir: Path | None = None, progress: Progress | None = None) -> list[Listed]:
    """Make every named source complete and checked, downloading what is missing or damaged.

    `progress(file, done, total)` is called with bytes as they arrive. Raises DataError for a name that is not
    in SOURCES, before anything is fetched, and where no mirror has a file with the published checksum.
    """
    names = list(dict.fromkeys(names))
    for name in names:
        if name not in SOURCES:
            raise DataError(f"{name}: not a data set; choose from {', '.join(SOURCES)}{meant(name, SOURCES)}")
    for name in names:
        files_of(name, data_dir, True, progress)
    return [listed(name, data_dir) for name in names]


def files_of(
    source: str, data_dir: Path | None = None, download: bool = True, progress: Progress | None = None
) -> dict[str, Path]:
    """Return where each published file of a source lies, all of them checked, fetching them where allowed.

    Raises DataError, naming the file, both checksums where they differ and the command to run, where that fails.
    """
    if source not in PUBLISHED:
        return {}
    folder = cache_dir(data_dir) / source
    files = examine(source, folder)
    if lacking := [file for file in files if file.state != "good"]:
        if not download:
            raise DataError(_lacking(source, folder, lacking[0], ""))
        _fetch(source, folder, progress)
        files = examine(source, folder)
        if lacking := [file for file in files if file.state != "good"]:
            raise DataError(_lacking(source, folder, lacking[0], "; the download did not contain it"))
    return {file.name: file.path for file in files}


def _lacking(source: str, folder: Path, file: File, why: str) -> str:
    command = (
        f"run `dropexp data {source}` on a machine with a network, then pass --data-dir DIR or set DROPEXP_DATA=DIR, "
        f"the folder that holds {source}/"
    )
    if file.state == "missing":
        return f"{source}: {file.name} is not in {folder}{why}; {command}"
    return (
        f"{source}: {file.path} has the MD5 checksum {file.found}, but the published file has "
        f"{file.expected}: it is damaged or a different file{why}; {command}"
    )


def _fetch(source: str, folder: Path, progress: Progress | None) -> None:
    """Download what is lacking, one process at a time: a second one waits and finds it there."""
    published = PUBLISHED[source]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _turn(folder):
            lacking = [file for file in examine(source, folder) if file.state != "good"]
            if published.archive is None:
                for file in lacking:
                    _retrieve(source, folder, file.name, published.files[file.name], file, progress)
            elif lacking:
                name, md5 = published.archive
                theirs = (folder / name).exists()
                _retrieve(source, folder, name, md5, lacking[0], progress)
                unpack(folder / name, folder, set(published.files))
                if not theirs:
                    (folder / name).unlink(missing_ok=True)
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise DataError(
            f"{source}: cannot write to {folder}: {error.strerror or error}; name a writable folder with --data-dir DIR or"
            " DROPEXP_DATA"
        ) from None
    except OSError as error:
        raise DataError(
            f"{source}: writing to {folder} failed: {error.strerror or error}; make room, or name another folder with"
            " --data-dir DIR"
        ) from None


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Wait for another process that fetches into this folder; where there are no locks each fetches for itself."""
    from filelock import FileLock, Timeout

    lock = FileLock(str(folder / ".lock"))
    with suppress(OSError, NotImplementedError, Timeout), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refuse_link(folder / ".lock")
        lock.acquire(timeout=WAIT)
    try:
        yield
    finally:
        lock.release()


def _retrieve(source: str, folder: Path, name: str, md5: str, lacking: File, progress: Progress | None) -> None:
    """Download one file from the first mirror that has it, or leave it where it is already there and good."""
    import pooch
    import requests

    pooch.get_logger().setLevel("CRITICAL")
    reasons = []
    for mirror in PUBLISHED[source].mirrors:
        for _ in range(TRIES):
            try:
                pooch.retrieve(mirror + name, f"md5:{md5}", fname=name, path=folder, downloader=_Stream(name, progress))
                return
            except requests.RequestException as error:
                status = getattr(error.response, "status_code", None)
                told = str(error) if type(error) is requests.RequestException else type(error).__name__
                reason = f"HTTP {status}" if status else WORDS.get(told, told)
                again = isinstance(error, requests.exceptions.ChunkedEncodingError) or (status or 0) >= 500
            except ValueError:  # pooch's word for a checksum that differs
                reason, again = "wrong checksum", False
            if not again:
                break
        reasons.append(f"{urlparse(mirror).hostname}: {reason}")
    raise DataError(_lacking(source, folder, lacking, f", and no mirror provided it ({', '.join(reasons)})"))


class _Stream:
    """What pooch calls to download: a file from an address, in pieces, neither endless nor endlessly slow.

    pooch's own downloader waits for whole blocks, so that a server that drips is heard for hours, and bounds nothing.
    """

    def __init__(self, name: str, progress: Progress | None):
        self.name, self.progress = name, progress

    def __call__(self, url: str, output: str, _: object) -> None:
        import requests

        begin = time.monotonic()
        with (
            closing(requests.get(url, timeout=TIMEOUT, stream=True, headers=HEADERS)) as response,
            Path(output).open("wb") as file,
        ):
            response.raise_for_status()
            length = response.headers.get("content-length", "")
            total, done = int(length) if length.isdecimal() and len(length) < 18 else 0, 0
            for piece in _pieces(response.raw):
                file.write(piece)
                done += len(piece)
                seconds = time.monotonic() - begin
                if done > LARGEST:
                    raise requests.RequestException(f"more than {LARGEST:,} bytes")
                if seconds > PATIENCE and done < SLOW * seconds:
                    raise requests.RequestException(f"slower than {SLOW:,} bytes a second")
                if self.progress:
                    self.progress(self.name, min(done, total) if total else done, total)


def _pieces(raw: Any) -> Iterator[bytes]:
    """Yield what arrives as it arrives: a whole block, byte by byte, could take for ever. Raises as requests does."""
    import requests
    import urllib3

    read = getattr(raw, "read1", raw.read)  # urllib3 before 2 has no read1
    try:
        while piece := read(1 << 16):
            yield piece
    except urllib3.exceptions.ProtocolError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from None
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(error) from None


def unpack(archive: Path, folder: Path, members: set[str]) -> None:
    """Write the named regular files of a .tar.gz below `folder`, each first aside and then renamed; ignore the rest.

    The archive's checksum was the published one a moment ago.
    """
    with tempfile.TemporaryDirectory(dir=folder) as aside, tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            # content only, to a path of ours: no link, owner, mode or `..` of the archive takes effect
            if member.name in members and member.isreg() and (content := tar.extractfile(member)):
                fresh, target = Path(aside) / "file", folder / member.name
                with fresh.open("wb") as file:
                    shutil.copyfileobj(content, file)
                if target.parent != folder:
                    make_folder(target.parent)
                fresh.replace(target)
