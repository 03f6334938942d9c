"""weights against numpy: norms, distances, gradients in closed form and steps in every direction, and the images."""

import numpy as np
import pytest
import torch

from dropexp.experiment.layout import layout
from dropexp.experiment.probe_settings import Smoothness
from dropexp.nn.initial import initial_weight
from dropexp.train.batches import Feed
from dropexp.train.looking import Look, unchanged
from dropexp.train.loop import train
from dropexp.train.pack import train_pack
from dropexp.train.probe_weights import weights
from dropexp.train.work import Work

SIZES = {"data.test_size": 30, "data.val_size": 20, "training.batch_size": 16, "model.hidden": [7]}
MEMBERS = ((0, 0.5), (1, 0.2), (0, 0.0))


def looked(make_run, dataset, moment="selected", settings=None, dtype=torch.float64, sizes=SIZES, **fields):
    runs = [make_run(seed, **{**sizes, "dropout.rate": rate, **fields}) for seed, rate in MEMBERS]
    feed = Feed(dataset, runs, dtype, torch.device("cpu"))
    last = next(train(runs, feed, layout(runs[0].config, dataset.example, 5)))
    return Look("weights", moment, settings or Smoothness(), last.network, feed, runs)


def by_name(look):
    with unchanged(look.network):
        return {(layer, at): values for layer, at, values in weights(look)}


def examples(look, which, r, most):
    parts = list(look.feed.part(which))
    return tuple(np.concatenate([p[k][r].numpy() for p in parts])[:most] for k in (0, 1))


def loss(own, x, y):
    """The mean loss of a network with one hidden layer of tanh, and its gradients by the weights and by the inputs."""
    hidden = np.tanh(x @ own["hidden.1.weight"] + own["hidden.1.bias"])
    logits = hidden @ own["output.weight"] + own["output.bias"]
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    value = -np.log(p[np.arange(len(y)), y]).mean()
    p[np.arange(len(y)), y] -= 1
    back = (p @ own["output.weight"].T) * (1 - hidden**2)
    gradient = {
        "hidden.1.weight": x.T @ back, "hidden.1.bias": back.sum(0),
        "output.weight": hidden.T @ p, "output.bias": p.sum(0),
    }  # fmt: skip
    return value, {name: g / len(y) for name, g in gradient.items()}, back @ own["hidden.1.weight"].T


def length(vectors):
    return np.sqrt(sum((v**2).sum() for v in vectors.values()))


@pytest.mark.parametrize("count", [1000, 23])
def test_every_number_is_that_of_numpy(make_run, vectors, count):
    chosen = Smoothness(examples=count, radius=0.2, directions=3)
    look = looked(make_run, vectors, settings=chosen, **{"model.activation": "tanh"})
    found = by_name(look)
    assert list(found) == [
        *((layer, at) for layer in ("hidden.1", "output") for at in ("", "from_start")),
        ("input", "gradient"), ("loss", "gradient"), ("loss", "random"),
    ]  # fmt: skip
    blocks = {block.name: block for block in layout(look.runs[0].config, vectors.example, 5).blocks}
    for r, run in enumerate(look.runs):
        own = {name: tensor[r].detach().numpy() for name, tensor in look.network.parameters.items()}
        for layer in ("hidden.1", "output"):
            begun = initial_weight(blocks[layer], run.config.model, run.seed)
            assert found[layer, ""][r] == pytest.approx(np.linalg.norm(own[f"{layer}.weight"]))
            expected = np.linalg.norm(own[f"{layer}.weight"] - begun)
            assert found[layer, "from_start"][r] == pytest.approx(expected, rel=1e-9)
        inputs = loss(own, *examples(look, "test", r, count))[2]
        assert found["input", "gradient"][r] == pytest.approx(np.linalg.norm(inputs, axis=1).mean(), rel=1e-9)
        x, y = examples(look, "train", r, count)
        here, gradient, _ = loss(own, x, y)

        def after(way, x=x, y=y, own=own):
            return loss({name: own[name] + way[name] for name in own}, x, y)[0]

        steep = {name: 0.2 * length(own) / length(gradient) * g for name, g in gradient.items()}
        assert found["loss", "gradient"][r] == pytest.approx(after(steep) - here, rel=1e-9)
        assert after(steep) > here
        rises = []
        for number in range(3):
            drawn = {name: look.generator(r, name, number).standard_normal(v.shape) for name, v in own.items()}
            way = {n: 0.2 * np.linalg.norm(own[n]) / np.linalg.norm(d) * d for n, d in drawn.items()}
            rises.append((after(way) + after({n: -w for n, w in way.items()})) / 2 - here)
        assert found["loss", "random"][r] == pytest.approx(np.mean(rises), rel=1e-9)


