"""co_adaptation against numpy with every mask by hand, and where correlations are known beforehand."""

import numpy as np
import pytest
import torch

from dropexp.experiment.layout import layout
from dropexp.experiment.probe_settings import Parts
from dropexp.train.batches import Feed
from dropexp.train.looking import Look, unchanged
from dropexp.train.loop import train
from dropexp.train.pack import train_pack
from dropexp.train.probe_co_adaptation import _within, co_adaptation
from dropexp.train.work import Work

SIZES = {"data.test_size": 30, "data.val_size": 20, "training.batch_size": 16, "model.hidden": [13, 8]}
MEMBERS = ((0, 0.5), (1, 0.2), (0, 0.0))
FEW = Parts(shares=(0.25, 0.5, 1.0), draws=2, examples=27)


def looked(make_run, dataset, settings=FEW, dtype=torch.float64, epochs=4, sizes=SIZES, **fields):
    runs = [make_run(seed, **{**sizes, "dropout.rate": rate, **fields}) for seed, rate in MEMBERS]
    feed = Feed(dataset, runs, dtype, torch.device("cpu"))
    loop = train(runs, feed, layout(runs[0].config, dataset.example, 5))
    last = next(loop)
    for _ in range(epochs - 1):
        last = loop.send(range(len(runs)))
    return Look("co_adaptation", "selected", settings, last.network, feed, runs)


def by_name(look):
    with unchanged(look.network):
        return {(layer, at): values for layer, at, values in co_adaptation(look)}


def removed(look, r, place, shape, share, rescaled, number):
    """What each weight or unit is multiplied by: the first of a random order are gone."""
    size = int(np.prod(shape))
    order = np.argsort(look.generator(r, place, number).bit_generator.random_raw(size), kind="stable")
    gone = order[: round(share * size)]
    left = size / (size - len(gone)) if rescaled and len(gone) < size else 1.0
    return np.where(np.isin(np.arange(size), gone), 0.0, left).reshape(shape)


def right(own, x, y, units=(1.0, 1.0)):
    for layer, factor in zip(("hidden.1", "hidden.2"), units, strict=True):
        x = np.maximum(x @ own[f"{layer}.weight"] + own[f"{layer}.bias"], 0) * factor
    return np.mean(np.argmax(x @ own["output.weight"] + own["output.bias"], 1) == y)


def test_every_accuracy_is_that_of_networks_pruned_by_hand(make_run, vectors):
    look = looked(make_run, vectors)
    found = by_name(look)
    different = set()
    for r in range(3):
        own = {name: tensor[r].detach().numpy() for name, tensor in look.network.parameters.items()}
        x, y = (np.concatenate([p[k][r].numpy() for p in look.feed.part("test")])[:27] for k in (0, 1))
        assert found["whole", ""][r] == right(own, x, y)
        for share in FEW.shares:
            for way in ("plain", "rescaled"):
                again = way == "rescaled"
                units, weights, inputs = [], [], []
                for n in range(2):
                    layers = (("hidden.1", 13), ("hidden.2", 8))
                    units.append(
                        right(own, x, y, [removed(look, r, name, (u,), share, again, n) for name, u in layers])
                    )
                    pruned = {
                        name: v * removed(look, r, name, v.shape, share, again, n) if name.endswith("weight") else v
                        for name, v in own.items()
                    }
                    weights.append(right(pruned, x, y))
                    noisy = x + share * look.generator(r, "inputs", n).standard_normal(x.shape)
                    inputs.append(right(own, noisy / np.sqrt(1 + share**2) if again else noisy, y))
                for part, expected in (("units", units), ("weights", weights), ("inputs", inputs)):
                    assert found[part, f"{share:g}.{way}"][r] == pytest.approx(np.mean(expected)), (part, share, way)
                    different.add(np.mean(expected))
    assert len(different) > 10


def test_correlations_are_those_of_units_less_their_class_means(make_run, vectors):
    look = looked(make_run, vectors)
    found = by_name(look)
    for r in range(3):
        own = {name: tensor[r].detach().numpy() for name, tensor in look.network.parameters.items()}
        x, y = (np.concatenate([p[k][r].numpy() for p in look.feed.part("test")])[:27] for k in (0, 1))
        for layer in ("hidden.1", "hidden.2"):
            x = np.maximum(x @ own[f"{layer}.weight"] + own[f"{layer}.bias"], 0)
            centred = x - np.array([x[y == label].mean(0) for label in range(5)])[y]
            r_UU = np.corrcoef(centred[:, np.ptp(centred, 0) > 1e-12].T)
            assert found[layer, "correlation"][r] == pytest.approx(np.mean(np.abs(r_UU[np.triu_indices(len(r_UU), 1)])))


def test_copies_of_a_unit_correlate_wholly_and_strangers_as_chance_has_it():
    rng = np.random.default_rng(0)
    y = torch.from_numpy(np.arange(4000) % 5)
    apart = torch.from_numpy(10.0 * rng.standard_normal((5, 20)))[y]  # classes far from each other: taken off
    alone = torch.from_numpy(rng.standard_normal((4000, 20)))
    assert _within(alone + apart, y) == pytest.approx(np.sqrt(2 / np.pi / 4000), rel=0.1)
    one = alone[:, :1] * torch.linspace(-2, 3, 20) + apart
    assert _within(one, y) == pytest.approx(1)
    half = torch.cat([one[:, :2], torch.ones(4000, 3)], 1)
    assert _within(half, y) == pytest.approx(1), "units that do not vary are no pair"
    assert _within(half[:, 1:], y) is None
    assert _within(apart, y) is None, "nothing but the class"


def test_removal_is_nested_and_all_removed_leaves_the_largest_bias(make_run, vectors):
    look = looked(make_run, vectors)
    small, large = (removed(look, 0, "hidden.1", (13,), share, False, 0) for share in (0.25, 0.5))
    assert set(np.flatnonzero(small == 0)) < set(np.flatnonzero(large == 0))
    found = by_name(look)
    for r in range(3):
        bias = look.network.parameters["output.bias"][r].detach()
        y = torch.cat([y[r] for _, y in look.feed.part("test")])[:27]
        expected = float((y == int(bias.argmax())).double().mean())
        for at in ("1.plain", "1.rescaled"):
            assert found["units", at][r] == expected


@pytest.mark.parametrize(
    "model",
    [{"kind": "cnn", "channels": [3, 4]}, {"kind": "lstm", "units": 6, "layers": 2}, {"norm": "batch"}, {"hidden": []}],
)
def test_it_changes_nothing_and_each_run_is_measured_as_if_alone(make_run, images, model):
    fields = {"data.test_size": 15, "data.val_size": 5, "training.epochs": 3, "early_stopping.patience": 1}
    runs = tuple(make_run(s, **fields, **{"dropout.rate": rate}, model=model) for s, rate in MEMBERS)
    word = "co_adaptation shares=0.3/0.6 draws=2 examples=12"
    together, plain = train_pack(Work(runs, "toy", (word,)), images), train_pack(Work(runs, "toy"), images)
    assert repr(together.epochs) == repr(plain.epochs)
    for row, run in zip(together.runs, runs, strict=True):
        own = tuple(p for p in together.probes if p.run_id == run.run_id)
        assert {p.epoch for p in own} == {row.selected_epoch}
        assert len([p for p in own if p.layer in ("units", "weights", "inputs")]) == 12
        assert train_pack(Work((run,), "toy", (word,)), images).probes == own
