"""Downloads from a server that misbehaves: each ends in a good file or a sentence, and never in half a file."""

import contextlib
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dropexp.data import download
from dropexp.data.download import files_of
from dropexp.data.published import PUBLISHED, Published
from dropexp.errors import DataError

CONTENT = bytes(range(256)) * 1200  # several pieces
LENGTH, NAME, DRIPS = len(CONTENT), "file.bin", 100
ROOT = Path(__file__).parent.parent.parent


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers each path by the list of behaviours for it, the last one for ever."""

    def do_GET(self):
        server = self.server
        mirror = self.path.split("/")[1]
        server.asked.append(mirror)
        behaviours = server.answers[mirror]
        BEHAVIOURS[behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]](self)

    def head(self, status=200, length=LENGTH, **headers):
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def body(self, content):
        with contextlib.suppress(OSError):  # where nobody listens any more
            self.wfile.write(content)

    def log_message(self, *_):
        pass


def good(to):
    to.head()
    to.body(CONTENT)


def truncated(to):
    to.head()
    to.body(CONTENT[:100_000])


def corrupt(to):
    to.head()
    to.body(CONTENT[:-1] + b"!")


def another(to):
    page = b"<html>Sign in to the network</html>"
    to.head(length=len(page))
    to.body(page)


def unannounced(to):
    to.head(length=None)
    to.body(CONTENT)


def chunked(to):
    to.protocol_version = "HTTP/1.1"
    to.head(length=None, **{"Transfer-Encoding": "chunked", "Connection": "close"})
    for start in range(0, LENGTH, 50_000):
        piece = CONTENT[start : start + 50_000]
        to.body(b"%x\r\n%s\r\n" % (len(piece), piece))
    to.body(b"0\r\n\r\n")


def slow(to):
    to.head()
    for dripped in range(DRIPS):
        to.server.dripped = dripped
        to.body(b"\0")
        if to.server.over.wait(0.05):
            return


def stalled(to):
    to.head()
    to.body(CONTENT[:70_000])
    to.server.over.wait(20)


def mute(to):
    to.server.over.wait(20)


def endless(to):
    to.head(length=None)
    while not to.server.over.is_set():
        try:
            to.wfile.write(bytes(1 << 16))
        except OSError:
            return


def unhurried(to):
    """Good, but slow enough for two processes to meet."""
    to.head()
    for start in range(0, len(CONTENT), 1 << 15):
        to.body(CONTENT[start : start + (1 << 15)])
        time.sleep(0.03)


def redirect(to, where=None):
    to.head(302, 0, Location=where or f"http://127.0.0.1:{to.server.server_port}/elsewhere/{NAME}")


BEHAVIOURS = {
    "good": good, "truncated": truncated, "corrupt": corrupt, "another": another, "slow": slow,
    "unannounced": unannounced, "chunked": chunked,
    "stalled": stalled, "mute": mute, "endless": endless, "unhurried": unhurried, "redirect": redirect,
    "404": lambda to: to.head(404, 0), "500": lambda to: to.head(500, 0), "garbled": lambda to: to.body(b"hello\r\n\r\n"),
    "to a file": lambda to: redirect(to, "file:///etc/passwd"), "round": lambda to: redirect(to, to.path),
    "to a program": lambda to: redirect(to, "javascript:alert(1)"),
}  # fmt: skip


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server on this machine as the two mirrors of a source of one file, with short time-outs."""
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    made.daemon_threads, made.asked, made.over, made.dripped = True, [], threading.Event(), 0
    made.answers = {"one": ["404"], "two": ["404"], "elsewhere": ["good"]}
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    mirrors = tuple(f"http://127.0.0.1:{made.server_port}/{mirror}/" for mirror in ("one", "two"))
    monkeypatch.setitem(PUBLISHED, "mnist", Published({NAME: hashlib.md5(CONTENT).hexdigest()}, mirrors))
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    monkeypatch.setattr(download, "PATIENCE", 0.3)
    monkeypatch.setattr(download, "LARGEST", 4_000_000)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made.cache = tmp_path / "cache"
    yield made
    made.over.set()
    made.shutdown()
    thread.join()
    made.server_close()


