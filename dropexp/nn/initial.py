"""Initial weights: each run's own, drawn layer by layer from its `init` stream."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dropexp.experiment.config import Model
from dropexp.experiment.layout import Block
from dropexp.streams import generator

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
