"""A pack that does not fit in memory is halved until it does, and only a run that does not fit alone is a failure."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.workflow.planning import Options
from dropexp.workflow.running import run

ROOT = Path(__file__).parent.parent
SCRIPT = """
import ctypes, json, resource, sys
from pathlib import Path

import dropexp.train.pack
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.workflow.planning import Options
from dropexp.workflow.running import run

results, room = Path(sys.argv[1]), float(sys.argv[2])
train_pack, tried = dropexp.train.pack.train_pack, []

def train(work, dataset, report=None):
    tried.append([run.config.model.hidden[0] for run in work.runs] + [False])
    outcome = train_pack(work, dataset, report)
    tried[-1][-1] = True
    return outcome

dropexp.train.pack.train_pack = train
small = parse(read_text("data: {train_size: 200}\\nmodel: {hidden: [8]}\\ntraining: {epochs: 1}", "w.yaml"), name="warm")
run(small, Options(results=results, jobs=1))  # loads what is loaded once
tried.clear()
ctypes.CDLL(None).malloc_trim(0)  # what was freed and is kept for the next step would be room besides
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(room * 2**20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
done = run(parse(read_text(sys.argv[3], "s.yaml"), name="s"), Options(results=results, jobs=1, pack=8))
print(json.dumps([done.trained, [f.error for f in done.failures], tried]))
"""


TEXT = """data: {train_size: 200, val_size: 40, test_size: 100}
training: {epochs: 1, optimizer: adam}
seeds: 4
sweep: {model.hidden: [[2000, 1000], [8000, 1000]]}
"""


def contents(results):
    return {name: (results / "s" / name).read_bytes() for name in ("runs.csv", "epochs.csv", "summary.csv")}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory that is enforced")
def test_a_pack_that_does_not_fit_is_halved_until_it_does(tmp_path):
    """Room for 100 MB: one or two runs of 2000 units, about 40 MB each, and none of 8000."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-c", SCRIPT, str(tmp_path / "tight"), "100", TEXT]
    out = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=600)
    assert out.returncode == 0, out.stderr
    done, errors, tried = json.loads(out.stdout)
    assert [2000, 2000, 2000, 2000, False] in tried
    assert sum(len(runs) for *runs, whole in tried if whole) == done == 4
    assert {width for *runs, whole in tried for width in runs if whole} == {2000}
    assert len(errors) == 4, "the runs that do not fit alone"
    assert all("can't allocate memory" in error or error.startswith("MemoryError") for error in errors)
    failures = (tmp_path / "tight" / "s" / "failures.csv").read_text().splitlines()
    assert len(failures) == 5

    study = parse(read_text(TEXT, "s.yaml"), name="s")
    again = run(study, Options(results=tmp_path / "tight", jobs=1))
    assert (again.trained, again.failures) == (4, ())
    run(study, Options(results=tmp_path / "whole", jobs=1))
    assert contents(tmp_path / "tight") == contents(tmp_path / "whole")
