"""The network layer by layer, as plain data: what `check` prints and what `nn` builds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

from dropexp.errors import ConfigError
from dropexp.experiment.config import Config, Dropout, Model
from dropexp.experiment.kinds import KINDS

PLACES = ("input", "conv", "recurrent", "between", "output", "hidden", "last", "all")
LEVELS = 65536  # a mask is drawn from uniform integers of 16 bits


@dataclass(frozen=True)
class Block:
    """One affine map and what follows it.

    `name` is `conv.1`, `lstm.1`, `hidden.2` or `output`; `kind` is `dense`, `conv` or `lstm`; `fan_in` and `units` count
    features of a dense map or of an LSTM's step, or channels of a convolution; `map` is (H, W) before pooling for `conv`,
    (T,) for `lstm`, else (); `steps` are the block's norm, activation and dropout in order, the absent left out; `pool` is
    max, avg or none; `directions` is 2 for an LSTM that reads both ways; `bias` is False where batch norm would subtract the
    map's bias again (see `biased`).
    """

    name: str
    kind: str
    fan_in: int
    units: int
    kernel: int
    map: tuple[int, ...]
    steps: tuple[str, ...]
    pool: str
    directions: int = 1
    bias: bool = True

    @property
    def parameters(self) -> int:
        """Weights and biases; an LSTM has four gates, each with one bias."""
        if self.kind == "lstm":
            return self.directions * 4 * self.units * (self.fan_in + self.units + 1)
        return self.units * (self.fan_in * self.kernel**2 + self.bias)

    @property
    def operations(self) -> int:
        """Multiply-adds of one example."""
        if self.kind == "lstm":
            return self.directions * 4 * self.units * (self.fan_in + self.units) * prod(self.map)
        return self.fan_in * self.kernel**2 * self.units * prod(self.map)


@dataclass(frozen=True)
class Layout:
    """A network for examples of shape `example`, (F,) or (C, H, W), and `classes` classes."""

    example: tuple[int, ...]
    classes: int
    blocks: tuple[Block, ...]
    norm: str
    site_shapes: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def parameters(self) -> int:
        return sum(b.parameters + norm_parameters(b, self.norm) for b in self.blocks)

    @property
    def operations(self) -> int:
        return sum(b.operations for b in self.blocks)

    @property
    def activations(self) -> int:
        """Numbers kept for the backward pass, per example and step of a block."""
        kept = {"lstm": 12}  # gates, cell and hidden state of each step
        return prod(self.example) + sum(
            b.directions * b.units * prod(b.map) * (kept.get(b.kind, 1) + len(b.steps)) for b in self.blocks
        )


def norm_parameters(block: Block, norm: str) -> int:
    """Return how many scales and shifts the block's normalisation learns."""
    if "norm" not in block.steps:
        return 0
    return 2 * block.units * (prod(block.map) if norm == "layer" else 1)


@lru_cache(maxsize=4096)
def site_names(model: Model) -> tuple[str, ...]:
    """Return every mask site of a model, from the input up: input, conv.1, ..., hidden.1, ..."""
    convs = model.channels or () if model.kind == "cnn" else ()
    layers = model.layers or 1 if model.kind == "lstm" else 0
    return (
        "input",
        *(f"conv.{i}" for i, _ in enumerate(convs, 1)),
        *(
            f"{place}.{i}"
            for i in range(1, layers + 1)
            for place in (("recurrent", "between") if i < layers else ("recurrent",))
        ),
        *(("output",) if layers else ()),
        *(f"hidden.{i}" for i, _ in enumerate(model.hidden, 1)),
    )


def sites_of(place: str, model: Model) -> tuple[str, ...]:
    """Return the sites that a place covers in a model; () where the model has none."""
    names = site_names(model)
    if place == "all":
        return names
    if place == "last":
        return (names[-1],) if model.hidden else ()
    return tuple(name for name in names if name == place or name.split(".")[0] == place)


@lru_cache(maxsize=65536)
def site_rates(dropout: Dropout, model: Model) -> dict[str, float]:
    """Return the rate at each site that is masked at a rate above 0, from the input up.

    `rate_at` overrides `rate`, and adds a place that `placement` does not name; a single layer's rate overrides
    that of the place it belongs to.
    """
    rates = {site: dropout.rate for place in dropout.placement for site in sites_of(place, model)}
    for place, rate in sorted(dropout.rate_at, key=lambda pair: _breadth(pair[0])):
        rates.update(dict.fromkeys(sites_of(place, model), rate))
    return {site: rates[site] for site in site_names(model) if rates.get(site, 0.0) > 0.0}


def _breadth(place: str) -> int:
    return 0 if place == "all" else 2 if "." in place or place in ("last", "input", "output") else 1


def threshold(rate: float) -> int:
    """Return T = round(65536 rate): a unit is dropped where its 16-bit integer is below T."""
    return round(LEVELS * rate)


