"""Laws of the mask: how many units it drops, where, and for which samples."""

from __future__ import annotations

import torch
from torch import Tensor

from dropexp.laws.board import matrix
from dropexp.laws.intervals import binomial, errors, variance
from dropexp.laws.law import Result, around, between, exactly
from dropexp.laws.small_networks import SEED, acting, build, differing, labels, masks, normal, window
from dropexp.streams import generator, integers16
from dropexp.train.evaluate import losses
from dropexp.train.optim import Optimiser

UNITS = 1000


def _dropped(kind: str, rates: tuple[float, ...], batch: int, steps: int) -> Tensor:
    """Return what was dropped, (R, steps · B, units), seen at the logits of a network whose units all stand at 1."""
    network = window(UNITS, rates, kind=kind)
    noise, ones = masks(network), torch.ones(len(rates), batch, UNITS, dtype=torch.float64)
    return torch.cat([network(ones, noise=noise, norm="batch") == 0 for _ in range(steps)], 1)


def mask_rate() -> Result:
    """400 masks of 1000 units at rate 0.4, 5 samples in each of 80 steps."""
    rate = acting(0.4)
    dropped = _dropped("bernoulli", (0.4,), 5, 80)[0]
    layers, units, draws = dropped.sum(1), dropped.sum(0), len(dropped)
    mean_ends = tuple(end / draws for end in binomial(draws * UNITS, rate))
    layer_ends, unit_ends = binomial(UNITS, rate, draws), binomial(draws, rate, UNITS)
    return Result((
        between(f"units dropped of {UNITS} at rate 0.4, mean of {draws} masks", layers.double().mean(), UNITS * rate, mean_ends),
        between("units dropped by the mask that drops the fewest", layers.min(), UNITS * rate, layer_ends),
        between("units dropped by the mask that drops the most", layers.max(), UNITS * rate, layer_ends),
        between(f"masks that drop the least-dropped unit (of {draws})", units.min(), draws * rate, unit_ends),
        between(f"masks that drop the most-dropped unit (of {draws})", units.max(), draws * rate, unit_ends),
    ))  # fmt: skip


def exact_half() -> Result:
    """400 masks of the kind fixed_count beside 400 of the Bernoulli kind."""
    fixed, free = _dropped("fixed_count", (0.5, 0.4), 400, 1), _dropped("bernoulli", (0.5,), 400, 1)[0]
    counts, free_counts = fixed.sum(2), free.sum(1).double()
    half, draws = UNITS // 2, fixed.shape[1]
    by_unit, ends = fixed[0].sum(0), binomial(draws, 0.5, UNITS)
    return Result((
        exactly(f"fewest units dropped of {UNITS} by {draws} masks of fixed_count 0.5", counts[0].min(), half),
        exactly("most units dropped", counts[0].max(), half),
        exactly("masks at rate 0.4 that do not drop 400", differing(counts[1], torch.tensor(400))),
        between("masks that drop the least-dropped unit", by_unit.min(), draws / 2, ends),
        between("masks that drop the most-dropped unit", by_unit.max(), draws / 2, ends),
        around("mean count of the Bernoulli kind", free_counts.mean(), half, errors() * (UNITS / 4 / draws) ** 0.5),
        between("variance of the count, n/4, of the Bernoulli kind; 0 of this one", free_counts.var(), UNITS / 4,
                variance(UNITS / 4, draws)),
    ))  # fmt: skip


def mask_formula() -> Result:
    """Three steps at four rates against the integers of the same stream."""
    rates, batch, units = (0.01, 0.2, 0.5, 0.9), 16, 100
    network = window(units, rates)
    noise, stream = masks(network), generator(SEED, "mask", "hidden.1", 1)
    ones = torch.ones(len(rates), batch, units, dtype=torch.float64)
    wrong_zeros = wrong_factors = 0
    for _ in range(3):
        factor = network(ones, noise=noise, norm="batch")
        u = torch.from_numpy(integers16(stream, batch * units).astype("int64")) + 32768
        r = ((u + 0.5) / 65536).view(batch, units)  # the middle of the integer's cell in [0, 1)
        for run, rate in enumerate(rates):
            wrong_zeros += differing(factor[run] == 0, r < rate)
            survivor = torch.tensor(1.0 / (1.0 - acting(rate)), dtype=torch.float64)
            wrong_factors += differing(factor[run][r >= rate], survivor)
    count = 3 * len(rates) * batch * units
    return Result((
        exactly(f"elements that are 0 although r >= rate, or the reverse (of {count})", wrong_zeros),
        exactly("survivors that are not 1/(1 - rate)", wrong_factors),
    ))  # fmt: skip


