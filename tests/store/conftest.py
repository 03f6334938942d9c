"""A disk that is watched: every call of the system that changes files below a folder, to be counted, refused or recorded."""

import os
import stat
from pathlib import Path

import pytest


class Disk:
    """Patches what `os` offers to change files; `before(name, half)` hears of each call, `log` holds what was done.

    `half` does half of a write. Steps of the log are (what, ...): mkdir, create, write, truncate, fsync, fsyncdir, replace,
    unlink, rmdir, and said for what the product reported; files go by number, since names come and go.
    """

    CALLS = ("open", "write", "fsync", "replace", "unlink", "mkdir", "rmdir", "ftruncate")

    def __init__(self, root, before=lambda name, half: None):
        self.root, self.before, self.log, self.calls = str(root), before, [], []
        self.handles, self.numbers = {}, {}  # path and number by handle; numbers of files by name
        self.real = {name: getattr(os, name) for name in self.CALLS} | {"close": os.close}

    def install(self, patch):
        for name in (*self.CALLS, "close"):
            patch.setattr(os, name, getattr(self, name))
        return self

    def ours(self, path):
        path = os.fspath(path) if not isinstance(path, int) else ""
        return isinstance(path, str) and path.startswith(self.root) and not path.endswith(".lock")

    def heard(self, name, half=lambda: None):
        self.calls.append(name)
        self.before(name, half)

    def open(self, path, flags, *args, **kwargs):
        writes = flags & (os.O_WRONLY | os.O_RDWR)
        if not self.ours(path):
            return self.real["open"](path, flags, *args, **kwargs)
        new = flags & os.O_CREAT and not os.path.lexists(path)
        if writes:
            self.heard("open")
        handle = self.real["open"](path, flags, *args, **kwargs)
        path = os.fspath(path)
        if new:
            self.numbers[path] = len(self.log)
            self.log.append(("create", path, len(self.log)))
        self.handles[handle] = path, self.numbers.get(path)
        return handle

    def close(self, handle):
        self.handles.pop(handle, None)
        return self.real["close"](handle)

    def write(self, handle, content):
        if handle not in self.handles:
            return self.real["write"](handle, content)
        self.heard("write", lambda: self.real["write"](handle, content[: len(content) // 2]))
        done = self.real["write"](handle, content)
        self.log.append(("write", self.handles[handle][1], bytes(content[:done])))
        return done

    def ftruncate(self, handle, size):
        if handle in self.handles:
            self.heard("ftruncate")
            self.log.append(("truncate", self.handles[handle][1], size))
        return self.real["ftruncate"](handle, size)

    def fsync(self, handle):
        if handle not in self.handles:
            return self.real["fsync"](handle)
        self.heard("fsync")
        path, number = self.handles[handle]
        folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        self.log.append(("fsyncdir", path) if folder else ("fsync", number))
        return None  # nothing here is cut off in earnest

    def replace(self, source, target, **kwargs):
        if self.ours(source):
            self.heard("replace")
        self.real["replace"](source, target, **kwargs)
        if self.ours(source):
            source, target = os.fspath(source), os.fspath(target)
            self.numbers[target] = self.numbers.pop(source, None)
            self.log.append(("replace", source, target))

    def _named(self, name, path, args, kwargs):
        if self.ours(path):
            self.heard(name)
        self.real[name](path, *args, **kwargs)
        if self.ours(path):
            self.log.append((name, os.fspath(path)))

    def unlink(self, path, *args, **kwargs):
        self._named("unlink", path, args, kwargs)

    def mkdir(self, path, *args, **kwargs):
        self._named("mkdir", path, args, kwargs)

    def rmdir(self, path, *args, **kwargs):
        self._named("rmdir", path, args, kwargs)


@pytest.fixture
def study_files():
    """Return what a study's folder holds and must be the same however it came about, and what lies about in it."""

    def found(folder: Path):
        names = ("runs.csv", "epochs.csv", "probes.csv", "predictions.bin", "summary.csv", "study.yaml")
        kept = {name: (folder / name).read_bytes() for name in names}
        kept |= {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.safetensors")}
        left = sorted(p.name for p in folder.rglob("*") if p.name.startswith(".") and p.name != ".lock")
        return kept, left + [p.name for p in folder.glob("lost+found.csv")]

    return found


@pytest.fixture(scope="session")
def disk():
    return Disk
