"""Parts that two processes share: each is done, whatever becomes of the second process, and Ctrl-C leaves none behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dropexp.executors import beside

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")
HERE = os.getpid()


@pytest.fixture
def forking(monkeypatch):
    monkeypatch.setattr(beside, "_may_fork", lambda: True)
    monkeypatch.setattr(beside, "PATIENCE", 0.5)


def fails():
    raise ValueError("there, not here")


@pytest.mark.parametrize(
    "there",
    [lambda: None, fails, lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: time.sleep(600)],
    ids=["fine", "fails", "dies", "hangs"],
)
def test_every_part_is_done_whatever_becomes_of_the_second_process(forking, there, tmp_path):
    def do(part):
        if os.getpid() != HERE:
            (tmp_path / "began").touch()
            there()
        else:
            while not (tmp_path / "began").exists():  # so that both have a part
                time.sleep(0.01)
        (tmp_path / str(part)).write_text(str(os.getpid()))

    beside.shared(7, do)
    done = {path.name: path.read_text() for path in tmp_path.iterdir() if path.name != "began"}
    assert set(done) == set(map(str, range(7)))
    assert str(HERE) in done.values()


def test_an_exception_here_reaches_the_caller(forking):
    with pytest.raises(ValueError, match="there, not here"):
        beside.shared(3, lambda part: fails())


def test_a_process_with_torch_is_not_forked():
    assert "torch" in sys.modules
    assert not beside._may_fork()


SCRIPT = """
import os, sys, time
from dropexp.executors import beside
beside._may_fork = lambda: True
here = os.getpid()

def do(part):
    if os.getpid() == here:
        time.sleep(600)
    print(os.getpid(), flush=True)
    time.sleep(600)

beside.shared(4, do)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_second_process_ends_with_the_first(number):
    first = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    second = int(first.stdout.readline())
    first.send_signal(number)
    out, err = first.communicate(timeout=60)
    assert (out, first.returncode) == ("", -number)
    assert err.count("Traceback") == (number == signal.SIGINT), "the second process says nothing"
    ends = time.monotonic() + 60
    while (left := Path(f"/proc/{second}/stat").exists()) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not left
