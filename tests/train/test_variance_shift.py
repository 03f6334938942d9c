"""variance_shift beyond its ratio: the closed form, units that are left out, and repair against numpy."""

import itertools

import numpy as np
import pytest
import torch

from dropexp.data import Dataset
from dropexp.experiment.layout import layout
from dropexp.experiment.probe_settings import Repair
from dropexp.train.batch_norm_repair import estimated
from dropexp.train.batches import Feed
from dropexp.train.looking import Look
from dropexp.train.loop import train
from dropexp.train.pack import train_pack
from dropexp.train.probe_variance_shift import variance_shift
from dropexp.train.work import Work

SIZES = {
    "data.test_size": 30,
    "data.val_size": 20,
    "training.batch_size": 16,
    "model.hidden": [13, 9],
    "model.norm": "batch",
    "model.activation": "relu",
}


def looked(make_run, dataset, epochs=3, members=((0, 0.5), (1, 0.2), (0, 0.0)), moment="epoch", **settings):
    """Train some epochs in float64; return a look at the network then."""
    runs = [make_run(seed, **{**SIZES, "dropout.rate": rate, **settings}) for seed, rate in members]
    feed = Feed(dataset, runs, torch.float64, torch.device("cpu"))
    loop = train(runs, feed, layout(runs[0].config, dataset.example, 5))
    epoch = next(loop)
    for _ in range(epochs - 1):
        epoch = loop.send(range(len(runs)))
    number = epochs if moment == "epoch" else 0
    return Look("variance_shift", moment, Repair(), epoch.network, feed, runs, number)


def found_by(look):
    return {(layer, at): values for layer, at, values in variance_shift(look)}


def held(look, r):
    tensors = look.network.parameters | look.network.statistics
    return {name: tensor[r].detach().numpy() for name, tensor in tensors.items()}


def examples(look, r, which="train"):
    parts = list(look.feed.part(which))
    return np.concatenate([x[r].numpy() for x, _ in parts]), np.concatenate([y[r].numpy() for _, y in parts])


@pytest.fixture(scope="module")
def normal():
    """4,600 standard normal vectors of 40 features: batches of 400 and statistics of a tenth of a percent."""
    rng = np.random.default_rng(3)
    return Dataset(
        "normal", rng.standard_normal((4600, 40)).astype(np.float32), np.arange(4600) % 5, None, tuple("abcde")
    )


@pytest.mark.parametrize(
    ("order", "hidden", "kind"),
    [
        ("DNA", [64], "vanilla"),
        ("NAD", [64, 48], "unscaled"),
        *(pytest.param("NAD", [64, 48], kind, marks=pytest.mark.slow) for kind in ("bernoulli", "gaussian")),
        *(pytest.param(o, [64], k, marks=pytest.mark.slow) for o, k in (("ADN", "bernoulli"), ("DNA", "uniform"))),
    ],
)
def test_the_measured_shift_is_the_closed_form_within_two_percent(make_run, normal, order, hidden, kind):
    """Weights that do not move, 120 steps for the running statistics; the rate 0 has no shift."""
    fixed = {"training.lr": 1e-30, "training.batch_size": 400, "training.momentum": 0.0}
    sizes = {"data.test_size": 400, "data.val_size": 200, "model.hidden": hidden, "model.order": order}
    rates = ((0, 0.5), (1, 0.2), (2, 0.7), (0, 0.0))
    found = found_by(looked(make_run, normal, 12, rates, **sizes, **fixed, **{"dropout.kind": kind}))
    layer = f"hidden.{len(hidden)}"
    measured, predicted = found[layer, "live"], found[layer, "predicted"]
    assert measured == found[layer, ""], "no unit is dead"
    assert predicted[3] == 1.0
    assert measured == pytest.approx(predicted, rel=0.02)
    assert all(abs(p - 1) > 0.05 for p in predicted[:3])
    if kind != "unscaled":
        assert predicted[2] < predicted[0] < predicted[1] < 1
    if order == "NAD":  # nothing is masked before the first norm
        assert ("hidden.1", "predicted") not in found or set(found["hidden.1", "predicted"][:3]) == {None}


