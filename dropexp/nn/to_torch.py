"""One run of a network as a torch.nn.Module of stock layers, from the weights that a study saves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


def to_torch(
    config: Config,
    example: tuple[int, ...],
    weights: Mapping[str, Any],
    *,
    mean: Any,
    sd: Any,
    epoch: int | None = None,
) -> TorchNetwork:
    """Return one run as stock layers, with its weights and running statistics, in evaluation mode.

    `example` is an example's shape, (F,) or (C, H, W), and `weights` a mapping as `save_weights` stores it
    (`numpy.load("weights/<run_id>.npz")`), or one run's slice of a network's parameters and statistics. `mean` and `sd` are
    those of the run's training examples, (F,) or (C,), so that the module takes examples as they are in the data set;
    None for both where it is to take standardised ones. Blank cells of a .csv are to be filled in with the split's `fill`
    first. `epoch` is the one that the weights are of.

        data = dropexp.data.load(config.data, folder=folder)
        parts = dropexp.data.split(data, config.data, split_seed=seed, label_seed=seed)
        module = to_torch(config, data.example, np.load(path), mean=parts.mean, sd=parts.sd)

    The module computes in the precision of the weights, and does not round products where the run did (bfloat16).
    Weights of 0.2.0, which had biases before batch norm, are taken with them. Raises ConfigError where the weights are not
    those of such a network, where a kind of dropout has no stock layer at test time, and where it scales by a rate that
    follows a schedule and `epoch` is None.
    """
    arrays = {name: torch.as_tensor(np.asarray(array) if not isinstance(array, Tensor) else array.detach())
              for name, array in weights.items()}  # fmt: skip
    if "output.bias" not in arrays:
        raise ConfigError("weights: no output.bias among them, so these are not the weights of a run")
    shapes = layout(config, example, len(arrays["output.bias"]))
    module = TorchNetwork(config, shapes, {name for name in arrays if name.endswith(".bias")})
    module.factors_at_test = _factors_at_test(config, epoch)
    module.to(arrays["output.bias"].dtype)
    module.load(arrays)
    if (mean is None) != (sd is None):
        raise ConfigError("mean and sd: one of them is None; pass both or neither")
    if mean is not None:
        for name, own in (("mean", module.mean), ("sd", module.sd)):
            own.copy_(torch.as_tensor(np.asarray({"mean": mean, "sd": sd}[name])).reshape(own.shape))
    return module.eval()


class TorchNetwork(nn.Module):
    """One run as stock layers: blocks of `affine`, `norm`, `activation` and `pool`, or of an `lstm`.

    Dropout is off unless a pass is given its factors: of most kinds there is no stock layer. In training mode batch norm takes
    its statistics over the whole batch, also where the run took them over groups (`model.norm_group`).
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, config: Config, shapes: Layout, biases: set[str]):
        super().__init__()
        self.model, self.layout = config.model, shapes
        self.factors_at_test: dict[str, float] = {}
        channels = (shapes.example[0], *(1 for _ in shapes.example[1:]))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("sd", torch.ones(channels))
        self.blocks = nn.ModuleDict(
            {_key(block): self._block(block, block.bias or f"{block.name}.bias" in biases) for block in shapes.blocks}
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
            own: Any = self.blocks[_key(block)]
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

    @torch.no_grad()
    def load(self, arrays: Mapping[str, Tensor]) -> None:
        """Take over one run's tensors by the names they are saved under; raises ConfigError where they do not fit."""
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
            here.copy_(given.reshape(here.shape))
        for block in self.layout.blocks:
            if block.kind == "lstm":
                for end in ("l0", "l0_reverse")[: block.directions]:
                    lstm: Any = self.get_submodule(f"blocks.{_key(block)}.lstm")
                    getattr(lstm, f"bias_hh_{end}").zero_()  # torch adds two biases, and one is enough
                    # the state is multiplied by nothing but this weight, so a factor on the one is one on the other
                    index = block.name.removeprefix("lstm.")
                    getattr(lstm, f"weight_hh_{end}").mul_(self.factors_at_test.get(f"recurrent.{index}", 1.0))

    def forward(self, x: Tensor, factors: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return logits (B, K) of inputs (B, F) or (B, C, H, W).

        `factors` holds by place what the units there are multiplied by, (B or 1, ...), as training drew it: `input`, `conv.1`,
        `hidden.1`, `between.1`, `output`; without it units are multiplied as the run's kind does at test time. Raises
        ValueError for a place where nothing is multiplied.
        """
        given: Mapping[str, Tensor | float] = self.factors_at_test if factors is None else factors
        places = {name for name, _ in self.layout.site_shapes if not name.startswith("recurrent.")}
        if factors is not None and (unknown := sorted(factors.keys() - places)):
            raise ValueError(
                f"factors: {unknown[0]} is not a place in this network; allowed are {', '.join(sorted(places))}"
            )

        def masked(x: Tensor, place: str) -> Tensor:
            factor = given.get(place, 1.0)
            return x * (factor.flatten(1) if isinstance(factor, Tensor) and factor.dim() > x.dim() else factor)

        x = (x - self.mean) / self.sd
        if self.model.kind == "lstm":
            x = x.transpose(1, 2).flatten(2)  # an image is read row by row: (B, C, H, W) -> (B, T = H, F = C W)
        x = masked(x.flatten(1) if self.model.kind == "mlp" else x, "input")
        for block in self.layout.blocks:
            own: Any = self.blocks[_key(block)]
            if block.kind == "lstm":
                states, index = own.lstm(x)[0], block.name.removeprefix("lstm.")
                if int(index) < (self.model.layers or 1):
                    x = masked(states, f"between.{index}")
                    continue
                ends = [states[:, -1, : block.units], states[:, 0, block.units :]]  # the second one reads backwards
                x = masked(torch.cat(ends[: block.directions], 1), "output")
                continue
            x = own.affine(x.flatten(1) if block.kind == "dense" else x)
            for step in block.steps:
                x = masked(x, block.name) if step == "dropout" else own[step](x)
            x = own.pool(x) if "pool" in own else x
        return x


def _key(block: Block) -> str:
    return block.name.replace(".", "_")  # torch allows no full stop in the name of a module


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
