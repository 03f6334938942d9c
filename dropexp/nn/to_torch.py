"""One run of a network as a torch.nn.Module of stock layers, from the weights that a study saves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dropexp.errors import ConfigError
from dropexp.experiment.config import Config
from dropexp.experiment.kinds import KINDS
from dropexp.experiment.layout import Block, Layout, keep_probability, layout, site_rates
from dropexp.experiment.schedules import site_rates_in_force

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,  # its default slope, 0.01, is ours
    "linear": nn.Identity,
}
POOLS = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}
# (law of a kind of dropout, axes over which one draw serves) -> the layer that draws so
DROPOUTS: dict[tuple[str, tuple[str, ...]], Callable[[float], nn.Module]] = {
    ("bernoulli", ()): nn.Dropout,
    ("bernoulli", ("map",)): nn.Dropout2d,
    ("alpha", ()): nn.AlphaDropout,
}
# what stands beside saved weights: of the inputs, no parameters; the fill only where a data set has blank cells
SCALE, FILL, SHAPE = ("input.mean", "input.sd"), "input.fill", "input.shape"


def to_torch(
    config: Config,
    example: tuple[int, ...],
    weights: Mapping[str, Any],
    *,
    mean: Any,
    sd: Any,
    fill: Any = None,
    epoch: int | None = None,
) -> TorchNetwork:
    """Return one run as stock layers, with its weights and running statistics, in evaluation mode.

    `dropexp.load` returns a stored run so. `example` is an example's shape, (F,) or (C, H, W), and `weights` a mapping as
    `save_weights` stores it, or one run's slice of a network's parameters and statistics. `mean` and `sd` are those of the
    run's training examples, (F,) or (C,), so that the module takes examples as they are in the data set; None for both where
    it is to take standardised ones. `fill`, (F,), is what stands for blank cells (NaN), None where there are none. `epoch`
    is the one that the weights are of; without it, dropout layers have the rates that the schedule starts from.

    The module computes in the precision of the weights, and does not round products where the run did (bfloat16).
    Weights of 0.2.0, which had biases before batch norm, are taken with them. Raises ConfigError where the weights are not
    those of such a network, where a kind of dropout has no stock layer at test time, and where it scales by a rate that
    follows a schedule and `epoch` is None.
    """
    arrays = {name: array.detach() if isinstance(array, Tensor) else torch.from_numpy(np.array(array))
              for name, array in weights.items() if name not in (*SCALE, FILL, SHAPE)}  # fmt: skip
    if "output.bias" not in arrays:
        raise ConfigError("weights: no output.bias among them, so these are not the weights of a run")
    if not all(array.is_floating_point() for array in arrays.values()) or arrays["output.bias"].dim() != 1:
        raise ConfigError("weights: they are no floating-point numbers, or output.bias is no vector")
    shapes = layout(config, example, len(arrays["output.bias"]))
    biases = {name for name in arrays if name.endswith(".bias")}
    with torch.device("meta"):  # a configuration may be made up, and ask for more memory than there is
        TorchNetwork(config, shapes, biases, epoch, blanks=fill is not None).check(arrays)
    with torch.random.fork_rng(devices=[]):  # layers begin with random numbers, which are not the caller's to lose
        module = TorchNetwork(config, shapes, biases, epoch, blanks=fill is not None)
    module.to(arrays["output.bias"].dtype)
    module.load(arrays)
    if (mean is None) != (sd is None):
        raise ConfigError("mean and sd: one of them is None; pass both or neither")
    if mean is not None:
        for name, own in (("mean", module.mean), ("sd", module.sd)):
            own.copy_(torch.as_tensor(np.asarray({"mean": mean, "sd": sd}[name])).reshape(own.shape))
    if module.fill is not None:
        module.fill.copy_(torch.as_tensor(np.asarray(fill)).reshape(module.fill.shape))
    return module.eval()


class TorchNetwork(nn.Module):
    """One run as stock layers: blocks of `affine`, `norm`, `activation` and `pool`, or of an `lstm`, and `dropouts` by place.

    `notes` are sentences on what stock layers do in another way than the run did: of most kinds of dropout there is no
    stock layer.
    """

    mean: Tensor
    sd: Tensor
    fill: Tensor | None

    def __init__(
        self, config: Config, shapes: Layout, biases: set[str], epoch: int | None = None, blanks: bool = False
    ):
        super().__init__()
        self.model, self.layout = config.model, shapes
        self.factors_at_test = _factors_at_test(config, epoch)
        rates = {place: rate for place, rate in _rates(config, epoch).items() if keep_probability(rate) < 1}
        made = {
            place: _dropout(config, place, shape, rates[place]) for place, shape in shapes.site_shapes if place in rates
        }
        self.dropouts = nn.ModuleDict({_key(place): layer for place, layer in made.items() if layer is not None})
        self.notes = tuple(_notes(config, [place for place in made if made[place] is None]))
        channels = (shapes.example[0], *(1 for _ in shapes.example[1:]))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("sd", torch.ones(channels))
        self.register_buffer("fill", torch.zeros(channels) if blanks else None)
        self.blocks = nn.ModuleDict(
            {
                _key(block.name): self._block(block, block.bias or f"{block.name}.bias" in biases)
                for block in shapes.blocks
            }
        )

    def _block(self, block: Block, bias: bool) -> nn.ModuleDict:
        if block.kind == "lstm":
            both = block.directions == 2
            return nn.ModuleDict({"lstm": nn.LSTM(block.fan_in, block.units, batch_first=True, bidirectional=both)})
        made: dict[str, nn.Module] = {}
        if block.kind == "conv":
            made["affine"] = nn.Conv2d(block.fan_in, block.units, block.kernel, padding="same", bias=bias)
        else:
            made["affine"] = nn.Linear(block.fan_in, block.units, bias=bias)
        if "norm" in block.steps and self.layout.norm == "batch":
            made["norm"] = nn.BatchNorm2d(block.units) if block.kind == "conv" else nn.BatchNorm1d(block.units)
        elif "norm" in block.steps:
            made["norm"] = nn.LayerNorm((block.units, *block.map))
        if "activation" in block.steps:
            made["activation"] = ACTIVATIONS[self.model.activation]()
        if block.pool != "none":
            made["pool"] = POOLS[block.pool](2)
        return nn.ModuleDict(made)

    def tensors(self) -> Iterator[tuple[str, Tensor, bool]]:
        """Yield (name as saved, the tensor here that holds the same, whether it lies transposed here)."""
        for block in self.layout.blocks:
            own: Any = self.blocks[_key(block.name)]
            if block.kind == "lstm":
                for direction, end in (("forward", "l0"), ("backward", "l0_reverse"))[: block.directions]:
                    name = f"{block.name}.{direction}"
                    yield f"{name}.input.weight", getattr(own.lstm, f"weight_ih_{end}"), True
                    yield f"{name}.state.weight", getattr(own.lstm, f"weight_hh_{end}"), True
                    yield f"{name}.bias", getattr(own.lstm, f"bias_ih_{end}"), False
                continue
            yield f"{block.name}.weight", own.affine.weight, block.kind == "dense"  # torch's dense weights are (O, I)
            if own.affine.bias is not None:
                yield f"{block.name}.bias", own.affine.bias, False
            if "norm" in own:
                yield f"{block.name}.norm.scale", own.norm.weight, False
                yield f"{block.name}.norm.shift", own.norm.bias, False
                if self.layout.norm == "batch":
                    yield f"{block.name}.norm.mean", own.norm.running_mean, False
                    yield f"{block.name}.norm.variance", own.norm.running_var, False

    def check(self, arrays: Mapping[str, Tensor]) -> None:
        """Raise ConfigError where one run's tensors, by the names they are saved under, do not fit."""
        held = {name: (tensor, transposed) for name, tensor, transposed in self.tensors()}
        if unlike := sorted(held.keys() ^ arrays.keys()):
            what = "is missing" if unlike[0] in held else "is not part of this network"
            raise ConfigError(f"weights: {unlike[0]} {what}; do they belong to a run with another configuration?")
        for name, (tensor, transposed) in held.items():
            given, here = arrays[name], tensor.T if transposed else tensor
            # the scales of a layer norm over maps are saved flat
            if given.shape != here.shape and given.shape != here.flatten().shape:
                raise ConfigError(
                    f"weights: {name} is {tuple(given.shape)} where this network has {tuple(here.shape)}; "
                    "do they belong to a run with another configuration?"
                )

    @torch.no_grad()
    def load(self, arrays: Mapping[str, Tensor]) -> None:
        """Take over one run's tensors, which `check` has found to fit."""
        for name, tensor, transposed in self.tensors():
            here = tensor.T if transposed else tensor
            here.copy_(arrays[name].reshape(here.shape))
        for block in self.layout.blocks:
            if block.kind == "lstm":
                for end in ("l0", "l0_reverse")[: block.directions]:
                    lstm: Any = self.get_submodule(f"blocks.{_key(block.name)}.lstm")
                    getattr(lstm, f"bias_hh_{end}").zero_()  # torch adds two biases, and one is enough
                    # the state is multiplied by nothing but this weight, so a factor on the one is one on the other
                    index = block.name.removeprefix("lstm.")
                    getattr(lstm, f"weight_hh_{end}").mul_(self.factors_at_test.get(f"recurrent.{index}", 1.0))

    def forward(self, x: Tensor, factors: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return logits (B, K) of inputs (B, F) or (B, C, H, W).

        `factors` holds by place what the units there are multiplied by, (B or 1, ...), as training drew it: `input`, `conv.1`,
        `hidden.1`, `between.1`, `output`; without it units are masked by the stock layers in training mode, and multiplied
        as the run's kind does at test time. Raises ValueError for a place where nothing is multiplied.
        """
        places = {name for name, _ in self.layout.site_shapes if not name.startswith("recurrent.")}
        if factors is not None and (unknown := sorted(factors.keys() - places)):
            raise ValueError(
                f"factors: {unknown[0]} is not a place in this network; allowed are {', '.join(sorted(places))}"
            )

        def masked(x: Tensor, place: str) -> Tensor:
            if factors is not None:
                factor = factors.get(place, torch.ones(1, dtype=x.dtype))
                return x * (factor.flatten(1) if factor.dim() > x.dim() else factor)
            x = self.dropouts[_key(place)](x) if _key(place) in self.dropouts else x
            # where survivors are not scaled in training, this takes back what the stock layer scales
            return x * self.factors_at_test[place] if place in self.factors_at_test else x

        if self.fill is not None:
            x = torch.where(x.isnan(), self.fill, x)
        x = (x - self.mean) / self.sd
        if self.model.kind == "lstm":
            x = x.transpose(1, 2).flatten(2)  # an image is read row by row: (B, C, H, W) -> (B, T = H, F = C W)
        x = masked(x.flatten(1) if self.model.kind == "mlp" else x, "input")
        maps = self.model.kind == "cnn"
        for block in self.layout.blocks:
            own: Any = self.blocks[_key(block.name)]
            if block.kind == "lstm":
                states, index = own.lstm(x)[0], block.name.removeprefix("lstm.")
                if int(index) < (self.model.layers or 1):
                    x = masked(states, f"between.{index}")
                    continue
                ends = [states[:, -1, : block.units], states[:, 0, block.units :]]  # the second one reads backwards
                x = masked(torch.cat(ends[: block.directions], 1), "output")
                continue
            if maps and block.kind == "dense":
                x, maps = x.flatten(1), False
            x = own.affine(x)
            for step in block.steps:
                x = masked(x, block.name) if step == "dropout" else own[step](x)
            x = own.pool(x) if "pool" in own else x
        return x

    def plain(self, x: Tensor) -> Tensor:
        """Return logits as `forward` does without factors: what a module that knows nothing of dropexp computes."""
        return self.forward(x)


def _key(name: str) -> str:
    return name.replace(".", "_")  # torch allows no full stop in the name of a module


def _rates(config: Config, epoch: int | None) -> dict[str, float]:
    """Return the rate of each place that is masked, in an epoch, or before any schedule."""
    if epoch is None:
        return site_rates(config.dropout, config.model)
    return site_rates_in_force(config.dropout, config.model, epoch)


def _dropout(config: Config, place: str, shape: tuple[int, ...], rate: float) -> nn.Module | None:
    """Return the stock layer that masks a place as the run's kind does, None where there is none."""
    kind = KINDS[config.dropout.kind]
    over_time = len(shape) == 2  # (T, F): elsewhere a mask for all steps is a mask for each unit
    shared = tuple(axis for axis in kind.shared if axis != "time" or over_time)
    made = DROPOUTS.get((kind.law, shared))
    fits = kind.acts_on == "unit" and config.dropout.group_size in (None, 1) and not place.startswith("recurrent.")
    scaled = kind.train == "1/keep" or kind.test == "keep"  # the stock layers scale
    return made(1.0 - keep_probability(rate)) if made and fits and scaled else None


def _notes(config: Config, unmasked: list[str]) -> Iterator[str]:
    """Yield a sentence on each thing that stock layers do in another way; `unmasked` are places without a layer."""
    if unmasked:
        yield (
            f"{config.dropout.kind} has no layer in torch for {', '.join(unmasked)}: nothing is dropped there in training "
            "mode; in evaluation mode the outputs are those of the run"
        )
    if config.model.norm_group is not None:
        yield (
            "model.norm_group has no layer in torch: in training mode batch statistics are taken over the whole batch; in "
            "evaluation mode the outputs are those of the run"
        )
    if config.training.precision != "float32":
        yield (
            f"training.precision {config.training.precision}: the run rounded what it multiplied; the module does not, so "
            "its outputs differ in the third digit"
        )


def _factors_at_test(config: Config, epoch: int | None) -> dict[str, float]:
    """Return what each place is multiplied by at test time, where that is not 1."""
    dropout, rates = config.dropout, site_rates(config.dropout, config.model)
    if rates and KINDS[dropout.kind].acts_on == "weight" and dropout.at_test == "moments":
        raise ConfigError("dropout.at_test: moments has no stock layer; a run with at_test mean has")
    if KINDS[dropout.kind].test == "1" or not rates:
        return {}
    if dropout.schedule.shape != "constant" and epoch is None:
        raise ConfigError(
            f"epoch: {dropout.kind} scales by the rate of an epoch, and no epoch was given; pass the epoch of the weights"
        )
    if dropout.recurrent == "candidate" and any(name.startswith("recurrent.") for name in rates):
        raise ConfigError(
            f"dropout.recurrent: candidate has no stock layer with {dropout.kind}; step and sequence have"
        )
    in_force = site_rates_in_force(dropout, config.model, epoch or 1)
    return {name: keep_probability(rate) for name, rate in in_force.items()}
