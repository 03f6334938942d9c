"""Executors: outcomes of every pack, errors as outcomes, a worker that dies takes only its own pack."""

import contextlib
import importlib
import io
import os
import pickle
import signal
import sys
from pathlib import Path

import pytest

from dropexp.errors import UsageError
from dropexp.executors import pool, template, worker
from dropexp.executors.all_executors import EXECUTORS, chosen
from dropexp.executors.executor import Executor
from dropexp.executors.pool import Spawning, run_pool
from dropexp.executors.template import Forking
from dropexp.experiment.probes import PROBES
from dropexp.train.work import Work, train_work

MODULE = """
import os, signal, sys, time
from dataclasses import dataclass
from dropexp.records import Outcome

@dataclass(frozen=True)
class Job:
    number: int
    fate: str = "fine"
    source: str = "data"

def work(job, data, report):
    report(1, 0, {})
    if job.fate == "raise":
        raise ValueError("a bug")
    if job.fate in ("colorsys", "no_such_module") and job.fate not in sys.modules:
        raise ValueError("not loaded")
    if job.fate == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.fate == "orphan":
        os.kill(os.getppid(), signal.SIGKILL)
    if job.fate in ("hang", "orphan"):
        report(os.getpid(), 0, {})
        time.sleep(600)
    return Outcome(error=None, weights=((f"{job.number} {data} {os.getpid()}", {}),))
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """A module that workers can import, as they import the one that trains."""
    (tmp_path / "jobs_of_a_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("jobs_of_a_test")


@pytest.fixture(params=[Spawning, Forking], ids=["spawned", "forked"])
def crew(request, monkeypatch):
    """Both ways of starting workers, where both work."""
    if request.param is Forking and sys.platform != "linux":
        pytest.skip("only Linux forks")
    monkeypatch.setattr(pool, "CREW", request.param)
    return request.param


@pytest.mark.parametrize("execute", [row.map for row in EXECUTORS.values()], ids=list(EXECUTORS))
def test_every_pack_has_an_outcome_and_is_heard(execute, jobs):
    heard = []
    packs = [jobs.Job(0), jobs.Job(1, "raise"), jobs.Job(2)]
    found = dict(execute(jobs.work, packs, {"data": "D"}, 2, lambda index, *rest: heard.append((index, *rest))))
    assert sorted(found) == [0, 1, 2]
    assert found[1].error.startswith("ValueError: a bug")
    assert found[0].weights[0][0].startswith("0 D")
    assert sorted(heard) == [(0, 1, 0, {}), (1, 1, 0, {}), (2, 1, 0, {})]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_worker_that_dies_takes_only_its_own_pack(jobs, crew):
    fates = ["die", "fine", "fine", "die", "fine"]
    packs = [jobs.Job(i, fate) for i, fate in enumerate(fates)]
    found = dict(run_pool(jobs.work, packs, {"data": "D"}, 2, lambda *heard: None))
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert "SIGKILL" in found[0].error
    assert "memory" in found[3].error
    assert all(found[i].error is None for i in (1, 2, 4))


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_workers_start_reaches_the_parent_and_no_worker(number, jobs, crew, monkeypatch):
    """A batch system sends it once: whatever the moment, it must not be lost."""
    heard, starting = [], worker._without_script

    @contextlib.contextmanager
    def signalled():
        with starting():
            yield
        os.kill(os.getpid(), number)

    monkeypatch.setattr(worker, "_without_script", signalled)
    before = signal.signal(number, lambda *_: heard.append(number))
    try:
        found = dict(run_pool(jobs.work, [jobs.Job(0), jobs.Job(1)], {"data": "D"}, 2, lambda *_: None))
    finally:
        signal.signal(number, before)
    assert heard == [number] * (2 if crew is Spawning else 1)
    assert [found[i].error for i in (0, 1)] == [None, None]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")
def test_a_template_that_dies_takes_its_workers_and_another_takes_its_place(jobs):
    packs = [jobs.Job(0, "hang"), jobs.Job(1, "orphan"), jobs.Job(2), jobs.Job(3)]
    found = dict(run_pool(jobs.work, packs, {"data": "D"}, 2, lambda *heard: None))
    assert all("SIGKILL" in found[i].error for i in (0, 1))
    assert all(found[i].error is None for i in (2, 3))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")
@pytest.mark.parametrize("module", ["colorsys", "no_such_module"])
def test_workers_begin_with_what_was_loaded_ahead(module, jobs):
    with template.loading(module):
        process = template._ahead[0].process
        with template.loading(module):  # as a command does, and then the executor that it chooses
            found = dict(run_pool(jobs.work, [jobs.Job(i, module) for i in (0, 1)], {"data": "D"}, 2, lambda *_: None))
        assert not template._ahead
    assert not process.is_alive()
    loaded = [found[i].error is None for i in (0, 1)]
    assert loaded == [module == "colorsys"] * 2, "what cannot be loaded is left to the packs"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")
def test_what_loads_ahead_ends_where_no_worker_is_wanted():
    with template.loading("torch"):
        process = template._ahead[0].process
        template.forget()
    assert process.exitcode == -signal.SIGKILL, "it was loading"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_whoever_stops_listening_leaves_no_worker(jobs, crew):
    pids = []

    def stopped(index, pid, *rest):
        pids.extend([pid] if pid > 1 else [])
        if len(pids) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_pool(jobs.work, [jobs.Job(0, "hang"), jobs.Job(1, "hang")], {"data": "D"}, 2, stopped))
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


class Cluster:
    """Three nodes of eight cores and 64 bytes."""

    machines, usable_cores = (lambda self: 3), (lambda self: 8)
    free_bytes, may_start = (lambda self: 64), (lambda self: True)
    devices = lambda self: ("cuda", "cpu")  # noqa: E731


def test_packs_are_counted_and_sized_by_what_the_executor_offers(monkeypatch):
    cluster = Executor("packs on a cluster", run_pool, workers=True, machine=Cluster())
    assert (cluster.jobs(8), cluster.jobs(32), cluster.jobs(100), cluster.jobs(1, threads=4)) == (24, 6, 1, 6)
    assert (cluster.room(24), cluster.room(6), cluster.room(1)) == (4, 16, 32)
    assert (cluster.device("auto"), cluster.device("cpu")) == ("cuda", "cpu")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    assert [row.jobs(1) for row in EXECUTORS.values()] == [1, 1]


def test_executors_are_chosen_by_name_else_by_the_number_of_jobs(monkeypatch):
    inline, workers = EXECUTORS["inline"], EXECUTORS["pool"]
    assert [chosen(None), chosen(None, 1), chosen(None, 2)] == [workers, inline, workers]
    assert [chosen("inline"), chosen("pool", 1)] == [inline, workers]
    with pytest.raises(UsageError, match="--executor: 'rai' is not one of inline, pool"):
        chosen("rai")
    with pytest.raises(UsageError, match="one pack after another in this process; remove --jobs 2"):
        chosen("inline", 2)
    monkeypatch.setattr("dropexp.executors.machine.may_start", lambda: False)
    assert chosen(None, 2) is inline
    with pytest.raises(UsageError, match="cannot start other processes; use --executor inline"):
        chosen("pool")


def test_what_a_worker_sends_makes_its_parent_load_no_torch(make_run, vectors):
    """The parent imports what a pickle names, and torch takes longer to import than many a study to train."""
    work = Work((make_run(model={"hidden": [3]}, training={"epochs": 1}),), "toy", tuple(PROBES), "all")
    named = set()

    class Read(pickle.Unpickler):
        def find_class(self, module, name):
            named.add(module.partition(".")[0])
            return super().find_class(module, name)

    assert Read(io.BytesIO(pickle.dumps(train_work(work, vectors)))).load().runs
    assert "dropexp" in named
    assert "torch" not in named
