"""Training asks of a network what `Trainable` names, and goes by the roles of parameters, not by their names."""

import typing

import pytest
import torch

import dropexp.train.loop
from dropexp.experiment.layout import layout
from dropexp.nn.network import Network
from dropexp.nn.protocol import Trainable
from dropexp.train.batches import Feed
from dropexp.train.loop import train
from dropexp.train.optim import Optimiser

NAMED = {n for n in (*typing.get_type_hints(Trainable), *vars(Trainable)) if not n.startswith("_")}
RENAMED = {
    ".norm.scale": ".bn.weight",
    ".norm.shift": ".bn.bias",
    ".norm.mean": ".bn.at",
    ".norm.variance": ".bn.running",
    ".weight": ".kernel",
}


def foreign(name):
    for ours, theirs in RENAMED.items():
        if name.endswith(ours):
            return name.removesuffix(ours) + theirs
    return name


class OnlyTheProtocol:
    """A network that has what the protocol names and nothing else, its tensors called as stock layers call them."""

    def __init__(self, *args):
        own = Network(*args)
        names = {foreign(name): name for name in (*own.parameters, *own.statistics)}
        for part in ("parameters", "statistics", "roles", "unit_axes"):
            setattr(own, part, {foreign(name): value for name, value in getattr(own, part).items()})
        own.batch_norms = {layer: tuple(map(foreign, names)) for layer, names in own.batch_norms.items()}
        vars(self).update(_own=own, _names=names)

    def __getattr__(self, name):
        assert name in NAMED, f"training asks for {name}, which is not in the protocol"
        return getattr(self._own, name)

    def __setattr__(self, name, value):
        assert name in NAMED, f"training sets {name}, which is not in the protocol"
        setattr(self._own, name, value)

    def __call__(self, x, *, noise, norm):
        own = self._own
        held = own.parameters, own.statistics
        own.parameters, own.statistics = ({self._names[name]: t for name, t in part.items()} for part in held)
        try:
            return own(x, noise=noise, norm=norm)
        finally:
            own.parameters, own.statistics = held


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_network_that_has_the_protocol_alone_trains_to_the_same_bytes(make_run, images, monkeypatch, optimizer):
    settings = {
        "model": {"kind": "cnn", "channels": [3], "hidden": [7], "norm": "batch", "order": "AND"},
        "dropout": {"placement": ["conv", "hidden"]},
        "training": {
            "optimizer": optimizer, "weight_decay": 0.1, "l1": 0.01, "max_norm": 0.5, "batch_size": 16, "epochs": 3,
        },
        "data": {"test_size": 15, "val_size": 10},
    }  # fmt: skip
    runs = [make_run(seed, **settings) for seed in (0, 1)]

    def trained():
        """Train an epoch, go on from its state, drop a run and train another; return all that is left."""
        shapes, probes = layout(runs[0].config, images.example, 5), ("gradient_norms", "variance_shift", "gap_parts")
        first = next(train(runs, feed(), shapes, probes))
        loop = train(runs, feed(), shapes, probes, first.state())
        next(loop)
        last = loop.send([1])
        return first, last

    def feed():
        return Feed(images, runs, torch.float32, torch.device("cpu"))

    ours = trained()
    monkeypatch.setattr(dropexp.train.loop, "Network", OnlyTheProtocol)
    theirs = trained()
    for one, other in zip(ours, theirs, strict=True):
        assert one.scores == other.scores
        assert [p[2:] for p in one.probes if p[1] != "gradient_norms"] == [
            p[2:] for p in other.probes if p[1] != "gradient_norms"
        ]
        assert [p[-1] for p in one.probes] == [p[-1] for p in other.probes]
        states = one.state().tensors, other.state().tensors
        assert len(states[0]) == len(states[1])
        assert all(torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values(), strict=True))


def test_decay_l1_and_the_bound_on_norms_go_by_role_and_by_the_axis_of_units(make_run):
    """As in torch, a weight (R, O, I) has its units first, and the scale of a batch norm is called weight."""
    names = {"fc.weight": "weight", "fc.bias": "bias", "bn.weight": "norm", "bn.bias": "norm"}

    class Stock:
        dtype, device, roles, unit_axes = torch.float64, torch.device("cpu"), names, {"fc.weight": 1}

    config = make_run(0, training={"lr": 0.5, "momentum": 0.0, "weight_decay": 0.2, "l1": 0.1, "max_norm": 1.0}).config
    parameters = {name: torch.ones(1, 3, dtype=torch.float64) for name in names}
    parameters["fc.weight"] = torch.tensor([[[2.0, 0.0], [0.5, 0.5], [3.0, 4.0]]], dtype=torch.float64)
    before = {name: tensor.clone() for name, tensor in parameters.items()}
    for tensor in parameters.values():
        tensor.grad = torch.zeros_like(tensor)
    Optimiser([config], Stock()).step(parameters)
    for name in ("fc.bias", "bn.weight", "bn.bias"):
        assert torch.equal(parameters[name], before[name])
    weight = before["fc.weight"] * (1 - 0.5 * 0.2) - 0.5 * 0.1 * before["fc.weight"].sign()
    norms = weight.norm(dim=2, keepdim=True)
    torch.testing.assert_close(parameters["fc.weight"], weight / norms.clamp(min=1.0), rtol=1e-12, atol=1e-12)


def test_a_step_without_a_gradient_says_whose_is_missing(make_run):
    class Stock:
        dtype, device, roles, unit_axes = torch.float64, torch.device("cpu"), {"fc.bias": "bias"}, {}

    with pytest.raises(ValueError, match=r"fc.bias has no gradient"):
        Optimiser([make_run(0).config], Stock()).step({"fc.bias": torch.zeros(1, 3)})
