"""Sums whose bits do not depend on the size of the pack or a run's place in it: matrix products with ones.

A stock sum picks its order of additions by the shape of the whole tensor, packs included; a batched product treats each
run alone. Two columns of ones, since a product with one may take another kernel.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=64)
def _ones(rows: int, columns: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.ones(rows, columns, dtype=dtype, device=device)


def sum_rows(x_RBF: Tensor) -> Tensor:
    """Return the sum over the middle axis, (R, B, F) -> (R, F)."""
    ones = _ones(2, x_RBF.shape[1], x_RBF.dtype, x_RBF.device)
    return torch.bmm(ones.expand(len(x_RBF), -1, -1), _paired(x_RBF, -1))[:, 0, : x_RBF.shape[2]]


def sum_columns(x_RBF: Tensor) -> Tensor:
    """Return the sum over the last axis, (R, B, F) -> (R, B)."""
    ones = _ones(x_RBF.shape[2], 2, x_RBF.dtype, x_RBF.device)
    return torch.bmm(_paired(x_RBF, 1), ones.expand(len(x_RBF), -1, -1))[:, : x_RBF.shape[1], 0]


def _paired(x: Tensor, axis: int) -> Tensor:
    """Give an axis of length 1 a second entry, so that the product stays a matrix product."""
    return torch.cat((x, x), axis) if x.shape[axis] == 1 else x
