"""calibration against sums over bins by hand, ties included, and against closed forms of perfect calibration."""

import itertools
import math

import numpy as np
import pytest
import torch

from dropexp.experiment.layout import layout
from dropexp.experiment.probe_settings import Bins
from dropexp.streams import generator
from dropexp.train.batches import Feed
from dropexp.train.calibration_error import Reliability, brier, log_probabilities
from dropexp.train.looking import Look
from dropexp.train.loop import train
from dropexp.train.pack import train_pack
from dropexp.train.probe_calibration import calibration
from dropexp.train.work import Work

SIZES = {
    "data.test_size": 40,
    "data.val_size": 20,
    "training.batch_size": 16,
    "model.hidden": [9],
    "training.epochs": 3,
}
PATIENT = {"early_stopping": {"patience": 1, "min_delta": 0.05}, "training.lr": 0.2}
MEMBERS = ((0, 0.5), (1, 0.2), (0, 0.0))


def two_classes(confidence):
    """Return probabilities (N, 2) whose answer is always class 1, with these confidences above a half."""
    return np.stack([1 - confidence, confidence], 1)


def error_by_hand(confidence, right, bins):
    """Equal confidences go where the first of them would; each bin adds its share of |accuracy - confidence|."""
    ranked = sorted(zip(confidence, right, strict=True), key=lambda pair: pair[0])
    held = {}
    for i, (c, good) in enumerate(ranked):
        first = next(j for j in range(i + 1) if ranked[j][0] == c)
        held.setdefault(math.floor(first * bins / len(ranked)), []).append((c, good))
    apart = [
        len(own) / len(ranked) * abs(sum(g for _, g in own) / len(own) - sum(c for c, _ in own) / len(own))
        for own in held.values()
    ]
    return math.fsum(apart), [len(held[b]) for b in sorted(held)]


@pytest.mark.parametrize(("n", "bins", "steps"), [(60, 15, 10**6), (61, 15, 10**6), (61, 7, 9), (5, 15, 3), (40, 1, 8)])
def test_the_error_is_that_of_bins_filled_by_hand(n, bins, steps):
    rng = np.random.default_rng(n + steps)
    confidence = 0.5 + np.ceil(rng.random(n) * steps) / steps / 2.01  # few steps make many ties
    label = (rng.random(n) < 0.8).astype(int)
    made = Reliability.of(two_classes(confidence), label, bins)
    expected, counts = error_by_hand(confidence, label == 1, bins)
    assert made.error() == pytest.approx(expected, abs=1e-14)
    assert made.counts.tolist() == counts
    if steps == 10**6:
        assert max(counts) - min(counts) <= 1
    order = rng.permutation(n)
    again = Reliability.of(two_classes(confidence[order]), label[order], bins)
    assert again.error() == pytest.approx(expected, abs=1e-14), "examples have no order"


def test_equal_confidences_are_one_bin_and_one_sided_answers_are_off_by_the_whole_difference():
    made = Reliability.of(two_classes(np.full(40, 0.9)), np.ones(40, int), 15)
    assert made.counts.tolist() == [40]
    assert made.error() == pytest.approx(0.1)


@pytest.mark.parametrize(("n", "p"), [(7, 0.75), (40, 0.9)])
def test_the_error_under_perfect_calibration_is_that_of_the_binomial(n, p):
    """In one bin it is |X - np| / n, X binomial: its mean is De Moivre's."""
    made = Reliability.of(two_classes(np.full(n, p)), np.ones(n, int), 15)
    chances = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    off = np.array([abs(k - n * p) / n for k in range(n + 1)])
    mean = float(np.dot(chances, off))
    least = math.floor(n * p) + 1
    moivre = 2 * least * math.comb(n, least) * p**least * (1 - p) ** (n + 1 - least) / n
    assert mean == pytest.approx(moivre, rel=1e-12)
    sd = math.sqrt(np.dot(chances, off**2) - mean**2)
    draws = 40_000
    found = made.under_perfect_calibration(draws, generator(0, "probe", "test"))
    assert abs(found.mean() - mean) < 4 * sd / math.sqrt(draws)


def test_the_brier_score_has_its_ends_and_its_value_by_hand():
    label = np.array([0, 2, 1])
    assert brier(np.eye(3)[label], label) == 0
    assert brier(np.eye(3)[[1, 0, 2]], label) == 2
    assert brier(np.full((3, 3), 1 / 3), label) == pytest.approx(2 / 3)
    p = np.array([[0.7, 0.2, 0.1]])
    assert brier(p, np.array([1])) == pytest.approx(0.7**2 + 0.8**2 + 0.1**2)


def looked(make_run, dataset, settings):
    runs = [make_run(seed, **{**SIZES, "dropout.rate": rate}) for seed, rate in MEMBERS]
    feed = Feed(dataset, runs, torch.float32, torch.device("cpu"))
    last = next(train(runs, feed, layout(runs[0].config, dataset.example, 5)))
    return Look("calibration", "selected", settings, last.network, feed, runs)


def test_every_row_is_that_of_the_networks_own_answers(make_run, vectors):
    look = looked(make_run, vectors, Bins(bins=6, draws=50))
    found = {(layer, at): values for layer, at, values in calibration(look)}
    ((x_RB, labels_RB),) = look.feed.part("test")
    with torch.no_grad():
        p = torch.softmax(look.network(x_RB, noise=None, norm="running").double(), -1).numpy()
    for r, own in enumerate(p):
        label = labels_RB[r].numpy()
        confidence, right = own.max(1), own.argmax(1) == label
        expected, counts = error_by_hand(confidence, right, 6)
        assert found["score", "ece"][r] == pytest.approx(expected, abs=1e-12)
        assert found["score", "brier"][r] == pytest.approx(np.square(own - np.eye(5)[label]).sum(1).mean())
        assert found["score", "overconfidence"][r] == pytest.approx(confidence.mean() - right.mean())
        assert 0 < found["score", "ece_perfect"][r] < found["score", "ece_perfect_high"][r] < 1
        bins = [found["examples", str(b)][r] for b in range(1, 7)]
        assert bins == counts
        lists = [[found[layer, str(b)][r] for b in range(1, 7)] for layer in ("confidence", "accuracy")]
        assert lists[0] == sorted(lists[0])
        assert np.dot(bins, np.abs(np.subtract(*lists))) / sum(bins) == pytest.approx(expected)


def test_at_the_selected_and_the_last_epoch_whatever_the_pack(make_run, vectors):
    runs = tuple(
        make_run(seed, **{**SIZES, **PATIENT, "training.epochs": 8, "dropout.rate": rate}) for seed, rate in MEMBERS
    )
    words = ("calibration draws=20",)
    made = train_pack(Work(runs, "toy", words), vectors)
    assert any(row.selected_epoch < row.epochs_run for row in made.runs)
    for row, run in zip(made.runs, runs, strict=True):
        own = tuple(p for p in made.probes if p.run_id == row.run_id)
        assert {p.epoch for p in own} == {row.selected_epoch, row.epochs_run}
        assert train_pack(Work((run,), "toy", words), vectors).probes == own


def test_logits_beyond_the_range_of_exponentials_have_probabilities(recwarn):
    logits = np.array([[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]], np.float32)
    log_p = log_probabilities(logits)
    assert log_p[0].tolist() == [0.0, -1e4, -2e4]
    assert log_p[1] == pytest.approx([-math.log(3)] * 3)
    assert not list(itertools.islice(recwarn, 1))
