"""memorisation against each epoch's guesses, stored one by one, and over pauses, neighbours and divergence."""

import numpy as np
import pytest
import torch

from dropexp.data import split
from dropexp.experiment.layout import layout
from dropexp.train import pack
from dropexp.train.batches import Feed
from dropexp.train.checkpoint import INTERVAL
from dropexp.train.looking import Look
from dropexp.train.pack import train_pack
from dropexp.train.probe_memorisation import memorisation
from dropexp.train.work import Work

SIZES = {
    "data.test_size": 30, "data.val_size": 20, "data.label_noise": 0.3, "training.batch_size": 16, "training.epochs": 7,
    "model.hidden": [30], "training.lr": 0.1,
}  # fmt: skip
MEMBERS = ((0, 0.5), (1, 0.2), (0, 0.0))
PATIENT = {"early_stopping": {"patience": 2, "monitor": "val_loss"}, "training.lr": 0.3}  # the three stop one by one


def members(make_run, **fields):
    return tuple(make_run(seed, **{**SIZES, "dropout.rate": rate, **fields}) for seed, rate in MEMBERS)


@pytest.fixture
def guessed(monkeypatch):
    """Return every epoch's guesses for the training examples, by run, as training hears them."""
    found = {}
    plain = pack._record

    def heard(epoch, recorders, work):
        for run, own in zip(epoch.runs, epoch.evaluated.train_guess_RN, strict=True):
            found.setdefault(run.run_id, []).append(own.copy())
        return plain(epoch, recorders, work)

    monkeypatch.setattr(pack, "_record", heard)
    return found


@pytest.mark.parametrize("turned", [1, -1])
@pytest.mark.parametrize("fields", [{}, PATIENT], ids=["plain", "patience"])
def test_the_epoch_since_which_an_example_is_learned_is_found_by_looking_back(
    make_run, vectors, guessed, fields, turned
):
    runs = members(make_run, **fields)[::turned]  # the one that stops first is the first or the last of its pack
    made = train_pack(Work(runs, "toy", ("memorisation examples=40",)), vectors)
    for run, row in zip(runs, made.runs, strict=True):
        given = {(p.epoch, p.layer, p.at): p.value for p in made.probes if p.run_id == run.run_id}
        parts = split(vectors, run.config.data, split_seed=run.seed, label_seed=run.seed)
        learned = np.array(guessed[run.run_id]) == parts.labels[parts.train]
        assert len(learned) == row.epochs_run
        assert [len(own) for own in learned] == [70] * len(learned)
        last, expected = row.epochs_run, {}
        since = np.array([max(np.flatnonzero(~own) + 1, default=0) + 1 for own in learned.T])
        since[since > last] = 0
        for name, of in (("right", ~parts.wrong[parts.train]), ("wrong", parts.wrong[parts.train])):
            for epoch in range(1, last + 1):
                before = learned[epoch - 2] if epoch > 1 else np.zeros(70, bool)
                expected[epoch, name, "forgotten"] = np.mean((before & ~learned[epoch - 1])[of])
            for epoch in np.unique(since[of]):
                expected[last, name, f"from.{epoch}" if epoch else "never"] = np.mean(since[of] == epoch)
            for n in np.flatnonzero(of[:40]):
                expected[last, name, f"example.{parts.train[n]}"] = since[n]
        assert given == pytest.approx(expected)
        assert any(value > 0 for (_, _, at), value in given.items() if at == "forgotten")
    assert fields == {} or len({row.epochs_run for row in made.runs}) == 3


def test_without_wrong_labels_there_is_one_group_and_without_examples_no_row_of_one(make_run, vectors):
    runs = members(make_run, **{"data.label_noise": 0.0})
    rows = train_pack(Work(runs, "toy", ("memorisation examples=0",)), vectors).probes
    assert {p.layer for p in rows} == {"right"}
    assert not [p.at for p in rows if p.at.startswith("example")]
    for run in runs:
        shares = [p.value for p in rows if p.run_id == run.run_id and p.at.startswith(("from.", "never"))]
        assert sum(shares) == pytest.approx(1)


def test_it_changes_nothing_and_each_run_is_measured_as_if_alone(make_run, vectors):
    runs = members(make_run, **PATIENT)
    word = "memorisation examples=30"
    together, plain = train_pack(Work(runs, "toy", (word,)), vectors), train_pack(Work(runs, "toy"), vectors)
    assert repr(together.epochs) == repr(plain.epochs)
    for run in runs:
        own = tuple(p for p in together.probes if p.run_id == run.run_id)
        assert train_pack(Work((run,), "toy", (word,)), vectors).probes == own


