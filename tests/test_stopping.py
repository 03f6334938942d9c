"""Early stopping against a straightforward reading of Keras's rule, on random curves with ties and NaN."""

import math

import numpy as np
import pytest

from dropexp.stopping import CRITERIA, Setting, Stopper
from dropexp.stopping import follow as replayed


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
    for curve in drawn_curves(80):
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


@pytest.mark.parametrize("monitor", ["val_accuracy", "test_accuracy"])
def test_a_gain_of_accuracy_counts_examples_however_fractions_round(monitor):
    """All pairs of counts over several sizes of set: an improvement is more examples than min_delta stands for."""
    for examples, min_delta in ((200, 0.005), (100, 0.01), (539, 0.0), (1000, 0.003), (60000, 0.0001), (7, 1 / 7)):
        allowed = round(min_delta * examples)
        for best in range(min(examples, 400)):
            for gain in {allowed - 1, allowed, allowed + 1}:
                if 0 <= best + gain <= examples:
                    curve = [best / examples, (best + gain) / examples]
                    selected = follow(Stopper(9, monitor, min_delta), curve).selected_epoch
                    assert selected == (2 if gain > allowed else 1), (examples, min_delta, best, gain)


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


def prechelt(name, threshold, errors, losses, k=5):
    """Return (epochs trained, selected epoch), reading section 2 of Prechelt 1998 word for word over whole curves."""

    def least(t):
        return min(errors[:t])

    def gl(t):
        return 100 * (errors[t - 1] / least(t) - 1)

    def progress(t):
        strip = losses[t - k : t]
        return 1000 * (sum(strip) / (k * min(strip)) - 1)

    def up(s, t):  # stops after t iff UP_(s-1) stops after t - k and E(t) > E(t - k)
        if t - k < 1:
            return False
        return (s == 1 or up(s - 1, t - k)) and errors[t - 1] > errors[t - k - 1]

    for t in range(1, len(errors) + 1):
        end = t % k == 0
        if (
            (name == "gl" and gl(t) > threshold)
            or (name == "pq" and end and gl(t) / progress(t) > threshold)
            or (name == "up" and end and up(threshold, t))
        ):
            break
    return t, 1 + errors[:t].index(least(t))


def learning_curves(count):
    """Validation errors that fall, turn and rise with noise, and training losses that fall."""
    rng = np.random.default_rng(1)
    t = np.arange(1, 61)
    for _ in range(count):
        turn, rise = rng.uniform(3, 60), rng.uniform(0, 0.02)
        errors = 0.2 + np.exp(-t / rng.uniform(2, 20)) + rise * np.maximum(0, t - turn) + rng.normal(0, 0.004, 60)
        losses = 0.05 + np.exp(-t / rng.uniform(2, 40)) + rng.uniform(0, 0.01, 60)
        yield errors.tolist(), losses.tolist()


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
@pytest.mark.parametrize(
    "name, thresholds",
    [("gl", (0.5, 1, 2, 3, 5, 50)), ("pq", (0.02, 0.1, 0.5, 1, 2)), ("up", (1, 2, 3, 4, 6))],
)
def test_stops_and_selects_as_prechelts_formulas_do(name, thresholds, monitor):
    for threshold in thresholds:
        ended = set()
        for errors, losses in learning_curves(120):
            if monitor == "val_accuracy":
                errors = [e / 3 for e in errors]
            shown = errors if monitor == "val_loss" else [1 - e for e in errors]
            errors = errors if monitor == "val_loss" else [1 - a for a in shown]
            state = replayed(Setting(name, threshold).begin(monitor), shown, losses)
            assert (state.epoch, state.selected_epoch) == prechelt(name, threshold, errors, losses)
            ended.add(state.epoch)
        assert len(ended) > 1


def test_prechelts_criteria_by_hand():
    errors = [4.0, 2.0, 2.1, 2.0, 2.2, 3.0, 3.0, 3.0, 3.0, 2.4, 2.5]
    losses = [5.0, 4.0, 3.0, 2.0, 1.0, 1.5, 1.0, 1.0, 1.0, 0.9, 0.9]

    def at(name, threshold):
        state = replayed(Setting(name, threshold).begin("val_loss"), errors, losses)
        return state.epoch, state.selected_epoch, state.stopped

    assert at("gl", 4) == (3, 2, True)  # 100 (2.1 / 2 - 1) = 5 > 4
    assert at("gl", 8) == (5, 2, True)  # 10 at epoch 5
    assert replayed(Setting("gl", 25).begin("val_loss"), [4.0, 5.0, 5.0], [1.0] * 3).stopped is False  # exactly 25
    assert at("gl", 60) == (11, 2, False)  # 50 at most
    # epoch 5: GL 10, progress 1000 (15 / 5 - 1) = 2000; epoch 10: GL 20, progress 1000 (5.4 / 4.5 - 1) = 200
    assert at("pq", 0.0049) == (5, 2, True)
    assert at("pq", 0.0051) == (10, 2, True)
    assert at("pq", 0.11) == (11, 2, False)
    assert at("up", 1) == (10, 2, True)  # 2.4 at epoch 10 after 2.2 at epoch 5; the first strip has none before it
    assert at("up", 2) == (11, 2, False)


@pytest.mark.parametrize("name", [n for n, row in CRITERIA.items() if row.rule])
def test_prechelts_criteria_at_their_edges(name):
    def end(errors, losses, monitor="val_loss", threshold=1):
        state = replayed(Setting(name, threshold).begin(monitor), errors, losses)
        return state.epoch, state.selected_epoch

    assert end([1.0] * 30, [1.0] * 30) == (30, 1)  # equal is no rise; no progress either
    assert end([0.0] * 30, [0.0] * 30) == (30, 1)
    assert end([1.0] * 30, [0.5] * 30, "val_accuracy") == (30, 1)
    assert end([math.nan] * 12, [1.0] * 12) == (12, 12)
    assert end([math.nan, *[1.0] * 11], [1.0] * 12) == (12, 2)
    worse = [0.0, *[0.5] * 4, *[1.0] * 25]
    assert (
        end(worse, [0.0] * 30)[0] == {"gl": 2, "pq": 5, "up": 10}[name]
    )  # an E_opt of 0: any error is infinitely worse


def test_settings_begin_the_rule_that_trains_and_name_themselves():
    assert Setting("patience", 5, 0.001).begin("val_accuracy") == Stopper(5, "val_accuracy", 0.001)
    assert Setting().begin("val_loss") == Stopper(None)
    names = [Setting().name, Setting("patience", 5).name, Setting("patience", 5, 0.001).name, Setting("pq", 0.5).name]
    assert names == ["to the end", "patience 5", "patience 5, min_delta 0.001", "PQ 0.5"]


@pytest.mark.parametrize("patience", [None, 0, 1, 3])
@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_epochs_followed_at_once_are_those_followed_one_by_one(patience, monitor):
    for i, curve in enumerate(drawn_curves(100)):
        numbers = [None if i % 7 == 3 and math.isnan(number) else number for number in curve]
        begun = Stopper(patience, monitor, min_delta=(0.0, 0.0625)[i % 2], start_from_epoch=(1, 4)[i % 3 > 0])
        assert repr(begun.after(numbers)) == repr(follow(begun, numbers))  # by text, where NaN is itself
