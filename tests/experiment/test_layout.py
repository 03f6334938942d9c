"""Which affine maps have a bias: none whose bias batch norm takes out again, in every pack alike."""

import itertools

import pytest
import torch

from dropexp.experiment.layout import layout
from dropexp.experiment.packs import pack_key
from dropexp.nn.dropout import Noise
from dropexp.nn.network import Network

CNN = {"kind": "cnn", "channels": [3], "hidden": [7, 6], "activation": "tanh", "norm": "batch"}
ALL, NONE = ("conv.1", "hidden.1", "hidden.2"), ()
CASES = {
    "norm-first": ({}, {}, NONE),
    "activation-first": ({"order": "AND"}, {}, ALL),
    "linear": ({"order": "AND", "activation": "linear"}, {}, NONE),
    "no-norm": ({"norm": "none"}, {}, ALL),
    "layer-norm": ({"norm": "layer"}, {}, ALL),
    "masked-before-norm": ({"order": "DNA"}, {"placement": ["all"]}, ALL),
    "one-masked-before-norm": ({"order": "DNA"}, {"placement": ["hidden.2"]}, ("hidden.2",)),
    "rate-0-at-one": ({"order": "DNA"}, {"rate_at": {"hidden.1": 0.0}}, ("hidden.2",)),
    "rate-0": ({"order": "DNA"}, {"rate": 0.0}, NONE),
    "gaussian-before-norm": ({"order": "DNA"}, {"kind": "gaussian"}, ("hidden.1", "hidden.2")),
    "one-mask-a-batch": ({"order": "DNA"}, {"kind": "batch_shared"}, NONE),
    "groups": ({"order": "DNA"}, {"group_size": 4}, ("hidden.1", "hidden.2")),
    "group-of-the-batch": ({"order": "DNA"}, {"group_size": "batch"}, NONE),
    "linear-masked": ({"order": "ADN", "activation": "linear"}, {}, ("hidden.1", "hidden.2")),
    "dropconnect": ({}, {"kind": "dropconnect"}, ("hidden.1", "hidden.2")),
    "dropconnect-group-of-the-batch": ({}, {"kind": "dropconnect", "group_size": "batch"}, NONE),
}


@pytest.mark.parametrize(("model", "dropout", "biased"), CASES.values(), ids=CASES)
def test_a_map_has_a_bias_where_its_gradient_is_not_0(make_run, images, model, dropout, biased):
    """Every map is given a bias here, and those that the layout would leave out have no gradient but rounding."""
    run = make_run(0, model={**CNN, **model}, dropout={"rate": 0.5, **dropout})
    shapes = layout(run.config, images.example, 5)
    assert [b.name for b in shapes.blocks if b.bias] == [*biased, "output"]
    network = Network(shapes, [run.config], [0], torch.float64)
    assert shapes.parameters == sum(tensor.numel() for tensor in network.parameters.values())
    for block in shapes.blocks:
        name = f"{block.name}.bias"
        assert (name in network.parameters) == block.bias
        network.parameters[name] = torch.full((1, block.units), 0.1, dtype=torch.float64)
    network.require_grad()
    x, seen = torch.from_numpy(images.x[None, :20]).double(), torch.randn(20, 5, generator=torch.manual_seed(0))
    logits = network(x, noise=Noise(network.sites, [0], torch.zeros(1, dtype=torch.int64), 1), norm="batch")
    (logits[0] * seen).sum().backward()
    for block in shapes.blocks:
        assert (network.parameters[f"{block.name}.bias"].grad.abs().max() > 1e-9) == block.bias, block.name


def test_runs_of_one_pack_have_one_layout(make_run, images):
    """Places and rates are no shape fields, and whether a layer is masked before its norm goes by them."""
    found = {}
    for (model, dropout, _), places, rate in itertools.product(
        CASES.values(), (["all"], ["conv"], ["input", "hidden.1"], ["hidden"]), (0.0, 0.2, 0.5)
    ):
        on_weights = dropout.get("kind") == "dropconnect" and places != ["hidden"]
        chosen = {"placement": places, "rate": rate, **dropout}
        if not on_weights:
            config = make_run(0, model={**CNN, **model}, dropout=chosen).config
            found.setdefault(pack_key(config), set()).add(layout(config, images.example, 5))
    assert len(found) > len(CASES)
    assert all(len(layouts) == 1 for layouts in found.values())
