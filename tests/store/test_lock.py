"""One writer a folder: the second is told who holds it, the dead hold nothing, and a folder without locks is refused."""

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dropexp.errors import StoreError
from dropexp.store.lock import NOTE, Holder

ENV = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
HOLD = """
import sys, time
from pathlib import Path
from dropexp.store.lock import Holder
held = Holder(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the folder until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], env=ENV, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_second_is_told_who_holds_the_folder_and_a_dead_one_holds_nothing(other, tmp_path):
    with pytest.raises(StoreError, match=rf"in use by process {other.pid} on {socket.gethostname()} since 2"):
        Holder(tmp_path)
    other.kill()
    other.wait()
    assert json.loads((tmp_path / NOTE).read_text())["pid"] == other.pid, "a kill leaves its note"
    held = Holder(tmp_path)
    assert json.loads((tmp_path / NOTE).read_text())["pid"] == os.getpid()
    held.release()
    assert not (tmp_path / NOTE).exists()


@pytest.mark.parametrize("note", ["", "{", "[1]", "{}", '{"pid": "x"}', "[" * 100_000, None])
def test_a_note_that_names_nobody_alive_is_not_believed(note, other, tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    stale = {"pid": gone.pid, "host": socket.gethostname(), "since": "2020-01-01"}
    (tmp_path / NOTE).write_text(json.dumps(stale) if note is None else note)
    with pytest.raises(StoreError, match="in use by another process; wait until it has finished"):
        Holder(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="needs flock")
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(code, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(
        StoreError, match=r"its file system does not support locks \(.+\), and a study needs a single writer"
    ):
        Holder(tmp_path / "s")


def test_a_lock_that_does_not_hold_is_noticed_by_whoever_was_first(tmp_path):
    """Two machines whose network file system grants both the lock: the second one's note gives it away."""
    held = Holder(tmp_path)
    held.check()
    (tmp_path / NOTE).write_text(json.dumps({"pid": 7, "host": "elsewhere", "since": "2020-01-01"}))
    with pytest.raises(StoreError, match="process 7 on elsewhere since 2020-01-01 began to write here"):
        held.check()
    held.release()


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
@pytest.mark.parametrize("name", [".lock", NOTE])
def test_neither_lock_nor_note_is_written_through_a_link(name, tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / name).symlink_to(tmp_path / "mine")
    if name == NOTE:
        Holder(tmp_path / "s").release()
    else:
        with pytest.raises(StoreError, match=rf"s/\{name}: cannot be written \(it is a symbolic link"):
            Holder(tmp_path / "s")
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_folder_that_cannot_be_written_is_named(code, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("dropexp.store.lock.write_aside", refuse)
    with pytest.raises(StoreError, match=os.strerror(code)):
        Holder(tmp_path)
    monkeypatch.undo()
    Holder(tmp_path).release()
