"""Small networks to experiment on, built and masked as in training: some whose logits show a layer, some under every mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dropexp.experiment.config import Config
from dropexp.experiment.layout import layout
from dropexp.nn.dropout import Noise, Site
from dropexp.nn.network import Network
from dropexp.nn.noise_laws import Mask
from dropexp.nn.protocol import Trainable
from dropexp.streams import generator

SEED = 0
LEVELS = 65536  # a rate acts as the nearest multiple of 1/65536


def acting(rate: float) -> float:
    """Return the rate as 16 bits can draw it, worked out here and not asked of the code under test."""
    return round(LEVELS * rate) / LEVELS


def normal(name: str, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return standard normal numbers of a stream of their own."""
    return torch.from_numpy(generator(SEED, "order", f"laws.{name}").standard_normal(shape)).to(dtype)


def labels(name: str, count: int, classes: int) -> Tensor:
    """Return uniformly drawn labels, (count,)."""
    return torch.from_numpy(generator(SEED, "labels", f"laws.{name}").integers(0, classes, count))


def build(
    example: tuple[int, ...],
    classes: int,
    sections: Sequence[Mapping[str, Any]],
    dtype: torch.dtype = torch.float64,
) -> Network:
    """Return a network with a run for each configuration, all of one seed."""
    configs = [Config.model_validate(given) for given in sections]
    return Network(layout(configs[0], example, classes), configs, [SEED] * len(configs), dtype)


def window(
    units: int,
    rates: Sequence[float] = (0.5,),
    *,
    kind: str = "bernoulli",
    depth: int = 1,
    dtype: torch.dtype = torch.float64,
    group: int | str | None = None,
    **model: Any,
) -> Network:
    """Return an mlp whose weights are the identity, so that its logits are what leaves its last hidden layer.

    One run a rate, `depth` hidden layers of `units`; no activation unless `model` names one.
    """
    chosen = {"hidden": [units] * depth, "activation": "linear", **model}
    network = build(
        (units,),
        units,
        [{"model": chosen, "dropout": {"kind": kind, "rate": rate, "group_size": group}} for rate in rates],
        dtype,
    )
    for name, tensor in network.parameters.items():
        if name.endswith(".weight"):
            tensor.copy_(torch.eye(units, dtype=dtype).expand_as(tensor))
    return network


def masks(network: Trainable, seeds: int = 1, epoch: int = 1) -> Noise:
    """Return an epoch's masks as in training: one mask seed for all runs, or a seed for each."""
    of_run = torch.zeros(network.runs, dtype=torch.int64) if seeds == 1 else torch.arange(seeds)
    return Noise(network.sites, range(seeds), of_run, epoch)


def gradient(tensor: Tensor) -> Tensor:
    """Return what a backward pass left at a tensor."""
    assert tensor.grad is not None
    return tensor.grad


def gradients(network: Trainable) -> Tensor:
    """Return each run's gradient of all parameters, (R, parameters)."""
    return torch.cat([gradient(t).flatten(1) for t in network.parameters.values()], 1)


class EveryMask(Noise):
    """All 2^n masks of a layer of n units instead of drawn ones, handed to the site as the integers that make them.

    Along the batch, `copies` examples one after the other: B = copies 2^n; or one mask per run: R = 2^n, B = 1.
    """

    def __init__(self, sites: dict[str, Site], units: int, *, along_runs: bool = False, copies: int = 1):
        number = torch.arange(2**units)
        self.dropped = (number[:, None] >> torch.arange(units)) % 2 == 1
        u = torch.where(self.dropped, -32768, 32767).to(torch.int16)
        self._u = u[:, None] if along_runs else u.repeat(copies, 1)[None]
        super().__init__(sites, (), torch.arange(len(self._u)), 1)

    def mask(self, name: str, batch: int) -> Mask | None:
        site = self.sites.get(name)
        return None if site is None else site.mask(self._u, self.seed_of_R)

    def probabilities(self, rate: float) -> Tensor:
        """Return the probability of each of the 2^n masks."""
        dropped = self.dropped.sum(1, dtype=torch.float64)
        return acting(rate) ** dropped * (1.0 - acting(rate)) ** (self.dropped.shape[1] - dropped)


def differing(a: Tensor, b: Tensor) -> int:
    """Return how many numbers of two tensors are not equal."""
    return int((a != b).sum())


def furthest(a: Tensor, b: Tensor) -> float:
    """Return the largest difference of two tensors, relative to the larger of 1 and their size."""
    return float(((a - b).abs() / b.abs().clamp(min=1.0)).max())
