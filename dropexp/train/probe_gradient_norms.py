"""The probe gradient_norms: how large the gradients are that reach each layer, with one mask and averaged over masks."""

from __future__ import annotations

import torch
from torch import Tensor

from dropexp.nn.dropout import Noise
from dropexp.nn.layers import ACTIVATIONS, LARGEST_SLOPES
from dropexp.train.evaluate import losses
from dropexp.train.looking import Look, Measured, tapped

FLAT = 0.05  # of an activation's largest slope: below it a unit is saturated
Batch = tuple[Tensor, Tensor]  # inputs (R, B, ...) and labels (R, B)
Gradients = dict[tuple[str, str], Tensor]  # (layer, at) -> gradient, (R, ...)


def gradient_norms(look: Look) -> Measured:
    """Return the L2 norms of the gradient of the mean loss over the epoch's first training batch, layer by layer.

    Dropout on, batch statistics: the gradient that training follows (Glorot & Bengio 2010, figures 7 to 9), of the weights
    at '' and of what enters the activation, over all examples and units, at `preactivations`; at the layer `output` those
    are the logits. Where `masks` is above 1, `masks` and `preactivations_masks` are the norms of gradients averaged over so
    many masks of the probe's own, at the start and every `masks_every` epochs. `saturated` is the fraction of units and
    examples of the batch at which the slope of the activation is below 5% of its largest.
    """
    batch = next(iter(look.feed.batches(look.batches)))
    gradients, entering = _gradients(look, batch, look.training_masks())
    found: Measured = _norms(gradients)
    for layer, x in entering.items():
        if layer != "output":
            found.append((layer, "saturated", _saturated(x, look.runs[0].config.model.activation)))
    if look.settings.masks > 1 and look.epoch % look.settings.masks_every == 0:
        found += _norms({(layer, NAMES[at]): total for (layer, at), total in _averaged(look, batch, gradients).items()})
    return found


NAMES = {"": "masks", "preactivations": "preactivations_masks"}  # what the norm of an average is called


def _averaged(look: Look, batch: Batch, one: Gradients) -> Gradients:
    """Return the gradients averaged over masks, in double precision; where no run drops anything, those of one pass."""
    if not look.network.sites:
        return one
    sums = {key: torch.zeros_like(g, dtype=torch.float64) for key, g in one.items()}
    for number in range(look.settings.masks):
        for key, g in _gradients(look, batch, look.masks(number))[0].items():
            sums[key] += g
    return {key: total / look.settings.masks for key, total in sums.items()}


def _gradients(look: Look, batch: Batch, noise: Noise) -> tuple[Gradients, dict[str, Tensor]]:
    """Return the gradients of one pass, and what entered each layer's activation, the logits at `output`."""
    network, entering = look.network, dict[str, Tensor]()

    def record(layer: str, point: str, x: Tensor) -> Tensor:
        if point == "activation" or (layer, point) == ("output", "units"):
            x.retain_grad()
            entering[layer] = x
        return x

    x_RB, labels_RB = batch
    with tapped(network, record):
        logits = network(x_RB, noise=noise, norm="batch")
    (losses(logits, labels_RB) / labels_RB.shape[1]).sum().backward()
    found: Gradients = {}
    for name, tensor in network.parameters.items():
        if network.roles[name] == "weight" and tensor.grad is not None:
            found[name.removesuffix(".weight"), ""] = tensor.grad
        tensor.grad = None
    for layer, x in entering.items():
        if x.grad is not None:
            found[layer, "preactivations"] = x.grad
    return found, {layer: x.detach() for layer, x in entering.items()}


def _norms(gradients: Gradients) -> Measured:
    """Return the L2 norm of each gradient, run by run and in double precision."""
    return [
        (layer, at, [float(own.double().square().sum().sqrt()) for own in g]) for (layer, at), g in gradients.items()
    ]


def _saturated(x: Tensor, activation: str) -> list[float | None]:
    """Return each run's fraction of numbers (R, ...) at which the activation is nearly flat."""
    at = x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(ACTIVATIONS[activation](at).sum(), at)
    flat = slope.abs() < FLAT * LARGEST_SLOPES[activation]
    return [float(own.sum()) / own.numel() for own in flat]
