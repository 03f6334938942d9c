"""gradient_noise against every gradient by hand, and against what must be so at one example and at many."""

import numpy as np
import pytest
import torch

from dropexp.data import Dataset
from dropexp.experiment.layout import layout
from dropexp.experiment.probe_settings import Noise
from dropexp.train.batches import Feed
from dropexp.train.looking import Look
from dropexp.train.loop import train
from dropexp.train.pack import train_pack
from dropexp.train.probe_gradient_noise import gradient_noise
from dropexp.train.work import Work

SIZES = {"data.test_size": 30, "data.val_size": 20, "training.batch_size": 16, "model.hidden": [7]}
MEMBERS = ((0, 0.5), (1, 0.2), (0, 0.0))


def looked(make_run, dataset, members=MEMBERS, settings=None, dtype=torch.float64, **fields):
    runs = [make_run(seed, **{**SIZES, "dropout.rate": rate, **fields}) for seed, rate in members]
    feed = Feed(dataset, runs, dtype, torch.device("cpu"))
    last = next(train(runs, feed, layout(runs[0].config, dataset.example, 5)))
    return Look("gradient_noise", "selected", settings or Noise(), last.network, feed, runs)


def by_name(look):
    return {(layer, at): values for layer, at, values in gradient_noise(look)}


def gradient(own, x, y, factor):
    """The gradient of the mean loss of a network with one hidden layer of tanh, in numpy, over weights and biases."""
    hidden = np.tanh(x @ own["hidden.1.weight"] + own["hidden.1.bias"])
    units = hidden * factor
    logits = units @ own["output.weight"] + own["output.bias"]
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    p /= len(y)
    back = (p @ own["output.weight"].T) * factor * (1 - hidden**2)
    return np.concatenate([g.ravel() for g in (x.T @ back, back.sum(0), units.T @ p, p.sum(0))])


def error(a, b):
    return (1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)) / 2


@pytest.mark.parametrize("size", [1, 4])
def test_every_number_is_that_of_gradients_taken_one_by_one(make_run, vectors, size):
    chosen = Noise(sizes=(size,), batches=5, masks=3)
    look = looked(make_run, vectors, settings=chosen, **{"model.activation": "tanh"})
    found = by_name(look)
    assert list(look.network.parameters) == ["hidden.1.weight", "hidden.1.bias", "output.weight", "output.bias"]
    batches = list(look.feed.shuffled("gradient_noise", size))[:5]
    total = look.feed.set_sizes[0]
    (whole,) = look.feed.part("train")

    def mask(number, granularity, count, r):
        factor = look.masks(number).mask("hidden.1", count)[0][r].numpy()
        return factor[:1] if granularity == "batch" else factor

    for r in range(len(look.runs)):
        own = {name: tensor[r].detach().numpy() for name, tensor in look.network.parameters.items()}
        x, y = whole[0][r].numpy(), whole[1][r].numpy()
        free = gradient(own, x, y, 1.0)
        average = np.mean([gradient(own, x, y, mask(15 + n, "sample", total, r)) for n in range(3)], 0)
        for granularity in ("none", "sample", "batch"):
            masks = 1 if granularity == "none" else 3
            taken = np.array([
                [
                    gradient(
                        own, x[r].numpy(), y[r].numpy(),
                        1.0 if granularity == "none" else mask(k * masks + m, granularity, size, r),
                    )
                    for m in range(masks)
                ]
                for k, (x, y) in enumerate(batches)
            ])  # fmt: skip
            norm = np.sum((free if granularity == "none" else average) ** 2)
            within = taken.var(1, ddof=1).sum(1).mean() if masks > 1 else 0.0
            data = taken.mean(1).var(0, ddof=1).sum() - within / masks
            expected = {
                "masks": within / norm, "data": data / norm, "total": (data + within) / norm, "mean_norm": norm**0.5,
                "error_free": np.mean([error(g, free) for part in taken for g in part]),
                "error_mean": np.mean([error(g, average) for part in taken for g in part]),
            }  # fmt: skip
            for at, value in expected.items():
                assert found[f"{granularity}.{size}", at][r] == pytest.approx(value, rel=1e-9, abs=1e-12), at


