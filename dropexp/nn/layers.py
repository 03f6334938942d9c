"""The affine maps, norms, poolings and activations of a network, each over a leading axis of runs.

Axes: R runs, B batch, F or I/O features (in, out), C channels, H W height and width, P positions (H·W), K classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from dropexp.nn.reduce import sum_columns, sum_rows

EPSILON = 1e-5  # added to a variance, as torch.nn does
MOMENTUM = 0.1  # weight of the newest batch in the running statistics, as torch.nn


@cache
def multiplies_bfloat16() -> bool:
    """Return whether this processor has instructions for products of bfloat16; without, they are slower than float32's."""
    supported = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
    return any(ask is not None and ask() for ask in supported)


def rounded(x: Tensor, low: bool) -> Tensor:
    """Return what a product takes: x itself, or with `low` precision x in bfloat16; the one place where precision acts.

    Sums are taken in float32 either way. Where the processor has no such products, the rounded numbers are multiplied in
    float32, in which a product of two of them is exact.
    """
    if not low:
        return x
    return x.to(torch.bfloat16) if x.is_cuda or multiplies_bfloat16() else x.to(torch.bfloat16).to(x.dtype)


NARROW = 16  # below so many columns a product is taken transposed: its kernels run along the rows of the result


def product(a: Tensor, b: Tensor, low: bool = False) -> Tensor:
    """Multiply (R, B, I) by (R, I, O), by one kernel for a shape, whatever R: an axis of length 1 is padded to 2."""
    return _product(rounded(a, low), rounded(b, low)).to(a.dtype)


def _product(a: Tensor, b: Tensor) -> Tensor:
    rows, inner, columns = a.shape[1], a.shape[2], b.shape[2]
    if min(rows, inner, columns) > 1:
        return torch.bmm(b.mT, a.mT).mT if columns < NARROW <= rows else torch.bmm(a, b)
    grow_rows, grow_inner, grow_columns = int(rows == 1), int(inner == 1), int(columns == 1)
    # zeros along the inner axis add nothing, and the rows and columns that are added are cut off again
    a = F.pad(a, (0, grow_inner, 0, grow_rows))
    b = F.pad(b, (0, grow_columns, 0, grow_inner))
    return torch.bmm(a, b)[:, :rows, :columns]


class Affine(Function):
    """x W + b for every run: (R, B, I), (R, I, O), (R, O) or None -> (R, B, O); dense maps of a network."""

    @staticmethod
    def forward(ctx: Any, x_RBI: Tensor, w_RIO: Tensor, b_RO: Tensor | None, low: bool = False) -> Tensor:
        ctx.save_for_backward(x_RBI, w_RIO)
        ctx.low = low
        out = product(x_RBI, w_RIO, low)
        return out if b_RO is None else out.add_(b_RO[:, None])

    @staticmethod
    def backward(ctx: Any, g_RBO: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None, None]:
        x_RBI, w_RIO = ctx.saved_tensors
        g_RBO = g_RBO.contiguous()  # a view would take another kernel, with other bits
        g_x = product(g_RBO, w_RIO.mT, ctx.low) if ctx.needs_input_grad[0] else None
        g_b = sum_rows(g_RBO) if ctx.needs_input_grad[2] else None
        return g_x, product(x_RBI.mT, g_RBO, ctx.low), g_b, None


def channels_last(x_BCHW: Tensor) -> Tensor:
    """Return the same numbers with channels next to each other in memory, which convolution and pooling run along.

    With one channel the strides alone say so, and a library goes by them.
    """
    if x_BCHW.shape[1] > 1:
        return x_BCHW.contiguous(memory_format=torch.channels_last)
    _, _, height, width = x_BCHW.shape
    return x_BCHW.contiguous().as_strided(x_BCHW.shape, (height * width, 1, width, 1))


def convolve(x_BCHW: Tensor, w_OCkk: Tensor, b_O: Tensor | None, low: bool = False) -> Tensor:
    """Return one run's same-size convolution, (B, O, H, W), channels last."""
    x, w, half = rounded(channels_last(x_BCHW), low), rounded(w_OCkk, low), w_OCkk.shape[-1] // 2
    if not low:
        return channels_last(F.conv2d(x, w, b_O, padding=half))
    out = channels_last(F.conv2d(x, w, padding=half).to(x_BCHW.dtype))
    return out if b_O is None else out.add_(b_O[:, None, None])  # a bias is added, not multiplied: it stays unrounded