def io_untouched() -> Result:
    """Hidden dropout in a network with two hidden layers; each mask shows at the logits."""
    rate, units, batch = 0.5, 100, 400
    keep = 1.0 - acting(rate)
    network = window(units, (rate,))
    network.parameters["hidden.1.weight"][0] = normal("io", units, units)
    x = normal("io-x", 1, batch, units)
    noisy, clean = network(x, noise=masks(network), norm="batch"), network(x, noise=None, norm="running")
    survived = noisy != 0
    silent = window(units, (rate,))
    silent.parameters["output.weight"].zero_()
    silent.parameters["output.bias"].copy_(normal("io-b", 1, units))
    outputs = silent(x, noise=masks(silent), norm="batch")
    deep = window(units, (rate,), depth=2)
    both = deep(torch.ones_like(x), noise=masks(deep), norm="batch") != 0
    kept = around("fraction of units kept by both of two hidden layers, each with its own mask: keep²",
                  both.double().mean(), keep**2, errors() * (keep**2 * (1 - keep**2) / both.numel()) ** 0.5)  # fmt: skip
    return Result((
        exactly(f"survivors that saw a masked input (of {int(survived.sum())})",
                differing(noisy[survived], clean[survived] / keep)),
        exactly(f"outputs that a mask changed (of {outputs.numel()})",
                differing(outputs, silent.parameters["output.bias"][:, None].expand_as(outputs))),
        exactly("sites that are not hidden", sum(not name.startswith("hidden.") for name in deep.sites)),
        kept,
    ))  # fmt: skip


def _shown(kind: str) -> tuple[Tensor, Tensor]:
    """Return 4 samples of 10 units before and after the mask, at rate 0.5."""
    network = window(10, kind=kind)
    x = normal("board", 1, 4, 10).abs() + 0.1
    return x[0], network(x, noise=masks(network), norm="batch")[0]


def per_sample() -> Result:
    """The four rows of the board, and 1000 steps of two samples."""
    _, after = _shown("bernoulli")
    equal = sum(torch.equal(after[i] == 0, after[j] == 0) for i in range(4) for j in range(i))
    network, units, steps = window(10), 10, 1000
    noise, ones = masks(network), torch.ones(1, 2, units, dtype=torch.float64)
    rows = torch.stack([network(ones, noise=noise, norm="batch")[0] == 0 for _ in range(steps)])
    agreeing, rate, draws = (rows[:, 0] == rows[:, 1]).sum(), acting(0.5), steps * units
    chance = rate**2 + (1 - rate) ** 2
    return Result((
        exactly("pairs of the 4 samples on the board that have the same mask", equal),
        between(f"units on which two samples agree by chance (of {draws})", agreeing, draws * chance,
                binomial(draws, chance)),
    ))  # fmt: skip


def batch_shared() -> Result:
    """One mask for the batch, against the product with what dropout makes of a (1, units) tensor of ones."""
    x, after = _shown("batch_shared")
    network = window(10)
    ones = network(torch.ones(1, 1, 10, dtype=torch.float64), noise=masks(network), norm="batch")[0]
    grouped = window(10, group="batch")
    same = grouped(x[None], noise=masks(grouped), norm="batch")[0]
    return Result((
        exactly("rows that drop other units than the first row (of 4)",
                sum(differing(row == 0, after[0] == 0) > 0 for row in after)),
        exactly("elements that differ from the broadcast product (of 40)", differing(after, x * ones)),
        exactly("elements that differ from one group of the whole batch (of 40)", differing(after, same)),
    ))  # fmt: skip


def batch_of_one() -> Result:
    """20 steps of one sample each with either kind; norm none and layer."""
    checks = []
    for norm in ("none", "layer"):
        trained = []
        for kind in ("bernoulli", "batch_shared"):
            sections = {"model": {"hidden": [13, 9], "norm": norm}, "dropout": {"kind": kind, "rate": 0.4}}
            network = build((7,), 3, [sections], torch.float32)
            network.require_grad()
            optimiser, noise = Optimiser(network.configs, network), masks(network)
            x, y = normal("one", 20, 1, 1, 7, dtype=torch.float32), labels("one", 20, 3).view(20, 1, 1)
            for step in range(20):
                losses(network(x[step], noise=noise, norm="batch"), y[step]).sum().backward()
                optimiser.step(network.parameters)
            trained.append(torch.cat([t.detach().flatten() for t in network.parameters.values()]))
        moved = len(trained[0])
        checks.append(exactly(f"parameters that differ after 20 steps, norm {norm} (of {moved})", differing(*trained)))
    return Result(tuple(checks))


def matrices(kind: str) -> list[str]:
    """Draw the 4 x 10 matrix before and after, survivors doubled and the dropped as dots."""
    before, after = _shown(kind)
    return [
        *matrix("activations before dropout: 4 samples x 10 units", before),
        *matrix("after, rate 0.5: a dot marks a dropped unit; the others are divided by keep", after),
    ]
