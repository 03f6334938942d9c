"""Runs that diverge or stop early harm no neighbour, and what their rows say of them."""

import dataclasses
import math

import numpy as np
import pytest

from dropexp.streams import PURPOSES
from dropexp.train.pack import Work, train_pack

SIZES = {"data.test_size": 30, "data.val_size": 20, "training.batch_size": 16, "model.hidden": [13]}


def rows_of(outcome, run_id):
    """Return a run's row and its epochs' rows, spelt out: nan is then equal to nan, and each bit counts."""
    (run,) = [repr(row) for row in outcome.runs if row.run_id == run_id]
    return run, [repr(row) for row in outcome.epochs if row.run_id == run_id]


def trained(dataset, *runs, **work):
    return train_pack(Work(tuple(runs), dataset.source, **work), dataset)


BAD = {
    "at-once": {"training.lr": 1e38, "training.weight_decay": 1e-4},
    "midway": {"training.lr": 10.0, "training.weight_decay": 10.0, "training.momentum": 0.0},
}


@pytest.mark.parametrize(
    "model",
    [{"norm": "none"}, {"norm": "batch"}, pytest.param({"norm": "layer"}, marks=pytest.mark.slow)],
    ids=lambda m: m["norm"],
)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("bad", BAD)
def test_a_run_that_diverges_ends_and_harms_no_neighbour(make_run, vectors, bad, model, optimizer):
    base = {**SIZES, "training.epochs": 12, "training.optimizer": optimizer, "training.steps_per_epoch": 2}
    base |= {f"model.{name}": value for name, value in model.items()}
    fine = {"training.weight_decay": 1e-4, "training.lr": 0.01}
    first, last = make_run(0, **base, **fine), make_run(1, **base, **fine, **{"dropout.rate": 0.2})
    wild = make_run(0, **{**base, **BAD[bad], "dropout.rate": 0.0})
    outcome, without = trained(vectors, first, wild, last), trained(vectors, first, last)
    for run in (first, last):
        assert rows_of(outcome, run.run_id) == rows_of(without, run.run_id)
    assert [row.stop_reason for row in without.runs] == ["max_epochs", "max_epochs"]
    assert all(row.epochs_run == row.selected_epoch == 12 for row in without.runs)
    assert all(math.isfinite(row.train_loss) for row in without.epochs)
    (ended,) = [row for row in outcome.runs if row.run_id == wild.run_id]
    epochs = [row for row in outcome.epochs if row.run_id == wild.run_id]
    assert ended.stop_reason == "diverged"
    assert ended.epochs_run == len(epochs) < 12
    assert all(math.isfinite(row.train_loss) for row in epochs[:-1])
    if ended.epochs_run == 1:
        assert ended.selected_epoch is None
        assert (ended.train_loss, ended.test_accuracy, ended.gap, ended.final_gap) == (None,) * 4
    else:
        finite = epochs[-2]
        assert ended.selected_epoch == finite.epoch == ended.epochs_run - 1
        assert (ended.train_loss, ended.test_accuracy, ended.gap) == (
            finite.train_loss,
            finite.test_accuracy,
            finite.gap,
        )
        assert (ended.final_train_accuracy, ended.final_gap) == (finite.train_accuracy, finite.gap)
    assert rows_of(outcome, wild.run_id) == rows_of(trained(vectors, wild), wild.run_id)


def test_divergence_comes_at_once_and_in_the_middle(make_run, vectors):
    base = {**SIZES, "training.epochs": 12, "training.steps_per_epoch": 2, "dropout.rate": 0.0}
    ends = {bad: trained(vectors, make_run(0, **{**base, **BAD[bad]})).runs[0].epochs_run for bad in BAD}
    assert ends["at-once"] == 1
    assert 2 < ends["midway"] < 12


