"""The probe weights: how large they are and how far they came, how smooth the loss is in inputs and in weights, and images."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from dropexp.experiment.layout import layout
from dropexp.nn.initial import begin
from dropexp.train.evaluate import losses
from dropexp.train.looking import Look, Measured, examples_of, unchanged

Vectors = dict[str, Tensor]  # by the names of parameters, (R, ...) each


def weights(look: Look) -> Measured:
    """Return the L2 norm of each layer's weights, and at the selected epoch how smooth the loss is about them.

    At '' stands the norm of a layer's weights, at `from_start` that of their difference to the initial ones. At the
    selected epoch, dropout off, running statistics: at the layer `input` `gradient` is the mean over the first `examples`
    test examples of the L2 norm of the gradient of an example's loss with respect to its standardised inputs. At the layer
    `loss` stands by how much the mean loss of the first `examples` training examples rises where all parameters move by
    `radius` times their norm: `gradient` along the gradient (Foret et al. 2021, with a relative radius), `random` on
    average over `directions` random directions, there and back, in which each tensor moves in proportion to its norm (Li
    et al. 2018). Where inputs are images, `images` units of the first layer have their weights at `U.C.H.W`: unit, channel,
    row and column, counted from 0.
    """
    found = _norms(look)
    if look.moment == "selected":
        found += [("input", "gradient", _smoothness(look)), *_sharpness(look), *_images(look)]
    return found


def _norms(look: Look) -> Measured:
    network, runs = look.network, look.runs
    classes = network.parameters[list(network.parameters)[-1]].shape[-1]
    begun = begin(
        layout(runs[0].config, tuple(look.feed.pool.shape[1:]), classes),
        runs[0].config.model,
        [run.stream_seed("init") for run in runs],
        look.feed.dtype,
    )
    found: Measured = []
    for (name, now), first in zip(network.parameters.items(), begun.parameters.values(), strict=True):
        if network.roles[name] == "weight":
            layer, moved = name.removesuffix(".weight"), now.detach() - first.to(network.device)
            found += [
                (layer, "", [_norm(own) for own in now.detach()]),
                (layer, "from_start", [_norm(own) for own in moved]),
            ]
    return found


def _norm(x: Tensor) -> float:
    return float(x.contiguous().double().square().sum().sqrt())


def _smoothness(look: Look) -> list[float | None]:
    """Return each run's mean norm of the gradient of an example's loss with respect to its inputs, None without examples."""
    norms = list[Tensor]()
    for x_RB, labels_RB in examples_of(look, "test", look.settings.examples):
        x_RB = x_RB.contiguous().requires_grad_(True)
        total = losses(look.network(x_RB, noise=None, norm="running"), labels_RB).sum()
        (gradient,) = torch.autograd.grad(total, x_RB)
        norms.append(gradient.flatten(2).double().square().sum(2).sqrt())
    whole = torch.cat(norms, 1) if norms else torch.empty(len(look.runs), 0)
    return [float(own.contiguous().sum()) / len(own) if len(own) else None for own in whole]


def _sharpness(look: Look) -> Measured:
    parameters = {name: tensor.detach() for name, tensor in look.network.parameters.items()}
    gradient = _gradient(look)
    with torch.no_grad(), unchanged(look.network):
        here = _loss(look)
        long = _lengths(parameters)
        steep = _scaled(gradient, [at / g if g > 0 else 0.0 for at, g in zip(long, _lengths(gradient), strict=True)])
        along = _moved(look, parameters, steep, 1.0)
        rises = [[0.0] * len(here) for _ in range(look.settings.directions)]
        for number, own in enumerate(rises):
            way = _random(look, parameters, number)
            both = zip(*(_moved(look, parameters, way, sign) for sign in (1.0, -1.0)), strict=True)
            own[:] = [(up + down) / 2 - at for (up, down), at in zip(both, here, strict=True)]
    means = [sum(of_run) / len(rises) for of_run in zip(*rises, strict=True)]
    return [
        ("loss", "gradient", [up - at for up, at in zip(along, here, strict=True)]),
        ("loss", "random", means),
    ]


def _gradient(look: Look) -> Vectors:
    """Return the gradient of each run's mean training loss, dropout off."""
    network = look.network
    count = min(look.settings.examples, look.feed.set_sizes[0])
    for x_RB, labels_RB in examples_of(look, "train", look.settings.examples):
        (losses(network(x_RB, noise=None, norm="running"), labels_RB) / count).sum().backward()
    found = {name: torch.zeros_like(t) if t.grad is None else t.grad for name, t in network.parameters.items()}
    for tensor in network.parameters.values():
        tensor.grad = None
    return found


def _loss(look: Look) -> list[float]:
    """Return each run's mean loss over the first training examples, with the weights that the network has now."""
    parts = [
        losses(look.network(x_RB, noise=None, norm="running"), labels_RB)
        for x_RB, labels_RB in examples_of(look, "train", look.settings.examples)
    ]
    return [float(own.contiguous().double().sum()) / len(own) for own in torch.cat(parts, 1)]


def _moved(look: Look, parameters: Vectors, way: Vectors, sign: float) -> list[float]:
    step = sign * look.settings.radius
    look.network.put({name: tensor + step * way[name] for name, tensor in parameters.items()})
    return _loss(look)


def _lengths(vectors: Vectors) -> list[float]:
    """Return the norm of each run's vectors, all together."""
    squares = [[_norm(own) ** 2 for own in tensor] for tensor in vectors.values()]
    return [sum(of_run) ** 0.5 for of_run in zip(*squares, strict=True)]


def _scaled(vectors: Vectors, by: list[float]) -> Vectors:
    return {
        name: tensor
        * torch.tensor(by, dtype=tensor.dtype, device=tensor.device).view(-1, *(1 for _ in tensor.shape[1:]))
        for name, tensor in vectors.items()
    }


def _random(look: Look, parameters: Vectors, number: int) -> Vectors:
    """Return a random direction of each run, in which each of its tensors is as long as its parameters are."""
    found = {}
    for name, tensor in parameters.items():
        drawn = []
        for r, own in enumerate(tensor):
            way = torch.from_numpy(look.generator(r, name, number).standard_normal(tuple(own.shape)))
            drawn.append((way * (_norm(own) / _norm(way))).to(own.dtype).to(own.device))
        found[name] = torch.stack(drawn)
    return found


def _images(look: Look) -> Measured:
    """Return the weights of the first units of the first layer, one number per pixel, where the layer reads images."""
    example, network = tuple(look.feed.pool.shape[1:]), look.network
    name = next(name for name, role in network.roles.items() if role == "weight")
    weight = network.parameters[name].detach().movedim(network.unit_axes[name], 1)  # (R, U, ...)
    dense = look.runs[0].config.model.kind == "mlp" and weight.shape[2] == prod(example)
    if len(example) < 3 or not (weight.dim() == 5 or dense):
        return []
    shown = (
        weight[:, : look.settings.images].unflatten(2, example)
        if weight.dim() == 3
        else weight[:, : look.settings.images]
    )
    places = torch.cartesian_prod(*(torch.arange(n) for n in shown.shape[1:])).tolist()
    values = shown.flatten(1).T.tolist()  # (pixels, R)
    layer = name.removesuffix(".weight")
    return [(layer, ".".join(map(str, place)), own) for place, own in zip(places, values, strict=True)]
