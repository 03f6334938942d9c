"""Every call that changes a file is in turn the last: the process dies there, half-way through it, or the disk is full."""

import errno
import os

import pytest

from dropexp.errors import DropexpError
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.train.checkpoint import INTERVAL
from dropexp.workflow.planning import Options
from dropexp.workflow.running import run

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
STEP = int(os.environ.get("DROPEXP_TEST_EVERY", "9"))  # every 9th call, or every one


def study():
    return parse(read_text(TEXT, "s.yaml"), name="s")


def train(results):
    return run(study(), Options(results=results, **OPTIONS))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, disk):
    """What an uninterrupted command leaves, and how many calls of the system it takes with a checkpoint an epoch."""
    results = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(INTERVAL, "0")
        calls = disk(results).install(patch).calls
        train(results)
    assert len(calls) > 60
    assert {"open", "write", "fsync", "replace", "unlink", "mkdir", "rmdir"} == set(calls)
    return results / "s", len(calls)


def every(count, step):
    return range(1, count + 1, step)


def killed_at(results, at, torn, disk):
    """Train in a child that dies at a call, without a word to anyone; return whether it did."""
    child = os.fork()
    if child == 0:
        with pytest.MonkeyPatch.context() as patch:
            watched = disk(results)

            def die(what, half):
                if len(watched.calls) == at:
                    if torn:
                        half()
                    os._exit(77)

            watched.before = die
            watched.install(patch)
            try:
                train(results)
            finally:
                os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 77


def check_kills(whole, tmp_path, monkeypatch, step, torn, disk, study_files):
    monkeypatch.setenv(INTERVAL, "0")
    expected, count = study_files(whole[0]), whole[1]
    died = 0
    for at in every(count, step):
        results = tmp_path / str(at)
        died += killed_at(results, at, torn, disk)
        if at % 2:
            killed_at(results, at // 2 + 1, torn, disk)  # and once more while it goes on
        train(results)
        assert study_files(results / "s") == expected, f"killed at call {at}"
    assert died == len(every(count, step))


def check_full_disk(whole, tmp_path, monkeypatch, step, lasting, disk, study_files):
    monkeypatch.setenv(INTERVAL, "0")
    expected, count = study_files(whole[0]), whole[1]
    refused = 0
    for at in every(count, step):
        results = tmp_path / str(at)
        with pytest.MonkeyPatch.context() as patch:
            watched = disk(results)

            def full(what, half, watched=watched, at=at):
                n = len(watched.calls)
                if what not in ("unlink", "rmdir", "ftruncate") and (n >= at if lasting else n == at):
                    half()
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            watched.before = full
            watched.install(patch)
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
        assert study_files(results / "s") == expected, f"the disk full at call {at}"
    assert refused > 0


KILLS = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.mark.slow
@KILLS
@pytest.mark.parametrize("torn", [False, True])
def test_killed_at_a_write_and_continued_it_leaves_the_same_files(
    torn, whole, tmp_path, monkeypatch, disk, study_files
):
    check_kills(whole, tmp_path, monkeypatch, STEP + torn, torn, disk, study_files)


@pytest.mark.slow
@pytest.mark.parametrize("lasting", [True, False])
def test_a_disk_that_is_full_at_a_write_is_a_sentence_and_loses_nothing(
    lasting, whole, tmp_path, monkeypatch, disk, study_files
):
    check_full_disk(whole, tmp_path, monkeypatch, STEP + lasting, lasting, disk, study_files)


@KILLS
@pytest.mark.slow
@pytest.mark.parametrize("torn", [False, True])
def test_killed_at_every_single_write(torn, whole, tmp_path, monkeypatch, disk, study_files):
    check_kills(whole, tmp_path, monkeypatch, 1, torn, disk, study_files)


@pytest.mark.slow
@pytest.mark.parametrize("lasting", [True, False])
def test_a_full_disk_at_every_single_write(lasting, whole, tmp_path, monkeypatch, disk, study_files):
    check_full_disk(whole, tmp_path, monkeypatch, 1, lasting, disk, study_files)