@pytest.mark.parametrize(
    "optimizer, monitor", [("sgd", "val_accuracy"), pytest.param("adamw", "val_loss", marks=pytest.mark.slow)]
)
def test_runs_that_stop_early_leave_the_others_byte_for_byte(make_run, vectors, optimizer, monitor):
    base = {**SIZES, "training.epochs": 25, "training.optimizer": optimizer, "model.norm": "batch"}
    base |= {"training.weight_decay": 1e-3, "training.lr": 0.02, "data.label_noise": 0.2}
    runs = [
        make_run(seed, **base, **{"dropout.rate": rate}, early_stopping={"patience": patience, "monitor": monitor})
        for seed, rate, patience in ((0, 0.5, 2), (0, 0.5, None), (1, 0.2, 1), (1, 0.0, 5), (2, 0.9, None), (2, 0.3, 3))
    ]
    together = trained(vectors, *runs)
    for run in runs:
        assert rows_of(together, run.run_id) == rows_of(trained(vectors, run), run.run_id)
    assert len({row.epochs_run for row in together.runs}) > 3
    for run, row in zip(runs, together.runs, strict=True):
        epochs = [e for e in together.epochs if e.run_id == run.run_id]
        assert [e.epoch for e in epochs] == list(range(1, row.epochs_run + 1))
        if run.config.early_stopping.patience is None:
            assert (row.stop_reason, row.epochs_run, row.selected_epoch) == ("max_epochs", 25, 25)
            continue
        numbers = [getattr(e, monitor) * (-1 if monitor == "val_loss" else 1) for e in epochs]
        assert row.selected_epoch == 1 + numbers.index(max(numbers))  # ties go to the earlier
        if row.epochs_run < 25:
            assert row.stop_reason == "patience"
            assert row.epochs_run - row.selected_epoch == run.config.early_stopping.patience
    short, long = ([e for e in together.epochs if e.run_id == run.run_id] for run in runs[:2])
    for a, b in zip(short, long, strict=False):  # patience changes when a run ends and nothing before
        assert dataclasses.astuple(a)[2:] == dataclasses.astuple(b)[2:]


@pytest.mark.parametrize("free", [None, *PURPOSES])
def test_seeds_differ_in_the_streams_that_are_not_pinned(make_run, vectors, free):
    base = {**SIZES, "training.epochs": 2, "data.label_noise": 0.3}
    base |= {f"streams.{purpose}": 7 for purpose in PURPOSES if purpose != free}
    outcome = trained(vectors, make_run(1, **base), make_run(2, **base))
    numbers = {seed: [dataclasses.astuple(e)[3:] for e in outcome.epochs if e.seed == seed] for seed in (1, 2)}
    assert (numbers[1] == numbers[2]) == (free is None)


def test_a_row_holds_the_numbers_of_its_selected_and_last_epochs(make_run, vectors):
    base = {**SIZES, "training.epochs": 20, "data.label_noise": 0.3, "dropout.rate": 0.2}
    run = make_run(0, **base, early_stopping={"patience": 4})
    outcome = trained(vectors, run)
    (row,), epochs = outcome.runs, outcome.epochs
    chosen, last = epochs[row.selected_epoch - 1], epochs[-1]
    assert chosen is not last
    for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy", "gap"):
        assert getattr(row, name) == getattr(chosen, name)
    assert row.gap == row.train_accuracy - row.test_accuracy
    assert row.clean_gap == row.clean_train_accuracy - row.test_accuracy
    assert (row.memorised, row.recovered) == (chosen.memorised, chosen.recovered)
    assert (row.final_train_accuracy, row.final_test_accuracy) == (last.train_accuracy, last.test_accuracy)
    assert row.final_gap == last.gap == last.train_accuracy - last.test_accuracy
    assert row.parameters == 11 * 13 + 13 + 13 * 5 + 5
    assert {e.rate for e in epochs} == {0.2}
    assert all(e.memorised is not None and e.recovered is not None for e in epochs)


def test_wrong_labels_are_memorised_recovered_or_neither_and_make_up_training_accuracy(make_run, vectors):
    run = make_run(0, **SIZES, **{"training.epochs": 15, "data.label_noise": 0.3, "dropout.rate": 0.2})
    wrong, total = 21, 70  # round(0.3 x 70) labels
    for e in trained(vectors, run).epochs:
        memorised, recovered = e.memorised * wrong, e.recovered * wrong
        assert memorised == pytest.approx(round(memorised), abs=1e-9)
        assert recovered == pytest.approx(round(recovered), abs=1e-9)
        assert 0 <= memorised + recovered <= wrong + 1e-9
        clean = e.clean_train_accuracy
        assert e.train_accuracy == pytest.approx((1 - wrong / total) * clean + wrong / total * e.memorised, abs=1e-12)


def test_without_noise_the_columns_of_clean_labels_stay_empty(make_run, vectors):
    outcome = trained(vectors, make_run(0, **SIZES, **{"training.epochs": 2}))
    assert outcome.runs[0].clean_gap is outcome.runs[0].memorised is outcome.runs[0].recovered is None
    assert outcome.epochs[0].clean_train_accuracy is outcome.epochs[0].memorised is outcome.epochs[0].recovered is None


