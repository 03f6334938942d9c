"""Probes against an independent computation; they change nothing in training."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from dropexp.analysis.overfit import PARTS, parts
from dropexp.analysis.tidy import tidy
from dropexp.data import Dataset, load, split
from dropexp.executors.inline import run_inline
from dropexp.experiment.config import Data
from dropexp.experiment.layout import layout
from dropexp.experiment.packs import plan
from dropexp.experiment.probes import PROBES
from dropexp.experiment.study import Study
from dropexp.nn.dropout import Noise
from dropexp.train.batches import Feed
from dropexp.train.loop import train
from dropexp.train.pack import Work, train_pack
from dropexp.train.probes import MEASURES

SIZES = {
    "data.test_size": 30,
    "data.val_size": 20,
    "training.batch_size": 16,
    "model.hidden": [13, 9],
    "model.activation": "tanh",
}
EVERY = tuple("gradient_noise sizes=5" if name == "gradient_noise" else name for name in PROBES)
MEMBERS = ((0, 0.5), (1, 0.2), (0, 0.0))


def begin(make_run, dataset, epochs, probes, **settings):
    """Train some epochs in float64; return the runs, their feed and the last epoch."""
    runs = [make_run(seed, **{**SIZES, "dropout.rate": rate, **settings}) for seed, rate in MEMBERS]
    feed = Feed(dataset, runs, torch.float64, torch.device("cpu"))
    loop = train(runs, feed, layout(runs[0].config, dataset.example, 5), probes)
    epoch = next(loop)
    for _ in range(epochs - 1):
        epoch = loop.send([0, 1, 2])
    return runs, feed, epoch


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_gradient_norms_are_those_of_the_epochs_first_batch(make_run, vectors, norm, epochs):
    runs, feed, epoch = begin(make_run, vectors, epochs, ("gradient_norms",), **{"model.norm": norm})
    x, y = next(iter(feed.batches(epochs)))
    noise = Noise(epoch.network.sites, [0, 1], torch.tensor([0, 1, 0]), epochs)
    factors = {name: noise.mask(name, x.shape[1])[0] for name in ("hidden.1", "hidden.2")}
    found = {layer: values for n, _, layer, at, values in epoch.probes if (n, at) == (epochs, "")}
    assert list(found) == ["hidden.1", "hidden.2", "output"]
    for r in range(len(runs)):
        own = {k: v[r].detach().clone().requires_grad_(True) for k, v in epoch.network.parameters.items()}
        at = x[r]
        for name in ("hidden.1", "hidden.2"):
            at = at @ own[f"{name}.weight"] + own.get(f"{name}.bias", 0.0)
            if norm == "batch":
                at = F.batch_norm(at, None, None, own[f"{name}.norm.scale"], own[f"{name}.norm.shift"], training=True)
            at = torch.tanh(at) * factors[name][r]
        F.cross_entropy(at @ own["output.weight"] + own["output.bias"], y[r]).backward()
        for layer, values in found.items():
            assert values[r] == pytest.approx(own[f"{layer}.weight"].grad.norm().item(), rel=1e-9)


@pytest.fixture(scope="module")
def many():
    """1,300 vectors of 11 features, so that training, validation and test examples lie in several evaluated chunks."""
    rng = np.random.default_rng(1)
    y = rng.permutation(np.arange(1300) % 5)
    x = (rng.standard_normal((5, 11))[y] + rng.standard_normal((1300, 11)) * (1 + y[:, None])).astype(np.float32)
    return Dataset("toy", x, y.astype(np.int64), None, tuple("abcde"))


@pytest.mark.parametrize(
    "order, kind, train_size", [("NAD", "bernoulli", 500), ("DNA", "vanilla", 600), ("NAD", "bernoulli", 300)]
)
def test_variance_shift_is_the_variance_without_dropout_over_the_running_one(make_run, many, order, kind, train_size):
    """Over the training examples alone, wherever their end falls among the chunks of 512."""
    settings = {"model.norm": "batch", "model.order": order, "dropout.kind": kind, "training.batch_size": 50}
    sizes = {"data.train_size": train_size, "data.val_size": 300, "data.test_size": 400}
    runs, _, epoch = begin(make_run, many, 8, ("variance_shift",), **settings, **sizes)
    found = {(layer, at): values for _, _, layer, at, values in epoch.probes}
    ats = ("", "median", "live", "predicted", "left_out")
    assert list(found) == [(layer, at) for layer in ("hidden.1", "hidden.2") for at in ats]
    for r, run in enumerate(runs):
        train_rows = split(many, run.config.data, split_seed=run.seed, label_seed=run.seed).train
        at = many.x[train_rows].astype(np.float64)
        at = (at - at.mean(0)) / at.std(0)
        keep = 1 - round(65536 * run.config.dropout.rate) / 65536 if kind == "vanilla" else 1.0
        held = {k: v[r].detach().numpy() for k, v in (epoch.network.parameters | epoch.network.statistics).items()}
        for name in ("hidden.1", "hidden.2"):
            at = (at @ held[f"{name}.weight"] + held.get(f"{name}.bias", 0)) * (keep if order == "DNA" else 1.0)
            running, variance = held[f"{name}.norm.variance"], at.var(0, ddof=1)
            assert found[name, ""][r] == pytest.approx(variance.sum() / running.sum(), rel=1e-5)
            assert found[name, "median"][r] == pytest.approx(np.median(variance / running), rel=1e-5)
            at = (at - held[f"{name}.norm.mean"]) / np.sqrt(running + 1e-5)
            at = np.tanh(at * held[f"{name}.norm.scale"] + held[f"{name}.norm.shift"]) * (
                keep if order == "NAD" else 1.0
            )
    if kind == "bernoulli":  # dropout before a norm: its running variance is larger than any it meets in testing
        shift = dict(zip(MEMBERS, found["hidden.2", ""], strict=True))
        assert shift[0, 0.5] < 0.9 * shift[0, 0.0]


def test_variance_shift_of_a_convolution_counts_every_position(make_run, images):
    model = {"model.kind": "cnn", "model.channels": [3], "model.norm": "batch", "model.hidden": [7]}
    runs = [make_run(0, **{"data.test_size": 15, "data.val_size": 5, "training.batch_size": 20, **model})]
    feed = Feed(images, runs, torch.float64, torch.device("cpu"))
    epoch = next(train(runs, feed, layout(runs[0].config, images.example, 5), ("variance_shift",)))
    x = torch.cat([x[0] for x, _ in feed.batches(2)])
    held = epoch.network.parameters | epoch.network.statistics
    maps = F.conv2d(x, held["conv.1.weight"][0], held.get("conv.1.bias", [None])[0], padding="same").detach()
    expected = (maps.transpose(0, 1).flatten(1).var(1).sum() / held["conv.1.norm.variance"][0].sum()).item()
    assert epoch.probes[0][:4] == (1, "variance_shift", "conv.1", "")
    assert epoch.probes[0][4] == [pytest.approx(expected, rel=1e-9)]


def test_without_batch_norm_there_is_no_variance_to_shift(make_run, vectors):
    for norm in ("none", "layer"):
        assert begin(make_run, vectors, 1, ("variance_shift",), **{"model.norm": norm})[2].probes == ()


@pytest.mark.parametrize("steps", [None, 3])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_gap_parts_are_accuracies_over_the_epochs_own_batches_and_masks(make_run, vectors, norm, steps):
    settings = {"model.norm": norm, "training.steps_per_epoch": steps, "data.label_noise": 0.2}
    runs, feed, epoch = begin(make_run, vectors, 1, ("gradient_norms", "gap_parts"), **settings)
    found = {layer: values for _, probe, layer, _, values in epoch.probes if probe == "gap_parts"}
    assert list(found) == ["noise_batch", "batch", "running"]
    held = {k: v.detach() for k, v in (epoch.network.parameters | epoch.network.statistics).items()}
    noise = Noise(epoch.network.sites, [0, 1], torch.tensor([0, 1, 0]), 1)
    right = {layer: [0, 0, 0] for layer in found}
    seen = 0
    for x, y in feed.batches(1):
        masks = {name: noise.mask(name, x.shape[1])[0] for name in ("hidden.1", "hidden.2")}
        seen += x.shape[1]
        for layer in found:
            for r in range(len(runs)):
                at, own = x[r], {k: v[r] for k, v in held.items()}
                for name in ("hidden.1", "hidden.2"):
                    at = at @ own[f"{name}.weight"] + own.get(f"{name}.bias", 0.0)
                    if norm == "batch":
                        running = (
                            [None, None]
                            if layer != "running"
                            else [own[f"{name}.norm.{s}"] for s in ("mean", "variance")]
                        )
                        scale, shift = own[f"{name}.norm.scale"], own[f"{name}.norm.shift"]
                        at = F.batch_norm(at, *running, scale, shift, training=layer != "running")
                    at = torch.tanh(at) * (masks[name][r] if layer == "noise_batch" else 1.0)
                guess = (at @ own["output.weight"] + own["output.bias"]).argmax(-1)
                right[layer][r] += int((guess == y[r]).sum())
    assert seen == (70 if steps is None else 48)
    assert found == {
        layer: [pytest.approx(count / seen, abs=1e-12) for count in counts] for layer, counts in right.items()
    }
    if norm == "batch":
        assert len({tuple(values) for values in found.values()}) == 3
    else:
        assert found["batch"] == found["running"] != found["noise_batch"]
    assert found["noise_batch"][2] == found["batch"][2]  # rate 0
    if steps is None:
        assert found["running"] == [pytest.approx(s.train_accuracy, abs=1e-12) for s in epoch.scores]


@pytest.mark.parametrize("steps", [None, 3])
@pytest.mark.parametrize("val_size", [20, 0])
@pytest.mark.parametrize("norm", ["none", "batch", pytest.param("layer", marks=pytest.mark.slow)])
def test_the_parts_of_a_trained_runs_gap_add_up(make_run, vectors, norm, val_size, steps):
    settings = {"model.norm": norm, "data.val_size": val_size, "training.steps_per_epoch": steps, "training.epochs": 4}
    runs = [make_run(seed, **{**SIZES, "dropout.rate": 0.5, **settings}) for seed in (0, 1)]
    outcome = train_pack(Work(tuple(runs), "toy", probes=("gap_parts",)), vectors)
    study = Study("parts", Path(), runs[0].config, (), (0, 1), (runs[0].config,))
    arm = study.arms[0]
    frames = [pd.DataFrame(map(dataclasses.asdict, rows)) for rows in (outcome.runs, outcome.epochs, outcome.probes)]
    data = tidy(study, *frames)
    found = parts(data).rename({row.run_id: row.seed for row in outcome.runs})
    assert sorted(found.index) == [0, 1]
    last = {row.seed: row for row in outcome.epochs if row.epoch == 4}
    for seed, row in found.iterrows():
        assert row["apparent"] == last[seed].dropout_on_train_accuracy - last[seed].test_accuracy
        assert row[list(PARTS)].sum() == pytest.approx(row["apparent"], abs=1e-15)
        gap = row[["train_to_val", "val_to_test", "train_to_test"]].sum()
        assert gap == pytest.approx(data.values(arm, "gap")[seed], abs=1e-15)
        assert np.isnan(row["train_to_test"]) == (val_size > 0)
    assert (found["batch_to_running"] == 0).all() == (norm != "batch")
    assert (found[["weights_moving", "dropout_noise"]] != 0).all(axis=None)


def test_every_row_of_the_table_is_measured():
    assert list(MEASURES) == list(PROBES)


def test_each_probe_meets_the_epochs_masks_from_its_first_step(make_run, vectors):
    after = begin(make_run, vectors, 2, ("gradient_norms", "gap_parts"))[2].probes
    alone = begin(make_run, vectors, 2, ("gap_parts",))[2].probes
    assert after[-3:] == alone


def test_gap_parts_are_the_same_in_packs_of_any_size(make_run):
    digits = load(Data(), folder=Path())
    sizes = {
        "data": {"train_size": 149, "val_size": 51, "test_size": 101},
        "model": {"hidden": [50, 30], "norm": "batch"},
    }
    training = {"epochs": 3, "batch_size": 37}
    runs = [
        make_run(seed, **sizes, training=training, **{"dropout.rate": rate})
        for seed in (0, 1)
        for rate in (0.0, 0.2, 0.5)
    ]

    def probed(size):
        works = [Work(tuple(pack), "digits", probes=("gap_parts",)) for pack in plan(runs, {}, 1, size)]
        outcomes = [o for _, o in run_inline(train_pack, works, {"digits": digits}, 1, lambda *heard: None)]
        assert not any(o.error for o in outcomes)
        return {(p.run_id, p.epoch, p.layer): repr(p.value) for o in outcomes for p in o.probes}

    alone = probed(1)
    assert len(alone) == 6 * 3 * 3
    assert probed(30) == probed(4) == alone


@pytest.mark.parametrize(
    ("norm", "optimizer"),
    [
        ("batch", "sgd"),
        ("none", "adam"),
        *(
            pytest.param(norm, optimizer, marks=pytest.mark.slow)
            for norm, optimizer in [("none", "sgd"), ("layer", "sgd"), ("batch", "adam"), ("layer", "adam")]
        ),
    ],
)
def test_probes_change_nothing_in_training(make_run, vectors, norm, optimizer):
    settings = {"model.norm": norm, "training.optimizer": optimizer, "training.epochs": 6, "training.max_norm": 2.0}
    runs = tuple(make_run(seed, **{**SIZES, "dropout.rate": rate, **settings}) for seed, rate in MEMBERS)
    plain = train_pack(Work(runs, "toy", save_weights="all"), vectors)
    probed = train_pack(Work(runs, "toy", save_weights="all", probes=EVERY), vectors)
    assert repr(plain.runs) == repr(probed.runs)
    assert repr(plain.epochs) == repr(probed.epochs)
    assert plain.probes == ()
    assert {row.probe for row in probed.probes} == {
        name for name, row in PROBES.items() if row.measures(runs[0].config)
    }
    for (name, a), (same, b) in zip(plain.weights, probed.weights, strict=True):
        assert name == same
        assert {k: v.tobytes() for k, v in a.items()} == {k: v.tobytes() for k, v in b.items()}


def test_a_runs_probes_do_not_depend_on_its_neighbours(make_run, vectors):
    settings = {"model.norm": "batch", "training.epochs": 3}
    runs = [make_run(seed, **{**SIZES, "dropout.rate": rate, **settings}) for seed, rate in MEMBERS]
    together = train_pack(Work(tuple(runs), "toy", probes=EVERY), vectors).probes
    for run in runs:
        alone = train_pack(Work((run,), "toy", probes=EVERY), vectors).probes
        assert alone == tuple(p for p in together if p.run_id == run.run_id)
