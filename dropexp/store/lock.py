"""Who writes a study's folder: one lock, and a note that says whose it is."""

from __future__ import annotations

import errno
import json
import os
import socket
import uuid
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from dropexp.errors import StoreError
from dropexp.files import KIB, make_folders, read_bounded, refuse_link, remove, write_aside

LOCKLESS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
LOCK, NOTE = ".lock", ".owner"
MOST_NOTE = 64 * KIB  # bytes


class Holder:
    """Holds a folder, which it makes where there is none, until it is released or the process ends.

    Raises StoreError where another process holds the folder, where it cannot be written, and where its file system has
    no locks.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        try:
            make_folders(folder)
            refuse_link(folder / LOCK)
            self._lock = FileLock(str(folder / LOCK))
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # by a warning filelock says that it makes do without locks
                self._lock.acquire(timeout=0)
        except Timeout:
            raise StoreError(
                f"{folder}: in use by {owner(folder)}; wait until it has finished, or choose another --study"
            ) from None
        except (OSError, NotImplementedError, UserWarning) as error:
            raise _unheld(folder, error) from None
        note = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "token": uuid.uuid4().hex,
        }
        self._note = json.dumps(note)
        try:
            write_aside(folder / NOTE, self._note.encode(), lasting=False)
        except OSError as error:
            self._lock.release()
            raise StoreError(
                f"{folder / NOTE}: cannot be written ({error.strerror}); free some space, or choose another --results"
            ) from None

    def check(self) -> None:
        """Raise StoreError where another process has taken the folder in spite of the lock."""
        with suppress(OSError, UnicodeDecodeError):
            if read_bounded(self.folder / NOTE, MOST_NOTE).decode() not in (self._note, ""):
                raise StoreError(
                    f"{self.folder}: {owner(self.folder)} began to write here although this process holds the "
                    f"lock, so locks do not work on this file system; nothing was lost: choose a --results on a local disk"
                )

    def release(self) -> None:
        """Let the next one in."""
        try:
            with suppress(OSError):
                remove(self.folder / NOTE)
        finally:
            self._lock.release()


def _unheld(folder: Path, error: Exception) -> StoreError:
    if not isinstance(error, OSError) or error.errno in LOCKLESS:
        why = getattr(error, "strerror", None) or "not supported"
        return StoreError(
            f"{folder}: its file system does not support locks ({why}), and a study needs a single writer; "
            f"choose a --results on a local disk, or mount the network file system with locks"
        )
    where = error.filename if error.errno == errno.ELOOP and error.filename else folder
    return StoreError(f"{where}: cannot be written ({error.strerror}); choose another --results")


def owner(folder: Path) -> str:
    """Return who holds a folder, by the note that was left there; one by a process that has ended is not believed."""
    try:
        note = json.loads(read_bounded(folder / NOTE, MOST_NOTE))
        pid, host, since = int(note["pid"]), str(note["host"]), str(note["since"])
        if host == socket.gethostname() and not _alive(pid):
            return "another process"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
    return f"process {pid} on {host} since {since}"


def _alive(pid: int) -> bool:
    if os.name == "nt":  # there a signal of 0 would end the process
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
