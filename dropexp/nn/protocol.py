"""Trainable: what training, its audit, its probes and its checkpoints ask of a network; `Network` is one that answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import torch
from torch import Tensor

from dropexp.nn.dropout import Noise, Site

Role = Literal["weight", "bias", "norm"]
Tap = Callable[[str, str, Tensor], Tensor]
POINTS = ("input", "norm", "activation", "units")


class Trainable(Protocol):
    """R networks of one shape, trained together; R is 1 where a network has no axis of runs of its own.

    Every tensor here has the runs as its leading axis, and run r's entries depend on run r alone.
    """

    parameters: dict[str, Tensor]
    """What the optimiser moves, in place, by name: (R, ...). Replaced by other tensors in `to`, `keep` and `put` only."""

    statistics: dict[str, Tensor]
    """What passes with batch statistics move, by name: (R, ...), without gradients. No name is in `parameters` too."""

    sites: dict[str, Site]
    """Where the runs drop, by name, at the rates of the epoch in force; empty where nothing is masked."""

    tap: Tap | None
    """Called in every pass with a layer, one of POINTS and what is there; the pass goes on with what it returns.

    `input` is what the first layer reads, masked where inputs are, at the layer `input`; `norm` and `activation` are what
    enters a layer's norm and its activation; `units` is what a layer gives, masked where it is, before its pooling. At
    `output` that is the logits. Tensors are (R, B, U), (R, B, C, H, W) where a layer convolves, and (R, B, T, U) or
    (R, B, U) behind an LSTM. A layer without a norm has no point `norm`, one whose activation is not taken of a
    pre-activation (moment matching, LSTM) no point `activation`. What is handed on unchanged changes no bit of the pass.
    """

    noisy_calls: int
    """How many passes were asked for with noise so far; the audit looks whether evaluation added to them."""

    @property
    def roles(self) -> Mapping[str, Role]:
        """What each parameter is, by its name.

        Weight decay, l1, max_norm and the probe of gradients act on a `weight`, and on nothing else. A `bias` is added to
        what an affine map gives, and a `norm` scales or shifts what a norm has normalised. The name itself says nothing:
        torch calls the scale of its batch norm `weight`.
        """

    @property
    def unit_axes(self) -> Mapping[str, int]:
        """The axis of each weight that counts its layer's units, the run axis being 0; all others count what enters a unit.

        2 for a dense weight (R, I, O), 1 for a convolution (R, O, C, k, k). max_norm bounds the norm over the others.
        """

    @property
    def batch_norms(self) -> Mapping[str, tuple[str, str]]:
        """Each layer with batch norm, from the input up, and the names in `statistics` of running mean and variance, (R, C)."""

    @property
    def runs(self) -> int:
        """How many runs train here, R."""

    @property
    def dtype(self) -> torch.dtype:
        """Of parameters, statistics and activations."""

    @property
    def device(self) -> torch.device:
        """Where all tensors are."""

    def __call__(self, x_RB: Tensor, *, noise: Noise | None, norm: Literal["batch", "running"]) -> Tensor:
        """Return logits (R, B, K) of inputs (R, B, F) or (R, B, C, H, W).

        With `noise` masks are drawn at each of `sites`, in the order in which the pass comes to them; without it none are,
        and two passes agree to the bit. `norm` takes the batch's own statistics and moves the running ones, or takes those
        and moves nothing. The two are independent of each other.
        """

    def set_epoch(self, epoch: int) -> None:
        """Bring the rates of an epoch, counted from 1, into force."""

    def require_grad(self) -> None:
        """Make every parameter a leaf whose gradient is recorded."""

    def to(self, device: torch.device) -> None:
        """Move everything to a device."""

    def keep(self, kept: Sequence[int]) -> None:
        """Let all runs but those at positions `kept` leave, and bring the others into that order, their bits unchanged."""

    def put(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over parameters and statistics by name, (R, ...) each, as a checkpoint or a probe has kept them.

        What is not named stays. Raises KeyError for a name that is neither.
        """
