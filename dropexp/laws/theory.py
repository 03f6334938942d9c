"""Laws that enumerate every mask: dropout as an average over thinned networks, as ridge, as a geometric mean."""

from __future__ import annotations

import torch
from torch import Tensor

from dropexp.laws.intervals import errors
from dropexp.laws.law import Check, Result, around, close
from dropexp.laws.small_networks import EveryMask, acting, build, furthest, gradients, labels, masks, normal
from dropexp.train.evaluate import losses

UNITS, RATE, DRAWS = 8, 0.3, 40_000


def subnetwork_expectation() -> Result:
    """All 256 thinned networks of one hidden layer, a run each, against the mean over 40,000 draws."""
    sections = {"model": {"hidden": [UNITS], "activation": "tanh"}, "dropout": {"rate": RATE}}
    thinned = build((5,), 3, [sections] * 2**UNITS)
    thinned.require_grad()
    every = EveryMask(thinned.sites, UNITS, along_runs=True)
    x, y = normal("thin", 1, 1, 5), labels("thin", 1, 3)[None]
    loss = losses(thinned(x.expand(2**UNITS, -1, -1), noise=every, norm="batch"), y.expand(2**UNITS, -1))[:, 0]
    loss.sum().backward()
    found = torch.cat([loss.detach()[:, None], gradients(thinned)], 1)
    weight = every.probabilities(RATE)[:, None]
    expected = (weight * found).sum(0)
    error = ((weight * (found - expected).square()).sum(0) / DRAWS).sqrt()

    drawn = build((5,), 3, [sections])
    drawn.require_grad()
    logits = drawn(x.expand(-1, DRAWS, -1), noise=masks(drawn), norm="batch")
    mean_loss = losses(logits, y.expand(-1, DRAWS)).mean()
    mean_loss.backward()
    off = ((gradients(drawn)[0] - expected[1:]) / error[1:]).abs()
    return Result((
        around(f"mean loss of {DRAWS:,} draws against {2**UNITS} thinned networks, 4 standard errors",
               mean_loss.item(), float(expected[0]), 4.0 * float(error[0])),
        Check(f"largest of {len(off)} differences of the mean gradient, in standard errors", 0.0, float(off.max()), 0.0,
              errors(len(off))),
        close("distance from 1 of the sum of the 256 probabilities", abs(float(weight.sum()) - 1.0)),
    ))  # fmt: skip


def ridge() -> Result:
    """A linear model with dropout at its 8 inputs: 20 examples under all 256 masks."""
    examples = 20
    rate = acting(RATE)
    model = {"hidden": [], "activation": "linear"}
    network = build((UNITS,), 1, [{"model": model, "dropout": {"rate": RATE, "placement": ["input"]}}])
    every = EveryMask(network.sites, UNITS, copies=examples)
    x, y = normal("ridge-x", examples, UNITS), normal("ridge-y", examples)
    penalty = rate / (1.0 - rate) * x.square().sum(0)

    def expected_loss() -> Tensor:
        copies = x.repeat_interleave(2**UNITS, 0)[None]
        outputs = network(copies, noise=every, norm="batch")[0].view(examples, 2**UNITS)
        return ((y[:, None] - outputs).square() * every.probabilities(RATE)).sum()

    weight = network.parameters["output.weight"]
    w = weight[0, :, 0].clone()
    closed = (y - x @ w).square().sum() + (penalty * w * w).sum()
    enumerated = expected_loss()
    weight[0, :, 0] = torch.linalg.solve(x.T @ x + torch.diag(penalty), x.T @ y)
    weight.requires_grad_(True)
    (gradient,) = torch.autograd.grad(expected_loss(), weight)
    relative = float((enumerated - closed).abs() / closed)
    return Result((
        Check("expected loss over all masks divided by the closed form, minus 1", 0.0, relative, 0.0, 1e-12),
        close("largest gradient of the expected loss at the solution of ridge regression", float(gradient.abs().max())),
    ))  # fmt: skip


def geometric_mean() -> Result:
    """A softmax layer with dropout at its 8 inputs, under all 256 masks, inverted and vanilla."""
    checks = []
    for kind in ("vanilla", "bernoulli"):
        model = {"hidden": [], "activation": "linear"}
        dropout = {"kind": kind, "rate": RATE, "placement": ["input"]}
        network = build((UNITS,), 3, [{"model": model, "dropout": dropout}])
        network.parameters["output.bias"].copy_(normal("geometric-b", 1, 3))
        every = EveryMask(network.sites, UNITS)
        x = normal("geometric", 1, 1, UNITS)
        thinned = torch.log_softmax(network(x.expand(-1, 2**UNITS, -1), noise=every, norm="batch")[0], -1)
        geometric = torch.softmax((every.probabilities(RATE)[:, None] * thinned).sum(0), -1)
        scaled = torch.softmax(network(x, noise=None, norm="running")[0, 0], -1)
        what = "largest difference between the probabilities of the scaled layer and of the geometric mean"
        checks.append(close(f"{what}, {kind}", furthest(scaled, geometric)))
    return Result(tuple(checks))