def test_training_learns_and_dropout_is_heard_of_in_its_own_columns(make_run, vectors):
    outcome = trained(vectors, make_run(0, **SIZES, **{"training.epochs": 40, "dropout.rate": 0.5}))
    assert outcome.runs[0].train_accuracy > 0.9
    assert outcome.runs[0].test_accuracy > 0.5
    assert outcome.epochs[-1].dropout_on_train_loss > outcome.epochs[-1].train_loss


@pytest.mark.parametrize("which", ["none", "selected", "all"])
def test_weights_are_those_of_the_selected_epoch_or_of_all(make_run, vectors, which):
    run = make_run(0, **SIZES, **{"training.epochs": 15}, early_stopping={"patience": 3})
    every = dict(trained(vectors, run, save_weights="all").weights)
    outcome = trained(vectors, run, save_weights=which)
    assert repr(outcome.runs) == repr(trained(vectors, run).runs)
    kept, row = dict(outcome.weights), outcome.runs[0]
    if which == "none":
        assert kept == {}
    elif which == "all":
        assert list(kept) == [f"{run.run_id}/epoch-{n:05d}" for n in range(1, row.epochs_run + 1)]
    else:
        chosen = every[f"{run.run_id}/epoch-{row.selected_epoch:05d}"]
        assert {name: a.tobytes() for name, a in kept[run.run_id].items()} == {
            n: a.tobytes() for n, a in chosen.items()
        }


def test_the_weights_kept_of_a_diverged_run_are_those_of_its_last_finite_epoch(make_run, vectors):
    run = make_run(
        data={"test_size": 30, "val_size": 20},
        model={"hidden": [13]},
        dropout={"rate": 0.0},
        training={"batch_size": 16, "epochs": 12, "steps_per_epoch": 2, "lr": 10, "weight_decay": 10, "momentum": 0},
        early_stopping={"patience": 8},
    )
    one = train_pack(Work((run,), "vectors", save_weights="selected"), vectors)
    every = train_pack(Work((run,), "vectors", save_weights="all"), vectors)
    assert one.runs[0].stop_reason == "diverged"
    named = dict(every.weights)[f"{run.run_id}/epoch-{one.runs[0].selected_epoch:05d}"]
    [(name, kept)] = one.weights
    assert name == run.run_id
    assert all(np.array_equal(kept[key], named[key]) for key in named)
    (row,), (answers,) = one.runs, one.answers
    right = [epoch.test_accuracy for epoch in one.epochs]
    assert (answers.predicted == answers.label).mean() == row.test_accuracy == right[row.selected_epoch - 1]


def test_places_count_from_the_first_official_test_example(make_run, vectors):
    import dataclasses

    import numpy as np

    official = dataclasses.replace(vectors, n_test=30)
    run = make_run(model={"hidden": [5]}, training={"epochs": 1}, data={"test_size": 12})
    (answers,) = trained(official, run).answers
    assert answers.official
    assert len(answers.place) == 12
    assert answers.place.max() < 30
    np.testing.assert_array_equal(answers.label, vectors.y[-30:][answers.place])


def test_probabilities_of_any_logits_are_finite():
    import numpy as np

    from dropexp.train.answers import probabilities

    found = probabilities(np.array([[0, 1], [5000, 5001], [-9e9, 9e9]], np.float32))
    np.testing.assert_allclose(found, [[0.2689414, 0.7310586], [0.2689414, 0.7310586], [0, 1]], rtol=1e-6)


@pytest.mark.parametrize("which", ["classes", "probabilities"])
def test_answers_are_those_of_the_selected_epoch(make_run, vectors, which):
    """Trained to that epoch and no further, the run answers the same."""
    import numpy as np

    settings = {**SIZES, "training.epochs": 15, "training.lr": 0.1}
    run = make_run(0, **settings, early_stopping={"patience": 3})
    outcome = trained(vectors, run, save_predictions=which)
    (row,), (answers,) = outcome.runs, outcome.answers
    assert row.selected_epoch < row.epochs_run
    assert (answers.predicted == answers.label).mean() == row.test_accuracy
    (last,) = trained(
        vectors, make_run(0, **settings | {"training.epochs": row.selected_epoch}), save_predictions=which
    ).answers
    for name in ("place", "label", "predicted", "probabilities"):
        np.testing.assert_array_equal(getattr(answers, name), getattr(last, name))
    assert (answers.probabilities is None) == (which == "classes")
    np.testing.assert_array_equal(answers.label, vectors.y[answers.place])
    assert trained(vectors, run, save_predictions="none").answers == ()
    assert repr(trained(vectors, run, save_predictions="none").runs) == repr(outcome.runs)
