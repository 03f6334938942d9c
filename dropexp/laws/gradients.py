"""Laws of the gradient: it passes the same mask, and only the units kept learn."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dropexp.laws.board import matrix, table
from dropexp.laws.intervals import binomial, errors
from dropexp.laws.law import Check, Result, between, close, exactly, more_than
from dropexp.laws.small_networks import (
    SEED,
    acting,
    build,
    differing,
    furthest,
    gradient,
    gradients,
    labels,
    masks,
    normal,
    window,
)  # fmt: skip
from dropexp.train.evaluate import losses
from dropexp.train.optim import Optimiser


def _gradients() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return mask, gradient before it, gradient after it, and the gradient without dropout, each (4 samples, 10 units).

    The mask acts at the input of a tanh network, so that autograd gives both sides.
    """
    model = {"hidden": [9], "activation": "tanh"}
    network = build((10,), 3, [{"model": model, "dropout": {"rate": 0.5, "placement": ["input"]}}])
    bare = build((10,), 3, [{"model": model, "dropout": {"rate": 0.0}}])
    mask, _ = masks(network).drawn("input", 4)
    x, y = normal("backward", 1, 4, 10), labels("backward", 4, 3)[None]
    leaves = [t.clone().requires_grad_(True) for t in (x, x * mask, x)]
    noises = (masks(network), None, None)
    for leaf, net, noise in zip(leaves, (network, bare, bare), noises, strict=True):
        losses(net(leaf, noise=noise, norm="batch"), y).sum().backward()
    before, after, without = (gradient(leaf)[0] for leaf in leaves)
    return mask[0], before, after, without


def backward() -> Result:
    """Autograd through the mask against the gradient after it times the mask."""
    mask, before, after, without = _gradients()
    return Result((
        exactly("gradients to the input that are not the gradient to the output times the mask (of 40)",
                differing(before, after * mask)),
        exactly("dropped units that a gradient reaches", int((before[mask == 0] != 0).sum())),
        more_than("relative distance from the gradient without dropout", (before - without).norm() / without.norm(), 0.1),
    ))  # fmt: skip


def backward_board() -> list[str]:
    """Draw the mask and the gradients with and without dropout."""
    mask, before, after, without = _gradients()
    return [
        *matrix("mask, rate 0.5: 4 samples x 10 units", mask, 0),
        *matrix("gradient to the output of the mask", after),
        *matrix("gradient to its input: the same, times the mask", before),
        *matrix("gradient without dropout: different", without),
    ]


UNITS = 400


def _step(batch: int, kind: str = "bernoulli", **training: Any) -> tuple[Tensor, Tensor]:
    """Return which hidden units the second of two steps left as they were, to the bit, and which it dropped for all samples.

    A unit is left where its incoming weights, bias and outgoing weights keep their bits; (units,) each.
    """
    training = {"optimizer": "sgd", "momentum": 0.0, **training}
    sections = {"model": {"hidden": [UNITS], "activation": "tanh"}, "dropout": {"kind": kind}, "training": training}
    network = build((7,), 3, [sections], torch.float32)
    network.require_grad()
    optimiser, noise, twin = Optimiser(network.configs, network), masks(network), masks(network)
    x, y = normal("learn", 2, 1, batch, 7, dtype=torch.float32), labels("learn", 2 * batch, 3).view(2, 1, batch)
    for step in range(2):
        before = {name: t.detach().clone() for name, t in network.parameters.items()}
        losses(network(x[step], noise=noise, norm="batch"), y[step]).sum().backward()
        optimiser.step(network.parameters)
        factor, _ = twin.drawn("hidden.1", batch)
    same = {name: (t == before[name])[0] for name, t in network.parameters.items()}
    left = same["hidden.1.weight"].all(0) & same["hidden.1.bias"] & same["output.weight"].all(1)
    return left, (factor[0] == 0).all(0)


def survivors_learn() -> Result:
    """Two steps of plain sgd, and of updates that have a memory or pull on every weight."""
    checks: list[Check] = []
    for what, batch, kind in (("one sample", 1, "bernoulli"), ("8 samples, one mask", 8, "batch_shared")):
        left, dropped = _step(batch, kind)
        checks.append(exactly(f"dropped units that changed (of {int(dropped.sum())}); {what}", (~left & dropped).sum()))
        checks.append(exactly("kept units that did not change", (left & ~dropped).sum()))
    left, dropped = _step(3)
    stays = acting(0.5) ** 3
    checks += [
        exactly("3 samples, one mask each: units dropped for all 3 that changed, or units that changed without "
            "a gradient", differing(left, dropped)),
        between(f"units dropped for all 3 (of {UNITS}): rate³", left.sum(), UNITS * stays, binomial(UNITS, stays)),
    ]  # fmt: skip
    others: dict[str, dict[str, Any]] = {
        "momentum": {"momentum": 0.9}, "adam": {"optimizer": "adam"}, "weight decay": {"weight_decay": 0.01},
    }  # fmt: skip
    for name, training in others.items():
        left, dropped = _step(1, **training)
        checks.append(more_than(f"dropped units that {name} moves nevertheless", (~left & dropped).sum(), 1))
    return Result(tuple(checks))


