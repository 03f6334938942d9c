"""Every kind of dropout by its law: moments, realised rates, nesting, independence, test time, groups and gradients."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from dropexp.data import load
from dropexp.experiment.config import Config, Data, Dropout
from dropexp.experiment.kinds import KINDS
from dropexp.experiment.layout import keep_probability, layout
from dropexp.experiment.packs import plan
from dropexp.experiment.study import Study
from dropexp.nn.dropout import Noise, Site, make_sites
from dropexp.nn.network import Network
from dropexp.nn.noise_laws import SELU_FLOOR
from dropexp.train.evaluate import losses
from dropexp.train.pack import Work, train_pack

RATES = (0.01, 0.2, 0.5, 0.9)
UNITS, STEPS = 500, 2000  # 10^6 independent draws
BERNOULLI = [name for name, kind in KINDS.items() if kind.law == "bernoulli"]
MASKING = [*BERNOULLI, "alpha", "fixed_count"]  # each drops units at the rate; dropblock has a file of its own
DRAWN = [*MASKING, "gaussian", "uniform"]
SHAPES = {"spatial": (UNITS, 2, 1), "variational": (2, UNITS), "dropblock": (UNITS, 4, 3)}  # else UNITS alone
DIGITS = load(Data(), folder=Path())


def shape_of(kind):
    return SHAPES.get(kind, (UNITS,))


def make_noise(kind, rates, seeds=(0,), seed_of=None, epoch=1, name="hidden.1", shape=None, sharing=(), block=3):
    site = Site(name, KINDS[kind], shape or shape_of(kind), rates, torch.float64, sharing=sharing, block=block)
    return Noise({name: site}, seeds, torch.tensor(seed_of or [0] * len(rates)), epoch)


def drawn(noise, steps, batch=1):
    """Return the factors of all steps with one entry an independent draw, (R, steps, B, units)."""
    (name,) = noise.sites
    factors = torch.stack([noise.mask(name, batch)[0] for _ in range(steps)], 1)
    return factors.flatten(3)


def formula(kind, rate):
    """Return mean, variance and fourth central moment of the factor in training."""
    keep = keep_probability(rate)
    ratio = (1 - keep) / keep
    if kind == "gaussian":
        return 1.0, ratio, 3 * ratio**2
    if kind == "uniform":
        return 1.0, ratio, 9 / 5 * ratio**2
    if kind == "alpha":
        high = (keep + 1.7580993408473766**2 * keep * (1 - keep)) ** -0.5
    else:
        high = 1.0 if kind in ("vanilla", "unscaled") else 1 / keep
    kept = 1 - round(rate * UNITS) / UNITS if kind == "fixed_count" else keep
    mean = high * kept
    return mean, high**2 * kept * (1 - kept), kept * (high - mean) ** 4 + (1 - kept) * mean**4


@pytest.fixture(scope="module")
def million(request):
    """The factors of a kind at each of RATES, (R, STEPS, 1, UNITS), drawn once for the tests of that kind."""
    return drawn(make_noise(request.param, RATES), STEPS).numpy()


def of_a_million(kinds):
    """Hand a test each of some kinds with its factors; by the scope, tests of one kind run one after the other."""
    pairs = [(kind, kind) for kind in kinds]
    return pytest.mark.parametrize("kind, million", pairs, ids=kinds, indirect=["million"], scope="module")


@of_a_million(DRAWN)
def test_mean_and_variance_over_a_million_draws_are_those_of_the_formula(kind, million):
    """Both lie within 4 standard errors, those of 10^6 independent draws."""
    for x, rate in zip(million.reshape(len(RATES), -1), RATES, strict=True):
        mean, variance, fourth = formula(kind, rate)
        assert x.size == UNITS * STEPS
        exact = kind == "fixed_count"  # as many in each example: no error but that of rounding
        assert abs(x.mean() - mean) < (1e-12 if exact else 4 * np.sqrt(variance / x.size))
        spread = np.sqrt(max(fourth - variance**2, 0.0) / x.size)
        assert abs(x.var() - variance) < (1e-12 if exact else 4 * spread + 16 * variance / x.size)


def every_integer(kind, rate):
    """Return factor and offset for each of the 65,536 integers in order, float64."""
    every = torch.arange(-32768, 32768).to(torch.int16).view(1, 1, -1)
    factor, offset = Site("hidden.1", KINDS[kind], (65536,), [rate], torch.float64).mask(every, torch.tensor([0]))
    return factor.flatten(), offset if offset is None else offset.flatten()


@pytest.mark.parametrize("rate", [0.3, 1 / 3, 0.0001])
@pytest.mark.parametrize("kind", ["bernoulli", "dropconnect", "gaussian", "uniform"])
def test_over_all_integers_the_mean_is_1_and_the_variance_rate_over_keep(kind, rate):
    """keep is 1 - T/65536: to 1e-12, where 1 - rate itself would miss by 1e-5 and more."""
    keep = 1 - round(65536 * rate) / 65536
    assert abs(keep / (1 - rate) - 1) > 1e-7
    factor, _ = every_integer(kind, rate)
    shortfall = 1 - 2.0**-32 if kind == "uniform" else 1.0  # of 65,536 midpoints
    assert factor.mean().item() == pytest.approx(1.0, abs=1e-12)
    assert ((factor - 1) ** 2).mean().item() == pytest.approx((1 - keep) / keep * shortfall, rel=1e-10)


@pytest.mark.parametrize("kind", MASKING)
def test_the_factor_of_survivors_takes_keep_from_the_threshold(kind):
    keep = 1 - 19661 / 65536  # 0.3 is 19660.8 of 65,536
    expected = {"vanilla": 1.0, "unscaled": 1.0, "alpha": (keep + SELU_FLOOR**2 * keep * (1 - keep)) ** -0.5}
    found = set(make_noise(kind, [0.3]).mask("hidden.1", 8)[0].unique().tolist())
    assert found == {0.0, expected.get(kind, 1 / keep)}
    assert 1 / keep != 1 / 0.7


def test_gaussian_is_normal_and_uniform_lies_within_b():
    rate = 0.3
    keep = keep_probability(rate)
    x = drawn(make_noise("gaussian", [rate]), 200).numpy().ravel()
    assert stats.kstest((x - 1) / np.sqrt((1 - keep) / keep), "norm").pvalue > 0.001
    b = np.sqrt(3 * (1 - keep) / keep)
    x = drawn(make_noise("uniform", [rate]), 200).numpy().ravel()
    assert stats.kstest(x, "uniform", (1 - b, 2 * b)).pvalue > 0.001
    every, _ = every_integer("uniform", rate)
    assert every.min().item() == pytest.approx(1 - b * (1 - 1 / 65536), rel=1e-12)
    assert every.max().item() == pytest.approx(1 + b * (1 - 1 / 65536), rel=1e-12)


@pytest.mark.parametrize("rate", RATES)
def test_alpha_keeps_mean_0_and_variance_1_of_any_standardised_input(rate):
    """Exactly, over all integers: with x of mean 0 and variance 1, E y = E offset and E y^2 = E factor^2 + E offset^2."""
    factor, offset = every_integer("alpha", rate)
    assert offset.mean().item() == pytest.approx(0.0, abs=1e-12)
    assert (factor**2 + offset**2).mean().item() == pytest.approx(1.0, rel=1e-12)
    keep = keep_probability(rate)
    a = (keep + SELU_FLOOR**2 * keep * (1 - keep)) ** -0.5
    dropped = factor == 0
    assert dropped.sum() == round(65536 * rate)
    floor = a * SELU_FLOOR - a * (1 - keep) * SELU_FLOOR
    torch.testing.assert_close(offset[dropped], torch.full_like(offset[dropped], floor), rtol=1e-12, atol=0)


@of_a_million(MASKING)
def test_realised_rates_lie_in_the_binomial_interval_per_unit_and_per_layer(kind, million):
    dropped = (million == 0).sum((1, 2))
    for counts, rate in zip(dropped, RATES, strict=True):
        assert counts.shape == (UNITS,)
        chance = round(rate * UNITS) / UNITS if kind == "fixed_count" else 1 - keep_probability(rate)
        low, high = stats.binom(STEPS, chance).interval(1 - 0.001 / UNITS)
        assert low <= counts.min() <= counts.max() <= high
        low, high = stats.binom(STEPS * UNITS, chance).interval(0.999)
        assert low <= counts.sum() <= high
        dispersion = ((counts - STEPS * chance) ** 2).sum() / (STEPS * chance * (1 - chance))
        if kind != "fixed_count":  # its units depend on each other; else neither too equal nor too unlike
            assert 0.0005 < stats.chi2(UNITS).sf(dispersion) < 0.9995


def test_intervals_of_shared_masks_count_groups():
    """64 examples in groups of 8 are 8 draws: inside the interval of draws, and often outside that of examples."""
    group, batch, steps = 8, 64, 250
    dropped = torch.stack(
        [
            make_noise("bernoulli", [0.2], epoch=e, sharing=(group,)).mask("hidden.1", batch)[0][0] == 0
            for e in range(steps)
        ]
    )
    draws = dropped[:, ::group]
    assert torch.equal(draws.repeat_interleave(group, 1), dropped)
    low, high = stats.binom(steps * batch // group, 1 - keep_probability(0.2)).interval(1 - 0.001 / UNITS)
    counts = draws.sum((0, 1))
    assert low <= counts.min() <= counts.max() <= high
    low, high = stats.binom(steps * batch, 1 - keep_probability(0.2)).interval(1 - 0.001 / UNITS)
    assert ((dropped.sum((0, 1)) < low) | (dropped.sum((0, 1)) > high)).sum() > 5


def test_gaussian_and_uniform_drop_nothing():
    for kind in ("gaussian", "uniform"):
        assert (drawn(make_noise(kind, RATES), 50) != 0).all()


def indicator(kind, factors):
    """What is compared between draws: dropped or not, or the factor itself where nothing is dropped."""
    return factors if kind in ("gaussian", "uniform") else (factors == 0).double()


def correlation(a, b):
    return np.corrcoef(a.flatten().numpy(), b.flatten().numpy())[0, 1]


@pytest.mark.parametrize("kind", [*DRAWN, "dropblock"])
@pytest.mark.parametrize("rate", [0.2])
def test_steps_samples_layers_units_epochs_and_seeds_are_independent(kind, rate):
    def found(steps=200, batch=2, **more):
        x = indicator(kind, drawn(make_noise(kind, [rate], **more), steps, batch))[0]
        return x.view(*x.shape[:2], UNITS, -1)[..., 0]  # one position of a map

    first = found()
    others = {"layer": found(name="hidden.2"), "seed": found(seeds=[1]), "epoch": found(epoch=2)}
    others["the run beside it"] = indicator(kind, drawn(make_noise(kind, [rate] * 2, [0, 1], [0, 1]), 200, 2))[1]
    others["the run beside it"] = others["the run beside it"].view(*first.shape[:2], UNITS, -1)[..., 0]
    bound = 4 / np.sqrt(first.numel() / 2)
    for what, other in others.items():
        assert abs(correlation(first, other)) < bound, what
    assert abs(correlation(first[:-1], first[1:])) < bound, "a step and the next"
    assert abs(correlation(first[..., :-1], first[..., 1:])) < bound + 1 / UNITS, "a unit and the next"
    if first.shape[1] > 1:
        assert abs(correlation(first[:, :1], first[:, 1:])) < bound, "an example and the next"
    assert first.shape[1] == (1 if kind == "batch_shared" else 2)


@pytest.mark.parametrize("kind", KINDS)
def test_arms_of_one_seed_share_the_draw(kind):
    one, same, other = make_noise(kind, [0.5, 0.5, 0.5], [0, 1], [0, 0, 1]).mask("hidden.1", 4)[0]
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("kind", ["gaussian", "uniform"])
def test_what_is_not_dropped_scales_one_standard_draw(kind):
    factors = drawn(make_noise(kind, RATES), 20)
    keeps = torch.tensor([keep_probability(rate) for rate in RATES], dtype=torch.float64)
    standard = (factors - 1) / torch.sqrt((1 - keeps) / keeps).view(-1, 1, 1, 1)
    for other in standard[1:]:
        torch.testing.assert_close(other, standard[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", [*MASKING, "dropblock"])
def test_what_a_low_rate_drops_every_higher_rate_drops(kind):
    dropped = drawn(make_noise(kind, RATES), 20, batch=8) == 0
    for low, high in itertools.pairwise(dropped):
        assert (high | ~low).all()
        assert (high & ~low).any()


@pytest.mark.parametrize("shape", [(10,), (3, 5), (2, 3, 3)], ids=len)
def test_fixed_count_drops_exactly_so_many_units_of_each_example(shape):
    units = int(np.prod(shape))
    rates = (0.01, 0.26, 0.5, 0.9)
    dropped = (make_noise("fixed_count", rates, shape=shape).mask("hidden.1", 300)[0] == 0).flatten(2).sum(2)
    assert dropped.tolist() == [[round(rate * units)] * 300 for rate in rates]


def test_fixed_count_takes_the_earlier_of_equal_integers():
    u = torch.tensor([[[5, -7, 5, -7, 5]]], dtype=torch.int16)
    factor, _ = Site("hidden.1", KINDS["fixed_count"], (5,), [0.6], torch.float64).mask(u, torch.tensor([0]))
    assert (factor[0, 0] == 0).tolist() == [True, True, False, True, False]


@pytest.mark.parametrize("kind", KINDS)
def test_rate_0_beside_other_rates_changes_nothing(kind):
    factor, offset = make_noise(kind, [0.0, 0.5]).mask("hidden.1", 8)
    assert (factor[0] == 1).all()
    assert offset is None or (offset[0] == 0).all()
    assert (factor[1] != 1).any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_factor_at_test_time_is_keep_for_vanilla_and_1_for_the_others(kind):
    site = Site("hidden.1", KINDS[kind], shape_of(kind), (0.0, 0.3, 0.9), torch.float64)
    keeps = [1.0, 1 - 19661 / 65536, 1 - 58982 / 65536]
    assert site.test_R.flatten().tolist() == (keeps if kind == "vanilla" else [1.0] * 3)
    assert site.tested == (kind == "vanilla")


@pytest.mark.parametrize("kind", KINDS)
def test_masking_another_place_moves_no_mask(kind):
    shapes = {"input": (2, 3, 4), "hidden.1": (5, 4, 3), "hidden.2": (6, 2, 2)}
    if kind == "variational":
        shapes = {name: shape[:2] for name, shape in shapes.items()}
    found = {}
    for chosen in (["input"], ["hidden.1"], ["hidden.2"], ["hidden.2", "input"], list(shapes)):
        sites = make_sites(Dropout(kind=kind), shapes, [dict.fromkeys(chosen, 0.4)], torch.float64)
        assert set(sites) == set(chosen)
        noise = Noise(sites, [3], torch.tensor([0]), 2)
        for step in range(2):
            for name in chosen:
                found.setdefault((name, step), []).append(noise.mask(name, 8))
    for name in shapes:
        assert not torch.equal(found[name, 0][0][0], found[name, 1][0][0])
        for step in range(2):
            first, *others = found[name, step]
            for factor, offset in others:
                assert torch.equal(factor, first[0])
                assert offset is None or torch.equal(offset, first[1])


# --- groups ---


@pytest.mark.parametrize("kind", ["bernoulli", "vanilla", "unscaled", "spatial", "variational"])
@pytest.mark.parametrize("group", [2, 3, 5])
def test_groups_take_the_integers_of_their_first_example(kind, group):
    each, shared = make_noise(kind, RATES), make_noise(kind, RATES, sharing=(group,))
    for batch in (10, 11, 2):
        alone, together = each.mask("hidden.1", batch)[0], shared.mask("hidden.1", batch)[0]
        assert together.shape == alone.shape
        for example in range(batch):
            assert torch.equal(together[:, example], alone[:, example - example % group])


def outcome(settings, rates=(0.3, 0.6)):
    """Train two runs together on 128 digits and return the rows' numbers, without names."""
    configs = [Config.model_validate({**settings, "dropout": {**settings["dropout"], "rate": r}}) for r in rates]
    runs = Study("s", Path(), configs[0], (), (0,), tuple(configs)).runs()
    done = train_pack(Work(tuple(runs), "digits"), DIGITS)
    skipped = ("run_id", "arm_id")
    return [
        [repr(v) for name, v in vars(row).items() if name not in skipped] for row in (*done.runs, *done.epochs)
    ]  # fmt: skip


