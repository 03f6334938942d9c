"""activations against numpy, and where the numbers are known beforehand."""

import numpy as np
import pytest
import torch

from dropexp.data import Dataset
from dropexp.experiment.layout import layout
from dropexp.experiment.probe_settings import Units
from dropexp.train.batches import Feed
from dropexp.train.looking import Look
from dropexp.train.loop import train
from dropexp.train.pack import train_pack
from dropexp.train.probe_activations import NAMES, _counts, _Sums, activations
from dropexp.train.work import Work

SIZES = {"data.test_size": 30, "data.val_size": 20, "training.batch_size": 16, "model.hidden": [13, 9]}
MEMBERS = ((0, 0.5), (1, 0.2), (0, 0.0))


def looked(make_run, dataset, moment="selected", settings=None, dtype=torch.float64, **fields):
    runs = [make_run(seed, **{**SIZES, "dropout.rate": rate, **fields}) for seed, rate in MEMBERS]
    feed = Feed(dataset, runs, dtype, torch.device("cpu"))
    last = next(train(runs, feed, layout(runs[0].config, dataset.example, 5)))
    return Look("activations", moment, settings or Units(), last.network, feed, runs)


def by_name(look):
    return {(layer, at): values for layer, at, values in activations(look)}


def held_in(name, x):
    """Return the fraction of numbers in the bin of a name, by its words."""
    if name == "0":
        return np.mean(x == 0)
    edge = float(name)
    edges = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, np.inf]
    inner = edges[edges.index(abs(edge)) - 1]
    return np.mean((np.sign(x) == np.sign(edge)) & (abs(x) > inner) & (abs(x) <= abs(edge)))


@pytest.mark.parametrize("examples", [1000, 17])
def test_every_number_is_that_of_numpy(make_run, vectors, examples):
    look = looked(make_run, vectors, settings=Units(examples=examples))
    found = by_name(look)
    for r in range(3):
        own = {name: tensor[r].detach().numpy() for name, tensor in look.network.parameters.items()}
        at = np.concatenate([x[r].numpy() for x, _ in look.feed.part("test")])[:examples]
        for layer in ("hidden.1", "hidden.2"):
            at = np.maximum(at @ own[f"{layer}.weight"] + own[f"{layer}.bias"], 0)
            values = np.linalg.eigvalsh(np.cov(at.T))
            expected = {
                "mean": at.mean(), "zeros": np.mean(at == 0), "dead": np.mean((at == 0).all(0)),
                "participation": values.sum() ** 2 / (values**2).sum(),
            } | {f"bin.{n}": held_in(n, at) for n in NAMES} | {f"means.{n}": held_in(n, at.mean(0)) for n in NAMES}  # fmt: skip
            for name, value in expected.items():
                given = found.get((layer, name), [0.0] * 3)[r]
                assert (given or 0.0) == pytest.approx(value, rel=1e-9, abs=1e-12), name
    assert {layer for layer, _ in found} == {"hidden.1", "hidden.2"}
    assert sum(v[0] or 0 for (layer, at), v in found.items() if layer == "hidden.1" and at.startswith("bin.")) == (
        pytest.approx(1)
    )


def test_units_that_are_dead_and_directions_that_are_few_are_counted(make_run, vectors):
    """Of 8 units two vary, alone and alike, and the others give one number each: 2.5 and 0. Runs 0 and 2 have one split."""
    look = looked(make_run, vectors, **{"model.hidden": [8]})
    test = np.concatenate([x[0].numpy() for x, _ in look.feed.part("test")])
    white = np.linalg.svd(test - test.mean(0), full_matrices=False)[2]  # directions in which inputs do not correlate
    spread = ((test - test.mean(0)) @ white.T).std(0)
    weight, bias = np.zeros((11, 8)), np.full(8, 50.0)
    weight[:, 0], weight[:, 1] = white[0] / spread[0], white[1] / spread[1]
    bias[2:] = [2.5, 0, 0, 0, -1, -1]
    look.network.put({
        "hidden.1.weight": torch.tensor(np.stack([weight] * 3)), "hidden.1.bias": torch.tensor(np.stack([bias] * 3))
    })  # fmt: skip
    found = by_name(look)
    assert found["hidden.1", "participation"][::2] == pytest.approx([2.0] * 2)
    assert found["hidden.1", "dead"] == [0.75] * 3
    assert found["hidden.1", "zeros"] == [5 / 8] * 3
    assert found["hidden.1", "means.5"] == [1 / 8] * 3
    weight[:, 1] = weight[:, 0]
    look.network.put({"hidden.1.weight": torch.tensor(np.stack([weight] * 3))})
    assert by_name(look)["hidden.1", "participation"][::2] == pytest.approx([1.0] * 2)
    look.network.put({"hidden.1.weight": torch.zeros(3, 11, 8, dtype=torch.float64)})
    assert by_name(look)["hidden.1", "participation"] == [None] * 3, "where nothing varies there are no directions"