def test_before_training_no_weight_has_moved(make_run, vectors):
    word = "weights every=2 examples=20 directions=2"
    runs = tuple(make_run(s, **SIZES, **{"dropout.rate": rate, "training.epochs": 4}) for s, rate in MEMBERS)
    rows = train_pack(Work(runs, "toy", (word,)), vectors).probes
    moved = {(p.run_id, p.layer, p.epoch): p.value for p in rows if p.at == "from_start"}
    assert {epoch for *_, epoch in moved} == {0, 2, 4}
    for (run, layer, epoch), value in moved.items():
        assert (value == 0) == (epoch == 0)
        assert epoch == 0 or value != moved[run, layer, 6 - epoch]


def test_a_step_along_a_direction_in_which_nothing_changes_costs_nothing(make_run, vectors):
    """Behind the first layer everything is 0, so that neither inputs nor weights before it matter."""
    look = looked(make_run, vectors)
    network = look.network
    network.put({name: t.detach() * 0 for name, t in network.parameters.items() if name != "hidden.1.weight"})
    found = by_name(look)
    assert found["loss", "random"] == [0.0] * 3, "each tensor moves in proportion to its own norm, which is 0 behind"
    assert found["input", "gradient"] == [0.0] * 3
    assert all(value > 0 for value in found["loss", "gradient"]), "the bias of the output has a gradient"


def test_images_are_the_weights_of_the_first_units(make_run, images):
    sizes = {"data.test_size": 15, "data.val_size": 5, "training.batch_size": 16}
    few = Smoothness(images=3, directions=1)
    for model, shape in (({"hidden": [9]}, (3, 2, 6, 7)), ({"kind": "cnn", "channels": [4]}, (3, 2, 3, 3))):
        look = looked(make_run, images, settings=few, sizes=sizes, model=model)
        layer = "conv.1" if "kind" in model else "hidden.1"
        found = {at: values for (name, at), values in by_name(look).items() if name == layer and "." in at}
        assert len(found) == np.prod(shape)
        for r in range(3):
            own = look.network.parameters[f"{layer}.weight"][r].detach().numpy()
            expected = own[:3] if "kind" in model else own.T[:3].reshape(shape)
            for place in np.ndindex(shape):
                assert found[".".join(map(str, place))][r] == expected[place]
    for settings, dataset in ((Smoothness(images=0), images), (few, images)):
        model = {"kind": "lstm", "units": 6} if settings.images else {"hidden": [9]}
        look = looked(make_run, dataset, settings=settings, sizes=sizes, model=model)
        assert not [at for _, at in by_name(look) if "." in at]


@pytest.mark.parametrize(
    "model", [{"kind": "cnn", "channels": [3]}, {"kind": "lstm", "units": 6}, {"norm": "batch"}, {"hidden": []}]
)
def test_it_changes_nothing_and_each_run_is_measured_as_if_alone(make_run, images, model):
    fields = {"data.test_size": 15, "data.val_size": 5, "training.epochs": 3, "early_stopping.patience": 1}
    runs = tuple(make_run(s, **fields, **{"dropout.rate": rate}, model=model) for s, rate in MEMBERS)
    word = "weights examples=25 directions=2 images=2"
    together, plain = train_pack(Work(runs, "toy", (word,)), images), train_pack(Work(runs, "toy"), images)
    assert repr(together.epochs) == repr(plain.epochs)
    for row, run in zip(together.runs, runs, strict=True):
        own = tuple(p for p in together.probes if p.run_id == run.run_id)
        assert {p.epoch for p in own} == {0, *range(1, row.epochs_run + 1)}
        assert {p.epoch for p in own if p.layer == "loss"} == {row.selected_epoch}
        assert all(np.isfinite(p.value) for p in own)
        assert train_pack(Work((run,), "toy", (word,)), images).probes == own
