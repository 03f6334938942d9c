"""Probes at every moment of a run: what they get to see, that they leave no trace, and that no pack, kill or order matters."""

import itertools

import numpy as np
import pytest
import torch
from pydantic import Field

from dropexp.experiment.probe_settings import EveryEpoch
from dropexp.experiment.probes import PROBES, Probe, settings_of
from dropexp.train import ending
from dropexp.train.checkpoint import INTERVAL, load
from dropexp.train.pack import train_pack
from dropexp.train.probes import MEASURES
from dropexp.train.work import Work

SIZES = {
    "data.test_size": 30,
    "data.val_size": 20,
    "training.batch_size": 16,
    "training.epochs": 6,
    "model.hidden": [13, 9],
    "model.norm": "batch",
}
SEEN = []  # (moment, epoch, run_ids) of every look


class Draws(EveryEpoch):
    draws: int = Field(1, ge=1, description="draws")


def drawing(look):
    """Look at everything there is to look at, and tread on all that may be trodden on."""
    network, feed = look.network, look.feed
    SEEN.append((look.moment, look.epoch, [run.run_id for run in look.runs]))
    network.put({name: tensor.detach() * 0 + i for i, (name, tensor) in enumerate(network.parameters.items())})
    for x_RB, _ in itertools.islice(feed.batches(look.batches), 2):
        network.tap = lambda layer, point, x: x * 2.0
        network(x_RB, noise=look.training_masks(), norm="batch").sum().backward()
    network.tap = None
    held = {name: tensor.detach() for name, tensor in network.parameters.items()}
    assert all(float(tensor.min()) == float(tensor.max()) == i for i, tensor in enumerate(held.values()))
    masks = [look.masks(n).mask("hidden.1", 3) for n in range(look.settings.draws)]  # None where no run has dropout
    fired = [[39.0] * len(look.runs) if m is None else [float((f > 0).sum()) for f in m[0]] for m in masks]
    numbers = [look.generator(r, "x", 1).integers(0, 1000) for r in range(len(look.runs))]
    return [
        *(("fired", str(n), values) for n, values in enumerate(fired)),
        ("drawn", str(look.epoch), [float(n) for n in numbers]),
        ("odd seeds", "", [1.0 if run.seed % 2 else None for run in look.runs]),
    ]


def weighing(look):
    """Tell the weights apart by one number, and the examples by another."""
    x = next(iter(look.feed.chunks()))[1]
    with torch.no_grad():
        logits = look.network(x, noise=None, norm="running")
    return [("logits", "", [float(row.double().sum()) for row in logits])]


@pytest.fixture
def probes(monkeypatch):
    """Two probes that the table has not, at every moment."""
    every = ("start", "epoch", "selected", "last")
    monkeypatch.setitem(PROBES, "drawing", Probe("", "", "", moments=every, settings=Draws))
    monkeypatch.setitem(PROBES, "weighing", Probe("", "", "", moments=every))
    monkeypatch.setitem(MEASURES, "drawing", drawing)
    monkeypatch.setitem(MEASURES, "weighing", weighing)
    settings_of.cache_clear()
    SEEN.clear()
    yield ("gap_parts every=2", "drawing every=3 draws=2", "weighing every=4")
    settings_of.cache_clear()


def members(make_run, **settings):
    return tuple(
        make_run(seed, **{**SIZES, "dropout.rate": rate, **settings})
        for seed, rate in ((0, 0.5), (1, 0.2), (0, 0.0), (2, 0.5))
    )


PATIENT = {"early_stopping": {"patience": 1, "monitor": "val_loss", "min_delta": 0.05}, "training.lr": 0.2}
SCHEDULED = {"dropout.schedule": {"shape": "linear", "epochs": 5, "begin": 0.1, "end": 1.0}, **PATIENT}


@pytest.mark.parametrize("settings", [{}, PATIENT, SCHEDULED], ids=["plain", "patience", "schedule"])
def test_probes_at_every_moment_change_nothing_and_depend_on_their_run_alone(make_run, vectors, probes, settings):
    runs = members(make_run, **settings)
    plain = train_pack(Work(runs, "toy"), vectors)
    seen = train_pack(Work(runs, "toy", probes), vectors)
    assert repr(seen.runs) == repr(plain.runs)
    assert repr(seen.epochs) == repr(plain.epochs)
    assert seen.weights == ()
    assert plain.probes == ()
    for run in runs:
        alone = train_pack(Work((run,), "toy", probes), vectors).probes
        assert alone == tuple(row for row in seen.probes if row.run_id == run.run_id)
    for row in seen.runs:
        own = [p for p in seen.probes if p.run_id == row.run_id]
        after = range(1, row.epochs_run + 1)
        ends = {row.selected_epoch, row.epochs_run}
        by_name = {name: [p.epoch for p in own if p.probe == name] for name in ("gap_parts", "drawing", "weighing")}
        assert set(by_name["gap_parts"]) == {n for n in after if n % 2 == 0}
        assert set(by_name["drawing"]) == {0} | {n for n in after if n % 3 == 0} | ends
        assert set(by_name["weighing"]) == {0} | {n for n in after if n % 4 == 0} | ends
        assert [p.epoch for p in own] == sorted(p.epoch for p in own)
        if row.selected_epoch == row.epochs_run:  # looked at once
            assert by_name["weighing"].count(row.epochs_run) == 1
        assert any(p.layer == "odd seeds" for p in own) == bool(row.seed % 2)
    places = [(p.run_id, p.epoch, p.probe, p.layer, p.at) for p in seen.probes]
    assert len(set(places)) == len(places), "a number stands once, also where two moments are of one epoch"
    assert settings == {} or any(row.selected_epoch < row.epochs_run for row in seen.runs)