def held(server):
    return {path.name for path in (server.cache / "mnist").iterdir()} - {".lock"}


GOOD = [["good"], ["chunked"], ["unannounced"], ["redirect"], ["500", "good"], ["truncated", "good"]]


@pytest.mark.parametrize("answers", GOOD, ids=" then ".join)
def test_a_good_file_is_there_at_the_end(answers, server):
    server.answers["one"] = answers
    (path,) = files_of("mnist", server.cache).values()
    assert path.read_bytes() == CONTENT
    assert held(server) == {NAME}
    assert "two" not in server.asked


BAD = {
    "truncated": "the connection broke off",
    "corrupt": "wrong checksum",
    "another": "wrong checksum",
    "slow": "slower than 1,000 bytes a second",
    "stalled": "ConnectionError",
    "mute": "no answer",
    "endless": "more than 4,000,000 bytes",
    "404": "HTTP 404",
    "500": "HTTP 500",
    "garbled": "ConnectionError",
    "to a file": "a redirect to something that is not a web address",
    "to a program": "a redirect to something that is not a web address",
    "round": "HTTP 302",
}


@pytest.mark.parametrize("there", [False, True], ids=["nothing there", "a damaged file there"])
@pytest.mark.parametrize("answer", BAD)
def test_a_bad_answer_is_named_and_leaves_nothing(answer, there, server):
    if there:
        (server.cache / "mnist").mkdir(parents=True)
        (server.cache / "mnist" / NAME).write_bytes(b"damaged")
    server.answers["one"] = [answer]
    with pytest.raises(DataError, match="no mirror provided it") as caught:
        files_of("mnist", server.cache)
    assert f"127.0.0.1: {BAD[answer]}, 127.0.0.1: HTTP 404" in str(caught.value)
    assert server.dripped < DRIPS - 1, "a slow server was heard to the end"
    assert "run `dropexp data mnist`" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert held(server) == ({NAME} if there else set())
    server.answers["two"] = ["good"]
    (path,) = files_of("mnist", server.cache).values()
    assert path.read_bytes() == CONTENT, "the next mirror, or the next time, gives it"


FETCH = """
import sys
from pathlib import Path
from dropexp.data.download import files_of
from dropexp.data.published import PUBLISHED, Published
from dropexp.errors import DropexpError
PUBLISHED["mnist"] = Published({sys.argv[3]: sys.argv[4]}, (sys.argv[2],))
try:
    print(*files_of("mnist", Path(sys.argv[1])).values())
except DropexpError as error:
    sys.exit(str(error))
"""


def fetching(server, **options):
    where = f"http://127.0.0.1:{server.server_port}/one/"
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, server.cache, where, NAME, PUBLISHED["mnist"].files[NAME]],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def test_two_processes_fetch_one_file_once(server):
    server.answers["one"] = ["unhurried"]
    both = [fetching(server), fetching(server)]
    for process in both:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert Path(out.strip()).read_bytes() == CONTENT
    assert server.asked == ["one"]
    assert held(server) == {NAME}


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals and limits")
def test_a_killed_download_leaves_no_file_of_that_name_and_no_lock(server):
    server.answers["one"] = ["unhurried"]
    process = fetching(server)
    give_up = time.monotonic() + 30
    while "one" not in server.asked and time.monotonic() < give_up:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert NAME not in held(server)
    server.answers["one"] = ["good"]
    assert files_of("mnist", server.cache)[NAME].read_bytes() == CONTENT


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX limits")
def test_a_full_disk_is_a_sentence_and_leaves_nothing(server):
    """A limit on the size of files stands in for a full disk: the write fails half-way with an error of the system."""
    import resource

    server.answers["one"] = ["good"]
    process = fetching(server, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"mnist: writing to {server.cache / 'mnist'} failed: File too large; make room" in err
    assert "Traceback" not in err
    assert held(server) == set()
