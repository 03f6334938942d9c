"""Losses, accuracies and the fractions of wrong labels, counted by hand."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from dropexp.data import Dataset, split
from dropexp.experiment.layout import layout
from dropexp.nn.network import Network
from dropexp.train.batches import Feed
from dropexp.train.evaluate import evaluate, losses, mean


class Guesses:
    """Stands for a network of given guesses: positions in the order of training, validation and test examples."""

    def __init__(self, guess_RN, classes):
        self.logits = 3.0 * torch.nn.functional.one_hot(torch.tensor(guess_RN), classes).double()
        self.runs, self.seen = len(guess_RN), 0

    def __call__(self, x_RB, *, noise, norm):
        assert (noise, norm) == (None, "running")
        begin, self.seen = self.seen, self.seen + x_RB.shape[1]
        return self.logits[:, begin : self.seen]


def test_losses_are_cross_entropies_in_nats():
    logits = torch.from_numpy(np.random.default_rng(0).standard_normal((3, 4, 5)) * 10)
    labels = torch.from_numpy(np.random.default_rng(1).integers(0, 5, (3, 4)))
    expected = logsumexp(logits.numpy(), -1) - np.take_along_axis(logits.numpy(), labels.numpy()[..., None], 2)[..., 0]
    np.testing.assert_allclose(losses(logits, labels).numpy(), expected, rtol=1e-12)
    assert losses(torch.zeros(1, 1, 8), torch.zeros(1, 1, dtype=torch.int64)).item() == pytest.approx(np.log(8))


def test_of_equal_logits_the_first_is_predicted_and_counted(make_run, vectors):
    run = make_run(data={"test_size": 15, "val_size": 7})
    feed = Feed(vectors, [run], torch.float64, torch.device("cpu"))
    ties = Guesses(np.zeros((1, sum(feed.set_sizes)), int), 5)
    ties.logits[:] = 0.25
    found = evaluate(ties, feed, logits=True)
    assert found.guess_RN.tolist() == [[0] * 15]
    assert found.logits_RNK.shape == (1, 15, 5)
    test = split(vectors, run.config.data, split_seed=run.seed, label_seed=run.seed).test
    assert found.scores[0].test_accuracy == (vectors.y[test] == 0).mean() > 0


def test_the_mean_of_nothing_is_none():
    assert mean(np.array([])) is None
    assert mean(np.array([True, False, True, True])) == 0.75


def test_fractions_of_wrong_labels_by_hand(make_run, vectors):
    runs = [
        make_run(seed, data={"test_size": 15, "val_size": 7, "label_noise": q})
        for seed, q in ((0, 0.25), (1, 0.5), (0, 0.0))
    ]
    feed = Feed(vectors, runs, torch.float64, torch.device("cpu"))
    rng, guesses, hands = np.random.default_rng(0), [], []
    for run in runs:
        parts = split(vectors, run.config.data, split_seed=run.seed, label_seed=run.seed)
        rows = [*parts.train, *parts.val, *parts.test]
        assert parts.wrong[parts.train].sum() == round(run.config.data.label_noise * len(parts.train))
        count = {
            "clean": [0, 0],
            "memorised": [0, 0],
            "recovered": [0, 0],
            "train": [0, 0],
            "val": [0, 0],
            "test": [0, 0],
        }
        own = []
        for i, row in enumerate(rows):
            told, true = int(parts.labels[row]), int(vectors.y[row])
            guess = int(rng.choice([told, true, (true + 1) % 5, (true + 2) % 5], p=[0.4, 0.3, 0.2, 0.1]))
            own.append(guess)
            part = "train" if i < 98 else "val" if i < 105 else "test"
            for name, counts, right in (
                (part, True, guess == told),
                ("clean", part == "train" and told == true, guess == true),
                ("memorised", part == "train" and told != true, guess == told),
                ("recovered", part == "train" and told != true, guess == true),
            ):
                count[name][0] += counts and right
                count[name][1] += counts
        guesses.append(own)
        hands.append({name: right / of if of else None for name, (right, of) in count.items()})
    for scores, hand, run in zip(evaluate(Guesses(guesses, 5), feed).scores, hands, runs, strict=True):
        assert scores.train_accuracy == pytest.approx(hand["train"], abs=1e-12)
        assert scores.val_accuracy == pytest.approx(hand["val"], abs=1e-12)
        assert scores.test_accuracy == pytest.approx(hand["test"], abs=1e-12)
        noisy = run.config.data.label_noise > 0
        assert scores.clean_train_accuracy == (pytest.approx(hand["clean"], abs=1e-12) if noisy else None)
        assert scores.memorised == (pytest.approx(hand["memorised"], abs=1e-12) if noisy else None)
        assert scores.recovered == (pytest.approx(hand["recovered"], abs=1e-12) if noisy else None)


@pytest.mark.parametrize("val_size", [0, 200])
def test_scores_of_a_linear_model_over_several_chunks(make_run, val_size):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((1500, 6)).astype(np.float32), rng.integers(0, 4, 1500)
    dataset = Dataset("drawn", x, y, None, tuple("abcd"))
    runs = [
        make_run(seed, data={"val_size": val_size, "label_noise": q}, model={"hidden": []}, dropout={"rate": 0.0})
        for seed, q in ((0, 0.2), (1, 0.0))
    ]
    feed = Feed(dataset, runs, torch.float64, torch.device("cpu"))
    network = Network(layout(runs[0].config, (6,), 4), [r.config for r in runs], [0, 1], torch.float64)
    for r, scores in enumerate(evaluate(network, feed).scores):
        parts = split(dataset, runs[r].config.data, split_seed=r, label_seed=r)
        train = x[parts.train].astype(np.float64)
        for name, rows in (("train", parts.train), ("val", parts.val), ("test", parts.test)):
            found = getattr(scores, f"{name}_loss"), getattr(scores, f"{name}_accuracy")
            if not len(rows):
                assert found == (None, None)
                continue
            weight = network.parameters["output.weight"][r].numpy()
            logits = ((x[rows] - train.mean(0)) / train.std(0)) @ weight
            told = parts.labels[rows]
            loss = (logsumexp(logits, 1) - logits[np.arange(len(rows)), told]).mean()
            assert found == pytest.approx((loss, (logits.argmax(1) == told).mean()), rel=1e-5)