def test_a_probe_at_the_end_sees_the_weights_of_the_selected_and_of_the_last_epoch(make_run, vectors, probes):
    """The weights that `save_weights: all` keeps of every epoch give the same number."""
    runs = members(make_run, **PATIENT)
    every = train_pack(Work(runs, "toy", ("weighing",), save_weights="all"), vectors)
    ends = train_pack(Work(runs, "toy", ("weighing every=1000",)), vectors)
    after = {(p.run_id, p.epoch): p.value for p in every.probes}
    assert len({p.value for p in ends.probes}) > 4
    for row in ends.probes:
        assert row.value == after[row.run_id, row.epoch]
    epochs = {row.run_id: {0, row.selected_epoch, row.epochs_run} for row in ends.runs}
    assert {run: {p.epoch for p in ends.probes if p.run_id == run} for run in epochs} == epochs
    assert len(every.weights) == sum(row.epochs_run for row in every.runs)


def test_draws_of_a_probe_are_its_own_of_every_run_moment_and_epoch(make_run, vectors, probes):
    found = train_pack(Work(members(make_run), "toy", ("drawing every=2 draws=2",)), vectors).probes
    drawn = [p.value for p in found if p.layer == "drawn"]
    assert len(drawn) == 4 * 5  # at the start, three times after an epoch, and at the end
    assert len(set(drawn)) > 12  # of 15 that differ: two runs have one seed
    fired = {n: [p.value for p in found if (p.layer, p.at) == ("fired", n)] for n in "01"}
    assert sum(a != b for a, b in zip(fired["0"], fired["1"], strict=True)) > 5, "each number has masks of its own"
    first, _, same, _ = (run.run_id for run in members(make_run))
    assert [p.value for p in found if p.layer == "drawn" and p.run_id == first] == [
        p.value for p in found if p.layer == "drawn" and p.run_id == same
    ]


def test_a_probe_that_writes_into_a_parameter_is_found_out(make_run, vectors, monkeypatch):
    def writing(look):
        with torch.no_grad():
            next(iter(look.network.parameters.values())).mul_(1.0)
        return []

    monkeypatch.setitem(MEASURES, "gap_parts", writing)
    with pytest.raises(AssertionError, match=r"a probe wrote into hidden.1.weight"):
        train_pack(Work(members(make_run), "toy", ("gap_parts",)), vectors)


def test_runs_that_diverge_are_measured_at_their_last_finite_epoch_and_not_without_one(make_run, vectors, probes):
    wild = {"model.norm": "none", "training.lr": 1e4, "training.epochs": 8}
    runs = (
        *members(make_run, **wild),
        *members(make_run, **{**wild, "training.lr": 1e38, "model.activation": "linear"}),
    )
    for part in (runs[:4], runs[4:]):
        made = train_pack(Work(part, "toy", ("weighing every=1000",)), vectors)
        for row in made.runs:
            epochs = [p.epoch for p in made.probes if p.run_id == row.run_id]
            if row.stop_reason == "diverged":
                assert epochs == ([0, row.epochs_run - 1] if row.epochs_run > 1 else [0])
    assert {row.epochs_run for row in made.runs if row.stop_reason == "diverged"} == {1}


@pytest.mark.parametrize("keep", ["none", "selected", "all"])
def test_probes_come_out_the_same_after_a_pause_at_any_epoch(make_run, vectors, probes, tmp_path, keep):
    runs = members(make_run, **PATIENT)
    whole = train_pack(Work(runs, "toy", probes, keep), vectors)
    for at in range(1, max(row.epochs_run for row in whole.runs) + 1):
        folder = tmp_path / str(at)
        work = Work(runs, "toy", probes, keep, checkpoints=folder)
        if not train_pack(work, vectors, lambda epoch, *_, at=at: epoch == at).paused:
            continue
        SEEN.clear()
        made = train_pack(work, vectors)
        assert "start" not in {moment for moment, *_ in SEEN}
        assert made.probes == whole.probes
        assert repr(made.runs) == repr(whole.runs)
        assert [name for name, _ in made.weights] == [name for name, _ in whole.weights]
        for (_, a), (_, b) in zip(made.weights, whole.weights, strict=True):
            assert {k: np.asarray(v).tobytes() for k, v in a.items()} == {
                k: np.asarray(v).tobytes() for k, v in b.items()
            }


def test_a_kill_while_probes_look_at_the_end_costs_no_row(make_run, vectors, probes, tmp_path, monkeypatch):
    """All runs have ended, and have their last checkpoints; the next command measures what is left."""
    monkeypatch.setenv(INTERVAL, "0")
    runs = members(make_run, **PATIENT)
    whole = train_pack(Work(runs, "toy", probes), vectors)
    work = Work(runs, "toy", probes, checkpoints=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(ending, "take", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train_pack(work, vectors)
    assert load(tmp_path, runs[0].run_id, work.circumstances).reason is not None
    assert train_pack(work, vectors).probes == whole.probes


def test_without_a_probe_at_the_end_nothing_is_kept_and_no_network_built_again(make_run, vectors, monkeypatch):
    monkeypatch.setattr(ending, "Network", None)
    monkeypatch.setattr(ending, "Feed", None)
    work = Work(members(make_run), "toy", ("gap_parts",))
    assert not work.keeps_selected
    assert train_pack(work, vectors).probes
