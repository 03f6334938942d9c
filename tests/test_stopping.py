"""Early stopping against a straightforward reading of Keras's rule, on random curves with ties and NaN."""

import math

import numpy as np
import pytest

from dropexp.stopping import Stopper


def keras(curve, patience, higher, min_delta, start):
    """Return (epochs trained, best epoch or None), as keras.callbacks.EarlyStopping counts; epochs from 1."""
    best, best_epoch, wait = (-math.inf if higher else math.inf), None, 0
    for epoch, current in enumerate(curve, 1):
        if epoch < start:
            continue
        wait += 1
        if current - min_delta > best if higher else current + min_delta < best:
            best, best_epoch, wait = current, epoch, 0
        if wait >= patience:
            return epoch, best_epoch
    return len(curve), best_epoch


def follow(stopper, curve):
    for number in curve:
        stopper = stopper.observe(number)
        if stopper.stopped:
            break
    return stopper


def drawn_curves(count=300):
    """Curves of 30 epochs on a grid of 1/16, so that ties are exact; some epochs are NaN."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        curve = rng.integers(0, 24, 30) / 16 - rng.choice([0.0, 0.0625]) * np.arange(30)
        curve[rng.random(30) < rng.choice([0.0, 0.2, 0.7])] = math.nan
        yield curve.tolist()


@pytest.mark.parametrize("start", [1, 2, 9])
@pytest.mark.parametrize("min_delta", [0.0, 0.0625, 0.25])
@pytest.mark.parametrize("patience", [1, 2, 5, 12])
@pytest.mark.parametrize("monitor", ["val_loss", "test_loss", "val_accuracy", "test_accuracy"])
def test_stops_and_selects_as_keras_does(monitor, patience, min_delta, start):
    ended = set()
    for curve in drawn_curves():
        stopper = follow(Stopper(patience, monitor, min_delta, start), curve)
        epochs, best_epoch = keras(curve, patience, monitor.endswith("accuracy"), min_delta, start)
        assert stopper.epoch == epochs
        assert stopper.selected_epoch == (best_epoch or epochs)
        assert stopper.stopped == (stopper.waited >= patience)
        assert best_epoch is None or stopper.best == curve[best_epoch - 1]
        ended.add(epochs)
    assert len(ended) > 1


@pytest.mark.parametrize(
    "monitor, curve, selected",
    [
        ("val_loss", [3.0, 1.0, 2.0, 1.0, 1.0], 2),
        ("val_accuracy", [0.5, 0.75, 0.75, 0.25], 2),
        ("val_loss", [math.nan, 2.0, math.nan, 2.0], 2),
        ("val_loss", [math.nan, math.nan], 2),
        ("val_loss", [math.inf, 2.0, 1.0], 3),
    ],
)
def test_ties_go_to_the_earlier_epoch(monitor, curve, selected):
    assert follow(Stopper(10, monitor), curve).selected_epoch == selected


def test_an_improvement_of_exactly_min_delta_is_none():
    assert follow(Stopper(2, min_delta=0.25), [1.0, 0.75, 0.75]).stopped
    assert not follow(Stopper(2, min_delta=0.25), [1.0, 0.75, 0.5]).stopped


def test_small_steps_add_up_from_the_best_and_not_from_the_last():
    stopper = follow(Stopper(3, min_delta=0.25), [1.0, 0.875, 0.75, 0.625])
    assert (stopper.best_epoch, stopper.waited, stopper.stopped) == (4, 0, False)


def test_early_epochs_are_no_candidates_and_cost_no_patience():
    stopper = follow(Stopper(2, start_from_epoch=4), [0.0, 1.0, 2.0, 9.0, 8.0, 8.5, 8.25, 0.0])
    assert (stopper.epoch, stopper.selected_epoch, stopper.best) == (7, 5, 8.0)
    assert follow(Stopper(2, start_from_epoch=4), [0.0, 1.0]).selected_epoch == 2


@pytest.mark.parametrize("curve", [[1.0, 2.0, 3.0], [math.nan] * 20, [0.0] * 7])
def test_without_patience_the_last_epoch_is_selected(curve):
    stopper = follow(Stopper(None), curve)
    assert not stopper.stopped
    assert stopper.selected_epoch == len(curve)


def test_nothing_is_selected_before_the_first_epoch():
    assert Stopper(3).selected_epoch is None


def test_an_empty_number_does_not_improve():
    stopper = follow(Stopper(2), [1.0, None, None])
    assert stopper.stopped
    assert stopper.selected_epoch == 1


def test_observing_changes_no_earlier_state():
    first = Stopper(3).observe(1.0)
    assert first.observe(0.5).best == 0.5
    assert (first.best, first.epoch) == (1.0, 1)
