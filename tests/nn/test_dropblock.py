"""DropBlock: its equation, its blocks on the map, its scale, and where it meets spatial and element-wise dropout."""

import itertools

import numpy as np
import pytest
import torch
from scipy import optimize

from dropexp.experiment.kinds import KINDS
from dropexp.experiment.layout import keep_probability, layout
from dropexp.nn.dropout import Noise, Site
from dropexp.nn.expected_noise import CORNER_LEVELS, corner_threshold
from dropexp.nn.network import Network
from dropexp.train.evaluate import losses

RATES = (0.01, 0.2, 0.5, 0.9)
MAPS = [(7, 6, 3), (5, 5, 2), (4, 9, 4), (6, 6, 1), (3, 3, 3), (8, 2, 3)]  # height, width, block


def make_noise(kind, rates, shape, block=3, epoch=1, dtype=torch.float64):
    site = Site("conv.1", KINDS[kind], shape, rates, dtype, block=block)
    return Noise({"conv.1": site}, (0,), torch.tensor([0] * len(rates)), epoch)


def factors(kind, rates, shape, block=3, batch=8, steps=1):
    noise = make_noise(kind, rates, shape, block)
    return torch.stack([noise.mask("conv.1", batch)[0] for _ in range(steps)], 1)


def coverage(height, width, block):
    """Return how many blocks inside the map cover each position, (H, W), one block at a time."""
    block = min(block, height, width)
    count = np.zeros((height, width), dtype=int)
    for row, column in itertools.product(range(height - block + 1), range(width - block + 1)):
        count[row : row + block, column : column + block] += 1
    return count


def dropped_share(gamma, height, width, block):
    return float(np.mean(1 - (1 - gamma) ** coverage(height, width, block)))


@pytest.mark.parametrize(("height", "width", "block"), MAPS)
@pytest.mark.parametrize("rate", RATES)
def test_the_corner_threshold_solves_its_equation(height, width, block, rate):
    def missing(gamma):
        return dropped_share(gamma, height, width, block) - rate

    gamma = optimize.brentq(missing, 0.0, 1.0, xtol=1e-14)
    assert abs(corner_threshold(rate, height, width, min(block, height, width)) - CORNER_LEVELS * gamma) <= 1


@pytest.mark.parametrize("rate", RATES)
def test_enumerating_every_pattern_of_corners_gives_the_rate(rate):
    """3 x 3, blocks of 2: 16 patterns of four corners, each with its probability, union of blocks by hand."""
    gamma = corner_threshold(rate, 3, 3, 2) / CORNER_LEVELS
    expected = 0.0
    for pattern in itertools.product((0, 1), repeat=4):
        chance = np.prod([gamma if on else 1 - gamma for on in pattern])
        covered = {
            (row + i, column + j)
            for on, (row, column) in zip(pattern, itertools.product((0, 1), repeat=2), strict=True)
            if on
            for i, j in itertools.product((0, 1), repeat=2)
        }
        expected += chance * len(covered) / 9
    assert expected == pytest.approx(rate, abs=2e-9)


@pytest.mark.parametrize(("rate", "block"), [(1 / 65536, 3), (0.001, 11), (0.001, 7), (0.3, 11)])
def test_the_rate_is_exact_to_a_65536th_whatever_the_block(rate, block):
    share = dropped_share(corner_threshold(rate, 28, 28, block) / CORNER_LEVELS, 28, 28, block)
    assert abs(share - rate) < 0.01 / 65536


def test_a_threshold_is_none_at_rate_0_and_never_all_or_nothing_above_it():
    assert corner_threshold(0.0, 8, 8, 3) == 0
    assert corner_threshold(1e-12, 28, 28, 7) == 1
    assert corner_threshold(1 - 1e-12, 1, 1, 1) == CORNER_LEVELS - 1


@pytest.mark.parametrize("block", [1, 2, 3])
def test_dropped_positions_are_the_union_of_blocks_at_the_drawn_corners(block):
    shape, batch = (3, 5, 4), 6
    u = np.random.default_rng(0).integers(-(2**31), 2**31, (1, batch, *shape)).astype(np.int32)
    site = Site("conv.1", KINDS["dropblock"], shape, [0.4], torch.float64, block=block)
    factor = site.mask(torch.from_numpy(u), torch.tensor([0]))[0][0]
    limit = corner_threshold(1 - float(site.strength.keep_R), 5, 4, block) - 2**31
    kept = np.ones((batch, *shape))
    for b, c, row, column in itertools.product(range(batch), range(3), range(6 - block), range(5 - block)):
        if u[0, b, c, row, column] < limit:
            kept[b, c, row : row + block, column : column + block] = 0
    assert 0.2 < 1 - kept.mean() < 0.6
    np.testing.assert_allclose(factor.numpy(), kept / kept.mean(), rtol=1e-12)


