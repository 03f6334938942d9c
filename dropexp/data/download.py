"""Downloads of the published files: checksummed, from several mirrors in turn, never over a good file."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlparse

from dropexp.data.cache import File, Listed, cache_dir, examine, listed
from dropexp.data.dataset import Progress, near
from dropexp.data.published import PUBLISHED
from dropexp.errors import DataError
from dropexp.spec.sources import SOURCES

TIMEOUT = 20  # seconds without a byte


def fetch(names: Iterable[str], data_dir: Path | None = None, progress: Progress | None = None) -> list[Listed]:
    """Make every named source complete and checked, downloading what is missing or damaged.

    `progress(file, done, total)` is called with bytes as they arrive. Raises DataError for a name that is not
    in SOURCES, before anything is fetched, and where no mirror has a file with the published checksum.
    """
    names = list(dict.fromkeys(names))
    for name in names:
        if name not in SOURCES:
            raise DataError(f"{name}: not a data set; choose from {', '.join(SOURCES)}{near(name, SOURCES)}")
    for name in names:
        files_of(name, data_dir, True, progress)
    return [listed(name, data_dir) for name in names]


def files_of(
    source: str, data_dir: Path | None = None, download: bool = True, progress: Progress | None = None
) -> dict[str, Path]:
    """Return where each published file of a source lies, all of them checked, fetching them where allowed.

    Raises DataError, naming the file, both checksums where they differ and the command to run, where that
    fails.
    """
    if source not in PUBLISHED:
        return {}
    folder = cache_dir(data_dir) / source
    files = examine(source, folder)
    if lacking := [file for file in files if file.state != "good"]:
        if not download:
            raise DataError(_lacking(source, folder, lacking[0], ""))
        _fetch(source, folder, lacking, progress)
        files = examine(source, folder)
        if lacking := [file for file in files if file.state != "good"]:
            raise DataError(_lacking(source, folder, lacking[0], "; the download did not hold it"))
    return {file.name: file.path for file in files}


def _lacking(source: str, folder: Path, file: File, why: str) -> str:
    command = (
        f"run `dropexp data {source}` on a machine with a network, then pass --data-dir DIR or set"
        " DROPEXP_DATA=DIR, the"
        f" folder that holds {source}/"
    )
    if file.state == "missing":
        return f"{source}: {file.name} is not in {folder}{why}; {command}"
    return (
        f"{source}: {file.path} has the MD5 checksum {file.found}, and the published file {file.expected}: it"
        " is damaged"
        f" or another file, and is not read{why}; {command}"
    )


def _fetch(source: str, folder: Path, lacking: list[File], progress: Progress | None) -> None:
    published = PUBLISHED[source]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if published.archive is None:
            for file in lacking:
                _retrieve(source, folder, file.name, published.files[file.name], file, progress)
            return
        name, md5 = published.archive
        theirs = (folder / name).exists()
        _retrieve(source, folder, name, md5, lacking[0], progress)
        unpack(folder / name, folder, set(published.files))
        if not theirs:
            (folder / name).unlink(missing_ok=True)
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise DataError(
            f"{source}: cannot write to {folder}: {error.strerror or error}; name a writable folder with"
            " --data-dir DIR or"
            " DROPEXP_DATA"
        ) from None
    except OSError as error:
        raise DataError(f"{source}: writing to {folder} failed: {error.strerror or error}") from None


def _retrieve(source: str, folder: Path, name: str, md5: str, lacking: File, progress: Progress | None) -> None:
    """Download one file from the first mirror that has it, or leave it where it is already there and good."""
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    reasons = []
    for mirror in PUBLISHED[source].mirrors:
        bar = _Bar(name, progress) if progress else False
        downloader = pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=TIMEOUT)
        try:
            pooch.retrieve(mirror + name, f"md5:{md5}", fname=name, path=folder, downloader=downloader)
            return
        except requests.RequestException as error:
            status = getattr(error.response, "status_code", None)
            reason = f"HTTP {status}" if status else type(error).__name__
        except ValueError:  # pooch's word for a checksum that differs
            reason = "wrong checksum"
        reasons.append(f"{urlparse(mirror).hostname}: {reason}")
    raise DataError(_lacking(source, folder, lacking, f", and no mirror gave it ({', '.join(reasons)})"))


def unpack(archive: Path, folder: Path, members: set[str]) -> None:
    """Write the named regular files of a .tar.gz below `folder`, each first aside and then renamed; ignore
    the rest.

    Raises DataError where the archive is damaged.
    """
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        try:
            with tarfile.open(archive, "r|gz") as tar:
                for member in tar:
                    # content only, to a path of ours: no link, owner, mode or `..` of the archive takes
                    # effect
                    if member.name in members and member.isreg() and (content := tar.extractfile(member)):
                        fresh = Path(aside) / "file"
                        with fresh.open("wb") as file:
                            shutil.copyfileobj(content, file)
                        target = folder / member.name
                        target.parent.mkdir(parents=True, exist_ok=True)
                        fresh.replace(target)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise DataError(f"{archive}: cannot be unpacked: {error}; delete it and fetch it again") from None


class _Bar:
    """What pooch wants of a progress bar, handed on to a plain function."""

    def __init__(self, name: str, progress: Progress):
        self.name, self.progress = name, progress
        self.total = self.done = 0

    def update(self, count: int) -> None:
        self.done += count
        self.progress(self.name, min(self.done, self.total) if self.total else self.done, self.total)

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        pass
