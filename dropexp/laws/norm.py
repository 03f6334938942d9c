"""Laws of batch norm: two sets of statistics, its gradient, and the shift that dropout puts between them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dropexp.laws.board import table
from dropexp.laws.law import Check, Result, close
from dropexp.laws.small_networks import acting, furthest, gradient, masks, normal, window
from dropexp.nn.layers import EPSILON, MOMENTUM
from dropexp.nn.protocol import Trainable

UNITS, BATCH = 5, 12


def _network() -> Trainable:
    """Return a network whose logits are what leaves its batch norm, with drawn scale and shift."""
    network = window(UNITS, (0.0,), norm="batch")
    for name in ("scale", "shift"):
        network.parameters[f"hidden.1.norm.{name}"].copy_(normal(f"norm-{name}", 1, UNITS))
    return network


def bn_train_test() -> Result:
    """Three batches in training and one in evaluation, against the formula and torch.nn.BatchNorm1d."""
    network, oracle = _network(), torch.nn.BatchNorm1d(UNITS, dtype=torch.float64)
    scale, shift = (network.parameters[f"hidden.1.norm.{name}"][0] for name in ("scale", "shift"))
    oracle.load_state_dict({**oracle.state_dict(), "weight": scale, "bias": shift})
    mean, variance = torch.zeros(UNITS).double(), torch.ones(UNITS).double()
    batches = normal("norm-x", 4, BATCH, UNITS) * 3 + 1
    off = {"formula": 0.0, "torch": 0.0}
    for x in batches[:3]:
        out = network(x[None], noise=None, norm="batch")[0]
        centred = x - x.mean(0)
        formula = centred / torch.sqrt(centred.square().mean(0) + EPSILON) * scale + shift
        mean = (1 - MOMENTUM) * mean + MOMENTUM * x.mean(0)
        variance = (1 - MOMENTUM) * variance + MOMENTUM * centred.square().sum(0) / (BATCH - 1)
        off["formula"] = max(off["formula"], furthest(out, formula))
        off["torch"] = max(off["torch"], furthest(out, oracle(x).detach()))
    statistics = torch.stack([network.statistics[f"hidden.1.norm.{name}"][0] for name in ("mean", "variance")])
    tested = network(batches[3:], noise=None, norm="running")[0]
    formula = (batches[3] - mean) / torch.sqrt(variance + EPSILON) * scale + shift
    oracle.eval()
    return Result((
        close("training: largest difference from the batch's own mean and variance (1/n), scaled and shifted", off["formula"]),
        close("training: largest difference from torch.nn", off["torch"]),
        close("moving averages: largest difference from 0.9 old + 0.1 new, variance by 1/(n - 1)",
              furthest(statistics, torch.stack([mean, variance]))),
        close("evaluation: largest difference from the formula with moving averages", furthest(tested, formula)),
        close("evaluation: largest difference from torch.nn", furthest(tested, oracle(batches[3]).detach())),
    ))  # fmt: skip


def bn_backward() -> Result:
    """The six lines of the paper against autograd through the network."""
    network = _network()
    network.require_grad()
    x = (normal("norm-x", 1, BATCH, UNITS) * 3 + 1).requires_grad_(True)
    g = normal("norm-g", BATCH, UNITS)
    network(x, noise=None, norm="batch").backward(g[None])
    with torch.no_grad():
        scale = network.parameters["hidden.1.norm.scale"][0]
        centred = x[0] - x[0].mean(0)
        inverse = 1.0 / torch.sqrt(centred.square().mean(0) + EPSILON)
        g_normal = g * scale
        g_variance = (g_normal * centred).sum(0) * -0.5 * inverse**3
        g_mean = (-g_normal * inverse).sum(0) + g_variance * (-2.0 * centred).mean(0)
        g_x = g_normal * inverse + g_variance * 2.0 * centred / BATCH + g_mean / BATCH
        found = {name: gradient(network.parameters[f"hidden.1.norm.{name}"])[0] for name in ("scale", "shift")}
        g_scale = (g * centred * inverse).sum(0)
    return Result((
        close(f"largest difference of {g.numel()} gradients to the input from the paper's formula", furthest(gradient(x)[0], g_x)),
        close("largest difference of the gradients of the scales", furthest(found["scale"], g_scale)),
        close("largest difference of the gradients of the shifts", furthest(found["shift"], g.sum(0))),
    ))  # fmt: skip


KEEPS = (0.9, 0.8, 0.7, 0.5)
KINDS = ("bernoulli", "gaussian", "uniform")
MEAN, VARIANCE = 1.0 / math.sqrt(2.0 * math.pi), 0.5 - 1.0 / (2.0 * math.pi)  # of relu(z), z standard normal
SHIFT_UNITS, SHIFT_BATCH, SHIFT_STEPS = 50, 4_000, 20


def closed_form(keep: float) -> float:
    """Return v / (v + rate/keep (c² + v)) for relu of a standard normal, which is v / [(c² + v)/keep - c²]."""
    return VARIANCE / (VARIANCE + (1.0 - keep) / keep * (MEAN**2 + VARIANCE))


def shift_points(kind: str) -> list[tuple[float, float, float]]:
    """Return (keep, closed form, measured test variance over training variance) of what enters batch norm."""
    rates = [1.0 - keep for keep in KEEPS]
    network = window(SHIFT_UNITS, rates, kind=kind, activation="relu", norm="batch", order="ADN", dtype=torch.float32)
    totals: list[Tensor] = []

    def record(_: str, point: str, entering: Tensor) -> Tensor:
        if point == "norm":
            x = entering.double()
            totals.append(torch.stack([x.sum((1, 2)), x.square().sum((1, 2))]))
        return entering

    network.tap = record
    noise = masks(network)
    x = normal("shift", SHIFT_STEPS, SHIFT_BATCH, SHIFT_UNITS, dtype=torch.float32)
    with torch.no_grad():
        for part in x[:, None].expand(-1, len(rates), -1, -1):
            network(part, noise=noise, norm="batch")
            network(part, noise=None, norm="running")
    sums = torch.stack(totals).view(SHIFT_STEPS, 2, 2, -1).sum(0) / x.numel()  # (train or test, moment, R)
    train, test = sums[:, 1] - sums[:, 0].square()
    return [
        (1.0 - acting(rate), closed_form(1.0 - acting(rate)), float(test[i] / train[i])) for i, rate in enumerate(rates)
    ]


def variance_shift() -> Result:
    """Four million activations a keep probability and kind: 1% of the ratio is at least six standard errors."""
    return Result(tuple(
        Check(f"test over training variance, {kind}, keep {keep:.1f}, {SHIFT_STEPS * SHIFT_BATCH * SHIFT_UNITS:,} draws",
              expected, measured, 0.99 * expected, 1.01 * expected)
        for kind in KINDS for keep, expected, measured in shift_points(kind)
    ))  # fmt: skip


def variance_shift_board() -> list[str]:
    """Draw the table over keep probabilities and kinds."""
    points = {kind: shift_points(kind) for kind in KINDS}
    rows = [
        (f"{keep:.1f}", f"{expected:.3f}", *(f"{points[kind][i][2]:.3f}" for kind in KINDS))
        for i, (keep, expected, _) in enumerate(points["bernoulli"])
    ]
    title = "variance at the input of batch norm, evaluation over training; relu of a standard normal"
    return [title, *table(("keep", "closed form", *KINDS), rows), ""]
