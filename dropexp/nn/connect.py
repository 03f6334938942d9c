"""DropConnect: affine maps whose weights and biases are masked, a mask for each group of examples."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

import torch
import torch.nn.functional as F
from torch import Tensor

from dropexp.nn.layers import product

NODES = 65  # midpoint quantiles of the Gaussian in moment matching


def masked_affine(
    x_RBI: Tensor, w_RIO: Tensor, b_RO: Tensor, factor_RGIO: Tensor, group: int | str,
    multiply: Callable[..., Tensor] = lambda x, factor, **_: x * factor, low: bool = False,
) -> Tensor:  # fmt: skip
    """Return x (W m) + b m for every run, (R, B, O) (Wan et al. 2013, section 2).

    `factor_RGIO` is (R, G, I+1, O), its last row for the bias; a group is `group` examples in a row, or the batch. Run by
    run, so that a run's sums over its groups do not depend on the pack; `multiply` is that of `Noise.apply`.
    """
    batch, groups = x_RBI.shape[1], factor_RGIO.shape[1]
    size = batch if group == "batch" else int(group)
    outs = []
    own = zip(x_RBI.unbind(0), w_RIO.unbind(0), b_RO.unbind(0), factor_RGIO.unbind(0), strict=True)
    for run, (x, w, b, factor) in enumerate(own):
        x_GgI = F.pad(x, (0, 0, 0, groups * size - batch)).view(groups, size, -1)
        masked_w = multiply(w, factor[:, :-1], part=lambda whole, r=run: whole[r, :, :-1], run=run)
        masked_b = multiply(b, factor[:, -1], part=lambda whole, r=run: whole[r, :, -1], run=run)
        out = product(x_GgI, masked_w, low) + masked_b[:, None]
        outs.append(out.reshape(groups * size, -1)[:batch])
    return torch.stack(outs)


def expected_activation(
    x_RBI: Tensor,
    w_RIO: Tensor,
    b_RO: Tensor,
    keep_R: Tensor,
    activation: Callable[[Tensor], Tensor],
    low: bool = False,
) -> Tensor:
    """Return the mean activation over masks by moment matching, (R, B, O) (Wan et al. 2013, section 3.2).

    The pre-activation is taken as N(Wv + b, rate/keep ((W o W)(v o v) + b^2)); the mean of the activation over it is the
    mean over 65 midpoint quantiles, where Wan draws samples.
    """
    mean = product(x_RBI, w_RIO, low) + b_RO[:, None]
    ratio = ((1.0 - keep_R) / keep_R).to(x_RBI.dtype).view(-1, 1, 1)
    spread = torch.sqrt((product(x_RBI * x_RBI, w_RIO * w_RIO, low) + (b_RO * b_RO)[:, None]) * ratio)
    total = torch.zeros_like(mean)
    for z in _nodes():
        total = total + activation(mean + spread * z)
    return total / NODES


@lru_cache(maxsize=1)
def _nodes() -> tuple[float, ...]:
    z = [NormalDist().inv_cdf((i + 0.5) / NODES) for i in range(NODES)]
    scale = (sum(v * v for v in z) / NODES) ** 0.5
    return tuple(v / scale for v in z)