SMALL = {"data": {"train_size": 128, "val_size": 40, "test_size": 60}, "training": {"epochs": 2, "batch_size": 32}}
DENSE = {**SMALL, "model": {"hidden": [20]}}
CNN = {**SMALL, "model": {"kind": "cnn", "channels": [4], "hidden": [9]}}
LSTM = {**SMALL, "model": {"kind": "lstm", "units": 5, "layers": 2, "hidden": [7]}}


@pytest.mark.parametrize("base", [DENSE, CNN, LSTM], ids=["mlp", "cnn", "lstm"])
def test_group_size_1_is_bernoulli_and_a_whole_batch_is_batch_shared_byte_for_byte(base):
    def under(**dropout):
        return outcome({**base, "dropout": {"placement": ["all"], **dropout}})

    alone, together = under(), under(kind="batch_shared")
    assert alone != together
    assert under(group_size=1) == alone
    assert under(group_size="batch") == together
    assert under(group_size=32) == together
    assert under(group_size=8) not in (alone, together)


# --- whole networks ---


NETWORKS = {
    **{
        kind: {
            "model": {"hidden": [7, 6], "activation": "tanh", "norm": "batch"},
            "dropout": {"kind": kind, "placement": ["all"]},
        }
        for kind in ("bernoulli", "vanilla", "unscaled", "batch_shared", "gaussian", "uniform", "fixed_count")
    },
    "relu": {"model": {"hidden": [9]}, "dropout": {"placement": ["all"]}},
    "groups": {"model": {"hidden": [7, 6]}, "dropout": {"group_size": 3, "placement": ["all"]}},
    "alpha": {
        "model": {"hidden": [7, 6], "activation": "selu"},
        "dropout": {"kind": "alpha", "placement": ["input", "hidden"]},
    },
    "cnn": {
        "model": {"kind": "cnn", "channels": [3, 4], "hidden": [5], "norm": "layer", "activation": "gelu"},
        "dropout": {"placement": ["all"]},
    },
    **{
        kind: {
            "model": {"kind": "cnn", "channels": [3, 4], "hidden": [5], "activation": "tanh", "pool": pool},
            "dropout": {"kind": kind, "placement": ["conv"], **more},
        }
        for kind, pool, more in (("spatial", "max", {}), ("dropblock", "avg", {"block_size": 2}))
    },
    **{
        f"dropconnect-{group}": {
            "model": {"hidden": [7, 6], "activation": "sigmoid", "norm": norm},
            "dropout": {"kind": "dropconnect", "group_size": group},
        }
        for group, norm in ((1, "none"), (3, "batch"), ("batch", "layer"))
    },
    **{
        f"lstm-{kind}-{mode}": {
            "model": {"kind": "lstm", "units": 4, "layers": 2, "bidirectional": True, "hidden": [5]},
            "dropout": {"kind": kind, "placement": ["all"], "recurrent": mode},
        }
        for kind, mode in (
            ("bernoulli", "step"),
            ("bernoulli", "sequence"),
            ("bernoulli", "candidate"),
            ("variational", "step"),
            ("gaussian", "candidate"),
            ("fixed_count", "sequence"),
            ("vanilla", "step"),
        )
    },
}


