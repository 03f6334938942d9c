"""The probe co_adaptation: how units go together within a class, and what a network loses that misses some of its parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from dropexp.train.evaluate import guesses, mean
from dropexp.train.looking import Look, Measured, examples_of, tapped, unchanged

WAYS = ("plain", "rescaled")  # what is left as it is, or made as large as before


def co_adaptation(look: Look) -> Measured:
    """Return how units correlate within classes, and test accuracy without some of a network's parts, dropout off.

    `correlation` of a hidden layer is the mean of |r| over pairs of units that vary, over the first `examples` test
    examples, after the mean of its class is taken off each unit; units of a convolution are its channels and of an LSTM
    its outputs, averaged over places and steps. By chance alone it is about sqrt(2 / (pi n)) for n examples.

    At the layer `whole` stands accuracy on these examples, at `units`, `weights` and `inputs` that averaged over `draws`:
    at a share s round(s U) of the U units of every hidden layer are 0, or as many of the weights of every layer, drawn at
    random and nested over shares; or a normal of standard deviation s is added to the standardised inputs. Where it is
    `rescaled` what is left is divided by the share that is left, and noisy inputs by sqrt(1 + s^2); `plain` is not.
    """
    found: Measured = [("whole", "", _accuracy(look)), *_correlations(look)]
    for part, disturb in PARTS.items():
        found += [(part, f"{share:.12g}.{way}", own) for (share, way), own in _accuracies(look, disturb).items()]
    return found


def _correlations(look: Look) -> Measured:
    seen: dict[str, list[Tensor]] = {}
    labels: list[Tensor] = []

    def record(layer: str, point: str, x: Tensor) -> Tensor:
        if point == "units" and layer != "output":
            seen.setdefault(layer, []).append(_per_example(x))
        return x

    with torch.no_grad(), tapped(look.network, record):
        for x_RB, labels_RB in examples_of(look, "test", look.settings.examples):
            look.network(x_RB, noise=None, norm="running")
            labels.append(labels_RB.cpu())
    if not labels:
        return []
    label_RN = torch.cat(labels, 1)
    return [
        (layer, "correlation", [_within(own, y) for own, y in zip(torch.cat(parts, 1), label_RN, strict=True)])
        for layer, parts in seen.items()
    ]


def _per_example(x: Tensor) -> Tensor:
    """Return one number per example and unit, (R, B, U) in double precision."""
    x = x.detach().double().cpu()
    if x.dim() == 3:
        return x
    units_last = x.flatten(3).transpose(2, 3) if x.dim() == 5 else x  # (R, B, C, H, W) or (R, B, T, U)
    return torch.stack([own.contiguous().mean(1) for own in units_last])


def _within(x_NU: Tensor, label_N: Tensor) -> float | None:
    """Return the mean |r| over pairs of units with the classes' means taken off, None where fewer than two units vary."""
    centred = x_NU.clone()
    for label in label_N.unique():
        of_class = label_N == label
        own = x_NU[of_class]
        centred[of_class] = (own - own[0]) - (own - own[0]).mean(0)  # a unit that does not vary is exactly 0
    length = centred.square().sum(0).sqrt()
    units = centred[:, length > 0] / length[length > 0]
    count = units.shape[1]
    if count < 2:
        return None
    return float((units.T @ units).abs().sum() - count) / (count * (count - 1))


def _accuracies(look: Look, disturb: Disturb) -> dict[tuple[float, str], list[float | None]]:
    """Return the accuracy of every run by share and way, averaged over draws."""
    found: dict[tuple[float, str], list[list[float | None]]] = {}
    for number in range(look.settings.draws):
        order = _Order(look, number)
        for share in look.settings.shares:
            for way in WAYS:
                found.setdefault((share, way), []).append(disturb(look, order, share, way == "rescaled"))
    return {
        at: [mean(np.array([v for v in own if v is not None])) for own in zip(*draws, strict=True)]
        for at, draws in found.items()
    }


class _Order:
    """One random order of the units or weights of every place, in which they are removed: the same for every share."""

    def __init__(self, look: Look, number: int):
        self.look, self.number = look, number
        self._ranks: dict[str, Tensor] = {}

    def factors(self, place: str, shape: tuple[int, ...], share: float, rescaled: bool, like: Tensor) -> Tensor:
        """Return 0 for what is removed and 1, or 1 / the share left, for what is not: (R, *shape)."""
        size = int(np.prod(shape))
        gone = min(round(share * size), size)
        left = size / (size - gone) if rescaled and gone < size else 1.0
        if place not in self._ranks:
            self._ranks[place] = torch.from_numpy(np.stack([self._drawn(r, place, size) for r in range(len(like))]))
        return torch.where(self._ranks[place] < gone, 0.0, left).view(-1, *shape).to(like)

    def _drawn(self, r: int, place: str, size: int) -> np.ndarray:
        rank = np.empty(size, np.int32)
        bits = self.look.generator(r, place, self.number).bit_generator.random_raw(size)
        rank[np.argsort(bits, kind="stable")] = np.arange(size, dtype=np.int32)
        return rank


Disturb = Callable[[Look, _Order, float, bool], list[float | None]]


def _without_units(look: Look, order: _Order, share: float, rescaled: bool) -> list[float | None]:
    factors: dict[str, Tensor] = {}

    def remove(layer: str, point: str, x: Tensor) -> Tensor:
        if point != "units" or layer == "output":
            return x
        axis = 2 if x.dim() == 5 else x.dim() - 1
        if layer not in factors:
            factors[layer] = order.factors(layer, (x.shape[axis],), share, rescaled, x)
        return x * factors[layer].view(len(x), *(-1 if i == axis else 1 for i in range(1, x.dim())))

    with tapped(look.network, remove):
        return _accuracy(look)


def _without_weights(look: Look, order: _Order, share: float, rescaled: bool) -> list[float | None]:
    network = look.network
    held = {name: t.detach() for name, t in network.parameters.items() if network.roles[name] == "weight"}
    with unchanged(network):
        network.put({n: t * order.factors(n, tuple(t.shape[1:]), share, rescaled, t) for n, t in held.items()})
        return _accuracy(look)


def _with_noise(look: Look, order: _Order, share: float, rescaled: bool) -> list[float | None]:
    drawn = [look.generator(r, "inputs", order.number) for r in range(len(look.runs))]

    def noisy(x_RB: Tensor) -> Tensor:
        noise = [torch.from_numpy(own.standard_normal(tuple(x_RB.shape[1:]))).to(x_RB) for own in drawn]
        x_RB = x_RB + share * torch.stack(noise)
        return x_RB / (1 + share**2) ** 0.5 if rescaled else x_RB

    return _accuracy(look, noisy)


PARTS: dict[str, Disturb] = {"units": _without_units, "weights": _without_weights, "inputs": _with_noise}


def _accuracy(look: Look, inputs: Callable[[Tensor], Tensor] = lambda x_RB: x_RB) -> list[float | None]:
    right = []
    with torch.no_grad():
        for x_RB, labels_RB in examples_of(look, "test", look.settings.examples):
            right.append(guesses(look.network(inputs(x_RB), noise=None, norm="running")) == labels_RB)
    return [mean(row) for row in torch.cat(right, 1).cpu().numpy()] if right else [None] * len(look.runs)
