"""mc_dropout against numpy, pass by pass and mask by mask, and against the average over every mask of a small network."""

import itertools

import numpy as np
import pytest
import torch

from dropexp.experiment.layout import layout
from dropexp.experiment.probe_settings import Passes
from dropexp.train.batches import Feed
from dropexp.train.calibration_error import Reliability, log_probabilities
from dropexp.train.every_mask import every_mask
from dropexp.train.looking import Look
from dropexp.train.loop import train
from dropexp.train.pack import train_pack
from dropexp.train.probe_mc_dropout import Mean, mc_dropout, passes
from dropexp.train.rotation import rotated
from dropexp.train.work import Work

SIZES = {
    "data.test_size": 30, "data.val_size": 20, "training.batch_size": 16, "model.hidden": [6], "training.epochs": 3,
    "model.activation": "tanh",
}  # fmt: skip
MEMBERS = ((0, 0.5), (1, 0.2), (0, 0.0))
RATES = [0.5, round(65536 * 0.2) / 65536]


def looked(make_run, dataset, settings, dtype=torch.float64, members=MEMBERS, **fields):
    runs = [make_run(seed, **{**SIZES, "dropout.rate": rate, **fields}) for seed, rate in members]
    feed = Feed(dataset, runs, dtype, torch.device("cpu"))
    loop = train(runs, feed, layout(runs[0].config, dataset.example, 5))
    last = next(loop)
    for _ in range(5):
        last = loop.send(range(len(runs)))
    return Look("mc_dropout", "selected", settings, last.network, feed, runs)


def by_name(look):
    return {(layer, at): values for layer, at, values in mc_dropout(look)}


def held(look, r):
    return {name: tensor[r].detach().numpy() for name, tensor in look.network.parameters.items()}


def softmax(logits):
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def probabilities(own, x, factor):
    return softmax(
        (np.tanh(x @ own["hidden.1.weight"] + own["hidden.1.bias"]) * factor) @ own["output.weight"]
        + own["output.bias"]
    )


def examples_of(look, r):
    ((x_RB, labels_RB),) = look.feed.part("test")
    return x_RB[r].numpy(), labels_RB[r].numpy()


def scores(p, label):
    chosen = p[np.arange(len(p)), label]
    return [(p.argmax(1) == label).mean(), -np.log(chosen).mean(), Reliability.of(p, label, 15).error()]


def test_every_number_is_that_of_passes_taken_one_by_one(make_run, vectors):
    look = looked(make_run, vectors, Passes(passes=7))
    found = by_name(look)
    masks = [look.masks(k).mask("hidden.1", 30)[0].numpy() for k in range(7)]
    for r in range(3):
        x, label = examples_of(look, r)
        each = np.stack([probabilities(held(look, r), x, mask[r]) for mask in masks])
        for k in range(1, 8):
            got = [found[layer, str(k)][r] for layer in ("accuracy", "loss", "ece")]
            assert got == pytest.approx(scores(each[:k].mean(0), label), abs=1e-12)
        got = [found[layer, "weight_scaling"][r] for layer in ("accuracy", "loss", "ece")]
        assert got == pytest.approx(scores(probabilities(held(look, r), x, 1.0), label), abs=1e-12)
        mean = each.mean(0)
        entropy = -(mean * np.log(mean)).sum(1)
        information = entropy + (each * np.log(each)).sum(2).mean(0)
        right = mean.argmax(1) == label
        for at, chosen in (("right", right), ("wrong", ~right)):
            assert chosen.any()
            assert found["entropy", at][r] == pytest.approx(entropy[chosen].mean(), abs=1e-12)
            assert found["mutual_information", at][r] == pytest.approx(information[chosen].mean(), abs=1e-12)
        if r < 2:
            assert found["mutual_information", "right"][r] > 1e-4
    assert found["mutual_information", "wrong"][2] == pytest.approx(0, abs=1e-12), "without dropout passes agree"
    assert found["loss", "7"][2] == pytest.approx(found["loss", "weight_scaling"][2], abs=1e-12)
    assert not any(at.startswith("rotated") for _, at in found), "vectors are no images"


def enumerated(look, r, rate):
    """Return mean and variance over all masks of the probabilities (N, K), in numpy."""
    x, _ = examples_of(look, r)
    first = second = 0.0
    for kept in itertools.product((0, 1), repeat=6):
        chance = rate ** (6 - sum(kept)) * (1 - rate) ** sum(kept)
        p = probabilities(held(look, r), x, np.array(kept) / (1 - rate))
        first, second = first + chance * p, second + chance * p * p
    return first, second - first**2