@pytest.mark.parametrize(("height", "width", "block"), MAPS)
def test_realised_rate_and_mean_1(height, width, block):
    """Intervals of 4 standard errors count maps, which are independent, not positions, which are not."""
    masks = factors("dropblock", RATES, (50, height, width), block, batch=10, steps=20)
    for mask, rate in zip(masks, RATES, strict=True):
        share = (mask == 0).double().flatten(0, 2).mean((1, 2))  # one number a map
        assert len(share) == 10_000
        assert abs(share.mean() - rate) < 4 * share.std() / 100
        torch.testing.assert_close(mask.mean((1, 2, 3, 4)), torch.ones(20, dtype=torch.float64), rtol=1e-12, atol=0)


def test_a_step_s_scale_is_that_of_its_run_s_own_batch():
    together = factors("dropblock", RATES, (4, 6, 6), batch=5)
    for r, rate in enumerate(RATES):
        mask = together[r, 0]
        assert torch.equal(mask, factors("dropblock", [rate], (4, 6, 6), batch=5)[0, 0])
        high = mask.max()
        assert ((mask == 0) | (mask == high)).all()
        assert high.item() == pytest.approx(1 / (mask != 0).double().mean().item(), rel=1e-12)


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("size", [1, 4])
def test_a_block_as_large_as_the_map_drops_the_maps_that_spatial_drops(rate, size):
    shape = (40, size, size)
    blocks = factors("dropblock", [rate], shape, block=size, batch=16, steps=3)
    maps = factors("spatial", [rate], shape, batch=16, steps=3)
    assert maps.shape[-2:] == (1, 1)
    assert torch.equal(blocks == 0, (maps == 0).expand(blocks.shape))


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.5, 0.9])
def test_blocks_of_1_drop_what_bernoulli_drops(rate):
    blocks = factors("dropblock", [rate], (10, 5, 7), block=1, batch=16, steps=3)
    assert torch.equal(blocks == 0, factors("bernoulli", [rate], (10, 5, 7), batch=16, steps=3) == 0)


@pytest.mark.parametrize("shape", [(20, 4, 4), (20, 3, 6), (20, 6, 3)], ids=["4x4", "3x6", "6x3"])
def test_a_block_larger_than_the_map_is_clamped_to_its_smaller_side(shape):
    clamped = factors("dropblock", [0.4], shape, block=9, batch=4)
    assert torch.equal(clamped, factors("dropblock", [0.4], shape, block=min(shape[1:]), batch=4))
    assert 0 < (clamped == 0).double().mean() < 1


@pytest.mark.parametrize("rate", [0.0001, 0.001, 0.3, 0.9, 0.9999])
@pytest.mark.parametrize(("height", "width", "block"), [(28, 28, 11), (64, 64, 7), (9, 5, 3), (2, 2, 1)])
def test_the_rate_is_as_exact_as_that_of_every_kind(height, width, block, rate):
    """Half of 1/65536 by the rate's own rounding; with corners of 16 bits, 28 x 28, 11 and 0.001 dropped 0.00076."""
    gamma = corner_threshold(1 - keep_probability(rate), height, width, block) / CORNER_LEVELS
    dropped = 1 - (1 - gamma) ** coverage(height, width, block)
    assert abs(dropped.mean() - rate) < 0.51 / 65536


def test_positions_are_dropped_as_often_as_blocks_cover_them_and_the_centre_more_than_a_corner():
    rate, maps = 0.3, 20_000
    found = (factors("dropblock", [rate], (100, 5, 5), batch=20, steps=10) == 0).double().flatten(0, 3).mean(0)
    gamma = corner_threshold(1 - round(65536 * (1 - rate)) / 65536, 5, 5, 3) / CORNER_LEVELS
    expected = 1 - (1 - gamma) ** coverage(5, 5, 3)
    assert (np.abs(found.numpy() - expected) < 4.5 * np.sqrt(expected * (1 - expected) / maps)).all()
    assert coverage(5, 5, 3)[2, 2] == 9
    assert found[2, 2] > 4 * max(found[0, 0], found[0, 4], found[4, 0], found[4, 4])


def test_where_nothing_is_kept_the_factor_is_0_and_nothing_is_nan():
    steps = factors("dropblock", [0.9, 0.2], (1, 3, 3), block=3, batch=1, steps=200)
    assert torch.isfinite(steps).all()
    nothing = (steps[0] == 0).flatten(1).all(1)
    assert 150 < nothing.sum() < 200
    assert (steps[0][~nothing] == 1).all()
    assert (steps[1][~nothing] == 1).all()  # nested: what survives at 0.9 survives at 0.2


def test_a_network_whose_maps_are_all_dropped_trains_on(make_run, images):
    run = make_run(
        0, model={"kind": "cnn", "channels": [1], "hidden": [3]},
        dropout={"kind": "dropblock", "rate": 0.99, "placement": ["conv"], "block_size": 7},
    )  # fmt: skip
    network = Network(layout(run.config, images.example, 5), [run.config], [0], torch.float32)
    network.require_grad()
    noise = Noise(network.sites, [0], torch.tensor([0]), 1)
    x = torch.from_numpy(images.x[None, :1])
    logits = network(x, noise=noise, norm="batch")
    losses(logits, torch.tensor([[0]])).sum().backward()
    assert torch.equal(logits, network.parameters["output.bias"].detach()[:, None])  # nothing came through
    assert all(torch.isfinite(tensor.grad).all() for tensor in network.parameters.values())