def test_what_is_remembered_outlives_a_pause_at_any_epoch(make_run, vectors, tmp_path):
    runs = members(make_run, **PATIENT)
    whole = train_pack(Work(runs, "toy", ("memorisation",)), vectors)
    for at in range(1, max(row.epochs_run for row in whole.runs)):
        work = Work(runs, "toy", ("memorisation",), checkpoints=tmp_path / str(at))
        assert train_pack(work, vectors, lambda epoch, *_, at=at: epoch == at).paused
        assert train_pack(work, vectors).probes == whole.probes


def test_a_checkpoint_that_remembers_the_impossible_is_set_aside(make_run, vectors, tmp_path, monkeypatch):
    runs = members(make_run)[:1]
    whole = train_pack(Work(runs, "toy", ("memorisation",)), vectors)
    work = Work(runs, "toy", ("memorisation",), checkpoints=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(pack.Recorder, "remember", lambda *_: None)
        assert train_pack(work, vectors, lambda epoch, *_: epoch == 2).paused
    made = train_pack(work, vectors)
    assert made.probes == whole.probes
    assert "arrays whose names, shapes or types are not those" in made.notes[0]
    monkeypatch.setenv(INTERVAL, "0")
    plain = pack._record

    def wrong(epoch, recorders, work):
        epoch.remembered["memorisation"][:, 3] = 9
        return plain(epoch, recorders, work)

    with monkeypatch.context() as patch:
        patch.setattr(pack, "_record", wrong)
        assert train_pack(work, vectors, lambda epoch, *_: epoch == 2).paused
    made = train_pack(work, vectors)
    assert made.probes == whole.probes
    assert "remembers epochs that there were not" in made.notes[0]


def test_a_run_that_diverges_is_told_of_up_to_its_last_finite_epoch(make_run, vectors, guessed):
    wild = {"training.lr": 1e38, "model.activation": "linear"}
    late = members(make_run, **{**wild, "training.lr": 300.0})
    made = train_pack(Work(late, "toy", ("memorisation",)), vectors)
    at_once = train_pack(Work(members(make_run, **wild), "toy", ("memorisation",)), vectors)
    for found in (made, at_once):
        for row in found.runs:
            own = [p for p in found.probes if p.run_id == row.run_id]
            assert {p.epoch for p in own if p.at == "forgotten"} == set(range(1, row.epochs_run + 1))
            last = row.epochs_run - (row.stop_reason == "diverged")
            given = {p.at: p.value for p in own if p.at.startswith("example")}
            assert {p.epoch for p in own if p.at in given} == ({last} if last else set())
            if last and found is made:
                run = next(run for run in late if run.run_id == row.run_id)
                parts = split(vectors, run.config.data, split_seed=run.seed, label_seed=run.seed)
                learned = guessed[row.run_id][last - 1] == parts.labels[parts.train]
                assert [given[f"example.{n}"] > 0 for n in parts.train] == learned.tolist()
    assert "diverged" in {row.stop_reason for row in at_once.runs}
    assert [row for row in made.runs if row.stop_reason == "diverged" and row.epochs_run > 1]


def test_an_example_learned_forgotten_and_learned_again_counts_from_the_second_time(make_run, vectors):
    """By hand: guesses for one run, of which examples 0 to 4 are learned after epochs as the columns say."""
    (run,) = members(make_run, **{"data.label_noise": 0.0})[:1]
    feed = Feed(vectors, [run], torch.float32, torch.device("cpu"))
    labels = feed.labels_RN[:, :70].numpy()
    right = np.array([[1, 0, 1, 0, 0], [1, 1, 0, 0, 1], [1, 1, 1, 0, 0]], bool)
    memory = np.zeros((1, 70), np.int32)
    network = layout(run.config, vectors.example, 5)
    forgotten = []
    for epoch, learned in enumerate(right, 1):
        guess = labels + 1
        guess[0, :5] = np.where(learned, labels[0, :5], labels[0, :5] + 1)
        look = Look("memorisation", "epoch", None, network, feed, [run], epoch, guess, memory)
        forgotten.append(memorisation(look)[0][2][0] * 70)
    assert memory[0, :6].tolist() == [1, 2, 3, 0, 0, 0]
    assert forgotten == pytest.approx([0, 1, 1])