def test_exact_is_the_average_over_every_mask(make_run, vectors):
    look = looked(make_run, vectors, Passes(passes=2, exact_units=6))
    found = by_name(look)
    for r, rate in enumerate(RATES):
        expected = scores(enumerated(look, r, rate)[0], examples_of(look, r)[1])
        assert [found[layer, "exact"][r] for layer in ("accuracy", "loss", "ece")] == pytest.approx(expected, abs=1e-12)
    assert found["loss", "exact"][2] is None, "nothing is dropped"
    assert abs(found["loss", "exact"][0] - found["loss", "weight_scaling"][0]) > 1e-4
    assert ("loss", "exact") not in by_name(looked(make_run, vectors, Passes(passes=2, exact_units=5)))
    masks = every_mask(look.network.sites, 3, ("hidden.1",), torch.device("cpu"))
    assert sum(mask.probability(1) for mask in masks) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_the_mean_of_many_passes_is_the_average_over_every_mask_within_four_standard_errors(make_run, vectors, count):
    look = looked(make_run, vectors, Passes(passes=count))
    means = [Mean(), Mean()]
    for passed in passes(look, lambda: (x for x, _ in look.feed.part("test"))):
        for r in (0, 1):
            means[r].plus(log_probabilities(passed[r]))
    for r, rate in enumerate(RATES):
        expected, variance = enumerated(look, r, rate)
        errors = np.abs(means[r].p - expected) / np.sqrt(variance / count)
        assert errors.max() < 4
        assert errors.mean() == pytest.approx(0.8, abs=0.25), "as far as chance takes them, sqrt(2/pi), and not nearer"


PACKS = {
    "mlp": ("vectors", {}),
    "places": ("vectors", {}),
    "dropconnect": ("vectors", {"dropout.kind": "dropconnect"}),
    "cnn": (
        "images",
        {"model.kind": "cnn", "model.channels": [3], "dropout.placement": ["conv"], "model.norm": "batch"},
    ),
}


@pytest.mark.parametrize("name", PACKS)
def test_rows_do_not_depend_on_the_pack(make_run, request, name):
    kind, fields = PACKS[name]
    dataset = request.getfixturevalue(kind)
    sizes = {**SIZES, "data.test_size": 20, "data.val_size": 10, **fields}
    members = MEMBERS[:2] if name == "dropconnect" else MEMBERS  # at rate 0 it is never packed with other rates
    runs = [make_run(seed, **{**sizes, "dropout.rate": rate}) for seed, rate in members]
    if name == "places":  # each masks units that the other does not, few enough for all masks where it is alone
        runs[1] = make_run(1, **{**sizes, "dropout.rate": 0.2, "dropout.placement": ["input"]})
    words = ("mc_dropout passes=3 exact_units=6 rotate=90 rotated=5",)
    made = train_pack(Work(tuple(runs), "toy", words), dataset)
    for row, run in zip(made.runs, runs, strict=True):
        own = tuple(p for p in made.probes if p.run_id == row.run_id)
        assert {p.epoch for p in own} == {row.selected_epoch}
        assert train_pack(Work((run,), "toy", words), dataset).probes == own
        assert any(p.at == "rotated.180" for p in own) == (kind == "images")
        exact = (
            run.config.dropout.rate > 0 and name in ("mlp", "places") and run.config.dropout.placement == ("hidden",)
        )
        assert any(p.at == "exact" for p in own) == exact
        scaled = next(p.value for p in own if (p.layer, p.at) == ("accuracy", "weight_scaling"))
        assert scaled == row.test_accuracy
    plain = train_pack(Work(tuple(runs), "toy"), dataset)
    assert repr(plain.runs) == repr(made.runs)


def test_images_turned_by_nothing_are_those_that_were_not_turned(make_run, images):
    fields = {"data.test_size": 20, "data.val_size": 10, "model.hidden": [30], "dropout.placement": ["all"]}
    look = looked(make_run, images, Passes(passes=3, rotate=60, rotated=100), members=MEMBERS, **fields)
    found = by_name(look)
    assert {at for _, at in found if at.startswith("rotated")} == {f"rotated.{d}" for d in (0, 60, 120, 180)}
    assert found["accuracy", "rotated.0"] == found["accuracy", "3"]
    assert found["accuracy", "rotated.180"] != found["accuracy", "rotated.0"]
    assert found["entropy", "rotated.0"][2] == pytest.approx(found["entropy", "rotated.0"][2])


def test_few_rows_for_many_passes(make_run, vectors):
    found = by_name(looked(make_run, vectors, Passes(passes=250)))
    assert [at for layer, at in found if layer == "loss"] == [
        "weight_scaling", *(str(k) for k in range(1, 101)), "200", "250", "exact",
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(2, 5, 5), (1, 4, 4), (3, 8, 8)])
def test_quarter_turns_move_pixels_and_change_none(shape):
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32))
    for turns in range(5):
        assert torch.equal(rotated(x, 90 * turns), torch.rot90(x, turns, (-2, -1)))


@pytest.mark.parametrize("degrees", [17, 30, 45, 120, 163.5])
def test_a_slope_is_turned_exactly_and_what_lies_outside_is_black(degrees):
    height, width = 9, 12
    y, x = np.mgrid[:height, :width].astype(float)
    y, x = -(y - (height - 1) / 2), x - (width - 1) / 2  # upwards and to the right
    angle = np.deg2rad(degrees)
    slope = 100 + 3 * x + 5 * y
    back = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    made = rotated(torch.from_numpy(slope), degrees).numpy()
    inside = (abs(back[0]) <= (width - 1) / 2) & (abs(back[1]) <= (height - 1) / 2)
    assert made[inside] == pytest.approx((100 + 3 * back[0] + 5 * back[1])[inside])
    outside = (abs(back[0]) >= (width + 1) / 2) | (abs(back[1]) >= (height + 1) / 2)
    assert inside.sum() > 30
    assert outside.any()
    assert not made[outside].any()
