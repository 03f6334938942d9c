"""NOISE_LAWS: each law of dropout as a row: how shared uniform integers become a mask, and what the audit expects of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import torch
import torch.nn.functional as F
from torch import Tensor

from dropexp.experiment.layout import LEVELS, keep_probability
from dropexp.nn import expected_noise as expected
from dropexp.nn.expected_noise import CORNER_LEVELS, Expected, corner_threshold
from dropexp.nn.layers import SELU_ALPHA, SELU_SCALE

SELU_FLOOR = -SELU_SCALE * SELU_ALPHA  # -lambda alpha, Klambauer 2017
HALF = LEVELS // 2


@dataclass(frozen=True)
class Strength:
    """What a law needs of the runs' rates, each entry a tensor that broadcasts along R.

    `keep_R` is 1 - T/65536 in double precision, on the CPU; `drop_below_R` is T - 32768 in int16, `survivor_R` the survivors'
    factor; `last_dropped_R` is T - 32769 as a float; `rates`, `shape` and `block` are plain numbers for laws that solve for
    something.
    """

    keep_R: Tensor
    drop_below_R: Tensor
    last_dropped_R: Tensor
    survivor_R: Tensor
    rates: tuple[float, ...]
    shape: tuple[int, ...]
    block: int


Mask = tuple[Tensor, Tensor | None]  # factor and offset: y = x factor + offset


def bernoulli(u: Tensor, s: Strength) -> Mask:
    """0 where the integer lies below the threshold, else the survivors' factor (Srivastava 2014, section 10).

    By arithmetic on whole numbers, exact in any float: a comparison and its conversion cost several times as much.
    """
    above = u.to(s.survivor_R.dtype) - s.last_dropped_R
    return above.clamp_(0.0, 1.0).mul_(s.survivor_R), None


def gaussian(u: Tensor, s: Strength) -> Mask:
    """1 + sqrt(rate/keep) z with z standard normal (Srivastava 2014, section 10): mean 1, variance rate/keep.

    z is the quantile of the integer, one of 65,536 values scaled to variance 1, so that rates share their draw.
    """
    spread_R = torch.sqrt((1.0 - s.keep_R) / s.keep_R).to(s.survivor_R)
    z = _quantiles(s.survivor_R.dtype, u.device)[u.to(torch.int64) + HALF]
    return z * spread_R + 1.0, None


def uniform(u: Tensor, s: Strength) -> Mask:
    """1 + U(-b, b) with b^2 = 3 rate/keep (Li et al. 2019, Uout): mean 1 and gaussian's variance."""
    reach_R = (torch.sqrt(3.0 * (1.0 - s.keep_R) / s.keep_R) / HALF).to(s.survivor_R)
    return (u.to(s.survivor_R.dtype) + 0.5) * reach_R + 1.0, None


def alpha(u: Tensor, s: Strength) -> Mask:
    """a (x m + floor (1 - m)) + b (Klambauer et al. 2017, section 2): dropped units go to SELU's floor.

    With keep q: a = (q + floor^2 q (1-q))^(-1/2) and b = -a (1-q) floor keep mean 0 and variance 1.
    """
    q = s.keep_R
    a_R = (q + SELU_FLOOR**2 * q * (1.0 - q)) ** -0.5
    b_R = -a_R * (1.0 - q) * SELU_FLOOR
    like = s.survivor_R
    kept = (u >= s.drop_below_R).to(like.dtype)
    return kept * a_R.to(like), (1.0 - kept) * (a_R * SELU_FLOOR).to(like) + b_R.to(like)


def fixed_count(u: Tensor, s: Strength) -> Mask:
    """Drop exactly round(rate n) of an example's n units: those with the smallest integers, the earlier where they tie.

    Survivors are divided by keep as everywhere, so that the mean is exactly 1 where rate n is a whole number.
    """
    flat = u.flatten(2)
    order = torch.argsort(flat, dim=2, stable=True)
    rank = torch.empty_like(order).scatter_(2, order, torch.arange(flat.shape[2], device=u.device).expand_as(order))
    counts = torch.tensor([round(rate * flat.shape[2]) for rate in s.rates], device=u.device).view(-1, 1, 1)
    kept = (rank >= counts).to(s.survivor_R.dtype)
    return kept.view(len(kept), *u.shape[1:]) * s.survivor_R, None