@pytest.mark.parametrize("kind", ["bernoulli", "vanilla", "gaussian", "batch_shared", "fixed_count"])
def test_at_one_example_a_mask_each_and_a_mask_for_all_agree_to_the_bit(make_run, vectors, kind):
    settings = {"dropout.kind": kind, "model.hidden": [9, 8], "dropout.placement": ["all"]}
    found = by_name(looked(make_run, vectors, settings=Noise(sizes=(1, 6)), dtype=torch.float32, **settings))
    for at in ("total", "data", "masks", "mean_norm", "error_free", "error_mean"):
        assert found["sample.1", at] == found["batch.1", at]
        if at != "mean_norm":
            assert found["sample.6", at][:2] != found["batch.6", at][:2]
    for granularity in ("sample", "batch"):
        for size in (1, 6):
            assert found[f"{granularity}.{size}", "masks"][2] == 0, "without dropout masks differ in nothing"
    assert found["none.6", "masks"] == [0, 0, 0]


@pytest.mark.slow
def test_examples_average_out_and_so_do_their_masks_but_not_the_masks_of_a_batch(make_run):
    """With n examples the data's part and that of a mask each are an n-th; that of one mask for all stays."""
    rng = np.random.default_rng(5)
    y = rng.permutation(np.arange(3000) % 5)
    x = (rng.standard_normal((5, 11))[y] + rng.standard_normal((3000, 11))).astype(np.float32)
    many = Dataset("many", x, y, None, tuple("abcde"))
    chosen = Noise(sizes=(2, 16), batches=80, masks=4)
    found = {key: v[0] for key, v in by_name(looked(make_run, many, ((0, 0.5),), chosen, torch.float32)).items()}
    assert found["none.2", "data"] / found["none.16", "data"] == pytest.approx(8, rel=0.3)
    assert found["sample.2", "masks"] / found["sample.16", "masks"] == pytest.approx(8, rel=0.3)
    assert found["sample.2", "data"] / found["sample.16", "data"] == pytest.approx(8, rel=0.4)
    assert 1 < found["batch.2", "masks"] / found["batch.16", "masks"] < 6
    assert found["batch.16", "masks"] > 1.2 * found["sample.16", "masks"]
    assert found["batch.16", "error_mean"] > found["sample.16", "error_mean"] > found["none.16", "error_free"]


def test_too_few_examples_and_batch_norm_of_one_give_no_row(make_run, vectors):
    sizes = Noise(sizes=(1, 8, 36), batches=3)
    plain = {layer for layer, _ in by_name(looked(make_run, vectors, settings=sizes))}
    assert plain == {f"{g}.{n}" for g in ("none", "sample", "batch") for n in (1, 8)}, "70 examples hold no two of 36"
    normed = {layer for layer, _ in by_name(looked(make_run, vectors, settings=sizes, **{"model.norm": "batch"}))}
    assert normed == {f"{g}.8" for g in ("none", "sample", "batch")}


def test_it_is_taken_at_the_start_and_at_the_end_of_each_run_alone_and_moves_nothing(make_run, vectors):
    word = "gradient_noise sizes=1/5 batches=3 masks=2"
    for norm in ("none", "batch"):
        fields = {**SIZES, "model.norm": norm, "training.epochs": 3, "early_stopping.patience": 1}
        runs = tuple(make_run(seed, **fields, **{"dropout.rate": rate}) for seed, rate in MEMBERS)
        together, plain = train_pack(Work(runs, "toy", (word,)), vectors), train_pack(Work(runs, "toy"), vectors)
        assert repr(together.epochs) == repr(plain.epochs)
        for row, run in zip(together.runs, runs, strict=True):
            own = tuple(p for p in together.probes if p.run_id == run.run_id)
            assert {p.epoch for p in own} == {0, row.selected_epoch}
            assert train_pack(Work((run,), "toy", (word,)), vectors).probes == own


@pytest.mark.parametrize("kind", ["cnn", "lstm"])
def test_convolutions_and_sequences_scatter_too(make_run, images, kind):
    own = {"cnn": {"channels": [3]}, "lstm": {"units": 6}}[kind]
    model = {"model": {"kind": kind, **own, "hidden": [7]}, "dropout.placement": ["all"], "model.activation": "tanh"}
    run = make_run(0, **model, **{"data.test_size": 15, "data.val_size": 5, "training.epochs": 1})
    rows = train_pack(Work((run,), "toy", ("gradient_noise sizes=1/4 batches=3 masks=2",)), images).probes
    at_one = {(p.epoch, p.layer.partition(".")[0], p.at): p.value for p in rows if p.layer.endswith(".1")}
    for (epoch, granularity, at), value in at_one.items():
        if granularity == "sample":
            assert at_one[epoch, "batch", at] == value
    assert all(np.isfinite(p.value) for p in rows)


def test_weights_that_are_masked_have_no_granularity_of_units(make_run, vectors):
    run = make_run(0, **SIZES, **{"dropout.kind": "dropconnect", "training.epochs": 1})
    assert train_pack(Work((run,), "toy", ("gradient_noise",)), vectors).probes == ()
