"""The closed form of variance shift: which dropout acts next before a batch norm, and the variance that it adds there.

A factor m of mean 1 and variance s = rate/keep, independent of x, gives m x the variance v + s (c^2 + v), where c and v are
x's mean and variance (Li et al. 2019, equation 3). After an affine map of units with factors of their own it is
v + s sum_i w_i^2 E[x_i^2], where v is the variance of the map's output without the factors.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from dropexp.experiment.kinds import KINDS
from dropexp.experiment.layout import keep_probability, layout, site_rates
from dropexp.train.looking import Look

LAWS = ("bernoulli", "gaussian", "uniform")  # whose factor has the variance rate/keep where its mean is 1


@dataclass
class Before:
    """Dropout before the norm of one layer: right before it, or before the affine map that the norm follows.

    `spread` is per run the variance of the factor over the square of its mean, None where a run masks other places and not
    this one. `scale` is the square of that mean over what testing multiplies by: 1 but for the kind `unscaled`. What the
    affine map `weight_RIO` reads passes at the layer and point in `through`.
    """

    spread: list[float | None]
    scale: list[float]
    through: tuple[str, str] | None = None
    weight_RIO: Tensor | None = None
    squares: list[Tensor] = field(default_factory=list)
    count: int = 0

    def see(self, layer: str, point: str, x: Tensor) -> None:
        """Hear of what passes, dropout off, and add up the squares of what the affine map reads."""
        if (layer, point) == self.through:
            self.squares.append(x.flatten(2).double().square().sum(1))
            self.count += x.shape[1]

    def training_variance(self, test_RC: Tensor, mean_RC: Tensor) -> list[Tensor | None]:
        """Return each run's variance with dropout, (C,), from the variance and mean without it, (R, C) each."""
        if self.through is None or self.weight_RIO is None:
            second = list(mean_RC.square() + test_RC)
        else:
            power_RI = torch.stack(self.squares).sum(0) / self.count
            own = zip(power_RI, self.weight_RIO.double(), strict=True)
            second = [(power[:, None] * weight.square()).sum(0) for power, weight in own]
        parts = zip(self.spread, self.scale, test_RC, second, strict=True)
        return [None if s is None else scale * (v + s * more) for s, scale, v, more in parts]


def before_norms(look: Look) -> dict[str, Before]:
    """Return the dropout before each layer with batch norm, where the closed form reaches it."""
    config = look.runs[0].config  # runs of a pack agree in what comes after what
    kind = KINDS[config.dropout.kind]
    own_masks = "batch" not in kind.shared and config.dropout.group_size is None
    if not own_masks or kind.law not in LAWS or kind.acts_on != "unit":
        return {}
    blocks = layout(config, tuple(look.feed.pool.shape[1:]), 2).blocks
    found = {}
    for at, block in enumerate(blocks):
        if block.name not in look.network.batch_norms:
            continue
        if "dropout-norm" in "-".join(block.steps):
            found[block.name] = _before(look, block.name)
        elif block.kind == "dense" and block.steps[0] == "norm" and "map" not in kind.shared:
            if at == 0:
                found[block.name] = _before(look, "input", ("input", "input"), block.name)
            elif blocks[at - 1].kind == "lstm":
                found[block.name] = _before(look, "output", (blocks[at - 1].name, "units"), block.name)
            elif blocks[at - 1].pool == "none" and blocks[at - 1].steps[-1] == "dropout":
                name = blocks[at - 1].name
                found[block.name] = _before(look, name, (name, "units"), block.name)
    return found


def _before(look: Look, site: str, through: tuple[str, str] | None = None, layer: str = "") -> Before:
    rates = look.network.sites[site].strength.rates if site in look.network.sites else (0.0,) * len(look.runs)
    kind = KINDS[look.runs[0].config.dropout.kind]
    spreads, scales = list[float | None](), list[float]()
    for run, rate in zip(look.runs, rates, strict=True):
        keep = keep_probability(rate)
        reached = rate > 0 or not site_rates(run.config.dropout, run.config.model)
        spreads.append((1 - keep) / keep if reached else None)
        scales.append(keep**2 if kind.train == kind.test == "1" else 1.0)
    roles = look.network.roles.items()
    weight = next((name for name, role in roles if role == "weight" and layer and name.startswith(f"{layer}.")), None)
    return Before(spreads, scales, through, None if weight is None else look.network.parameters[weight].detach())
