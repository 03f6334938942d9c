"""Every write in turn is the last: the process dies there, half-way through it, or the disk is full from there on."""

import errno
import os
from pathlib import Path

import pytest

from dropexp.errors import DropexpError
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.train.checkpoint import INTERVAL
from dropexp.workflow.planning import Options
from dropexp.workflow.running import run

pytestmark = pytest.mark.xdist_group("writes")  # one worker, since its tests share a trained study

TEXT = """
data: {train_size: 60, val_size: 20, test_size: 40}
model: {hidden: [6]}
training: {epochs: 2}
seeds: 2
probes: [gradient_norms]
save_weights: selected
sweep: {dropout.rate: [0, 0.5]}
"""
OPTIONS = {"pack": 2, "jobs": 1}
STEP = int(os.environ.get("DROPEXP_TEST_EVERY", "9"))  # every 9th write in the fast suite, every one in the slow


class File:
    """A file open for writing that counts what is done to it."""

    def __init__(self, file, watch):
        self._file, self._watch = file, watch

    def write(self, content):
        self._watch("write", lambda: (self._file.write(content[: len(content) // 2]), self._file.flush()))
        return self._file.write(content)

    def flush(self):
        self._watch("flush")
        return self._file.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)


def watching(patch, at, act):
    """Patch everything that writes so that the call number `at` does `act(half)` first; return the count of calls."""
    calls = []
    opened, replace, unlink, fsync = Path.open, Path.replace, Path.unlink, os.fsync

    def watch(what, half=lambda: None):
        calls.append(what)
        if len(calls) >= at:
            act(len(calls) == at, what, half)

    def open_(self, mode="r", *args, **kwargs):
        if not set(mode) & set("wax+"):
            return opened(self, mode, *args, **kwargs)
        watch("open")
        return File(opened(self, mode, *args, **kwargs), watch)

    def named(what, call):
        def wrapped(*args, **kwargs):
            watch(what)
            return call(*args, **kwargs)

        return wrapped

    patch.setattr(Path, "open", open_)
    patch.setattr(Path, "replace", named("replace", replace))
    patch.setattr(Path, "unlink", named("unlink", unlink))
    patch.setattr(os, "fsync", named("fsync", fsync))
    return calls


def study():
    return parse(read_text(TEXT, "s.yaml"), name="s")


def train(results):
    return run(study(), Options(results=results, **OPTIONS))


def contents(results):
    folder = results / "s"
    names = ("runs.csv", "epochs.csv", "probes.csv", "summary.csv", "study.yaml")
    found = {name: (folder / name).read_bytes() for name in names}
    weights = {p.relative_to(folder).as_posix(): p.stat().st_size for p in folder.rglob("*.npz")}
    left = sorted(p.name for p in folder.rglob("*") if p.name.startswith(".") and p.name != ".lock")
    return found, weights, left


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What an uninterrupted command leaves, and how many writes it takes with a checkpoint an epoch."""
    results = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(INTERVAL, "0")
        calls = watching(patch, 10**9, None)
        train(results)
    assert len(calls) > 60
    assert {"open", "write", "flush", "fsync", "replace", "unlink"} == set(calls)
    return contents(results), len(calls)


def every(count, step):
    return range(1, count + 1, step)


def killed_at(results, at, torn):
    """Train in a child that dies at a write, without a word to anyone; return whether it did."""
    child = os.fork()
    if child == 0:
        with pytest.MonkeyPatch.context() as patch:

            def die(first, what, half):
                if torn:
                    half()
                os._exit(77)

            watching(patch, at, die)
            try:
                train(results)
            finally:
                os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 77


def check_kills(whole, tmp_path, monkeypatch, step, torn):
    monkeypatch.setenv(INTERVAL, "0")
    expected, count = whole
    died = 0
    for at in every(count, step):
        results = tmp_path / str(at)
        died += killed_at(results, at, torn)
        if at % 2:
            killed_at(results, at // 2 + 1, torn)  # and once more while it goes on
        train(results)
        assert contents(results) == expected, f"killed at write {at}"
    assert died == len(every(count, step))


def check_full_disk(whole, tmp_path, monkeypatch, step, lasting):
    monkeypatch.setenv(INTERVAL, "0")
    expected, count = whole
    refused = 0
    for at in every(count, step):
        results = tmp_path / str(at)
        with pytest.MonkeyPatch.context() as patch:

            def full(first, what, half):
                if what != "unlink" and (first or lasting):
                    half()
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            watching(patch, at, full)
            try:
                train(results)
                said = None
            except DropexpError as error:
                said = str(error)
        if said is not None:
            refused += 1
            assert "No space left on device" in said
            assert "\n" not in said
        train(results)
        assert contents(results) == expected, f"the disk full at write {at}"
    assert refused > 0


KILLS = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.mark.slow
@KILLS
@pytest.mark.parametrize("torn", [False, True])
def test_killed_at_a_write_and_continued_it_leaves_the_same_files(torn, whole, tmp_path, monkeypatch):
    check_kills(whole, tmp_path, monkeypatch, STEP + torn, torn)


@pytest.mark.slow
@pytest.mark.parametrize("lasting", [True, False])
def test_a_disk_that_is_full_at_a_write_is_a_sentence_and_loses_nothing(lasting, whole, tmp_path, monkeypatch):
    check_full_disk(whole, tmp_path, monkeypatch, STEP + lasting, lasting)


@KILLS
@pytest.mark.slow
@pytest.mark.parametrize("torn", [False, True])
def test_killed_at_every_single_write(torn, whole, tmp_path, monkeypatch):
    check_kills(whole, tmp_path, monkeypatch, 1, torn)


@pytest.mark.slow
@pytest.mark.parametrize("lasting", [True, False])
def test_a_full_disk_at_every_single_write(lasting, whole, tmp_path, monkeypatch):
    check_full_disk(whole, tmp_path, monkeypatch, 1, lasting)