def weighted_update() -> Result:
    """The gradient of every outgoing weight against the sum over the samples that kept its unit."""
    rate, batch, units = 0.4, 16, 20
    network = build((7,), 3, [{"model": {"hidden": [units], "activation": "tanh"}, "dropout": {"rate": rate}}])
    network.require_grad()
    x, y = normal("terms", 1, batch, 7), labels("terms", batch, 3)[None]
    logits = network(x, noise=masks(network), norm="batch")
    (losses(logits, y).sum() / batch).backward()
    kept = masks(network).drawn("hidden.1", batch)[0][0] != 0
    seen = window(units, (0.0,), activation="tanh")
    inner = x[0] @ network.parameters["hidden.1.weight"][0].detach()
    clean = seen(inner[None], noise=None, norm="running")[0]
    errors_BK = torch.softmax(logits[0].detach(), -1) - torch.nn.functional.one_hot(y[0], 3)
    terms = torch.zeros(units, 3, dtype=torch.float64)
    for sample in range(batch):
        for unit in range(units):
            if kept[sample, unit]:
                terms[unit] += clean[sample, unit] * errors_BK[sample]
    formula = terms / (batch * (1.0 - acting(rate)))
    found = gradient(network.parameters["output.weight"])[0]
    return Result((
        close(f"largest difference of {found.numel()} gradients from k terms over B·keep, B = {batch}",
              furthest(found, formula)),
        more_than("largest difference where the sum is taken over k·keep instead",
                  furthest(found, formula * batch / kept.sum(0)[:, None].clamp(min=1)), 0.01),
    ))  # fmt: skip


DRAWS = 4000


def _drawn(kind: str) -> Tensor:
    """Return the gradient of the mean loss of 4 samples under each of 4000 draws, (draws, parameters): one run per draw."""
    sections = {"model": {"hidden": [6], "activation": "tanh"}, "dropout": {"kind": kind}}
    network = build((5,), 3, [sections] * DRAWS)
    network.require_grad()
    x, y = normal("mean", 1, 4, 5).expand(DRAWS, -1, -1), labels("mean", 4, 3).expand(DRAWS, -1)
    (losses(network(x, noise=masks(network, DRAWS), norm="batch"), y) / 4).sum().backward()
    return gradients(network)


def shared_same_mean() -> Result:
    """Gradients with one mask per sample and with one for the batch, over 4000 draws."""
    own, shared = _drawn("bernoulli"), _drawn("batch_shared")
    difference = own - shared
    error = difference.std(0) / DRAWS**0.5
    off = torch.where(error > 0, difference.mean(0).abs() / error, 0.0)
    count = off.numel()
    what = f"largest of {count} differences of the mean gradient, in standard errors over {DRAWS} draws"
    return Result((Check(what, 0.0, float(off.max()), 0.0, errors(count)),))


def shared_same_mean_board() -> list[str]:
    """Show mean and variance of the gradient under either kind."""
    rows = []
    for what, kind in (("one mask per sample", "bernoulli"), ("one mask for the batch", "batch_shared")):
        drawn = _drawn(kind)
        rows.append((what, float(drawn.mean(0).norm()), float(drawn.var(0).sum())))
    title = f"gradient of the mean loss of 4 samples over {DRAWS} draws of the masks"
    return [title, *table(("masks", "norm of the mean", "variance, summed"), rows), ""]


def relu_commutes() -> Result:
    """Outputs and gradients of networks in four orders; relu and tanh, batch norm and one seed."""
    found = {}
    for order in ("NAD", "NDA", "ADN", "DAN"):
        for activation in ("relu", "tanh"):
            model = {"hidden": [13, 9], "activation": activation, "norm": "batch", "order": order}
            network = build((7,), 3, [{"model": model, "dropout": {"rate": 0.4}}])
            network.require_grad()
            x, y = normal("commute", 1, 20, 7), labels("commute", 20, 3)[None]
            logits = network(x, noise=masks(network), norm="batch")
            losses(logits, y).sum().backward()
            found[order, activation] = torch.cat([logits.detach().flatten(), gradients(network)[0]])
    outputs = logits.numel()  # relu > norm has biases beside, norm > relu none
    pairs = (("NAD", "NDA", "norm > relu > dropout and norm > dropout > relu"),
             ("ADN", "DAN", "relu > dropout > norm and dropout > relu > norm"))  # fmt: skip
    return Result((
        *(exactly(f"outputs and gradients that differ (of {len(found[a, 'relu'])}): {what}",
                  differing(found[a, "relu"], found[b, "relu"])) for a, b, what in pairs),
        more_than(f"outputs that differ between relu > dropout > norm and norm > relu > dropout (of {outputs})",
                  differing(found["ADN", "relu"][:outputs], found["NAD", "relu"][:outputs]), 1),
        more_than("outputs that differ with tanh in place of relu", differing(found["NAD", "tanh"], found["NDA", "tanh"]), 1),
    ))  # fmt: skip


def survivors_board() -> list[str]:
    """Count what each update leaves of the units it dropped."""
    rows = []
    cases: tuple[tuple[str, int, str, dict[str, Any]], ...] = (
        ("sgd", 1, "bernoulli", {}),
        ("sgd, one mask for the batch", 8, "batch_shared", {}),
        ("sgd, one mask per sample", 3, "bernoulli", {}),
        ("sgd with momentum", 1, "bernoulli", {"momentum": 0.9}),
        ("adam", 1, "bernoulli", {"optimizer": "adam"}),
        ("sgd with weight decay", 1, "bernoulli", {"weight_decay": 0.01}),
    )
    for name, batch, kind, training in cases:
        left, dropped = _step(batch, kind, **training)
        rows.append((name, batch, int(dropped.sum()), int((dropped & left).sum())))
    heads = ("update", "samples", "units dropped for all", "of these unchanged")
    return [f"{UNITS} hidden units, rate 0.5, seed {SEED}, the second step", *table(heads, rows), ""]