def test_every_kind_stands_among_the_networks():
    assert {case["dropout"].get("kind", "bernoulli") for case in NETWORKS.values()} == set(KINDS)


def make_network(make_run, dataset, case, rates=(0.3, 0.6), seeds=(0, 1)):
    sections = {name: dict(part) for name, part in case.items()}
    runs = [make_run(s, **sections, **{"dropout.rate": r}) for s, r in zip(seeds, rates, strict=True)]
    shapes = layout(runs[0].config, dataset.example, len(dataset.classes))
    return Network(shapes, [r.config for r in runs], [r.seed for r in runs], torch.float64)


def examples(dataset, runs=2, batch=7):
    x = torch.from_numpy(dataset.x[: runs * batch]).double()
    return ((x - x.mean()) / x.std()).view(runs, batch, *dataset.example)


LIKE = (  # whose masks multiply as those of others in the table do; the gradient takes them as they are drawn
    *("unscaled", "uniform", "batch_shared", "dropconnect-batch"),
    *("lstm-bernoulli-step", "lstm-fixed_count-sequence", "lstm-vanilla-step"),
)


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=n, marks=[pytest.mark.slow] * (n in LIKE)) for n, case in NETWORKS.items()]
)
def test_gradients_are_those_of_finite_differences(make_run, images, case):
    """Along a random direction of each parameter and of the inputs, masks fixed by their keys; to 1e-6."""
    network, x = make_network(make_run, images, case), examples(images)
    rng = torch.Generator().manual_seed(5)
    for tensor in network.parameters.values():  # no bias 0, no scale 1
        tensor.add_(torch.randn(tensor.shape, generator=rng, dtype=tensor.dtype) * 0.3)
    labels = torch.from_numpy(images.y[:14]).view(2, 7)

    def loss():
        noise = Noise(network.sites, [0, 1], torch.tensor([0, 1]), 3)
        logits = [network(x, noise=noise, norm="batch") for _ in range(2)]  # two steps, each with its masks
        return sum(losses(each, labels).sum() for each in logits)

    tensors = {"x": x, **network.parameters}
    for tensor in tensors.values():
        tensor.requires_grad_(True)
    loss().backward()
    gradients = {name: tensor.grad.clone() for name, tensor in tensors.items()}
    with torch.no_grad():
        for name, tensor in tensors.items():
            direction = torch.randn(tensor.shape, generator=rng, dtype=tensor.dtype)
            step = 1e-5 * direction
            tensor += step
            above = loss()
            tensor -= 2 * step
            below = loss()
            tensor += step
            expected = ((above - below) / 2e-5).item()
            found = (gradients[name] * direction).sum().item()
            assert found == pytest.approx(expected, rel=1e-6, abs=1e-6), name
    assert all(g.abs().sum() > 0 for g in gradients.values())