@pytest.mark.parametrize(
    ("order", "placement", "activation"), [("DNA", "hidden", "tanh"), ("ADN", "hidden", "relu"), ("NAD", "all", "tanh")]
)
def test_the_closed_form_is_that_of_measured_means_variances_and_weights(
    make_run, vectors, order, placement, activation
):
    settings = {"model.order": order, "dropout.placement": [placement], "model.activation": activation}
    look = looked(make_run, vectors, **settings)
    found = found_by(look)
    act = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0)}[activation]
    for r, run in enumerate(look.runs):
        keep = 1 - round(65536 * run.config.dropout.rate) / 65536
        spread, own, at = (1 - keep) / keep, held(look, r), examples(look, r)[0]
        for layer in ("hidden.1", "hidden.2"):
            weight = own[f"{layer}.weight"]
            power = (at**2).mean(0)
            at = at @ weight + own.get(f"{layer}.bias", 0.0)
            at = act(at) if order == "ADN" else at
            variance, center = at.var(0, ddof=1), at.mean(0)
            more = power @ weight**2 if order == "NAD" else center**2 + variance
            expected = variance.sum() / (variance + spread * more).sum()
            assert found[layer, "predicted"][r] == pytest.approx(expected, rel=1e-9)
            at = (at - own[f"{layer}.norm.mean"]) / np.sqrt(own[f"{layer}.norm.variance"] + 1e-5)
            at = at * own[f"{layer}.norm.scale"] + own[f"{layer}.norm.shift"]
            at = at if order == "ADN" else act(at)


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout.group_size": 4, "model.order": "DNA"},
        {"dropout.kind": "batch_shared", "model.order": "DNA"},
        {"dropout.kind": "fixed_count", "model.order": "DNA"},
        {"dropout.kind": "dropconnect"},
        {"model.order": "DAN"},
        {"model.order": "AND"},
    ],
    ids=str,
)
def test_where_the_closed_form_does_not_hold_none_is_stated(make_run, vectors, settings):
    look = looked(make_run, vectors, 1, ((0, 0.5), (1, 0.2)), **settings)
    found = found_by(look)
    assert found["hidden.2", "live"]
    assert {value for (_, at), values in found.items() if at == "predicted" for value in values} <= {None}


def test_units_of_next_to_no_running_variance_are_left_out_and_counted(make_run, vectors):
    look = looked(make_run, vectors, **{"model.order": "DNA"})
    whole = found_by(look)
    variance = look.network.statistics["hidden.1.norm.variance"]
    variance[0, 3], variance[0, 7], variance[1, 0], variance[2] = 9.9e-5, 0.0, 1e-4, 1e-5
    found = found_by(look)
    assert whole["hidden.1", "left_out"] == [0, 0, 0]
    assert found["hidden.1", "left_out"] == [2, 0, 13]
    assert found["hidden.1", "live"][2] is found["hidden.1", "predicted"][2] is None
    at = examples(look, 0)[0]
    at = at @ held(look, 0)["hidden.1.weight"] + held(look, 0).get("hidden.1.bias", 0.0)
    kept = [u for u in range(13) if u not in (3, 7)]
    own, test = held(look, 0)["hidden.1.norm.variance"], at.var(0, ddof=1)
    assert found["hidden.1", "live"][0] == pytest.approx(test[kept].sum() / own[kept].sum(), rel=1e-9)
    keep = 0.5
    more = (1 - keep) / keep * (at.mean(0) ** 2 + test)
    assert found["hidden.1", "predicted"][0] == pytest.approx(test[kept].sum() / (test + more)[kept].sum(), rel=1e-9)


def forward(own, at, statistics, masks=None, batch=None):
    """The logits of NAD networks in numpy; `statistics` gives (mean, variance) for a layer and what enters its norm."""
    for layer in ("hidden.1", "hidden.2"):
        at = at @ own[f"{layer}.weight"] + own.get(f"{layer}.bias", 0.0)
        mean, variance = statistics(layer, at)
        at = (at - mean) / np.sqrt(variance + 1e-5) * own[f"{layer}.norm.scale"] + own[f"{layer}.norm.shift"]
        at = np.maximum(at, 0) * (1.0 if masks is None else masks[layer])
    return at @ own["output.weight"] + own["output.bias"]


