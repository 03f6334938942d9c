"""Blocks in one pass each way: the affine map, relu, mask and pooling of common networks as one function.

After relu and a mask that is never negative, an output says all that the backward pass needs: where it is 0 no gradient
passes, elsewhere it passes times the survivors' factor. Relu commutes with max pooling, which leaves it a quarter of the
numbers. Values and gradients are those of the separate steps, bit for bit.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from dropexp.nn.layers import channels_last, convolve, convolve_back, product
from dropexp.nn.reduce import sum_rows


class DenseRelu(Function):
    """relu(x W + b) m for every run: (R, B, I), (R, I, O), (R, O) -> (R, B, O).

    `factor` broadcasts to the output and is 0 or its run's `survivor_R`; both are None where nothing is masked.
    """

    @staticmethod
    def forward(
        ctx: Any, x_RBI: Tensor, w_RIO: Tensor, b_RO: Tensor, factor: Tensor | None, survivor_R: Tensor | None,
        low: bool = False,
    ) -> Tensor:  # fmt: skip
        out = product(x_RBI, w_RIO, low).add_(b_RO[:, None]).relu_()
        if factor is not None:
            out.mul_(factor)
        ctx.save_for_backward(x_RBI, w_RIO, out)
        ctx.survivor_R, ctx.low = survivor_R, low
        return out

    @staticmethod
    def backward(ctx: Any, g_RBO: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None, None, None]:
        x_RBI, w_RIO, out = ctx.saved_tensors
        # out is 0 where relu or the mask let nothing through, so that neither has to be kept for the way back
        g = torch.ops.aten.threshold_backward(g_RBO.contiguous(), out, 0)
        if ctx.survivor_R is not None:
            g.mul_(ctx.survivor_R)
        g_x = product(g, w_RIO.mT, ctx.low) if ctx.needs_input_grad[0] else None
        return g_x, product(x_RBI.mT, g, ctx.low), sum_rows(g), None, None, None


class ConvolutionMaxRelu(Function):
    """relu(max pool(convolution)), run by run: (R, B, C, H, W), (R, O, C, k, k), (R, O) -> (R, B, O, H // 2, W // 2)."""

    @staticmethod
    def forward(ctx: Any, x_RBCHW: Tensor, w_ROCkk: Tensor, b_RO: Tensor, low: bool = False) -> Tensor:
        runs, batch, _, height, width = x_RBCHW.shape
        out = x_RBCHW.new_empty(runs, batch, height // 2, width // 2, w_ROCkk.shape[1]).permute(0, 1, 4, 2, 3)
        ctx.places, ctx.low = [], low
        for r in range(runs):
            whole = convolve(x_RBCHW[r], w_ROCkk[r], b_RO[r], low)
            # relu never changes which of four is the largest: pooled first, it has a quarter of the numbers to go through
            pooled, places = F.max_pool2d(whole, 2, return_indices=True)
            torch.clamp(pooled, min=0, out=out[r])
            ctx.places.append(places)
        ctx.save_for_backward(x_RBCHW, w_ROCkk, out)
        return out

    @staticmethod
    def backward(ctx: Any, g_RBOhw: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None, None]:
        x_RBCHW, w_ROCkk, out = ctx.saved_tensors
        (_, batch, _, height, width), needs_x = x_RBCHW.shape, ctx.needs_input_grad[0]
        like = out.new_empty(batch, height, width, w_ROCkk.shape[1]).permute(0, 3, 1, 2)  # read for its shape alone

        def entering(r: int) -> Tensor:
            g = torch.ops.aten.threshold_backward(channels_last(g_RBOhw[r]), out[r], 0)
            return torch.ops.aten.max_pool2d_with_indices_backward(
                g, like, [2, 2], [2, 2], [0, 0], [1, 1], False, ctx.places[r]
            )

        return *convolve_back(x_RBCHW, w_ROCkk, entering, needs_x, True, ctx.low), None


class CrossEntropy(Function):
    """Each example's negative log-likelihood in nats: logits (R, B, K) and labels (R, B) -> (R, B).

    Classes are brought before examples, where a step over all examples is one over memory.
    """

    @staticmethod
    def forward(ctx: Any, logits_RBK: Tensor, labels_RB: Tensor) -> Tensor:
        log_RKB = torch.log_softmax(logits_RBK.mT.contiguous(), 1)
        ctx.save_for_backward(log_RKB, labels_RB)
        return torch.gather(log_RKB, 1, labels_RB[:, None])[:, 0].neg_()

    @staticmethod
    def backward(ctx: Any, g_RB: Tensor) -> tuple[Tensor, None]:
        log_RKB, labels_RB = ctx.saved_tensors
        p_RKB = torch.exp(log_RKB)
        # the gradient of a logit is its probability, less 1 at the label
        p_RKB.scatter_add_(1, labels_RB[:, None], torch.full_like(p_RKB[:, :1], -1.0))
        return p_RKB.mul_(g_RB[:, None]).mT, None
