"""gradient_norms beyond the weights of one mask: pre-activations, averages over masks, saturation, and before training."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dropexp.data import load
from dropexp.experiment.config import Data
from dropexp.experiment.layout import layout
from dropexp.experiment.probe_settings import Masks
from dropexp.nn.layers import ACTIVATIONS
from dropexp.train.batches import Feed
from dropexp.train.looking import Look
from dropexp.train.loop import train
from dropexp.train.pack import train_pack
from dropexp.train.probe_gradient_norms import gradient_norms
from dropexp.train.work import Work

SIZES = {"data.test_size": 30, "data.val_size": 20, "training.batch_size": 16, "model.hidden": [13, 9]}
MEMBERS = ((0, 0.5), (1, 0.2), (0, 0.0))
LAYERS = ("hidden.1", "hidden.2", "output")


def looked(make_run, dataset, epoch, **settings):
    runs = [make_run(seed, **{**SIZES, "dropout.rate": rate, **settings}) for seed, rate in MEMBERS]
    feed = Feed(dataset, runs, torch.float64, torch.device("cpu"))
    last = next(train(runs, feed, layout(runs[0].config, dataset.example, 5)))
    return Look("gradient_norms", "epoch", Masks(masks=3, masks_every=2), last.network, feed, runs, epoch)


def by_hand(look, r, factors, order, activation):
    """Return the gradients by (layer, at), and what entered the activations, of one run and one mask, by autograd."""
    x, y = next(iter(look.feed.batches(look.epoch)))
    own = {k: v[r].detach().clone().requires_grad_(True) for k, v in look.network.parameters.items()}
    at, entered = x[r], {}
    for name in LAYERS[:2]:
        at = at @ own[f"{name}.weight"] + own.get(f"{name}.bias", 0.0)
        for step in order:
            if step == "A":
                entered[name] = at
                at = ACTIVATIONS[activation](at)
            elif step == "D":
                at = at * factors[name][r]
            elif look.runs[r].config.model.norm == "batch":
                at = F.batch_norm(at, None, None, own[f"{name}.norm.scale"], own[f"{name}.norm.shift"], training=True)
    entered["output"] = at @ own["output.weight"] + own["output.bias"]
    names = [*(f"{layer}.weight" for layer in LAYERS)]
    loss = F.cross_entropy(entered["output"], y[r])
    grads = torch.autograd.grad(loss, [*(own[n] for n in names), *(entered[layer] for layer in LAYERS)])
    keys = [(layer, at) for at in ("", "preactivations") for layer in LAYERS]
    return dict(zip(keys, grads, strict=True)), entered


@pytest.mark.parametrize(
    ("norm", "order", "activation"),
    [("none", "NAD", "relu"), ("none", "NAD", "sigmoid"), ("batch", "NAD", "tanh"), ("batch", "DNA", "gelu"),
     ("batch", "ADN", "selu")],
)  # fmt: skip
def test_norms_averages_and_saturation_are_those_of_autograd_layer_by_layer(make_run, vectors, norm, order, activation):
    look = looked(make_run, vectors, 2, **{"model.norm": norm, "model.order": order, "model.activation": activation})
    found = {(layer, at): values for layer, at, values in gradient_norms(look)}
    assert len(found) == 3 * 4 + 2
    size = next(iter(look.feed.batches(2)))[0].shape[1]

    def drawn(noise):
        return {name: noise.mask(name, size)[0] for name in LAYERS[:2]}

    for r in range(len(look.runs)):
        one, entered = by_hand(look, r, drawn(look.training_masks()), order, activation)
        several = [by_hand(look, r, drawn(look.masks(n)), order, activation)[0] for n in range(3)]
        for (layer, at), gradient in one.items():
            assert found[layer, at][r] == pytest.approx(float(gradient.norm()), rel=1e-9)
            average = sum(g[layer, at] for g in several) / 3
            name = {"": "masks", "preactivations": "preactivations_masks"}[at]
            assert found[layer, name][r] == pytest.approx(float(average.norm()), rel=1e-9)
        for layer in LAYERS[:2]:
            z = entered[layer].detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(ACTIVATIONS[activation](z).sum(), z)
            largest = {"relu": 1, "tanh": 1, "sigmoid": 0.25, "gelu": 1.1289, "selu": 1.7581}[activation]
            assert found[layer, "saturated"][r] == pytest.approx(float((slope.abs() < 0.05 * largest).double().mean()))
    for layer in LAYERS:
        assert found[layer, "masks"][2] == pytest.approx(found[layer, ""][2], rel=1e-12), "each mask is the same"
        assert found[layer, "masks"][0] != found[layer, ""][0]


def test_saturation_counts_the_flat_parts_of_each_activation():
    from dropexp.train.probe_gradient_norms import _saturated

    z = torch.tensor([[-5.0, -1.0, 0.5, 1.0, 5.0]])
    expected = {"relu": 0.4, "leaky_relu": 0.4, "tanh": 0.4, "sigmoid": 0.4, "selu": 0.2, "gelu": 0.2, "linear": 0.0}
    assert {name: _saturated(z, name)[0] for name in ACTIVATIONS} == pytest.approx(expected)


def test_averages_come_at_the_start_and_every_so_many_epochs_and_never_of_one_mask(make_run, vectors):
    runs = (make_run(0, **SIZES, **{"training.epochs": 6}),)

    def at(word):
        rows = train_pack(Work(runs, "toy", (word,)), vectors).probes
        one = sorted({p.epoch for p in rows if p.at == "preactivations"})
        return one, sorted({p.epoch for p in rows if p.at == "preactivations_masks"})

    assert at("gradient_norms masks=2 masks_every=3") == ([0, 1, 2, 3, 4, 5, 6], [0, 3, 6])
    assert at("gradient_norms every=2 masks=2 masks_every=3") == ([0, 2, 4, 6], [0, 6])
    assert at("gradient_norms every=5 masks=1") == ([0, 5], [])


def test_before_training_it_sees_the_initial_weights_and_the_first_batch(make_run, vectors):
    """A learning rate of next to nothing: the epoch's end is the start, but for the order of the examples."""
    still = {"training.lr": 1e-30, "training.momentum": 0.0, "training.epochs": 1, "model.activation": "tanh"}
    runs = tuple(make_run(seed, **SIZES, **still, **{"dropout.rate": rate}) for seed, rate in MEMBERS)
    rows = train_pack(Work(runs, "toy", ("gradient_norms masks=1",)), vectors).probes
    start, end = ([(p.run_id, p.layer, p.at, p.value) for p in rows if p.epoch == n] for n in (0, 1))
    assert start == end


