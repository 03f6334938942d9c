"""Optimisers with one entry per run for every strength: sgd, adam and adamw, written once for all sizes of pack."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from dropexp.experiment.config import Config, LrSchedule
from dropexp.nn.protocol import Trainable
from dropexp.nn.reduce import sum_columns, sum_rows

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Kingma & Ba 2015, as in torch.optim


def schedule_factor(schedule: LrSchedule, epoch: int, epochs: int) -> float:
    """Return what the learning rate is multiplied by in an epoch, counted from 1: a pure function.

    constant: 1; cosine: from 1 towards 0 over all epochs (Loshchilov & Hutter 2017, no restarts); step: `factor` once
    every `every` epochs.
    """
    return SHAPES[schedule.shape](schedule, epoch - 1, epochs)


SHAPES: dict[str, Callable[[LrSchedule, int, int], float]] = {
    "constant": lambda s, done, epochs: 1.0,
    "cosine": lambda s, done, epochs: 0.5 * (1.0 + math.cos(math.pi * done / epochs)),
    "step": lambda s, done, epochs: s.factor ** (done // s.every),
}


class Optimiser:
    """Updates a network's parameters in place after each backward pass.

    Weight decay and l1 act on weights by their role, not on biases or norms; adam adds the L2 term to the gradient, adamw
    decouples it (Loshchilov & Hutter 2019); max_norm bounds the norm of a unit's incoming weights after each step.
    The runs agree in optimizer, nesterov, and in which of weight decay, l1 and max_norm they use at all.
    """

    def __init__(self, configs: Sequence[Config], network: Trainable):
        self.state: dict[str, Tensor] = {}
        self.step_count = 0
        self._dtype, self._device = network.dtype, network.device
        self._unit_axes = {name: network.unit_axes[name] for name, role in network.roles.items() if role == "weight"}
        self.configure(configs)

    def configure(self, configs: Sequence[Config], epoch: int = 1) -> None:
        """Take over the runs' strengths for an epoch, as vectors along R."""
        training = [c.training for c in configs]
        self.rule = RULES[training[0].optimizer]
        self.decoupled = training[0].optimizer == "adamw"
        self.nesterov = training[0].nesterov
        self.lr = self._vector([t.lr * schedule_factor(t.schedule, epoch, t.epochs) for t in training])
        self.momentum = self._vector([t.momentum for t in training])
        decays = [t.weight_decay for t in training]
        l1s = [t.l1 for t in training]
        norms = [t.max_norm for t in training]
        self.decay = self._vector(decays) if any(decays) else None
        self.l1 = self._vector(l1s) if any(l1s) else None
        self.max_norm = self._vector([n or math.inf for n in norms]) if any(norms) else None

    def _vector(self, numbers: Sequence[float]) -> Tensor:
        return torch.tensor(numbers, dtype=self._dtype, device=self._device)

    def keep(self, kept: Sequence[int]) -> None:
        """Let all runs but those at positions `kept` leave; call `configure` with the rest."""
        index = torch.tensor(kept)
        self.state = {name: tensor[index] for name, tensor in self.state.items()}

    @torch.no_grad()
    def step(self, parameters: Mapping[str, Tensor]) -> None:
        """Update every parameter by its gradient, then clear the gradient; raise ValueError where there is none.

        `parameters` are the network's, or some of them: those that this optimiser is for.
        """
        self.step_count += 1
        for name, tensor in parameters.items():
            gradient = tensor.grad
            if gradient is None:
                raise ValueError(f"{name} has no gradient; call require_grad() and backward() before a step")
            is_weight = name in self._unit_axes
            if is_weight and self.decay is not None:
                decay = _along(self.decay, tensor)
                if self.decoupled:
                    tensor.mul_(1.0 - _along(self.lr, tensor) * decay)
                else:
                    gradient = gradient + tensor * decay
            if is_weight and self.l1 is not None:
                gradient = gradient + torch.sign(tensor) * _along(self.l1, tensor)
            self.rule(self, name, tensor, gradient)
            if is_weight and self.max_norm is not None:
                _bound_norm(tensor, self.max_norm, self._unit_axes[name])
            tensor.grad = None  # and not zeros: the next backward pass then writes, where it would add

    def memory(self, name: str, like: Tensor) -> Tensor:
        """Return a state tensor of the optimiser, zeros at first."""
        if name not in self.state:
            self.state[name] = torch.zeros_like(like)
        return self.state[name]


def _along(vector_R: Tensor, like: Tensor) -> Tensor:
    return vector_R.view(-1, *(1 for _ in range(like.dim() - 1)))


def _sgd(opt: Optimiser, name: str, tensor: Tensor, gradient: Tensor) -> None:
    """v <- momentum v + g; w <- w - lr v, or with nesterov w - lr (g + momentum v), as torch.optim.SGD."""
    momentum, velocity = _along(opt.momentum, tensor), opt.memory(name, tensor)
    torch.addcmul(gradient, velocity, momentum, out=velocity)
    move = torch.addcmul(gradient, velocity, momentum) if opt.nesterov else velocity
    tensor.addcmul_(move, _along(opt.lr, tensor), value=-1.0)


def _adam(opt: Optimiser, name: str, tensor: Tensor, gradient: Tensor) -> None:
    """Kingma & Ba 2015, algorithm 1, with the bias corrections in double precision."""
    first = opt.memory(f"{name}|first", tensor).mul_(BETA1).add_(gradient * (1 - BETA1))
    second = opt.memory(f"{name}|second", tensor).mul_(BETA2).add_(gradient * gradient * (1 - BETA2))
    scale = second.sqrt().div_(math.sqrt(1 - BETA2**opt.step_count)).add_(EPSILON)
    tensor.sub_(first / scale * (_along(opt.lr, tensor) / (1 - BETA1**opt.step_count)))


RULES = {"sgd": _sgd, "adam": _adam, "adamw": _adam}
MEMORIES = {
    "sgd": ("",),
    "adam": ("|first", "|second"),
    "adamw": ("|first", "|second"),
}  # of a parameter, by their ends


def _bound_norm(weight: Tensor, limit_R: Tensor, unit_axis: int) -> None:
    """Scale each unit's incoming weights to a norm of at most the limit (Srivastava 2014, section 5.1)."""
    squares = weight * weight
    if unit_axis == weight.dim() - 1:
        norm_RO = sum_rows(squares.flatten(1, -2)).sqrt()
    else:
        norm_RO = sum_columns(squares.movedim(unit_axis, 1).flatten(2)).sqrt()
    shape = [len(weight), *(-1 if axis == unit_axis else 1 for axis in range(1, weight.dim()))]
    limit_RO = limit_R[:, None].expand_as(norm_RO)
    factor = torch.where(norm_RO > limit_RO, limit_RO / norm_RO, torch.ones_like(norm_RO))
    weight.mul_(factor.view(shape))
