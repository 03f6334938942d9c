"""The network of a pack: rate 0 is no layer at all, byte for byte, and runs share nothing."""

import itertools

import pytest
import torch

from dropexp.experiment.layout import layout
from dropexp.nn.dropout import Noise
from dropexp.nn.network import Network
from dropexp.train.evaluate import losses

ORDERS = ("NAD", "NDA", "AND", "ADN", "DNA", "DAN")
MODELS = {"mlp": {"kind": "mlp", "hidden": [13, 30]}, "cnn": {"kind": "cnn", "channels": [3, 5], "hidden": [7]}}


def pass_through(runs, dataset, epoch=1):
    """Return each run's logits, gradients and running statistics after one pass in training, and logits in testing."""
    shapes = layout(runs[0].config, dataset.example, len(dataset.classes))
    network = Network(shapes, [r.config for r in runs], [r.seed for r in runs], torch.float32)
    network.require_grad()
    seeds = list(dict.fromkeys(r.seed for r in runs))
    noise = Noise(network.sites, seeds, torch.tensor([seeds.index(r.seed) for r in runs]), epoch)
    x = torch.from_numpy(dataset.x)[None].expand(len(runs), *dataset.x.shape)
    y = torch.from_numpy(dataset.y).expand(len(runs), -1)
    logits = network(x, noise=noise, norm="batch")
    losses(logits, y).sum().backward()
    tested = network(x, noise=None, norm="running")
    return network, [
        {
            "logits": logits[r],
            "tested": tested[r],
            **{name: tensor.grad[r] for name, tensor in network.parameters.items()},
            **{name: tensor[r] for name, tensor in network.statistics.items()},
        }
        for r in range(len(runs))
    ]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("kind", ["bernoulli", "vanilla", "unscaled", "batch_shared"])
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize("model", MODELS)
def test_rate_0_is_the_network_without_the_layer_byte_for_byte(make_run, images, model, norm, kind):
    for order in ORDERS:
        sections = {"model": {**MODELS[model], "norm": norm, "order": order, "activation": "tanh"}}
        place = {"kind": kind, "placement": ["all"]}
        runs = [make_run(0, **sections, dropout={**place, "rate": rate}) for rate in (0.0, 0.5)]
        bare, (without,) = pass_through(runs[:1], images)
        assert not bare.sites  # no layer at all
        beside, (rate_0, rate_5) = pass_through(runs, images)
        assert set(beside.sites) > {"input", "hidden.1"}
        assert same(rate_0, without)
        assert not same(rate_5, without)


def test_rate_0_has_no_place_in_the_order(make_run, images):
    model = {**MODELS["mlp"], "norm": "batch", "activation": "tanh"}
    found = {
        order: pass_through([make_run(0, model={**model, "order": order}, dropout={"rate": 0.0})], images)[1][0]
        for order in ORDERS
    }
    assert same(found["NAD"], found["NDA"])
    assert same(found["NAD"], found["DNA"])
    assert same(found["AND"], found["DAN"])
    assert not same(found["NAD"], found["AND"])


def test_with_relu_a_mask_before_is_a_mask_after(make_run, images):
    model = {**MODELS["cnn"], "norm": "batch"}
    dropout = {"rate": 0.5, "placement": ["conv", "hidden"]}
    found = {
        order: pass_through([make_run(0, model={**model, "order": order}, dropout=dropout)], images)[1][0]
        for order in ORDERS
    }
    assert same(found["NAD"], found["NDA"])
    assert same(found["ADN"], found["DAN"])
    different = [found[order]["logits"] for order in ("NAD", "AND", "ADN", "DNA")]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(different, 2))


@pytest.mark.parametrize("model", MODELS)
def test_a_mask_at_one_place_leaves_the_masks_elsewhere(make_run, images, model):
    """Beside a run that masks everything, a run that masks hidden.1 alone keeps its bytes."""
    some = make_run(1, model=MODELS[model], dropout={"placement": ["hidden.1"], "rate": 0.4})
    every = make_run(1, model=MODELS[model], dropout={"placement": ["all"], "rate": 0.4})
    _, (alone,) = pass_through([some], images)
    _, (first, beside) = pass_through([every, some], images)
    assert same(alone, beside)
    assert not same(first, beside)


@pytest.mark.parametrize("model", [*MODELS.values(), {"kind": "lstm", "units": 4}], ids=lambda m: m["kind"])
def test_precision_reaches_every_product(make_run, images, model):
    full, low = (
        pass_through([make_run(0, model=model, dropout={"rate": 0.3}, training={"precision": p})], images)[1][0]
        for p in ("float32", "bfloat16")
    )
    for name in ("logits", "tested", *(name for name in full if name.endswith("weight"))):
        torch.testing.assert_close(low[name], full[name], rtol=0.1, atol=0.1 * full[name].abs().max().item())
        assert not torch.equal(low[name], full[name]), name


@pytest.mark.parametrize("model", MODELS)
def test_the_gradient_of_one_run_touches_no_other(make_run, images, model):
    runs = [make_run(seed, model={**MODELS[model], "norm": "batch"}) for seed in range(3)]
    shapes = layout(runs[0].config, images.example, 5)
    network = Network(shapes, [r.config for r in runs], [0, 1, 2], torch.float32)
    network.require_grad()
    x = torch.from_numpy(images.x)[None].expand(3, *images.x.shape)
    network(x, noise=None, norm="batch")[1].square().sum().backward()
    for name, tensor in network.parameters.items():
        assert not tensor.grad[[0, 2]].any(), name
    assert network.parameters["output.weight"].grad[1].any()


def test_runs_that_stay_keep_their_bits(make_run, images):
    runs = [make_run(seed, model={**MODELS["cnn"], "norm": "batch"}, dropout={"rate": seed / 5}) for seed in range(4)]
    network, _ = pass_through(runs, images)
    before = {name: tensor.clone() for name, tensor in (network.parameters | network.statistics).items()}
    network.keep([3, 1])
    assert network.runs == 2
    for name, tensor in (network.parameters | network.statistics).items():
        assert torch.equal(tensor, before[name][[3, 1]])
    assert all(tensor.requires_grad and tensor.is_leaf for tensor in network.parameters.values())
    expected = [1 / (1 - round(65536 * rate) / 65536) for rate in (0.6, 0.2)]
    assert network.sites["hidden.1"].strength.survivor_R.flatten().tolist() == pytest.approx(expected)


def test_testing_updates_no_statistics_and_training_does(make_run, images):
    run = make_run(0, model={**MODELS["mlp"], "norm": "batch"})
    network = Network(layout(run.config, images.example, 5), [run.config], [0], torch.float32)
    x = torch.from_numpy(images.x)[None]
    network(x, noise=None, norm="running")
    assert not network.statistics["hidden.1.norm.mean"].any()
    network(x, noise=None, norm="batch")
    assert network.statistics["hidden.1.norm.mean"].all()


def test_the_block_size_of_a_study_reaches_every_site(make_run, images):
    run = make_run(
        0,
        model={"kind": "cnn", "channels": [3, 4]},
        dropout={"kind": "dropblock", "placement": ["conv"], "rate": 0.2, "block_size": 2},
    )
    network = Network(layout(run.config, images.example, 5), [run.config], [0], torch.float64)
    assert {name: site.strength.block for name, site in network.sites.items()} == {"conv.1": 2, "conv.2": 2}
