"""Probes in a study's folder: their order, other settings of one that was measured, and words of earlier versions."""

import itertools
from dataclasses import replace

import pytest

from dropexp import files
from dropexp.experiment.probe_settings import EveryEpoch, added
from dropexp.experiment.probes import PROBES, settings_of
from dropexp.records import EpochRow, Outcome, ProbeRow, RunRow
from dropexp.store.folder import Store
from dropexp.store.lost_found import NAME
from dropexp.store.writer import Writer
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text

STUDY = parse(read_text("sweep: {dropout.rate: [0, 0.5]}\nseeds: 1", "s.yaml"))


def outcome(runs):
    return Outcome(
        runs=tuple(RunRow(r.run_id, r.arm_id, r.seed, 2, "max_epochs", 2, train_loss=0.1 + r.seed) for r in runs),
        epochs=tuple(EpochRow(r.run_id, r.arm_id, r.seed, e, train_loss=1 / 3) for r in runs for e in (1, 2)),
    )


LAST = 7  # how many writes the storing below takes


def probed(run, name, values, epochs=(1, 2)):
    """Rows of one probe of one run, a value an epoch."""
    return tuple(ProbeRow(run.run_id, n, name, "hidden.1", "", value) for n, value in zip(epochs, values, strict=True))


@pytest.mark.parametrize("moment", range(LAST + 1))
def test_a_probe_with_other_settings_replaces_what_was_measured_and_a_kill_in_between_loses_no_run(
    moment, tmp_path, monkeypatch
):
    """Killed before its n-th write; what had been measured stands in the files or in lost+found.csv all the while."""
    runs = STUDY.runs()
    first = {"gap_parts": [0.25, 0.5], "gradient_norms": [1.5, 1.75]}
    base = replace(outcome(runs), probes=tuple(p for r in runs for n, v in first.items() for p in probed(r, n, v)))
    with Writer(tmp_path) as writer:
        assert writer.append(runs, base, ["gradient_norms", "gap_parts"]) == []
    again = replace(outcome(runs[:1]), probes=probed(runs[0], "gradient_norms", [9.5], [2]))
    writes, writer = itertools.count(), Writer(tmp_path)

    class Killed(BaseException):
        pass

    def killing(write):
        def killed(*args, **options):
            if next(writes) == moment:
                raise Killed
            return write(*args, **options)

        return killed

    with monkeypatch.context() as patch:
        for name in ("append", "write_aside"):
            patch.setattr(files, name, killing(getattr(files, name)))
        try:
            assert writer.append(runs[:1], again, ["gradient_norms every=2"]) == []
        except Killed:
            assert moment < LAST
        else:
            assert moment == next(writes) == LAST
    writer._holder.release()
    store = Store(tmp_path)
    assert store.doubts() == []
    assert store.done() == {run.run_id for run in runs}
    assert store.done(["gap_parts"]) == {run.run_id for run in runs}, "other probes stay"
    kept = "".join((tmp_path / name).read_text() for name in ("probes.csv", NAME) if (tmp_path / name).exists())
    assert all(f"{value}" in kept for values in first.values() for value in values)
    with Writer(tmp_path) as writer:
        if runs[0].run_id not in store.done(["gradient_norms every=2"]):
            assert writer.append(runs[:1], again, ["gradient_norms every=2"]) == []
    assert store.done(["gradient_norms every=2", "gap_parts"]) == {runs[0].run_id}
    assert store.done(["gradient_norms"]) == {runs[1].run_id}
    own = [line for line in store.lines("probes.csv") if line.startswith(runs[0].run_id)]
    assert [tuple(line.split(",")[1:3]) for line in own] == [
        ("1", "gap_parts"),
        ("2", "gradient_norms"),
        ("2", "gap_parts"),
    ]
    assert Store(tmp_path).doubts() == []


def test_rows_of_probes_stand_in_one_order_however_they_came(tmp_path):
    """A probe that was added to a study later stands where it would, had it been asked for at once."""
    (run,) = STUDY.runs()[:1]
    rows = {name: probed(run, name, [0.5, 0.75]) for name in ("gradient_norms", "variance_shift", "gap_parts")}
    plain = outcome([run])
    for folder, orders in (
        ("once", ["gradient_norms variance_shift gap_parts"]),
        ("thrice", ["gap_parts", "gradient_norms", "variance_shift"]),
    ):
        with Writer(tmp_path / folder) as writer:
            for names in orders:
                probes = tuple(row for name in names.split() for row in rows[name])
                assert writer.append([run], replace(plain, probes=probes), names.split()) == []
    files_of = [
        {name: (tmp_path / f / name).read_bytes() for name in ("runs.csv", "probes.csv")} for f in ("once", "thrice")
    ]
    assert files_of[0] == files_of[1]


def test_a_word_of_an_earlier_version_counts_as_its_probe_with_defaults(tmp_path, monkeypatch):
    class Later(EveryEpoch):
        masks: int = added(100, "masks", before=1)

    runs = STUDY.runs()[:1]
    with Writer(tmp_path) as writer:
        writer.append(runs, replace(outcome(runs), probes=probed(runs[0], "gradient_norms", [1.0, 2.0])))
    monkeypatch.setitem(PROBES, "gradient_norms", replace(PROBES["gradient_norms"], settings=Later))
    settings_of.cache_clear()
    store = Store(tmp_path)
    assert store.cells()[0]["probes_taken"] == "gradient_norms"
    assert store.done(["gradient_norms masks=100"]) == {runs[0].run_id}
    assert store.lacking(["gradient_norms masks=5"]) == {runs[0].run_id: "has no probes gradient_norms masks=5"}
    assert store.done(["gradient_norms every=2 masks=100"]) == set()
    settings_of.cache_clear()