@pytest.mark.parametrize("case", NETWORKS.values(), ids=NETWORKS)
def test_without_noise_a_network_is_the_one_without_dropout_or_scaled_by_keep(make_run, images, case):
    network, x = make_network(make_run, images, case), examples(images)
    bare = make_network(make_run, images, case, rates=(0.0, 0.0))
    tested, plain = (n(x, noise=None, norm="running") for n in (network, bare))
    assert bare.sites == {}
    if case["dropout"].get("kind") == "vanilla":
        assert not torch.allclose(tested, plain)
        for site in network.sites.values():
            assert site.test_R.flatten().tolist() == [keep_probability(0.3), keep_probability(0.6)]
    else:
        assert torch.equal(tested, plain)
    noise = Noise(network.sites, [0, 1], torch.tensor([0, 1]), 1)
    assert not torch.allclose(network(x, noise=noise, norm="running"), tested)


def test_vanilla_at_test_time_multiplies_each_masked_layer_by_keep(make_run, images):
    case = {"model": {"hidden": [7, 6], "activation": "tanh"}, "dropout": {"kind": "vanilla", "placement": ["all"]}}
    network, x = make_network(make_run, images, case), examples(images)
    for r, rate in enumerate((0.3, 0.6)):
        keep = keep_probability(rate)
        h = x[r].flatten(1) * keep
        for name in ("hidden.1", "hidden.2"):
            h = torch.tanh(h @ network.parameters[f"{name}.weight"][r] + network.parameters[f"{name}.bias"][r]) * keep
        h = h @ network.parameters["output.weight"][r] + network.parameters["output.bias"][r]
        torch.testing.assert_close(network(x, noise=None, norm="running")[r], h, rtol=1e-12, atol=1e-12)


