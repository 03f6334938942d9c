"""What a network begins with: every tensor and its role; each run's weights are drawn from its own `init` stream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from dropexp.experiment.config import Model
from dropexp.experiment.layout import Block, Layout, norm_parameters
from dropexp.nn.protocol import Role
from dropexp.streams import generator

DIRECTIONS = ("forward", "backward")
BY_ACTIVATION = {"relu": "he", "leaky_relu": "he", "gelu": "he", "selu": "lecun"}  # the others: glorot


def _he(rng: np.random.Generator, shape: Sequence[int], fan_in: int, fan_out: int) -> np.ndarray:
    return rng.standard_normal(shape) * math.sqrt(2.0 / fan_in)


def _lecun(rng: np.random.Generator, shape: Sequence[int], fan_in: int, fan_out: int) -> np.ndarray:
    return rng.standard_normal(shape) * math.sqrt(1.0 / fan_in)


def _glorot(rng: np.random.Generator, shape: Sequence[int], fan_in: int, fan_out: int) -> np.ndarray:
    limit = math.sqrt(6.0 / (fan_in + fan_out))
    return rng.uniform(-limit, limit, shape)


# He et al. 2015 (normal, 2/fan_in), LeCun et al. 1998 (normal, 1/fan_in), Glorot & Bengio 2010 (uniform).
SCHEMES = {"he": _he, "lecun": _lecun, "glorot": _glorot}


def initial_weight(block: Block, model: Model, seed: int) -> np.ndarray:
    """Return a layer's initial weights, (I, O) for a dense map and (O, C, k, k) for a convolution, float64.

    The scheme is `model.init`; `auto` takes He for relu, leaky_relu and gelu, LeCun for selu, Glorot else and for
    the output layer. Biases start at 0.
    """
    chosen: str = model.init
    if chosen == "auto":
        chosen = "glorot" if block.name == "output" else BY_ACTIVATION.get(model.activation, "glorot")
    area = block.kernel**2
    shape = (
        (block.units, block.fan_in, block.kernel, block.kernel) if block.kind == "conv" else (block.fan_in, block.units)
    )
    rng = generator(seed, "init", block.name)
    return SCHEMES[chosen](rng, shape, block.fan_in * area, block.units * area)


def initial_gates(block: Block, layer: str, seed: int) -> dict[str, np.ndarray]:
    """Return one direction of an LSTM layer: `input.weight` (F, 4U), `state.weight` (U, 4U) and `bias` (4U,), float64.

    Weights by Glorot, gate by gate; the forget gate's bias starts at 1 (Jozefowicz et al. 2015), the others at 0. `layer`
    is the name of layer and direction.
    """

    def drawn(name: str, rows: int) -> np.ndarray:
        # four gates lie side by side, and Glorot's fan out is that of one
        return _glorot(generator(seed, "init", f"{layer}.{name}"), (rows, 4 * block.units), rows, block.units)

    bias = np.zeros(4 * block.units)  # gates lie in torch.nn's order: input, forget, candidate, output
    bias[block.units : 2 * block.units] = 1.0
    return {"input.weight": drawn("input", block.fan_in), "state.weight": drawn("state", block.units), "bias": bias}


@dataclass
class Begun:
    """The tensors of R runs before the first step, and what `Trainable` says of them; see there."""

    parameters: dict[str, Tensor] = field(default_factory=dict)
    statistics: dict[str, Tensor] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    unit_axes: dict[str, int] = field(default_factory=dict)
    batch_norms: dict[str, tuple[str, str]] = field(default_factory=dict)

    def learn(self, name: str, tensor: Tensor, role: Role, unit_axis: int = 2) -> None:
        """Add a parameter."""
        self.parameters[name], self.roles[name] = tensor, role
        if role == "weight":
            self.unit_axes[name] = unit_axis


def begin(layout: Layout, model: Model, seeds: Sequence[int], dtype: torch.dtype) -> Begun:
    """Return what the networks of a layout begin with, one run per seed: (R, ...) by name."""
    begun, runs = Begun(), len(seeds)
    distinct = dict.fromkeys(seeds)  # runs of one seed begin alike: its weights are drawn once

    def stack(drawn: dict[int, np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack([drawn[seed] for seed in seeds])).to(dtype)

    for block in layout.blocks:
        if block.kind == "lstm":
            for direction in DIRECTIONS[: block.directions]:
                layer = f"{block.name}.{direction}"
                gates = {seed: initial_gates(block, layer, seed) for seed in distinct}
                for name in next(iter(gates.values())):
                    own = stack({seed: gates[seed][name] for seed in distinct})
                    begun.learn(f"{layer}.{name}", own, "bias" if name == "bias" else "weight")
            continue
        weight = stack({seed: initial_weight(block, model, seed) for seed in distinct})
        begun.learn(f"{block.name}.weight", weight, "weight", unit_axis=1 if block.kind == "conv" else 2)
        if block.bias:
            begun.learn(f"{block.name}.bias", torch.zeros(runs, block.units, dtype=dtype), "bias")
        if count := norm_parameters(block, layout.norm) // 2:
            ones = torch.ones(runs, count, dtype=dtype)
            begun.learn(f"{block.name}.norm.scale", ones, "norm")
            begun.learn(f"{block.name}.norm.shift", torch.zeros_like(ones), "norm")
            if layout.norm == "batch":
                begun.statistics[f"{block.name}.norm.mean"] = torch.zeros_like(ones)
                begun.statistics[f"{block.name}.norm.variance"] = ones.clone()
                begun.batch_norms[block.name] = f"{block.name}.norm.mean", f"{block.name}.norm.variance"
    return begun
