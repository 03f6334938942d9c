"""Files written and read safely: aside under a fresh name and onto the disk, through no link, none larger than it may be."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

# Windows has neither of the first two, and needs the third
NO_LINK, NO_WAIT, BINARY = (getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
CHUNK = 1 << 20  # bytes read or compared at once
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class TooLarge(OSError):
    """A file that is larger than one of its kind can be; `strerror` says how large it is, what the limit is and what to do."""


def read_bounded(path: Path, most: int, *, follow: bool = False) -> bytes:
    """Return a plain file's content, having looked at its size before a byte is read.

    Raises TooLarge above `most` bytes, and OSError where the path is a link (unless `follow`), a device, a pipe or a
    folder, or cannot be read.
    """
    handle = _opened(path, os.O_RDONLY | NO_WAIT, follow=follow)  # NO_WAIT: to open a pipe would wait for its writer
    try:
        size = os.fstat(handle).st_size
        if size > most:
            raise _too_large(path, size, most)
        with os.fdopen(os.dup(handle), "rb") as file:
            content = file.read(size + 1)
            while len(content) > size and (more := file.read(CHUNK)):  # it grows, or the system does not tell its size
                content, size = content + more, size + len(more)
                if len(content) > most:
                    raise _too_large(path, len(content), most)
        return content
    finally:
        os.close(handle)


def open_bounded(path: Path, most: int) -> BinaryIO:
    """Return a plain file that is open for reading, of no more than `most` bytes; raises OSError as `read_bounded` does."""
    handle = _opened(path, os.O_RDONLY | NO_WAIT)
    if (size := os.fstat(handle).st_size) > most:
        os.close(handle)
        raise _too_large(path, size, most)
    return os.fdopen(handle, "rb")


def write_aside(path: Path, content: bytes, *, lasting: bool = True) -> None:
    """Write a file as a whole: aside under a fresh name, to the disk, renamed, and the new name to the disk.

    At any moment, a power cut included, the path holds the old content or the new one. A link at the path is replaced,
    not followed; a file that holds the content already is only brought to the disk. What is not `lasting` need not
    outlive a power cut. Raises OSError, the old content being left as it was.
    """
    if lasting and _holds(path, content):
        return
    write_parts_aside(path, [content], lasting=lasting)


def write_parts_aside(path: Path, parts: Iterable[bytes], *, lasting: bool = True) -> None:
    """Write a file as `write_aside` does, part after part, so that it need not fit into memory; even if nothing changes."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}.new")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK | BINARY, 0o666)
    try:
        try:
            for part in parts:
                _write(handle, part)
            if lasting:
                os.fsync(handle)
        finally:
            os.close(handle)
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    if lasting:
        sync_folder(path.parent)


def write_named(path: Path, content: bytes) -> None:
    """Write to a path that the user named: where that leads by links, and into a device or a pipe; raises OSError."""
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            file.write(content)
    else:
        write_aside(Path(os.path.realpath(path)), content)


def append(path: Path, content: bytes, *, header: bytes = b"") -> None:
    """Add to the end of a file and bring it to the disk; a new or empty file begins with the header.

    Raises OSError where the path is a link or no plain file, and where it cannot be written, the file then being as long
    as it was if the system allows it.
    """
    handle = _opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        size = os.fstat(handle).st_size
        try:
            _write(handle, content if size else header + content)
            os.fsync(handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)
    if not size:
        sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder inside a folder, or keep the one that is there; raises OSError where a link or a file is."""
    try:
        path.mkdir()
    except FileExistsError:
        refuse_link(path)
        if not path.is_dir():
            raise
    sync_folder(path.parent)


def make_folders(path: Path) -> None:
    """Make a folder that the user named, with those above it; any of them may be a link, for the user chose it."""
    missing = []
    for folder in (path, *path.parents):
        if folder.is_dir():
            break
        missing.append(folder)
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def remove(path: Path) -> None:
    """Remove a file, or a link and not what it points to, where there is one."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def sweep(folder: Path, names: Iterable[str]) -> None:
    """Remove what a kill left of files of these names that were being written aside; for when nobody writes here."""
    begin = tuple(f".{name}." for name in names)
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            if path.name.endswith(".new") and path.name.startswith(begin):
                remove(path)


def refuse_link(path: Path) -> None:
    """Raise OSError where a path inside a study's folder is a link: a stranger's folder could lead anywhere by it."""
    if path.is_symlink():
        raise _link(path)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can do that."""
    if os.name == "nt":
        return  # it opens no folders, and keeps names in a journal
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # a folder that may be written and not listed
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # by which file systems say that they cannot
            raise
    finally:
        os.close(handle)


def _opened(path: Path, flags: int, *, follow: bool = False) -> int:
    """Return the handle of a plain file, opened through no link at its last name unless `follow`."""
    if not follow:
        if not NO_LINK:
            refuse_link(path)
        flags |= NO_LINK
    try:
        handle = os.open(path, flags | BINARY, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP and not follow and path.is_symlink():
            raise _link(path) from None
        raise
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return handle
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "it is a device or a pipe, not a plain file", str(path))


def _link(path: Path) -> OSError:
    return OSError(
        errno.ELOOP, "it is a symbolic link, which is not followed here; replace it by the file itself", str(path)
    )


def _too_large(path: Path, size: int, most: int) -> TooLarge:
    says = f"it has {size:,} bytes, more than the {most:,} that are read from such a file; move it away, or shorten it"
    return TooLarge(errno.EFBIG, says, str(path))


def _write(handle: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]


def _holds(path: Path, content: bytes) -> bool:
    """Whether a plain file holds the content already; if so it is brought to the disk, where it may not yet be."""
    try:
        handle = _opened(path, os.O_RDWR)
    except OSError:
        return False
    try:
        if os.fstat(handle).st_size != len(content):
            return False
        view = memoryview(content)
        for begin in range(0, len(content), CHUNK):
            if os.read(handle, CHUNK) != view[begin : begin + CHUNK]:
                return False
        os.fsync(handle)
    finally:
        os.close(handle)
    sync_folder(path.parent)
    return True
