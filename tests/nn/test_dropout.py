"""The laws of the kinds: mean, variance, realised rates, nested and independent masks."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from dropexp.experiment.config import Dropout
from dropexp.experiment.kinds import KINDS
from dropexp.nn.dropout import Noise, Site, make_sites
from dropexp.streams import generator, integers16

RATES = (0.01, 0.2, 0.5, 0.9)
# keep -> mean and variance of the factor in training, and the factor at test time
FORMULAS = {
    "bernoulli": lambda keep: (1.0, (1 - keep) / keep, 1.0),
    "vanilla": lambda keep: (keep, keep * (1 - keep), keep),
    "unscaled": lambda keep: (keep, keep * (1 - keep), 1.0),
    "batch_shared": lambda keep: (1.0, (1 - keep) / keep, 1.0),
}
UNITS, STEPS = 500, 2000  # 10^6 draws


def kept_of(rate):
    return 1 - round(65536 * rate) / 65536


def make_noise(kind, rates, seeds=(0,), seed_of=None, epoch=1, shape=(UNITS,), name="hidden.1"):
    site = Site(name, KINDS[kind], shape, rates, torch.float64)
    return Noise({name: site}, seeds, torch.tensor(seed_of or [0] * len(rates)), epoch)


def drawn(noise, steps, batch=1, name="hidden.1"):
    """Return the factors of all steps, (R, steps, B, ...)."""
    return torch.stack([noise.mask(name, batch)[0] for _ in range(steps)], 1)


@pytest.mark.parametrize("kind", FORMULAS)
def test_mean_and_variance_are_those_of_the_formula(kind):
    factors = drawn(make_noise(kind, RATES), STEPS).numpy()
    for r, rate in enumerate(RATES):
        keep = kept_of(rate)
        mean, variance, _ = FORMULAS[kind](keep)
        high = mean / keep
        x = factors[r].ravel()
        assert x.size == UNITS * STEPS
        assert set(np.unique(x)) == {0.0, high}
        fourth = keep * (high - mean) ** 4 + (1 - keep) * mean**4
        assert abs(x.mean() - mean) < 4 * np.sqrt(variance / x.size)
        spread = np.sqrt(max(fourth - variance**2, 0.0) / x.size)  # 0 at one half, where the mean's own error is left
        assert abs(x.var() - variance) < 4 * spread + 16 * variance / x.size


@pytest.mark.parametrize("kind", FORMULAS)
def test_the_factor_at_test_time_is_that_of_the_formula(kind):
    site = Site("hidden.1", KINDS[kind], (3,), (0.0, *RATES), torch.float64)
    expected = [FORMULAS[kind](kept_of(rate))[2] for rate in (0.0, *RATES)]
    assert site.test_R.flatten().tolist() == expected
    assert site.tested == (kind == "vanilla")


@pytest.mark.parametrize("kind", FORMULAS)
def test_realised_rates_lie_in_the_binomial_interval_per_unit_and_per_layer(kind):
    dropped = (drawn(make_noise(kind, RATES), STEPS) == 0).sum((1, 2)).numpy()
    for counts, rate in zip(dropped, RATES, strict=True):
        law = stats.binom(STEPS, 1 - kept_of(rate))
        low, high = law.interval(1 - 0.001 / UNITS)
        assert low <= counts.min() <= counts.max() <= high
        low, high = stats.binom(STEPS * UNITS, 1 - kept_of(rate)).interval(0.999)
        assert low <= counts.sum() <= high
        dispersion = ((counts - law.mean()) ** 2).sum() / law.var()  # units neither too equal nor too unlike
        assert 0.0005 < stats.chi2(UNITS).sf(dispersion) < 0.9995


@pytest.mark.parametrize("kind", FORMULAS)
def test_what_a_low_rate_drops_every_higher_rate_drops(kind):
    dropped = drawn(make_noise(kind, RATES), 20, batch=16) == 0
    for low, high in itertools.pairwise(dropped):
        assert (high | ~low).all()
        assert (high & ~low).any()


def test_a_unit_is_dropped_where_its_integer_lies_below_the_threshold():
    u = integers16(generator(0, "mask", "hidden.1", 1), 4 * UNITS).reshape(4, UNITS).astype(int) + 32768
    factor = make_noise("bernoulli", RATES).mask("hidden.1", 4)[0]
    for r, rate in enumerate(RATES):
        assert np.array_equal((factor[r] == 0).numpy(), u < round(65536 * rate))


@pytest.mark.parametrize("rate", [1 / 65536, *RATES, 65535 / 65536])
def test_of_all_integers_exactly_the_thresholds_share_is_dropped(rate):
    every = torch.arange(-32768, 32768).to(torch.int16).view(1, 1, 65536)
    site = Site("hidden.1", KINDS["bernoulli"], (65536,), [rate], torch.float64)
    dropped = site.mask(every, torch.tensor([0]))[0].flatten() == 0
    assert dropped.sum() == round(65536 * rate)
    assert dropped[: round(65536 * rate)].all()


@pytest.mark.parametrize("kind", FORMULAS)
def test_masks_of_a_seed_are_the_same_in_every_pack(kind):
    alone = {
        (seed, rate): drawn(make_noise(kind, [rate], [seed], shape=(3, 5, 2)), 3, batch=7)[0]
        for seed in (0, 1, 2)
        for rate in (0.0, 0.3, 0.6)
    }
    for members in ([(2, 0.6), (0, 0.3), (2, 0.0), (2, 0.3)], [(1, 0.3), (0, 0.6), (2, 0.3)], [(0, 0.3)] * 5):
        seeds = list(dict.fromkeys(seed for seed, _ in members))
        seed_of = [seeds.index(seed) for seed, _ in members]
        pack = make_noise(kind, [rate for _, rate in members], seeds, seed_of, shape=(3, 5, 2))
        together = drawn(pack, 3, batch=7)
        for r, member in enumerate(members):
            assert torch.equal(together[r], alone[member])


def correlation(a, b):
    return np.corrcoef((a == 0).double().flatten().numpy(), (b == 0).double().flatten().numpy())[0, 1]


@pytest.mark.parametrize("kind", FORMULAS)
@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_other_places_seeds_epochs_and_steps_are_independent(kind, rate):
    first = drawn(make_noise(kind, [rate]), 400)
    others = {
        "place": drawn(make_noise(kind, [rate], name="hidden.2"), 400, name="hidden.2"),
        "seed": drawn(make_noise(kind, [rate], seeds=[1]), 400),
        "epoch": drawn(make_noise(kind, [rate], epoch=2), 400),
    }
    bound = 4 / np.sqrt(first.numel())
    for other in others.values():
        assert abs(correlation(first, other)) < bound
    assert abs(correlation(first[:, :-1], first[:, 1:])) < bound  # a step and the next
    assert abs(correlation(first[..., :-1], first[..., 1:])) < bound  # a unit and the next


def test_runs_of_different_seeds_in_one_pack_are_independent():
    factors = drawn(make_noise("bernoulli", [0.5, 0.5], [0, 1], [0, 1]), 400)
    assert abs(correlation(factors[0], factors[1])) < 4 / np.sqrt(factors[0].numel())


def test_examples_of_a_batch_have_masks_of_their_own():
    factor = make_noise("bernoulli", [0.5]).mask("hidden.1", 400)[0]
    assert factor.shape == (1, 400, UNITS)
    assert abs(correlation(factor[:, :-1], factor[:, 1:])) < 4 / np.sqrt(factor.numel())


def test_batch_shared_takes_the_integers_of_the_first_example():
    shared, each = make_noise("batch_shared", RATES), make_noise("bernoulli", RATES)
    for batch in (16, 16, 3):
        factor = shared.mask("hidden.1", batch)[0]
        assert factor.shape == (len(RATES), 1, UNITS)
        assert torch.equal(factor, each.mask("hidden.1", batch)[0][:, :1])


@pytest.mark.parametrize("kind", FORMULAS)
def test_rate_0_beside_other_rates_is_exactly_1(kind):
    factor = make_noise(kind, [0.0, 0.5]).mask("hidden.1", 64)[0]
    assert (factor[0] == 1).all()


def test_only_places_that_some_run_masks_become_sites():
    shapes = {"input": (4,), "hidden.1": (3,), "hidden.2": (2,)}
    sites = make_sites(Dropout(), shapes, [{"input": 0.1}, {"hidden.2": 0.4}], torch.float64)
    assert list(sites) == ["input", "hidden.2"]
    noise = Noise(sites, [0], torch.tensor([0, 0]), 1)
    assert noise.mask("hidden.1", 5) is None
    assert (noise.mask("input", 50)[0][1] == 1).all()
    assert (noise.mask("hidden.2", 50)[0][0] == 1).all()


def test_masking_one_place_moves_no_mask_elsewhere():
    shapes = {"input": (4, 3), "hidden.1": (30,), "hidden.2": (20,)}
    rates = {"input": 0.2, "hidden.1": 0.5, "hidden.2": 0.3}
    found = {}
    for chosen in (["input"], ["hidden.1"], ["hidden.2"], ["input", "hidden.2"], list(rates)):
        sites = make_sites(Dropout(), shapes, [{name: rates[name] for name in chosen}], torch.float64)
        noise = Noise(sites, [3], torch.tensor([0]), 2)
        for _ in range(2):
            for name in chosen:
                found.setdefault(name, []).append((len(chosen), noise.mask(name, 8)[0]))
    for factors in found.values():
        steps = [factor for _, factor in factors]
        assert not torch.equal(steps[0], steps[1])
        assert all(torch.equal(a, b) for a, b in zip(steps[2:], steps[:-2], strict=True))