def dropblock(u: Tensor, s: Strength) -> Mask:
    """Drop blocks of `block` x `block` that lie inside the map (Ghiasi et al. 2018), scaled by what is kept.

    A block's corner is drawn with probability gamma, which solves: mean over positions of
    1 - (1-gamma)^(blocks that cover it) = rate. Positions differ: the centre lies in more blocks than a corner, and is
    dropped more often. u is int32 here, so that the rate is as exact as everywhere. The mask is divided by the kept
    fraction of the run's batch and layer; 0 where nothing is kept.
    """
    height, width = s.shape[-2:]
    block = min(s.block, height, width)
    rows, columns = height - block + 1, width - block + 1
    lowest = CORNER_LEVELS // 2
    below = [corner_threshold(1.0 - float(k), height, width, block) - lowest for k in s.keep_R.flatten()]
    below_R = torch.tensor(below, dtype=torch.int32, device=u.device).view(s.drop_below_R.shape)
    corners = (u[..., :rows, :columns] < below_R).to(s.survivor_R.dtype)
    edge = block - 1
    covered = F.max_pool2d(F.pad(corners.flatten(0, 2), (edge, edge, edge, edge)), block, stride=1)
    kept = 1.0 - covered.view(*corners.shape[:3], height, width)
    count_R = kept.flatten(1).to(torch.int64).sum(1)  # whole numbers: exact in any order
    scale_R = torch.where(count_R > 0, kept[0].numel() / count_R.clamp(min=1).to(kept.dtype), 0.0)
    return kept * scale_R.to(kept.dtype).view(s.survivor_R.shape), None


def dropped(factor: Tensor, rates_R: Sequence[float]) -> Tensor:
    """Return which units were dropped, those multiplied by 0: (R, N) bool of a factor (R, B, ...)."""
    return (factor == 0).flatten(1)


def above_one_sd(factor: Tensor, rates_R: Sequence[float]) -> Tensor:
    """Return which units were multiplied by more than 1 and one standard deviation, sqrt(rate/keep): (R, N) bool."""
    keeps = [keep_probability(rate) for rate in rates_R]
    sd_R = torch.tensor([math.sqrt((1 - keep) / keep) for keep in keeps])
    return (factor > (1 + sd_R).to(factor).view(-1, *(1 for _ in factor.shape[1:]))).flatten(1)


@dataclass(frozen=True)
class NoiseLaw:
    """One law: its draw, and for the audit when a unit fires and how often it should.

    `draw` turns integers into factor and offset. `fired` says which units of a factor fired, by the runs' rates, and
    `expected` how often they do, from a rate, an example's shape and dropblock's block size. `kept` is what a kept unit is
    multiplied by, from keep and the kind's `train`, None where units differ in that; `shift` what is added to a kept and to a
    dropped unit, None for nothing. `bits` is the size of a unit's integer, 16
    or 32. A `two_valued` factor is 0 or the survivors' for each unit by itself, so that masks can be compared as floats and
    joined with relu; a `threshold` law drops each unit whose integer lies below the rate's.
    """

    draw: Callable[[Tensor, Strength], Mask]
    expected: Callable[[float, tuple[int, ...], int], Expected]
    fired: Callable[[Tensor, Sequence[float]], Tensor] = dropped
    kept: Callable[[float, str], float] | None = None
    shift: Callable[[float], tuple[float, float]] | None = None
    bits: int = 16
    two_valued: bool = False
    threshold: bool = False


def _kept(keep: float, train: str) -> float:
    return 1.0 / keep if train == "1/keep" else 1.0


def _kept_of_selu(keep: float, train: str) -> float:
    return float((keep + SELU_FLOOR**2 * keep * (1.0 - keep)) ** -0.5)


def _shift_of_selu(keep: float) -> tuple[float, float]:
    kept = _kept_of_selu(keep, "")
    return -kept * (1.0 - keep) * SELU_FLOOR, kept * keep * SELU_FLOOR


NOISE_LAWS: dict[str, NoiseLaw] = {
    "bernoulli": NoiseLaw(bernoulli, expected.bernoulli, kept=_kept, two_valued=True, threshold=True),
    "gaussian": NoiseLaw(gaussian, expected.gaussian, above_one_sd),
    "uniform": NoiseLaw(uniform, expected.uniform, above_one_sd),
    "alpha": NoiseLaw(alpha, expected.bernoulli, kept=_kept_of_selu, shift=_shift_of_selu, threshold=True),
    "fixed_count": NoiseLaw(fixed_count, expected.fixed_count, kept=_kept),
    "dropblock": NoiseLaw(dropblock, expected.dropblock, bits=32),
}


@lru_cache(maxsize=4096)
def expectation(law: str, rate: float, shape: tuple[int, ...], size: int) -> Expected:
    """Return what to expect at a site: `shape` is an example's own draws, `size` that of dropblock's blocks."""
    return NOISE_LAWS[law].expected(rate, shape, size)


@lru_cache(maxsize=8)
def _quantiles(dtype: torch.dtype, device: torch.device) -> Tensor:
    """The standard normal's quantiles at the 65,536 midpoints, in order, scaled to variance 1."""
    normal = NormalDist()
    upper = torch.tensor([normal.inv_cdf((HALF + i + 0.5) / LEVELS) for i in range(HALF)], dtype=torch.float64)
    z = torch.cat((-upper.flip(0), upper))
    return (z / math.sqrt(float((z * z).mean()))).to(dtype).to(device)
