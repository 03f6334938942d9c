"""The network of a pack: parameters with a run axis, and one forward pass with noise and norm as two switches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import prod
from typing import Literal

import torch
from torch import Tensor

from dropexp.experiment.config import Config
from dropexp.experiment.layout import Block, Layout
from dropexp.experiment.schedules import site_rates_in_force
from dropexp.nn.connect import expected_activation, masked_affine
from dropexp.nn.dropout import Noise, Site, make_sites
from dropexp.nn.fused import ConvolutionMaxRelu, DenseRelu
from dropexp.nn.initial import DIRECTIONS, begin
from dropexp.nn.layers import (
    ACTIVATIONS,
    MOMENTUM,
    POOLS,
    Affine,
    BatchNorm,
    Convolution,
    LayerNorm,
    batch_sizes,
    convolve_grouped,
    running_norm,
)  # fmt: skip
from dropexp.nn.protocol import Tap
from dropexp.nn.recurrent import RecurrentMask, lstm

JOINED = (("activation",), ("activation", "dropout"))  # steps that DenseRelu takes at once


class Network:
    """R networks of one layout, trained together and sharing nothing but the kernel calls; see `Trainable`.

    `parameters` and `statistics` map names such as `hidden.1.weight` to tensors with a leading axis R: dense weights
    (R, I, O), convolutions (R, O, C, k, k), biases (R, O) where the layout has them, `norm.scale` and `norm.shift`, the
    running `norm.mean` and `norm.variance` of batch norm, and for LSTMs `lstm.1.forward.input.weight` and so on. The runs
    must agree in their shape fields and in their layout. `epoch` sets the rates in force.
    """

    def __init__(self, layout: Layout, configs: Sequence[Config], init_seeds: Sequence[int], dtype: torch.dtype):
        self.layout, self.configs, self.dtype = layout, list(configs), dtype
        self.model, self.dropout = configs[0].model, configs[0].dropout
        self.low = configs[0].training.precision == "bfloat16"
        self.activation = ACTIVATIONS[self.model.activation]
        begun = begin(layout, self.model, init_seeds, dtype)
        self.parameters, self.statistics = begun.parameters, begun.statistics
        self.roles, self.unit_axes, self.batch_norms = begun.roles, begun.unit_axes, begun.batch_norms
        self.device = torch.device("cpu")
        self.tap: Tap | None = None
        self.noisy_calls = 0
        self.epoch = 1
        self.sites = self._sites()

    def _sites(self) -> dict[str, Site]:
        """Return the mask sites at the rates in force; weights are masked by group, so their shape is the layer's own."""
        shapes = dict(self.layout.site_shapes)
        if self.weights_masked:
            shapes |= {b.name: (b.fan_in + 1, b.units) for b in self.layout.blocks}
        rates = [site_rates_in_force(config.dropout, config.model, self.epoch) for config in self.configs]
        return make_sites(self.dropout, shapes, rates, self.dtype, self.device)

    @property
    def weights_masked(self) -> bool:
        """Whether the pack's kind of dropout masks weights instead of units."""
        return self.dropout.kind == "dropconnect"

    def set_epoch(self, epoch: int) -> None:
        """Bring the rates of an epoch, counted from 1, into force."""
        self.epoch = epoch
        if any(config.dropout.schedule.shape != "constant" for config in self.configs):
            self.sites = self._sites()

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

    def put(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over parameters and statistics by name, (R, ...) each; KeyError for a name that is neither."""
        for name, tensor in tensors.items():
            own = self.statistics if name in self.statistics else self.parameters
            own[name] = tensor.requires_grad_(own[name].requires_grad)

    def __call__(self, x_RB: Tensor, *, noise: Noise | None, norm: Literal["batch", "running"]) -> Tensor:
        """Return logits (R, B, K) of inputs (R, B, F) or (R, B, C, H, W); an LSTM reads an image row by row.

        `noise` draws masks, or is None for none, where kinds that scale at test time do so. `norm` takes the batch's own
        statistics and updates the running ones, or the running ones. Training is noise and batch, testing None and
        running, Monte-Carlo dropout noise and running.
        """
        self.noisy_calls += noise is not None
        if self.model.kind == "lstm":
            x_RB = x_RB.transpose(2, 3).flatten(3)  # (R, B, C, H, W) -> (R, B, T = H, F = C W)
        x = self._mask(x_RB if self.model.kind != "mlp" else x_RB.flatten(2), "input", noise)
        x = self._seen("input", "input", x)
        for block in self.layout.blocks:
            if block.kind == "lstm":
                x = self._seen(block.name, "units", self._recurrent(x, block, noise))
                continue
            if (joined := self._joined(x, block, noise)) is not None:
                x = joined
                continue
            x, steps = self._affine(x, block, noise), block.steps
            if noise is None and self._matches_moments(block):
                steps = steps[steps.index("activation") + 1 :]
            for step in steps:
                if step != "dropout":
                    x = self._seen(block.name, step, x)
                if step == "norm":
                    x = self._norm(x, block, norm)
                elif step == "activation":
                    x = self.activation(x)
                elif not self.weights_masked:
                    x = self._mask(x, block.name, noise)
            x = POOLS[block.pool](self._seen(block.name, "units", x))
        return x

    def _seen(self, layer: str, point: str, x: Tensor) -> Tensor:
        return x if self.tap is None else self.tap(layer, point, x)

    def _joined(self, x: Tensor, block: Block, noise: Noise | None) -> Tensor | None:
        """Return a block's output in one pass, None where its steps have to be taken one by one."""
        site = None if self.weights_masked else self.sites.get(block.name)
        plain = self.model.activation == "relu" and block.steps in JOINED and not self.weights_masked
        if self.tap is not None or not plain or (site is not None and (block.kind == "conv" or not site.joins)):
            return None
        own = self.parameters[f"{block.name}.weight"], self.parameters[f"{block.name}.bias"]  # no norm: with a bias
        if block.kind == "conv":
            here = block.pool == "max" and x.device.type == "cpu"
            return ConvolutionMaxRelu.apply(x, *own, self.low) if here else None
        factor = survivor = None
        if site is not None and noise is not None:
            factor, survivor = noise.drawn(block.name, x.shape[1])[0], site.strength.survivor_R
        elif site is not None and site.tested:
            factor = site.test_R
        out = DenseRelu.apply(x.flatten(2), *own, factor, survivor, self.low)
        if noise is not None and site is not None:
            noise.joined(block.name, x.flatten(2), *own, self.low, out)
        return out

    def _affine(self, x: Tensor, block: Block, noise: Noise | None) -> Tensor:
        weight, bias = self.parameters[f"{block.name}.weight"], self.parameters.get(f"{block.name}.bias")
        if block.kind == "conv":
            convolve = Convolution.apply if x.device.type == "cpu" else convolve_grouped
            return convolve(x, weight, bias, self.low)
        x = x.flatten(2) if x.dim() > 3 else x
        if self.weights_masked and block.name in self.sites:
            if bias is None:  # the mask's last row is for a bias, and is drawn with or without one
                bias = weight.new_zeros(len(weight), block.units)
            if noise is not None:
                size = self.dropout.group_size or 1
                groups = 1 if size == "batch" else -(-x.shape[1] // size)
                factor = noise.drawn(block.name, groups)[0]
                return masked_affine(x, weight, bias, factor, size, partial(noise.apply, block.name), self.low)
            if self._matches_moments(block):
                keep = self.sites[block.name].strength.keep_R
                return expected_activation(x, weight, bias, keep, self.activation, self.low)
        return Affine.apply(x, weight, bias, self.low)

    def _matches_moments(self, block: Block) -> bool:
        return self.weights_masked and block.name in self.sites and self.dropout.at_test == "moments"

    def _mask(self, x: Tensor, name: str, noise: Noise | None) -> Tensor:
        site = self.sites.get(name)
        if site is None:
            return x
        if noise is None:
            return x * _at(site.test_R, x) if site.tested else x
        factor, offset = noise.drawn(name, x.shape[1])
        return noise.apply(name, x, _at(factor, x), None if offset is None else _at(offset, x))

    def _recurrent(self, x_RBTF: Tensor, block: Block, noise: Noise | None) -> Tensor:
        """Run one LSTM layer; the last returns its final states (R, B, U D), the others all of them (R, B, T, U D)."""
        index = block.name.removeprefix("lstm.")
        masks = self._recurrent_masks(f"recurrent.{index}", x_RBTF.shape[1], block, noise)
        outs = []
        for direction, mask in zip(DIRECTIONS[: block.directions], masks, strict=True):
            w_input, w_state, bias = (
                self.parameters[f"{block.name}.{direction}.{n}"] for n in ("input.weight", "state.weight", "bias")
            )
            outs.append(lstm(x_RBTF, w_input, w_state, bias, mask, direction == "backward", self.low))
        if int(index) < (self.model.layers or 1):
            return self._mask(torch.cat(outs, 3), f"between.{index}", noise)
        ends = [
            out[:, :, 0 if direction == "backward" else -1] for direction, out in zip(DIRECTIONS, outs, strict=False)
        ]
        return self._mask(torch.cat(ends, 2), "output", noise)

    def _recurrent_masks(self, name: str, batch: int, block: Block, noise: Noise | None) -> list[RecurrentMask | None]:
        site = self.sites.get(name)
        if site is None or (noise is None and not site.tested):
            return [None] * block.directions
        factor = (
            site.test_R.expand(-1, batch, -1, block.units * block.directions)
            if noise is None
            else noise.drawn(name, batch)[0]
        )
        candidate = self.dropout.recurrent == "candidate"
        parts = factor.expand(-1, batch, -1, -1).split(block.units, dim=3)
        if noise is None:
            return [RecurrentMask(part, candidate) for part in parts]
        multiply = partial(_multiply_state, noise, name, block.units)
        return [RecurrentMask(part, candidate, partial(multiply, direction)) for direction, part in enumerate(parts)]

    def _norm(self, x: Tensor, block: Block, norm: str) -> Tensor:
        scale, shift = self.parameters[f"{block.name}.norm.scale"], self.parameters[f"{block.name}.norm.shift"]
        if self.model.norm == "layer":
            return LayerNorm.apply(x.flatten(2), scale, shift).view(x.shape)
        mean, variance = self.statistics[f"{block.name}.norm.mean"], self.statistics[f"{block.name}.norm.variance"]
        flat = x.reshape(*x.shape[:2], block.units, prod(block.map))
        if norm == "running":
            return running_norm(flat, scale, shift, mean, variance).view(x.shape)
        parts, means, variances = [], [], []
        for part in flat.split(batch_sizes(x.shape[1], self.model.norm_group or x.shape[1]), dim=1):
            out, m, v = BatchNorm.apply(part.contiguous(), scale, shift)
            count = part.shape[1] * part.shape[3]
            parts.append(out)
            means.append(m)
            # the running variance is the unbiased one, as in torch.nn
            variances.append(v * (count / max(1, count - 1)))
        with torch.no_grad():
            mean.mul_(1 - MOMENTUM).add_(sum(means) / len(means) * MOMENTUM)
            variance.mul_(1 - MOMENTUM).add_(sum(variances) / len(variances) * MOMENTUM)
        return (parts[0] if len(parts) == 1 else torch.cat(parts, 1)).view(x.shape)


def _multiply_state(
    noise: Noise, name: str, units: int, direction: int, state: Tensor, factor: Tensor, step: int
) -> Tensor:
    """Return an LSTM's state (R, B, U) of one direction times the factor of a time step."""

    def part(whole: Tensor) -> Tensor:
        at = step if whole.shape[2] > 1 else 0
        return whole[:, :, at, direction * units : (direction + 1) * units]

    return noise.apply(name, state, factor, part=part)


def _at(factor: Tensor, x: Tensor) -> Tensor:
    """View a factor for (C, H, W) examples as one for flat ones, where the network has flattened them."""
    return factor.flatten(2) if factor.dim() > x.dim() else factor
