"""Calibration: it picks the size whose steps cost least a run, and nothing of it is seen in a result."""

import pytest

from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.workflow import calibrating
from dropexp.workflow.planning import Options, prepare
from dropexp.workflow.running import run

TEXT = """study: a
data: {source: digits, train_size: 60, test_size: 60}
model: {hidden: [8]}
training: {epochs: 2}
seeds: 4
sweep: {dropout.rate: [0.0, 0.5]}
"""


def planned(folder, **options):
    chosen = Options(results=folder, jobs=1, **options)
    return prepare(parse(read_text(TEXT, "a.yaml")), chosen), chosen


@pytest.mark.parametrize(("cheapest", "sizes"), [(8, [8]), (4, [4, 4]), (2, [2, 2, 2, 2]), (1, [1] * 8)])
def test_the_size_that_costs_least_a_run_is_taken(tmp_path, monkeypatch, cheapest, sizes):
    def cost(runs, dataset):
        return len(runs) * (1.0 if len(runs) == cheapest else 2.0)

    monkeypatch.setattr("dropexp.train.timing.seconds_a_step", cost)
    monkeypatch.setattr(calibrating, "WORTH_SECONDS", 0.0)
    monkeypatch.setattr(calibrating, "SHARE", 1e9)
    made, options = planned(tmp_path)
    calibrating.calibrate(made, options)
    assert [len(pack) for pack in made.packs] == sizes


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_size_that_does_not_fit_is_not_taken(tmp_path, monkeypatch, error):
    def cost(runs, dataset):
        if len(runs) > 2:
            raise error
        return 1.0 * len(runs)

    monkeypatch.setattr("dropexp.train.timing.seconds_a_step", cost)
    monkeypatch.setattr(calibrating, "WORTH_SECONDS", 0.0)
    monkeypatch.setattr(calibrating, "SHARE", 1e9)
    made, options = planned(tmp_path)
    calibrating.calibrate(made, options)
    assert [len(pack) for pack in made.packs] == [2, 2, 2, 2]


def test_little_work_and_given_sizes_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("dropexp.train.timing.seconds_a_step", lambda *_: 1 / 0)
    made, options = planned(tmp_path)
    calibrating.calibrate(made, options)
    monkeypatch.setattr(calibrating, "WORTH_SECONDS", 0.0)
    made, options = planned(tmp_path, pack=3)
    calibrating.calibrate(made, options)
    assert [len(pack) for pack in made.packs] == [3, 3, 2]


def test_results_do_not_know_of_it(tmp_path, monkeypatch):
    study = parse(read_text(TEXT, "a.yaml"))
    run(study, Options(results=tmp_path / "plain", jobs=1))
    monkeypatch.setattr(calibrating, "WORTH_SECONDS", 0.0)
    monkeypatch.setattr(calibrating, "SHARE", 1e9)
    run(study, Options(results=tmp_path / "calibrated", jobs=1))
    for name in ("runs.csv", "epochs.csv", "summary.csv", "study.yaml"):
        assert (tmp_path / "plain/a" / name).read_bytes() == (tmp_path / "calibrated/a" / name).read_bytes()