def test_a_runs_averages_do_not_depend_on_the_masks_of_its_neighbours(make_run, vectors):
    """Without dropout no mask is drawn where it trains alone, and a hundred where its neighbours drop."""
    for norm in ("none", "batch"):
        runs = tuple(
            make_run(seed, **SIZES, **{"dropout.rate": rate, "model.norm": norm, "training.epochs": 1})
            for seed, rate in MEMBERS
        )
        word = "gradient_norms masks=7 masks_every=1"
        together = train_pack(Work(runs, "toy", (word,)), vectors).probes
        for run in runs:
            alone = train_pack(Work((run,), "toy", (word,)), vectors).probes
            assert alone == tuple(p for p in together if p.run_id == run.run_id)


@pytest.mark.parametrize("kind", ["cnn", "lstm"])
def test_convolutions_and_sequences_have_gradients_too(make_run, images, kind):
    own = {"cnn": {"channels": [3]}, "lstm": {"units": 6}}[kind]
    model = {"model": {"kind": kind, **own, "hidden": [7]}, "dropout.placement": ["all"]}
    run = make_run(0, **model, **{"data.test_size": 15, "data.val_size": 5, "training.epochs": 1})
    rows = train_pack(Work((run,), "toy", ("gradient_norms masks=2 masks_every=1",)), images).probes
    layers = {"cnn": {"conv.1", "hidden.1", "output"}, "lstm": {"hidden.1", "output"}}[kind]
    assert {p.layer for p in rows if p.at == "preactivations_masks"} == layers
    assert {p.layer for p in rows if p.at == "saturated"} == layers - {"output"}
    assert all(np.isfinite(p.value) and p.value >= 0 for p in rows)


def test_gradients_vanish_through_eight_sigmoid_layers_and_not_through_relu_with_he(make_run, tmp_path):
    """Before training, on digits, without dropout: each layer's pre-activations get less than the next one's."""
    digits = load(Data(), folder=tmp_path)
    found = {}
    for activation in ("sigmoid", "relu"):
        deep = {"model.hidden": [100] * 8, "model.activation": activation, "dropout.rate": 0.0}
        runs = tuple(make_run(seed, **deep, **{"data.train_size": 256, "training.epochs": 1}) for seed in range(3))
        rows = train_pack(Work(runs, "digits", ("gradient_norms masks=1",)), digits).probes
        own = {(p.run_id, p.layer): p.value for p in rows if p.epoch == 0 and p.at == "preactivations"}
        found[activation] = np.array([[own[run.run_id, f"hidden.{i}"] for i in range(1, 9)] for run in runs])
    ratios = found["sigmoid"][:, 1:] / found["sigmoid"][:, :-1]
    assert (ratios > 2).all()
    assert (found["relu"].max(1) / found["relu"].min(1) < 3).all()
