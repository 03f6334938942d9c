"""The probe activations: how large units' outputs are, how many are zero or say nothing, and in how many directions they vary."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dropexp.train.looking import Look, Measured, examples_of, tapped

# A bin is named by its edge away from 0: `0.02` holds 0.01 < x <= 0.02, `-0.02` its mirror image, `0` zeros, `inf` the rest.
EDGES = tuple(m * 10**e / 100 for e in range(4) for m in (1, 2, 5))
NAMES = ("-inf", *(f"-{e:g}" for e in reversed(EDGES)), "0", *(f"{e:g}" for e in EDGES), "inf")


def activations(look: Look) -> Measured:
    """Return, layer by layer, what units give on the first `examples` test examples, dropout off (Srivastava 2014, 7.2).

    A unit is one of a dense layer or an LSTM, or a channel of a convolution, whose positions count like examples, as an
    LSTM's steps do. `mean` is over units and examples, `zeros` the fraction of outputs that are exactly 0, `dead` that of
    units that give one and the same number everywhere. `participation` is the participation ratio of the units' covariance,
    tr(C)^2 / tr(C^2): 1 where all vary along one line, the number of units where all vary alike and alone; no row where
    nothing varies. At the start and at the selected epoch `bin.X` and `means.X` are the fractions of outputs, and of the
    units' means, in each of the fixed bins of NAMES; an empty bin has no row. A network without a hidden layer is looked
    at in its logits.
    """
    sums: dict[str, list[_Sums]] = {}

    def record(layer: str, point: str, x: Tensor) -> Tensor:
        if point == "units":
            seen = [by_unit(own) for own in x]
            for of_run, x_NU in zip(sums.setdefault(layer, [_Sums(x_NU[0]) for x_NU in seen]), seen, strict=True):
                of_run.add(x_NU)
        return x

    with torch.no_grad(), tapped(look.network, record):
        for x_RB, _ in examples_of(look, "test", look.settings.examples):
            look.network(x_RB, noise=None, norm="running")
    hidden = [layer for layer in sums if layer != "output"] or list(sums)
    found: Measured = []
    for layer in hidden:
        for at, value in SCALARS.items():
            found.append((layer, at, [value(own) for own in sums[layer]]))
        if look.moment != "epoch":
            for at, counts in (
                ("bin", [s.counts for s in sums[layer]]),
                ("means", [_counts(s.mean) for s in sums[layer]]),
            ):
                shares = torch.stack([c / c.sum() for c in counts])
                for i, name in enumerate(NAMES):
                    found.append((layer, f"{at}.{name}", [float(s[i]) if s[i] > 0 else None for s in shares]))
    return found


def by_unit(x: Tensor) -> Tensor:
    """Return one run's outputs, (B, U), (B, T, U) or (B, C, H, W), as observations of units in double precision, (N, U)."""
    units_last = x.detach().permute(0, 2, 3, 1) if x.dim() == 4 else x.detach()
    return units_last.reshape(-1, units_last.shape[-1]).double().cpu().contiguous()


class _Sums:
    """Sums over what one run's layer gave so far, the first observation taken off so that constants vary by exactly 0."""

    def __init__(self, x_U: Tensor):
        self.count = self.zeros = 0
        self.shift, self.first = x_U.clone(), torch.zeros_like(x_U)
        self.second = x_U.new_zeros(len(x_U), len(x_U))
        self.counts = x_U.new_zeros(len(NAMES))
        self.same = torch.ones(len(x_U), dtype=torch.bool)  # whether a unit's every output was its first one

    def add(self, x_NU: Tensor) -> None:
        apart = x_NU - self.shift
        self.count += len(x_NU)
        self.zeros += int((x_NU == 0).sum())
        self.first += apart.sum(0)
        self.second += apart.T @ apart
        self.counts += _counts(x_NU)
        self.same &= (x_NU == self.shift).all(0)

    @property
    def mean(self) -> Tensor:
        return self.shift + self.first / self.count

    def participation(self) -> float | None:
        covariance = (self.second - self.first[:, None] * self.first / self.count) / max(1, self.count - 1)
        total = float(covariance.diagonal().sum())
        return None if total == 0 else total**2 / float(covariance.square().sum())


# What is told of a layer, by its name.
SCALARS: dict[str, Callable[[_Sums], float | None]] = {
    "mean": lambda own: float(own.mean.sum()) / len(own.mean),
    "zeros": lambda own: own.zeros / (own.count * len(own.mean)),
    "dead": lambda own: float(own.same.sum()) / len(own.mean),
    "participation": _Sums.participation,
}


def _counts(x: Tensor) -> Tensor:
    """Return how many numbers lie in each of the bins of NAMES; what is no number lies in none."""
    size = torch.bucketize(x.abs(), torch.tensor(EDGES, dtype=torch.float64)) + 1
    place = len(EDGES) + 1 + size * torch.sign(torch.nan_to_num(x)).long()
    return torch.bincount(place[~x.isnan()].flatten(), minlength=len(NAMES)).double()
