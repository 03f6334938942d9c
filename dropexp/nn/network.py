"""The network of a pack: parameters with a run axis, and one forward pass with noise and norm as two switches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from dropexp.nn.dropout import Noise, Site, make_sites
from dropexp.nn.initial import initial_weight
from dropexp.nn.layers import (
    ACTIVATIONS,
    MOMENTUM,
    POOLS,
    Affine,
    BatchNorm,
    Convolution,
    LayerNorm,
    running_norm,
)
from dropexp.spec.config import Config
from dropexp.spec.layout import Block, Layout, norm_parameters, site_rates


class Network:
    """R networks of one layout, trained together and sharing nothing but the kernel calls.

    `parameters` and `statistics` map names such as `hidden.1.weight` to tensors with a leading axis R: dense weights
    (R, I, O), convolutions (R, O, C, k, k), biases (R, O), `norm.scale` and `norm.shift`, and the running `norm.mean` and
    `norm.variance` of batch norm. The runs must agree in their shape fields.
    """

    def __init__(self, layout: Layout, configs: Sequence[Config], init_seeds: Sequence[int], dtype: torch.dtype):
        self.layout, self.configs = layout, list(configs)
        self.model = configs[0].model
        self.activation = ACTIVATIONS[self.model.activation]
        self.parameters: dict[str, Tensor] = {}
        self.statistics: dict[str, Tensor] = {}
        for block in layout.blocks:
            self._initialise(block, init_seeds, dtype)
        self.dtype = dtype
        self.device = torch.device("cpu")
        self.watch: Callable[[str, Tensor], None] | None = None  # sees what enters each batch norm
        self.sites = self._sites()

    def _initialise(self, block: Block, seeds: Sequence[int], dtype: torch.dtype) -> None:
        drawn = {seed: initial_weight(block, self.model, seed) for seed in dict.fromkeys(seeds)}
        weight = torch.from_numpy(np.stack([drawn[seed] for seed in seeds])).to(dtype)
        self.parameters[f"{block.name}.weight"] = weight
        self.parameters[f"{block.name}.bias"] = torch.zeros(len(seeds), block.units, dtype=dtype)
        if count := norm_parameters(block, self.model.norm) // 2:
            self.parameters[f"{block.name}.norm.scale"] = torch.ones(len(seeds), count, dtype=dtype)
            self.parameters[f"{block.name}.norm.shift"] = torch.zeros(len(seeds), count, dtype=dtype)
            if self.model.norm == "batch":
                self.statistics[f"{block.name}.norm.mean"] = torch.zeros(len(seeds), count, dtype=dtype)
                self.statistics[f"{block.name}.norm.variance"] = torch.ones(len(seeds), count, dtype=dtype)

    def _sites(self) -> dict[str, Site]:
        rates = [site_rates(c.dropout, c.model) for c in self.configs]
        kind = self.configs[0].dropout.kind
        return make_sites(kind, dict(self.layout.site_shapes), rates, self.dtype, self.device)

    def to(self, device: torch.device) -> None:
        """Move everything to a device."""
        self.device = device
        self.parameters = {name: t.to(device) for name, t in self.parameters.items()}
        self.statistics = {name: t.to(device) for name, t in self.statistics.items()}
        self.sites = self._sites()

    @property
    def runs(self) -> int:
        return len(self.configs)

    def require_grad(self) -> None:
        """Make every parameter a leaf whose gradient is recorded."""
        for tensor in self.parameters.values():
            tensor.requires_grad_(True)

    def keep(self, kept: Sequence[int]) -> None:
        """Let all runs but those at positions `kept` leave; what stays keeps its bits."""
        index = torch.tensor(kept)
        self.parameters = {
            name: t.detach()[index].requires_grad_(t.requires_grad) for name, t in self.parameters.items()
        }
        self.statistics = {name: t[index] for name, t in self.statistics.items()}
        self.configs = [self.configs[i] for i in kept]
        self.sites = self._sites()

    def __call__(self, x_RB: Tensor, *, noise: Noise | None, norm: Literal["batch", "running"]) -> Tensor:
        """Return logits (R, B, K) of inputs (R, B, F) or (R, B, C, H, W).

        `noise` draws masks, or is None for none, where kinds that scale at test time do so. `norm` takes the batch's own
        statistics and updates the running ones, or the running ones. Training is noise and batch, testing None and
        running, Monte-Carlo dropout noise and running.
        """
        x = self._mask(x_RB if self.model.kind == "cnn" else x_RB.flatten(2), "input", noise)
        for block in self.layout.blocks:
            x = self._affine(x, block)
            for step in block.steps:
                if step == "norm":
                    x = self._norm(x, block, norm)
                elif step == "activation":
                    x = self.activation(x)
                else:
                    x = self._mask(x, block.name, noise)
            x = POOLS[block.pool](x)
        return x

    def _affine(self, x: Tensor, block: Block) -> Tensor:
        weight, bias = self.parameters[f"{block.name}.weight"], self.parameters[f"{block.name}.bias"]
        if block.kind == "conv":
            return Convolution.apply(x, weight, bias)
        return Affine.apply(x.flatten(2) if x.dim() > 3 else x, weight, bias)

    def _mask(self, x: Tensor, name: str, noise: Noise | None) -> Tensor:
        site = self.sites.get(name)
        if site is None:
            return x
        if noise is None:
            return x * self._at(site.test_R, x) if site.tested else x
        factor = noise.factor(name, x.shape[1])
        return x if factor is None else x * self._at(factor, x)

    @staticmethod
    def _at(factor: Tensor, x: Tensor) -> Tensor:
        """View a factor for (C, H, W) examples as one for flat ones, where the network has flattened them."""
        return factor.flatten(2) if factor.dim() > x.dim() else factor

    def _norm(self, x: Tensor, block: Block, norm: str) -> Tensor:
        scale, shift = (
            self.parameters[f"{block.name}.norm.scale"],
            self.parameters[f"{block.name}.norm.shift"],
        )
        if self.model.norm == "layer":
            return LayerNorm.apply(x.flatten(2), scale, shift).view(x.shape)
        mean, variance = (
            self.statistics[f"{block.name}.norm.mean"],
            self.statistics[f"{block.name}.norm.variance"],
        )
        flat = x.reshape(*x.shape[:2], block.units, prod(block.map))
        if self.watch is not None:
            self.watch(block.name, flat)
        if norm == "running":
            return running_norm(flat, scale, shift, mean, variance).view(x.shape)
        parts, means, variances = [], [], []
        for part in flat.split(self._groups(x.shape[1]), dim=1):
            out, m, v = BatchNorm.apply(part.contiguous(), scale, shift)
            count = part.shape[1] * part.shape[3]
            parts.append(out)
            means.append(m)
            variances.append(v * (count / (count - 1)))  # the running variance is the unbiased one, as in torch.nn
        with torch.no_grad():
            mean.mul_(1 - MOMENTUM).add_(sum(means) / len(means) * MOMENTUM)
            variance.mul_(1 - MOMENTUM).add_(sum(variances) / len(variances) * MOMENTUM)
        return (parts[0] if len(parts) == 1 else torch.cat(parts, 1)).view(x.shape)

    def _groups(self, batch: int) -> list[int]:
        """Return the sizes of the groups that batch statistics are taken over; a last group of one joins its neighbour."""
        size = self.model.norm_group or batch
        groups = [size] * (batch // size) + ([batch % size] if batch % size else [])
        if len(groups) > 1 and groups[-1] == 1:
            groups[-2:] = [groups[-2] + 1]
        return groups
