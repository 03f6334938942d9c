"""Laws of pooling: where the gradient of a pooled map goes."""

from __future__ import annotations

import torch
from torch import Tensor

from dropexp.laws.board import matrix
from dropexp.laws.law import Result, close, exactly
from dropexp.laws.small_networks import build, differing, furthest, gradient, normal


def _routed(pool: str, maps: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Return 4 x 4 maps (B, 4, 4), the gradient to their pooled 2 x 2 maps (B, 2, 2), and the gradient to the maps.

    Seen through a cnn whose convolution and output layer are the identity.
    """
    model = {"kind": "cnn", "channels": [1], "kernel": 1, "hidden": [], "pool": pool, "activation": "linear"}
    network = build((1, 4, 4), 4, [{"model": model, "dropout": {"rate": 0.0}}])
    network.parameters["conv.1.weight"].fill_(1.0)
    network.parameters["output.weight"].copy_(torch.eye(4).double()[None])
    x = normal("pool-x", 1, maps, 1, 4, 4).requires_grad_(True)
    g = normal("pool-g", maps, 4)
    network(x, noise=None, norm="batch").backward(g[None])
    return x.detach()[0, :, 0], g.view(-1, 2, 2), gradient(x)[0, :, 0]


def _squares(maps: Tensor) -> Tensor:
    """Return the 2 x 2 squares of 4 x 4 maps, (B, 2, 2, 4)."""
    return maps.view(-1, 2, 2, 2, 2).transpose(2, 3).reshape(-1, 2, 2, 4)


def max_pool_backward() -> Result:
    """100 maps of 4 x 4: each square's gradient to its largest element."""
    x, g, routed = _routed("max", 100)
    squares, arrived = _squares(x), _squares(routed)
    largest = squares == squares.amax(-1, keepdim=True)
    return Result((
        exactly(f"gradients that are not the square's at its maximum and 0 elsewhere (of {routed.numel()})",
                differing(arrived, largest * g[..., None])),
        close("largest difference between the sum over a square and the incoming gradient", furthest(arrived.sum(-1), g)),
    ))  # fmt: skip


def mean_pool_backward() -> Result:
    """100 maps of 4 x 4: each square's gradient in four equal parts."""
    _, g, routed = _routed("avg", 100)
    arrived = _squares(routed)
    return Result((
        exactly(f"gradients that are not a quarter of the square's (of {routed.numel()})",
                differing(arrived, (g / 4)[..., None].expand_as(arrived))),
        close("largest difference between the sum over a square and the incoming gradient", furthest(arrived.sum(-1), g)),
    ))  # fmt: skip


def routing(pool: str) -> list[str]:
    """Draw a 4 x 4 map, the gradient to the pooled map, and where it goes."""
    x, g, routed = _routed(pool)
    what = "the maximum of each square" if pool == "max" else "four equal parts"
    return [
        *matrix("a map of 4 x 4, in four squares of 2 x 2", x[0], row="row"),
        *matrix("gradient to the pooled map", g[0], row="row"),
        *matrix(f"gradient to the map: to {what}; a dot is 0", routed[0], row="row"),
    ]
