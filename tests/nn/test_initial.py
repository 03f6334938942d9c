"""Initial weights: the variance of each scheme, which activation takes which, a stream a layer and seed."""

import numpy as np
import pytest
import torch

from dropexp.experiment.config import Config, Model
from dropexp.experiment.layout import layout
from dropexp.nn.initial import initial_gates, initial_weight
from dropexp.nn.network import Network

VARIANCES = {"he": lambda i, o: 2 / i, "lecun": lambda i, o: 1 / i, "glorot": lambda i, o: 2 / (i + o)}
MLP = {"hidden": (300, 200)}
CNN = {"kind": "cnn", "channels": (40, 50), "kernel": 5, "hidden": (30,)}
AUTO = {
    "relu": "he",
    "leaky_relu": "he",
    "gelu": "he",
    "selu": "lecun",
    "tanh": "glorot",
    "sigmoid": "glorot",
    "linear": "glorot",
}


def weights(sizes, seed=0, **settings):
    """Return each layer's name with its initial weights and its numbers of inputs and outputs."""
    config = Config(model=Model(**sizes, **settings))
    for block in layout(config, (3, 8, 8), 10).blocks:
        area = block.kernel**2
        yield block.name, initial_weight(block, config.model, seed), block.fan_in * area, block.units * area


def assert_scheme(scheme, weight, fan_in, fan_out):
    variance = VARIANCES[scheme](fan_in, fan_out)
    kurtosis = 1.8 if scheme == "glorot" else 3.0  # a uniform draw, else a normal one
    n = weight.size
    assert abs(weight.mean()) < 4 * np.sqrt(variance / n)
    assert abs(weight.var() / variance - 1) < 4 * np.sqrt((kurtosis - 1) / n)
    assert abs((weight**4).mean() / variance**2 / kurtosis - 1) < 30 / np.sqrt(n)


@pytest.mark.parametrize("sizes", [MLP, CNN], ids=["mlp", "cnn"])
@pytest.mark.parametrize("scheme", VARIANCES)
def test_every_layer_has_the_variance_of_its_scheme(sizes, scheme):
    for _, weight, fan_in, fan_out in weights(sizes, init=scheme):
        assert_scheme(scheme, weight, fan_in, fan_out)


@pytest.mark.parametrize("activation", AUTO)
def test_auto_goes_by_the_activation_and_takes_glorot_for_the_output(activation):
    for name, weight, fan_in, fan_out in weights(MLP, activation=activation):
        assert_scheme("glorot" if name == "output" else AUTO[activation], weight, fan_in, fan_out)


def test_layers_and_seeds_have_streams_of_their_own():
    found = {(name, seed): w for seed in (0, 1) for name, w, *_ in weights({"hidden": (64, 64, 64)}, seed)}
    assert not np.array_equal(found["hidden.2", 0], found["hidden.3", 0])
    assert not np.array_equal(found["hidden.2", 0], found["hidden.2", 1])
    again = {(name, seed): w for seed in (1, 0) for name, w, *_ in weights({"hidden": (64, 64, 64)}, seed)}
    assert all(np.array_equal(again[key], found[key]) for key in found)
    deeper = {name: w for name, w, *_ in weights({"hidden": (64, 64, 64, 64)})}
    assert np.array_equal(deeper["hidden.3"], found["hidden.3", 0])  # one more layer moves no other


@pytest.mark.parametrize("sizes", [MLP, CNN], ids=["mlp", "cnn"])
def test_a_pack_begins_with_each_runs_own_weights(make_run, sizes):
    runs = [
        make_run(seed, model={**sizes, "norm": "batch"}, dropout={"rate": rate})
        for seed, rate in ((2, 0), (0, 0.5), (2, 0.5))
    ]
    shapes = layout(runs[0].config, (3, 8, 8), 10)
    network = Network(shapes, [r.config for r in runs], [r.seed for r in runs], torch.float64)
    for r, run in enumerate(runs):
        for name, weight, *_ in weights(sizes, run.seed):
            assert np.array_equal(network.parameters[f"{name}.weight"][r].numpy(), weight)
            assert (f"{name}.bias" in network.parameters) == (name == "output")
    assert not network.parameters["output.bias"].any()
    assert sum(tensor[0].numel() for tensor in network.parameters.values()) == shapes.parameters


def test_layers_and_directions_of_an_lstm_have_streams_of_their_own():
    config = Config.model_validate({"model": {"kind": "lstm", "units": 5, "layers": 2, "bidirectional": True}})
    blocks = layout(config, (1, 6, 10), 3).blocks[:2]
    gates = [initial_gates(block, f"{block.name}.{way}", 0) for block in blocks for way in ("forward", "backward")]
    found = [g[name] for g in gates for name in ("input.weight", "state.weight")]
    assert len({a.tobytes() for a in found}) == len(found) == 8
    assert all(gates[i]["state.weight"].shape == (5, 20) for i in range(4))