def test_repair_takes_each_layers_statistics_anew_and_states_four_accuracies(make_run, vectors):
    look = looked(make_run, vectors, 4, moment="selected")
    found = found_by(look)
    noise = look.masks(0)
    count = look.feed.set_sizes[0]
    masks = {name: noise.mask(name, count)[0].numpy() for name in ("hidden.1", "hidden.2")}
    for r, run in enumerate(look.runs):
        own, (x, y) = held(look, r), examples(look, r, "test")
        train_x = examples(look, r)[0]
        new = {}

        def fit(layer, at, new=new):
            return new.setdefault(layer, (at.mean(0), at.var(0, ddof=1)))

        def running(layer, at, own=own):
            return own[f"{layer}.norm.mean"], own[f"{layer}.norm.variance"]

        def taken(layer, at, new=new):
            return new[layer]

        def right(statistics, own=own, x=x, y=y):
            return float((forward(own, x, statistics).argmax(1) == y).mean())

        assert found["test_accuracy", "running"][r] == pytest.approx(right(running))
        forward(own, train_x, fit)
        assert found["test_accuracy", "repaired"][r] == pytest.approx(right(taken))
        again = estimated(look)
        for layer in ("hidden.1", "hidden.2"):
            for name, expected in zip(("mean", "variance"), new[layer], strict=True):
                np.testing.assert_allclose(again[f"{layer}.norm.{name}"][r].numpy(), expected, rtol=1e-9, atol=1e-12)
        new.clear()
        forward(own, train_x, fit, {name: mask[r] for name, mask in masks.items()})
        assert found["test_accuracy", "repaired_dropout_on"][r] == pytest.approx(right(taken))
        sizes = [16, 14]  # the 30 test examples in batches of 16
        ends, parts = np.cumsum([0, *sizes]), []
        for begin, end in itertools.pairwise(ends):
            parts.append(forward(own, x[begin:end], lambda layer, at: (at.mean(0), at.var(0))).argmax(1))
        assert found["test_accuracy", "batch"][r] == pytest.approx(float((np.concatenate(parts) == y).mean()))
        if run.config.dropout.rate == 0:
            assert found["test_accuracy", "repaired"][r] == found["test_accuracy", "repaired_dropout_on"][r]


def test_repair_is_idempotent_to_the_bit_and_leaves_the_network_as_it_was(make_run, vectors):
    look = looked(make_run, vectors, 3, moment="selected")
    before = {name: tensor.clone() for name, tensor in look.network.statistics.items()}
    once = estimated(look)
    assert all(torch.equal(before[name], tensor) for name, tensor in look.network.statistics.items())
    assert not all(torch.equal(before[name], once[name]) for name in once)
    look.network.put({name: tensor.clone() for name, tensor in once.items()})
    twice = estimated(look)
    assert all(torch.equal(once[name], twice[name]) for name in once)
    with_noise = estimated(look, with_noise=True)
    rates = [run.config.dropout.rate for run in look.runs]
    for name in once:
        if name.startswith("hidden.2"):  # what enters it was masked, where anything was
            equal = [torch.equal(once[name][r], with_noise[name][r]) for r in range(3)]
            assert equal == [rate == 0 for rate in rates]


def test_repair_is_one_row_per_way_at_the_selected_epoch_and_can_be_left_out(make_run, vectors):
    runs = tuple(make_run(seed, **{**SIZES, "training.epochs": 3}) for seed in (0, 1))
    made = train_pack(Work(runs, "toy", ("variance_shift every=2",)), vectors)
    rows = [p for p in made.probes if p.layer == "test_accuracy"]
    assert [(p.run_id, p.at) for p in rows] == [
        (run.run_id, at) for run in runs for at in ("running", "batch", "repaired", "repaired_dropout_on")
    ]
    for row in made.runs:
        assert {p.epoch for p in rows if p.run_id == row.run_id} == {row.selected_epoch}
        own = {p.at: p.value for p in rows if p.run_id == row.run_id}
        assert own["running"] == row.test_accuracy
        assert {p.epoch for p in made.probes if p.run_id == row.run_id} == {2, row.selected_epoch}
    without = train_pack(Work(runs, "toy", ("variance_shift every=2 repair=false",)), vectors).probes
    assert without == tuple(p for p in made.probes if p.layer != "test_accuracy")


@pytest.mark.parametrize("kind", ["cnn", "lstm"])
def test_convolutions_and_sequences_have_their_shift_and_repair_too(make_run, images, kind):
    own = {"cnn": {"channels": [3]}, "lstm": {"units": 6}}[kind]
    model = {"model": {"kind": kind, **own, "hidden": [7], "norm": "batch"}, "dropout.placement": ["all"]}
    runs = tuple(
        make_run(seed, **{**model, "data.test_size": 15, "data.val_size": 5, "training.epochs": 2}) for seed in (0, 1)
    )
    together = train_pack(Work(runs, "toy", ("variance_shift",)), images).probes
    assert together == tuple(
        row for run in runs for row in train_pack(Work((run,), "toy", ("variance_shift",)), images).probes
    )
    found = {(p.layer, p.at) for p in together}
    assert ("test_accuracy", "repaired") in found
    assert (("hidden.1", "predicted") in found) == (kind == "lstm"), (
        "pooling lies between a convolution's mask and the map"
    )