def keep_probability(rate: float) -> float:
    """Return 1 - T/65536, the keep probability that every formula uses: the nearest that 16 bits can draw."""
    return 1.0 - threshold(rate) / LEVELS


def masked_before_norm(config: Config) -> frozenset[str]:
    """Return the layers that are masked between their affine map and their norm, or whose map itself is masked.

    Only masks that differ within a batch count: batch norm removes whatever is constant over the batch.
    """
    dropout, order = config.dropout, config.model.order.split("-")
    on_weights = KINDS[dropout.kind].acts_on == "weight"
    whole_batch = dropout.group_size == "batch" or "batch" in KINDS[dropout.kind].shared
    if whole_batch or not (on_weights or order.index("dropout") < order.index("norm")):
        return frozenset()
    return frozenset(s for s in site_rates(dropout, config.model) if s.startswith(("conv.", "hidden.")))


def biased(config: Config) -> frozenset[str] | None:
    """Return the layers whose affine map has a bias although a norm follows; None where every map has one.

    Batch norm subtracts each unit's mean over the batch and with it the unit's bias b: norm(x + b) = norm(x), so the
    gradient of b is zero up to rounding. Adam divides that rounding by its own size and steps along it at full speed. The
    bias is therefore left out, as in Ioffe & Szegedy 2015, section 3.2. It stays where something between the map and the
    norm does not commute with a shift: an activation other than `linear`, or masks that differ within the batch, since
    m (x + b) shifts only the examples that keep the unit. It also stays before layer norm, which subtracts one mean over
    all features of an example: a bias that differs between features is not removed.
    """
    model = config.model
    order = model.order.split("-")
    bent = order.index("activation") < order.index("norm") and model.activation != "linear"
    return None if model.norm != "batch" or bent else masked_before_norm(config)


def layout(config: Config, example: tuple[int, ...], classes: int) -> Layout:
    """Return the layers of a configuration's network for examples of shape (F,) or (C, H, W).

    Runs of one pack agree in it. Raises ConfigError where the data does not fit: flat vectors for a cnn, or more pooling
    than pixels.
    """
    return _layout(config.model, example, classes, biased(config))


@lru_cache(maxsize=4096)
def _layout(model: Model, example: tuple[int, ...], classes: int, own_bias: frozenset[str] | None) -> Layout:
    def has_bias(name: str) -> bool:
        return own_bias is None or name in own_bias

    steps = tuple(s for s in model.order.split("-") if s != "norm" or model.norm != "none")
    blocks, shapes = [], [("input", example)]
    features, size = prod(example), example
    if model.kind == "cnn":
        if len(example) != 3:
            raise ConfigError(
                f"model.kind: cnn needs images, but the data are vectors of {example[0]} features; "
                "use model.kind mlp, or arrays of shape (N, H, W), (N, C, H, W) or (N, H, W, C)"
            )
        for i, channels in enumerate(model.channels or (), 1):
            depth, height, width = size
            pool = model.pool or "none"
            if pool != "none" and min(height, width) < 2:
                raise ConfigError(
                    f"model.channels: block {i} would pool a map of {height} x {width}; "
                    f"use at most {i - 1} channels, or model.pool none"
                )
            name, kernel = f"conv.{i}", model.kernel or 3
            blocks.append(
                Block(name, "conv", depth, channels, kernel, (height, width), steps, pool, bias=has_bias(name))
            )
            shapes.append((name, (channels, height, width)))
            size = (channels, height // 2, width // 2) if pool != "none" else (channels, height, width)
        features = prod(size)
    if model.kind == "lstm":
        if len(example) != 3:
            raise ConfigError(
                f"model.kind: lstm needs sequences, but the data are vectors of {example[0]} features; "
                "use model.kind mlp, or arrays of shape (N, T, F), or images, which are read row by row"
            )
        channels, time, width = example
        features, directions = channels * width, 2 if model.bidirectional else 1
        shapes = [("input", (time, features))]
        layers, units = model.layers or 1, model.units or 64
        for i in range(1, layers + 1):
            blocks.append(Block(f"lstm.{i}", "lstm", features, units, 1, (time,), (), "none", directions))
            features = units * directions
            shapes.append((f"recurrent.{i}", (time, features)))
            if i < layers:
                shapes.append((f"between.{i}", (time, features)))
        shapes.append(("output", (features,)))
    for i, units in enumerate(model.hidden, 1):
        name = f"hidden.{i}"
        blocks.append(Block(name, "dense", features, units, 1, (), steps, "none", bias=has_bias(name)))
        shapes.append((name, (units,)))
        features = units
    blocks.append(Block("output", "dense", features, classes, 1, (), (), "none"))
    return Layout(example, classes, tuple(blocks), model.norm, tuple(shapes))