def test_a_channel_and_a_step_of_a_sequence_are_observed_at_every_place(make_run, images):
    shared = {"data.test_size": 15, "data.val_size": 5}
    for model in ({"kind": "cnn", "channels": [3, 4], "hidden": [7]}, {"kind": "lstm", "units": 6, "layers": 2}):
        look = looked(make_run, images, **shared, model=model, **{"model.hidden": model.get("hidden", [])})
        seen = {}

        def record(layer, point, x, seen=seen):
            if point == "units":
                seen[layer] = x.detach().numpy()
            return x

        look.network.tap = record
        ((x, _),) = look.feed.part("test")
        look.network(x, noise=None, norm="running")
        look.network.tap = None
        found = by_name(look)
        assert {layer for layer, _ in found} == set(seen) - {"output"}
        for layer in set(seen) - {"output"}:
            for r in range(3):
                own = seen[layer][r]
                own = np.moveaxis(own, 1, -1) if layer.startswith("conv") else own
                own = own.reshape(-1, own.shape[-1])
                values = np.linalg.eigvalsh(np.cov(own.T))
                assert found[layer, "mean"][r] == pytest.approx(own.mean(), abs=1e-12)
                expected = values.sum() ** 2 / (values**2).sum()
                assert found[layer, "participation"][r] == pytest.approx(expected, rel=1e-9)


def test_without_a_hidden_layer_the_logits_are_looked_at_and_after_an_epoch_no_bins_are_written(make_run, vectors):
    found = by_name(looked(make_run, vectors, "epoch", **{"model.hidden": []}))
    assert list(found) == [("output", at) for at in ("mean", "zeros", "dead", "participation")]


def test_it_changes_nothing_and_each_run_is_measured_as_if_alone(make_run, vectors):
    fields = {**SIZES, "training.epochs": 4, "early_stopping.patience": 1, "model.norm": "batch"}
    runs = tuple(make_run(seed, **fields, **{"dropout.rate": rate}) for seed, rate in MEMBERS)
    word = "activations every=2 examples=25"
    together, plain = train_pack(Work(runs, "toy", (word,)), vectors), train_pack(Work(runs, "toy"), vectors)
    assert repr(together.epochs) == repr(plain.epochs)
    for row, run in zip(together.runs, runs, strict=True):
        own = tuple(p for p in together.probes if p.run_id == run.run_id)
        binned = {p.epoch for p in own if p.at.startswith("bin.")}
        assert binned == {0, row.selected_epoch}
        assert {p.epoch for p in own} == binned | set(range(2, row.epochs_run + 1, 2))
        assert train_pack(Work((run,), "toy", (word,)), vectors).probes == own


def test_a_unit_is_dead_if_it_never_changes_from_one_batch_of_examples_to_the_next():
    batches = torch.tensor([[[1.0, 3, 5], [1, 4, 5]], [[1, 3, 6], [1, 3, 6]]], dtype=torch.float64)
    sums = _Sums(batches[0, 0])
    for batch in batches:
        sums.add(batch)
    assert sums.same.tolist() == [True, False, False]
    assert sums.mean.tolist() == [1, 3.25, 5.5]


def test_numbers_that_are_none_lie_in_no_bin():
    counts = _counts(torch.tensor([0.0, -0.0, 0.01, -0.01, 1e9, -torch.inf, torch.nan, 50.0], dtype=torch.float64))
    assert {NAMES[i]: int(n) for i, n in enumerate(counts) if n} == {
        "-inf": 1, "-0.01": 1, "0": 2, "0.01": 1, "50": 1, "inf": 1
    }  # fmt: skip


def test_a_data_set_of_one_class_of_inputs_gives_units_that_are_all_dead(make_run):
    same = Dataset("same", np.ones((120, 11), np.float32), np.arange(120) % 5, None, tuple("abcde"))
    found = by_name(looked(make_run, same))
    assert found["hidden.1", "dead"] == [1.0] * 3
    assert found["hidden.1", "participation"] == [None] * 3
