"""Masks by their integers: which units they drop, the same in every pack, and where; moments stand in test_kinds.py."""

import numpy as np
import pytest
import torch

from dropexp.experiment.config import Dropout
from dropexp.experiment.kinds import KINDS
from dropexp.nn.dropout import Noise, Site, make_sites
from dropexp.streams import generator, integers16

RATES = (0.01, 0.2, 0.5, 0.9)
UNITS = 500


def make_noise(kind, rates, seeds=(0,), seed_of=None, epoch=1, shape=(UNITS,), name="hidden.1"):
    site = Site(name, KINDS[kind], shape, rates, torch.float64)
    return Noise({name: site}, seeds, torch.tensor(seed_of or [0] * len(rates)), epoch)


def drawn(noise, steps, batch=1, name="hidden.1"):
    """Return the factors of all steps, (R, steps, B, ...)."""
    return torch.stack([noise.mask(name, batch)[0] for _ in range(steps)], 1)


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


@pytest.mark.parametrize("kind", ["bernoulli", "vanilla", "unscaled", "batch_shared"])
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


def test_batch_shared_takes_the_integers_of_the_first_example():
    shared, each = make_noise("batch_shared", RATES), make_noise("bernoulli", RATES)
    for batch in (16, 16, 3):
        factor = shared.mask("hidden.1", batch)[0]
        assert factor.shape == (len(RATES), 1, UNITS)
        assert torch.equal(factor, each.mask("hidden.1", batch)[0][:, :1])


def test_only_places_that_some_run_masks_become_sites():
    shapes = {"input": (4,), "hidden.1": (3,), "hidden.2": (2,)}
    sites = make_sites(Dropout(), shapes, [{"input": 0.1}, {"hidden.2": 0.4}], torch.float64)
    assert list(sites) == ["input", "hidden.2"]
    noise = Noise(sites, [0], torch.tensor([0, 0]), 1)
    assert noise.mask("hidden.1", 5) is None
    assert (noise.mask("input", 50)[0][1] == 1).all()
    assert (noise.mask("hidden.2", 50)[0][0] == 1).all()