def convolve_back(
    x_RBCHW: Tensor,
    w_ROCkk: Tensor,
    entering: Callable[[int], Tensor],
    needs_input: bool,
    needs_bias: bool = True,
    low: bool = False,
) -> tuple[Tensor | None, Tensor, Tensor | None]:
    """Return the gradients of x, w and b; `entering` gives run r's gradient of the output, (B, O, H, W)."""
    half = w_ROCkk.shape[-1] // 2
    runs, batch, channels, height, width = x_RBCHW.shape
    g_x = x_RBCHW.new_empty(runs, batch, height, width, channels).permute(0, 1, 4, 2, 3) if needs_input else None
    g_w = torch.empty_like(w_ROCkk)
    g_b = w_ROCkk.new_empty(w_ROCkk.shape[:2]) if needs_bias else None
    for r in range(runs):
        g = channels_last(entering(r))
        parts = torch.ops.aten.convolution_backward(
            rounded(g, low), rounded(channels_last(x_RBCHW[r]), low), rounded(w_ROCkk[r], low),
            [w_ROCkk.shape[1]], [1, 1], [half, half], [1, 1], False, [0, 0], 1,
            [needs_input, True, needs_bias and not low],
        )  # fmt: skip
        if g_x is not None:
            g_x[r] = parts[0]
        g_w[r] = parts[1]
        if g_b is not None:  # where products are rounded, that kernel would add up rounded gradients
            g_b[r] = sum_rows(g.permute(0, 2, 3, 1).reshape(1, -1, g.shape[1]))[0] if low else parts[2]
    return g_x, g_w, g_b


class Convolution(Function):
    """Same-size convolution, run by run: (R, B, C, H, W), (R, O, C, k, k), (R, O) or None -> (R, B, O, H, W).

    A loop over runs: on a CPU grouped convolution is slower, and one call per run gives each its bits.
    """

    @staticmethod
    def forward(ctx: Any, x_RBCHW: Tensor, w_ROCkk: Tensor, b_RO: Tensor | None, low: bool = False) -> Tensor:
        ctx.save_for_backward(x_RBCHW, w_ROCkk)
        ctx.low = low
        runs, batch, _, height, width = x_RBCHW.shape
        out = x_RBCHW.new_empty(runs, batch, height, width, w_ROCkk.shape[1]).permute(0, 1, 4, 2, 3)
        for r in range(runs):
            out[r] = convolve(x_RBCHW[r], w_ROCkk[r], None if b_RO is None else b_RO[r], low)
        return out

    @staticmethod
    def backward(ctx: Any, g_RBOHW: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None, None]:
        x_RBCHW, w_ROCkk = ctx.saved_tensors
        needs_x, _, needs_b, *_ = ctx.needs_input_grad
        return *convolve_back(x_RBCHW, w_ROCkk, g_RBOHW.__getitem__, needs_x, needs_b, ctx.low), None


