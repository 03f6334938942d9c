"""DropConnect: against loops over samples and weights, its groups, and moment matching against sampled masks."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats

from dropexp.experiment.kinds import KINDS
from dropexp.experiment.layout import keep_probability, layout
from dropexp.nn.connect import expected_activation, masked_affine
from dropexp.nn.dropout import Noise, Site
from dropexp.nn.layers import ACTIVATIONS, Affine
from dropexp.nn.network import Network


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng([seed, *shape]).standard_normal(shape))


def groups_of(batch, group):
    return 1 if group == "batch" else -(-batch // group)


def by_loops(x, w, b, factor, group):
    """x (W m) + b m one example, output and weight at a time, for one run."""
    out = torch.zeros(len(x), w.shape[1], dtype=x.dtype)
    for n, o in itertools.product(range(len(x)), range(w.shape[1])):
        mask = factor[0 if group == "batch" else n // group]
        total = b[o] * mask[-1, o]
        for i in range(w.shape[0]):
            total = total + x[n, i] * w[i, o] * mask[i, o]
        out[n, o] = total
    return out


@pytest.mark.parametrize("group", [1, 3, 7, "batch"])
@pytest.mark.parametrize("sizes", [(7, 4, 3), (1, 4, 3), (7, 1, 1), (8, 5, 1)], ids=lambda s: "x".join(map(str, s)))
def test_a_masked_affine_map_and_its_gradients_are_those_of_loops(sizes, group):
    batch, inputs, outputs = sizes
    x, w, b = normal(2, batch, inputs), normal(2, inputs, outputs), normal(2, outputs)
    factor = (normal(2, groups_of(batch, group), inputs + 1, outputs) > -0.3) * 1.7
    tensors = [t.requires_grad_(True) for t in (x, w, b)]
    ours = masked_affine(x, w, b, factor, group)
    looped = torch.stack([by_loops(x[r], w[r], b[r], factor[r], group) for r in range(2)])
    torch.testing.assert_close(ours, looped, rtol=1e-12, atol=1e-12)
    weights = normal(*ours.shape, seed=1)
    for found, expected in zip(
        torch.autograd.grad((ours * weights).sum(), tensors),
        torch.autograd.grad((looped * weights).sum(), tensors),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def make_network(make_run, vectors, rates=(0.3, 0.6), dtype=torch.float64, model=(), **dropout):
    model = {"hidden": [6, 4], "activation": "tanh", **dict(model)}
    runs = [make_run(0, model=model, dropout={"kind": "dropconnect", "rate": rate, **dropout}) for rate in rates]
    network = Network(layout(runs[0].config, vectors.example, 5), [r.config for r in runs], [0] * len(runs), dtype)
    for name, tensor in network.parameters.items():
        if name.endswith("bias"):
            tensor.add_(normal(*tensor.shape).to(dtype))
    return network


def noise_of(network, epoch=1):
    return Noise(network.sites, [0], torch.tensor([0] * network.runs), epoch)


@pytest.mark.parametrize("group", [None, 1, 3, "batch"])
def test_a_network_masks_weights_and_biases_of_its_hidden_layers_by_groups(make_run, vectors, group):
    network = make_network(make_run, vectors, group_size=group)
    assert list(network.sites) == ["hidden.1", "hidden.2"]
    x, p, size = torch.from_numpy(vectors.x[:7]).double(), network.parameters, group or 1
    own, other = noise_of(network), noise_of(network)
    for _ in range(2):  # a step that drew a mask too many would move those of the next
        found = network(x.expand(2, -1, -1), noise=own, norm="batch")
        masks = {name: other.mask(name, groups_of(7, size))[0] for name in ("hidden.1", "hidden.2")}
        for name, mask in masks.items():
            inputs, outputs = p[f"{name}.weight"].shape[1:]
            assert mask.shape == (2, groups_of(7, size), inputs + 1, outputs)
        for r in range(2):
            h = x
            for name, mask in masks.items():
                h = torch.tanh(by_loops(h, p[f"{name}.weight"][r], p[f"{name}.bias"][r], mask[r], size))
            h = h @ p["output.weight"][r] + p["output.bias"][r]
            torch.testing.assert_close(found[r], h, rtol=1e-11, atol=1e-11)


def test_group_sizes_of_one_and_of_the_batch_are_none_and_batch_to_the_bit(make_run, vectors):
    x = torch.from_numpy(vectors.x[None, :8]).expand(2, -1, -1)

    def under(group):
        network = make_network(make_run, vectors, dtype=torch.float32, group_size=group)
        return network(x, noise=noise_of(network), norm="batch")

    assert torch.equal(under(None), under(1))
    assert torch.equal(under("batch"), under(8))
    assert not torch.allclose(under(1), under("batch"))
    assert not torch.allclose(under(1), under(4))


def test_a_single_layer_may_be_masked(make_run, vectors):
    network = make_network(make_run, vectors, placement=["hidden.2"])
    x = torch.from_numpy(vectors.x[:5]).double().expand(2, -1, -1)
    seen = []
    network.activation = lambda t: seen.append(t) or torch.tanh(t)
    network(x, noise=noise_of(network), norm="batch")
    plain = Affine.apply(x, network.parameters["hidden.1.weight"], network.parameters["hidden.1.bias"])
    assert torch.equal(seen[0], plain)
    assert not torch.allclose(seen[1][0], seen[1][1])


def test_the_mean_at_test_time_uses_the_weights_themselves(make_run, vectors):
    x = torch.from_numpy(vectors.x[None, :9]).expand(2, -1, -1)
    network = make_network(make_run, vectors, dtype=torch.float32)
    bare = make_network(make_run, vectors, rates=(0.0, 0.0), dtype=torch.float32)
    assert torch.equal(network(x, noise=None, norm="running"), bare(x, noise=None, norm="running"))


def test_weights_drop_at_the_rate_each_alone_and_independently():
    site = Site("hidden.1", KINDS["dropconnect"], (11, 20), [0.3], torch.float64)
    noise = Noise({"hidden.1": site}, (0,), torch.tensor([0]), 1)
    factor = torch.stack([noise.mask("hidden.1", 8)[0][0] for _ in range(500)]).flatten(0, 1)
    assert factor.shape == (4000, 11, 20)
    assert set(factor.unique().tolist()) == {0.0, 1 / keep_probability(0.3)}
    counts = (factor == 0).sum(0)
    low, high = stats.binom(4000, 1 - keep_probability(0.3)).interval(1 - 0.001 / 220)
    assert low <= counts.min() <= counts.max() <= high  # biases, in the last row, as well
    dropped = (factor == 0).double()
    pairs = {
        "group": (dropped[1:], dropped[:-1]),
        "input": (dropped[:, 1:], dropped[:, :-1]),
        "output": (dropped[..., 1:], dropped[..., :-1]),
    }
    for what, (a, b) in pairs.items():
        assert abs(np.corrcoef(a.flatten(), b.flatten())[0, 1]) < 4 / np.sqrt(a.numel()), what


# --- moment matching ---


def spread_squared(x, w, b, rate):
    """The variance that moment matching gives its Gaussian: the expected square of what lies beside the mean."""
    mean = x @ w + b[:, None]
    keep = torch.tensor([keep_probability(rate)], dtype=torch.float64)
    return expected_activation(x, w, b, keep, lambda z: (z - mean) ** 2)


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.5, 0.9])
def test_the_variance_is_that_of_every_mask_enumerated(rate):
    """Three weights and a bias: 16 masks with their probabilities give mean Wv + b and rate/keep ((W o W)(v o v) + b^2)."""
    x, w, b = normal(1, 4, 3), normal(1, 3, 2), normal(1, 2)
    keep = keep_probability(rate)
    mean = square = torch.zeros(1, 4, 2, dtype=torch.float64)
    for pattern in itertools.product((0.0, 1.0), repeat=4):
        chance = math.prod(keep if on else 1 - keep for on in pattern)
        factor = torch.tensor(pattern, dtype=torch.float64).view(1, 1, 4, 1).expand(1, 1, 4, 2) / keep
        out = masked_affine(x, w, b, factor, "batch")
        mean, square = mean + chance * out, square + chance * out**2
    torch.testing.assert_close(mean, x @ w + b[:, None], rtol=1e-12, atol=1e-12)
    expected = (1 - keep) / keep * ((x**2) @ (w**2) + b[:, None] ** 2)
    torch.testing.assert_close(square - mean**2, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(spread_squared(x, w, b, rate), expected, rtol=1e-12, atol=1e-12)


INPUTS, OUTPUTS, MASKS = 400, 5, 8000


def sampled(rate):
    """Return x, w, b of one layer and its pre-activations over masks of the keyed stream, (masks, O)."""
    x, w, b = normal(1, 1, INPUTS), normal(1, INPUTS, OUTPUTS) / math.sqrt(INPUTS), normal(1, OUTPUTS)
    site = Site("hidden.1", KINDS["dropconnect"], (INPUTS + 1, OUTPUTS), [rate], torch.float64)
    noise = Noise({"hidden.1": site}, (0,), torch.tensor([0]), 1)
    outs = [
        masked_affine(x.expand(1, 500, -1), w, b, noise.mask("hidden.1", 500)[0], 1)[0] for _ in range(MASKS // 500)
    ]
    return x, w, b, torch.cat(outs)


def test_the_variance_formula_against_the_variance_over_masks():
    """Within 4.5 standard errors of a variance, sqrt(2/n); the mean within 4.5 of its own."""
    for rate in (0.2, 0.5):
        x, w, b, outs = sampled(rate)
        expected = spread_squared(x, w, b, rate)[0, 0]
        assert ((outs.var(0) / expected - 1).abs() < 4.5 * math.sqrt(2 / MASKS)).all()
        assert ((outs.mean(0) - (x @ w + b[:, None])[0, 0]).abs() < 4.5 * torch.sqrt(expected / MASKS)).all()


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_moment_matching_against_the_mean_over_masks(activation):
    """The sampled mean's 99.99% interval holds the matched mean, and does not hold the activation of the mean."""
    x, w, b, outs = sampled(0.5)
    act = ACTIVATIONS[activation](outs)
    keep = torch.tensor([keep_probability(0.5)], dtype=torch.float64)
    matched = expected_activation(x, w, b, keep, ACTIVATIONS[activation])[0, 0]
    half = stats.norm.ppf(0.99995) * act.std(0) / math.sqrt(MASKS)
    assert ((matched - act.mean(0)).abs() < half).all()
    plain = ACTIVATIONS[activation]((x @ w + b[:, None])[0, 0])
    assert ((plain - act.mean(0)).abs() > half).any()


