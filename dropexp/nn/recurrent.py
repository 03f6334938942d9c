"""LSTM layers over a leading axis of runs, with masks on the recurrent state (T time, U units, D directions)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dropexp.nn.layers import ACTIVATIONS, Affine

_sigmoid = ACTIVATIONS["sigmoid"]


@dataclass(frozen=True)
class RecurrentMask:
    """Factors on one direction's recurrent state, (R, B, T or 1, U), whether they act on the candidate instead, and how."""

    factor: Tensor
    on_candidate: bool
    multiply: Callable[[Tensor, Tensor, int], Tensor] = lambda state, factor, step: state * factor

    def at(self, step: int) -> Tensor:
        return self.factor[:, :, step if self.factor.shape[2] > 1 else 0]


def lstm(
    x_RBTF: Tensor,
    w_input: Tensor,
    w_state: Tensor,
    bias: Tensor,
    mask: RecurrentMask | None,
    reverse: bool = False,
    low: bool = False,
) -> Tensor:
    """Return the hidden states (R, B, T, U) of one layer in one direction (Hochreiter & Schmidhuber 1997, with forget gate).

    `w_input` (R, F, 4U), `w_state` (R, U, 4U), `bias` (R, 4U), gates in torch.nn's order: input, forget, candidate, output.
    A recurrent mask multiplies the state that enters the gates, a new one each step or one for the whole sequence (Gal &
    Ghahramani 2016, eq. 7), or the candidate, so that memory is never erased (Semeniuta et al. 2016, eq. 6).
    `reverse` reads from the last step to the first; states stand in the order of time either way.
    """
    runs, batch, time, _ = x_RBTF.shape
    units = w_state.shape[1]
    # the input's part of all steps in one product; only the state's part has to wait for the step before it
    entered = Affine.apply(x_RBTF.flatten(1, 2), w_input, bias, low).view(runs, batch, time, 4 * units)
    h = x_RBTF.new_zeros(runs, batch, units)
    c = x_RBTF.new_zeros(runs, batch, units)
    states: list[Tensor] = []
    on_candidate = mask is not None and mask.on_candidate
    for step in range(time - 1, -1, -1) if reverse else range(time):
        factor = None if mask is None else mask.at(step)
        state = h if mask is None or factor is None or on_candidate else mask.multiply(h, factor, step)
        gates = entered[:, :, step] + Affine.apply(state, w_state, None, low)  # the one bias is in what entered
        i, f, g, o = gates.split(units, dim=2)
        candidate = torch.tanh(g)
        if mask is not None and factor is not None and on_candidate:
            candidate = mask.multiply(candidate, factor, step)
        c = _sigmoid(f) * c + _sigmoid(i) * candidate
        h = _sigmoid(o) * torch.tanh(c)
        states.append(h)
    return torch.stack(states[::-1] if reverse else states, 2)