def through_selu_layers(kind):
    """Return mean and variance of each of ten SELU layers of width 1024 over 1,024 examples, in training."""
    width, batch = 1024, 1024
    settings = {"model": {"hidden": [width] * 10, "activation": "selu"}, "dropout": {"kind": kind, "rate": 0.1}}
    config = Config.model_validate(settings)
    network = Network(layout(config, (width,), 10), [config], [0], torch.float32)
    noise = Noise(network.sites, [0], torch.tensor([0]), 1)
    seen = []
    mask = network._mask

    def watched(x, name, noise):
        y = mask(x, name, noise)
        if name.startswith("hidden."):
            seen.append((y.mean(dtype=torch.float64).item(), y.double().var().item()))
        return y

    network._mask = watched
    x = torch.randn(1, batch, width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        network(x, noise=noise, norm="batch")
    assert len(seen) == 10
    return seen


def test_alpha_holds_mean_0_and_variance_1_through_ten_selu_layers_and_bernoulli_does_not():
    """Each layer's mean within 0.02 of 0 and variance within 2% of 1; LeCun normal weights, rate 0.1."""
    for mean, variance in through_selu_layers("alpha"):
        assert abs(mean) < 0.02
        assert abs(variance - 1) < 0.02
    ordinary = through_selu_layers("bernoulli")
    assert all(abs(variance - 1) > 0.02 for _, variance in ordinary[:1])
    assert max(abs(mean) for mean, _ in ordinary) > 0.02
    assert max(abs(variance - 1) for _, variance in ordinary) > 0.2


def _mostly_slow(cases):
    """Every third case in the fast suite, all in the slow one."""
    return [
        pytest.param(case, id=name, marks=[pytest.mark.slow] * bool(i % 3))
        for i, (name, case) in enumerate(cases.items())
    ]


PACKED = {
    **{kind: {**DENSE, "dropout": {"kind": kind}} for kind in ("gaussian", "uniform", "fixed_count", "unscaled")},
    "groups": {**DENSE, "dropout": {"group_size": 5, "placement": ["all"]}},
    "alpha": {**SMALL, "model": {"hidden": [20], "activation": "selu"}, "dropout": {"kind": "alpha"}},
    "spatial": {**CNN, "dropout": {"kind": "spatial", "placement": ["conv"]}},
    "dropblock": {**CNN, "dropout": {"kind": "dropblock", "placement": ["conv"]}},
    "dropconnect": {**DENSE, "dropout": {"kind": "dropconnect", "group_size": 5}},
    "dropconnect-moments": {**DENSE, "dropout": {"kind": "dropconnect", "at_test": "moments"}},
    "lstm": {**LSTM, "dropout": {"placement": ["all"], "recurrent": "sequence"}},
    "lstm-both-ways": {
        **SMALL,
        "model": {"kind": "lstm", "units": 5, "bidirectional": True},
        "dropout": {"kind": "variational", "placement": ["all"]},
    },
}
SCHEDULES = ({"shape": "constant"}, {"shape": "late", "epochs": 1}, {"shape": "linear", "epochs": 2})


@pytest.mark.parametrize("case", _mostly_slow(PACKED))
def test_a_pack_of_any_mix_of_rates_and_schedules_gives_the_bytes_of_single_runs(case):
    configs = [
        Config.model_validate({**case, "dropout": {**case["dropout"], "rate": rate, "schedule": schedule}})
        for rate, schedule in ((0.0, SCHEDULES[0]), (0.3, SCHEDULES[0]), (0.6, SCHEDULES[1]), (0.5, SCHEDULES[2]))
    ]
    every = Study("s", Path(), configs[0], (), (0, 1), tuple(configs)).runs()
    runs = [run for run in every if run.seed == 0 or run.config.dropout.rate == 0.6]
    assert len(runs) == 5
    found = []
    for size in (1, 3, 30):
        rows = {}
        for pack in plan(runs, {}, 1, size):
            done = train_pack(Work(tuple(pack), "digits"), DIGITS)
            rows |= {row.run_id: repr(row) for row in done.runs}
            rows |= {(row.run_id, row.epoch): repr(row) for row in done.epochs}
        found.append(rows)
    assert len(found[0]) == len(runs) * 3
    assert found[1] == found[0]
    assert found[2] == found[0]