def convolve_grouped(x_RBCHW: Tensor, w_ROCkk: Tensor, b_RO: Tensor | None, low: bool = False) -> Tensor:
    """The same-size convolution of all runs in one call, a group each: (R, B, C, H, W) -> (R, B, O, H, W).

    Where calls are dear and bits are free, which is on an accelerator.
    """
    runs, batch, _, height, width = x_RBCHW.shape
    x_BGHW = rounded(x_RBCHW, low).transpose(0, 1).reshape(batch, -1, height, width)
    w_GCkk = rounded(w_ROCkk, low).flatten(0, 1)
    inside = None if low or b_RO is None else b_RO.flatten()
    out = F.conv2d(x_BGHW, w_GCkk, inside, padding=w_ROCkk.shape[-1] // 2, groups=runs)
    out = out.to(x_RBCHW.dtype).view(batch, runs, -1, height, width).transpose(0, 1)
    # added behind the product, a bias is not rounded, and neither are the gradients that its own adds up
    return out + b_RO[:, None, :, None, None] if low and b_RO is not None else out


def _channel_sums(x_RBCP: Tensor) -> Tensor:
    """Sum over batch and positions, (R, B, C, P) -> (R, C)."""
    runs, batch, channels, positions = x_RBCP.shape
    # first over the batch and then over the positions, a product each
    sums = sum_rows(x_RBCP.reshape(runs, batch, channels * positions)).view(runs, channels, positions)
    return sums[:, :, 0] if positions == 1 else sum_columns(sums)


class BatchNorm(Function):
    """Normalise over batch and positions (Ioffe & Szegedy 2015, algorithm 1; gradient as in its section 3).

    (R, B, C, P), scale (R, C), shift (R, C) -> the same shape, with the batch's mean and variance (R, C), by 1/n.
    """

    @staticmethod
    def forward(ctx: Any, x_RBCP: Tensor, scale_RC: Tensor, shift_RC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        count = x_RBCP.shape[1] * x_RBCP.shape[3]
        mean_RC = _channel_sums(x_RBCP) / count
        # from the centred numbers and not as E[x²] - E[x]², which cancels where the mean is large
        centred = x_RBCP - mean_RC[:, None, :, None]
        var_RC = _channel_sums(centred * centred) / count
        inverse_RC = 1.0 / torch.sqrt(var_RC + EPSILON)
        normal = centred * inverse_RC[:, None, :, None]
        ctx.save_for_backward(normal, inverse_RC, scale_RC)
        ctx.mark_non_differentiable(mean_RC, var_RC)
        return normal * scale_RC[:, None, :, None] + shift_RC[:, None, :, None], mean_RC, var_RC

    @staticmethod
    def backward(ctx: Any, g_RBCP: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
        normal, inverse_RC, scale_RC = ctx.saved_tensors
        g_RBCP = g_RBCP.contiguous()
        count = g_RBCP.shape[1] * g_RBCP.shape[3]
        g_shift, g_scale = _channel_sums(g_RBCP), _channel_sums(g_RBCP * normal)
        inner = g_RBCP - (g_shift / count)[:, None, :, None] - normal * (g_scale / count)[:, None, :, None]
        return inner * (scale_RC * inverse_RC)[:, None, :, None], g_scale, g_shift


class LayerNorm(Function):
    """Normalise each example over its features (Ba et al. 2016): (R, B, F), scale (R, F), shift (R, F)."""

    @staticmethod
    def forward(ctx: Any, x_RBF: Tensor, scale_RF: Tensor, shift_RF: Tensor) -> Tensor:
        count = x_RBF.shape[2]
        centred = x_RBF - (sum_columns(x_RBF) / count)[:, :, None]
        inverse_RB = 1.0 / torch.sqrt(sum_columns(centred * centred) / count + EPSILON)
        normal = centred * inverse_RB[:, :, None]
        ctx.save_for_backward(normal, inverse_RB, scale_RF)
        return normal * scale_RF[:, None] + shift_RF[:, None]

    @staticmethod
    def backward(ctx: Any, g_RBF: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        normal, inverse_RB, scale_RF = ctx.saved_tensors
        g_RBF = g_RBF.contiguous()
        count, g_normal = g_RBF.shape[2], g_RBF * scale_RF[:, None]
        inner = g_normal - (sum_columns(g_normal) / count)[:, :, None]
        inner = inner - normal * (sum_columns(g_normal * normal) / count)[:, :, None]
        return inner * inverse_RB[:, :, None], sum_rows(g_RBF * normal), sum_rows(g_RBF)


def running_norm(x_RBCP: Tensor, scale_RC: Tensor, shift_RC: Tensor, mean_RC: Tensor, var_RC: Tensor) -> Tensor:
    """Normalise by running statistics, as at test time: (R, B, C, P) -> the same."""
    factor_RC = scale_RC / torch.sqrt(var_RC + EPSILON)
    return (x_RBCP - mean_RC[:, None, :, None]) * factor_RC[:, None, :, None] + shift_RC[:, None, :, None]


def batch_sizes(examples: int, batch: int) -> list[int]:
    """Return the sizes of batches, or of the groups of one; a remainder of one joins the batch before it."""
    sizes = [batch] * (examples // batch) + ([examples % batch] if examples % batch else [])
    if len(sizes) > 1 and sizes[-1] == 1:
        sizes[-2:] = [sizes[-2] + 1]
    return sizes


def _pooled(x_RBCHW: Tensor, pool: Callable[[Tensor, int], Tensor]) -> Tensor:
    return pool(channels_last(x_RBCHW.flatten(0, 1)), 2).unflatten(0, x_RBCHW.shape[:2])


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946

# Stock sigmoid, selu and gelu round a value differently in the body and at the end of a tensor; these do not.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.01),
    "tanh": torch.tanh,
    "sigmoid": lambda x: torch.tanh(x * 0.5) * 0.5 + 0.5,
    "selu": lambda x: (torch.relu(x) + torch.expm1(torch.clamp(x, max=0.0)) * SELU_ALPHA) * SELU_SCALE,
    "gelu": lambda x: x * ((torch.erf(x * math.sqrt(0.5)) + 1.0) * 0.5),
    "linear": lambda x: x,
}
# The largest slope of each: that of selu is just below 0, that of gelu at sqrt(2).
LARGEST_SLOPES = {
    **dict.fromkeys(("relu", "leaky_relu", "tanh", "linear"), 1.0),
    "sigmoid": 0.25,
    "selu": SELU_SCALE * SELU_ALPHA,
    "gelu": (1 + math.erf(1.0)) / 2 + math.exp(-1.0) / math.sqrt(math.pi),
}
POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "max": lambda x: _pooled(x, F.max_pool2d),
    "avg": lambda x: _pooled(x, F.avg_pool2d),
}