@pytest.mark.parametrize("mean", [-1.5, -0.2, 0.0, 0.7])
def test_65_nodes_give_the_rectified_gaussian_within_half_a_percent_of_its_spread(mean):
    w, b = torch.ones(1, 1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    x, keep = torch.full((1, 1, 1), mean, dtype=torch.float64), torch.tensor([0.25], dtype=torch.float64)
    spread = abs(mean) * math.sqrt(3)
    exact = mean * stats.norm.cdf(mean / spread) + spread * stats.norm.pdf(mean / spread) if spread else 0.0
    assert abs(expected_activation(x, w, b, keep, torch.relu).item() - exact) <= 0.005 * spread


def test_a_network_with_moments_matches_layer_by_layer_at_test_time_alone(make_run, vectors):
    mean = make_network(make_run, vectors, model={"activation": "relu"})
    moments = make_network(make_run, vectors, model={"activation": "relu"}, at_test="moments")
    x, p = torch.from_numpy(vectors.x[:9]).double().expand(2, -1, -1), moments.parameters
    keep = torch.tensor([keep_probability(rate) for rate in (0.3, 0.6)], dtype=torch.float64)
    h = x
    for name in ("hidden.1", "hidden.2"):
        h = expected_activation(h, p[f"{name}.weight"], p[f"{name}.bias"], keep, torch.relu)
    expected = h @ p["output.weight"] + p["output.bias"][:, None]
    torch.testing.assert_close(moments(x, noise=None, norm="running"), expected, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(mean(x, noise=None, norm="running"), expected)
    trained = [n(x, noise=noise_of(n), norm="batch") for n in (mean, moments)]
    assert torch.equal(*trained)
