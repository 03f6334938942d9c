"""Laws of scale: training and test agree on average, whichever side is scaled, and evaluation drops nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from dropexp.data import Dataset
from dropexp.errors import ConfigError
from dropexp.experiment.config import Config
from dropexp.experiment.kinds import KINDS
from dropexp.experiment.study import Run
from dropexp.laws.board import table
from dropexp.laws.intervals import binomial, errors
from dropexp.laws.law import Check, Result, around, between, close, exactly, more_than
from dropexp.laws.small_networks import SEED, acting, build, differing, furthest, labels, masks, normal, window
from dropexp.nn.protocol import Trainable
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.train.batches import Feed
from dropexp.train.evaluate import evaluate, losses
from dropexp.train.optim import Optimiser

DRAWS, UNITS = 2000, 100


def _sides(kind: str, rates: tuple[float, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Return, by rate, the activations of a layer summed: mean of 2000 draws in training, in evaluation, and its error."""
    network = window(UNITS, rates, kind=kind)
    x = (normal("scale", UNITS).abs() + 0.1).expand(len(rates), DRAWS, UNITS)
    train = network(x, noise=masks(network), norm="batch").mean(1).sum(1)
    test = network(x[:, :1], noise=None, norm="running")[:, 0].sum(1)
    spread = torch.tensor([acting(r) * (1 - acting(r)) for r in rates], dtype=torch.float64)
    if KINDS[kind].train == "1/keep":
        spread = spread / torch.tensor([(1.0 - acting(r)) ** 2 for r in rates], dtype=torch.float64)
    return train, test, (spread * x[0, 0].square().sum() / DRAWS).sqrt()


def _ratios(kind: str) -> list[Check]:
    rates = (0.2, 0.5, 0.8)
    train, test, error = _sides(kind, rates)
    return [
        around(f"activation in training over activation in evaluation at rate {rate}, {DRAWS} draws of {UNITS} units",
               train[i] / test[i], 1.0, float(errors(3) * error[i] / test[i].abs()))
        for i, rate in enumerate(rates)
    ]  # fmt: skip


def inverted_scale() -> Result:
    """The mean activation over draws against the clean one."""
    return Result(tuple(_ratios("bernoulli")))


def vanilla_scale() -> Result:
    """The same without scaling in training; at test time activations times keep, or the weights that they feed."""
    rate = 0.2
    keep = 1.0 - acting(rate)
    model = {"hidden": [9], "activation": "tanh"}
    scaled, plain = (build((7,), 3, [{"model": model, "dropout": {"kind": "vanilla", "rate": r}}]) for r in (rate, 0.0))
    for network in (scaled, plain):
        network.parameters["output.bias"].copy_(normal("vanilla-b", 1, 3))
    plain.parameters["output.weight"].mul_(keep)
    x = normal("vanilla", 1, 50, 7)
    logits = [network(x, noise=None, norm="running") for network in (scaled, plain)]
    clean = window(UNITS, (rate,), kind="vanilla")(torch.ones(1, 1, UNITS).double(), noise=None, norm="running")
    return Result((
        *_ratios("vanilla"),
        exactly(f"activations at test time that are not keep times the clean ones (of {UNITS})",
                differing(clean, torch.full_like(clean, keep))),
        close("largest difference of logits: weights times keep against activations times keep", furthest(*logits)),
    ))  # fmt: skip


def times_p() -> Result:
    """Activations at test time times the rate, over those in training, both unscaled."""
    rates = (0.2, 0.5)
    train, test, error = _sides("unscaled", rates)
    return Result(tuple(
        around(f"test activation times p over the mean in training at p = {p}: p/(1 - p)",
               p * test[i] / train[i], acting(p) / (1 - acting(p)), float(errors(2) * error[i] * p * test[i] / train[i] ** 2))
        for i, p in enumerate(rates)
    ))  # fmt: skip


def times_p_board() -> list[str]:
    """Draw the table at p = 0.2 and 0.5."""
    rates = (0.2, 0.5)
    train, test, _ = _sides("unscaled", rates)
    rows = [
        (p, float(train[i]), float((1 - p) * test[i]), float(p * test[i]), float(p * test[i] / train[i]), p / (1 - p))
        for i, p in enumerate(rates)
    ]
    heads = ("p", "training, mean", "test x (1 - p)", "test x p", "off by", "p/(1 - p)")
    return ["activations of a layer, summed; p is the rate of dropping", *table(heads, rows), ""]


def _trained(kind: str, rate: float, dtype: torch.dtype, corrected: bool) -> tuple[Trainable, Tensor]:
    """Return a network after 200 steps of sgd with momentum, and its logits in evaluation.

    Where `corrected`, the weights fed by dropped layers start at 1/keep times and take keep^-2 times the learning rate.
    """
    keep, lr = (1.0 - acting(rate), 0.05) if corrected else (1.0, 0.05)
    model = {"hidden": [13, 30], "activation": "tanh"}
    network = build((11,), 5, [{"model": model, "dropout": {"kind": kind, "rate": rate}}], dtype)
    fed = {n: t for n, t in network.parameters.items() if n in ("hidden.2.weight", "output.weight")}
    rest = {n: t for n, t in network.parameters.items() if n not in fed}
    for tensor in fed.values():
        tensor.div_(keep)
    network.require_grad()
    steppers = []
    for parameters, rated in ((fed, lr / keep**2), (rest, lr)):
        config = Config.model_validate({"training": {"lr": rated, "momentum": 0.9}})
        steppers.append((Optimiser([config], network), parameters))
    noise, x, y = masks(network), normal("equal", 1, 120, 11, dtype=dtype), labels("equal", 120, 5)[None]
    for step in range(200):
        rows = torch.arange(step * 20, step * 20 + 20) % 120
        (losses(network(x[:, rows], noise=noise, norm="batch"), y[:, rows]) / 20).sum().backward()
        for optimiser, parameters in steppers:
            optimiser.step(parameters)
    return network, network(x, noise=None, norm="running").detach()


def scale_equivalence() -> Result:
    """Inverted and vanilla networks trained side by side: float32 at keep 0.5, float64 at rate 0.2."""
    (_, inverted), (_, vanilla) = (_trained(k, 0.5, torch.float32, k == "vanilla") for k in ("bernoulli", "vanilla"))
    (_, other), (_, same) = (_trained(k, 0.2, torch.float64, k == "vanilla") for k in ("bernoulli", "vanilla"))
    _, careless = _trained("vanilla", 0.5, torch.float32, False)
    count = inverted.numel()
    return Result((
        exactly(f"logits whose bits differ after 200 steps, keep 0.5, float32 (of {count})", differing(inverted, vanilla)),
        close("largest difference at rate 0.2, float64", furthest(other, same), 1e-9),
        more_than("largest difference if weights and learning rate are not changed", furthest(inverted, careless), 0.1),
    ))  # fmt: skip


MODELS: dict[str, dict[str, Any]] = {  # where a kind needs more than an mlp
    "spatial": {"model": {"kind": "cnn", "channels": [3], "hidden": [9]}, "place": "conv"},
    "dropblock": {"model": {"kind": "cnn", "channels": [3], "hidden": [9]}, "place": "conv"},
    "alpha": {"model": {"hidden": [9], "activation": "selu"}, "place": "hidden"},
    "variational": {"model": {"kind": "lstm", "units": 5}, "place": "recurrent"},
}


def eval_identity() -> Result:
    """Every kind but vanilla, which scales there by design: logits with the layer and without it."""
    wrong, count, x = 0, 0, normal("identity", 1, 20, 1, 8, 8)
    kinds = [name for name, kind in KINDS.items() if kind.test == "1"]
    for name in kinds:
        made = MODELS.get(name, {"model": {"hidden": [9], "norm": "batch"}, "place": "hidden"})
        found = []
        for rate in (0.5, 0.0):
            dropout = {"kind": name, "rate": rate, "placement": [made["place"]]}
            network = build((1, 8, 8), 4, [{"model": made["model"], "dropout": dropout}])
            for key, tensor in network.statistics.items():
                tensor.copy_(normal(f"identity-{key}", *tensor.shape).abs() + 0.5)
            found.append(network(x, noise=None, norm="running"))
        wrong, count = wrong + differing(*found), count + found[0].numel()
    scores = [_scored(rate) for rate in (0.5, 0.0)]
    return Result((
        exactly(f"logits that differ from those without dropout, {len(kinds)} kinds (of {count})", wrong),
        exactly("losses and accuracies that differ after an epoch", sum(a != b for a, b in zip(*scores, strict=True))),
    ))  # fmt: skip


def _scored(rate: float) -> list[float | None]:
    """Return the scores of an untrained network as they are taken after each epoch."""
    config = Config.model_validate({"model": {"hidden": [9]}, "dropout": {"rate": rate}})
    y = np.arange(60, dtype=np.int64) % 3
    data = Dataset("drawn", normal("scores", 60, 7).numpy().astype(np.float32), y, None, ("a", "b", "c"))
    feed = Feed(data, [Run(config, SEED, "", "")], torch.float32, torch.device("cpu"))
    network = build((7,), 3, [{"model": {"hidden": [9]}, "dropout": {"rate": rate}}], torch.float32)
    return list(vars(evaluate(network, feed).scores[0]).values())


REFUSED, TAKEN = ("1", "1.0", "1.5", "-0.1", "50", ".nan"), ("0", "0.001", "0.999")


def _refusal(rate: str) -> str:
    try:
        parse(read_text(f"dropout: {{rate: {rate}}}\n", "study.yaml"), name="rates")
    except ConfigError as error:
        return str(error)
    return ""


def rate_range() -> Result:
    """Six rates that are none, and three that are."""
    unclear = [rate for rate in REFUSED if "dropout.rate" not in _refusal(rate)]
    return Result((
        exactly(f"rates outside [0, 1) that are accepted, or refused without being named (of {len(REFUSED)})", len(unclear)),
        exactly(f"rates inside [0, 1) that are refused (of {len(TAKEN)})", sum(bool(_refusal(rate)) for rate in TAKEN)),
    ))  # fmt: skip


def rate_range_board() -> list[str]:
    """Show what is said of each rate."""
    return [*(line for rate in REFUSED for line in _refusal(rate).splitlines()[:1]), ""]


CONVENTIONS = (  # who, the name of the number, what it is the probability of
    ("dropexp", "rate", "drop"),
    ("torch.nn.Dropout", "p", "drop"),
    ("keras.layers.Dropout", "rate", "drop"),
    ("flax.linen.Dropout", "rate", "drop"),
    ("Caffe", "dropout_ratio", "drop"),
    ("Hinton et al. 2012", "p", "drop"),
    ("Gal & Ghahramani 2016", "p", "drop"),
    ("TensorFlow 1, tf.nn.dropout", "keep_prob", "keep"),
    ("jax stax.Dropout", "rate", "keep"),
    ("Srivastava et al. 2014", "p", "keep"),
    ("Wan et al. 2013", "p", "keep"),
    ("Ghiasi et al. 2018, DropBlock", "keep_prob", "keep"),
)


def keep_or_drop() -> Result:
    """The number that each convention writes for a rate of 0.2, turned into a rate; and torch's own dropout."""
    found = []
    for _, _, means in CONVENTIONS:
        written = 0.2 if means == "drop" else 0.8
        network = window(100, (written if means == "drop" else 1.0 - written,))
        found.append(network(torch.ones(1, 50, 100).double(), noise=masks(network), norm="batch"))
    ours = found[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        zeros = (torch.nn.Dropout(0.2)(torch.ones(100_000)) == 0).sum()
    return Result((
        exactly(f"conventions that give a different mask (of {len(found)})", sum(not torch.equal(m, found[0]) for m in found)),
        between(f"units that rate 0.2 drops (of {ours.numel()})", (ours == 0).sum(), ours.numel() * acting(0.2),
                binomial(ours.numel(), acting(0.2))),
        between("units that torch.nn.Dropout(0.2) drops (of 100000)", zeros, 20_000, binomial(100_000, 0.2)),
    ))  # fmt: skip


def keep_or_drop_board() -> list[str]:
    """Draw the table of conventions."""
    rows = [(who, name, f"to {means}", 0.2 if means == "drop" else 0.8) for who, name, means in CONVENTIONS]
    return ["to drop one unit in five, write", *table(("where", "name", "probability", "number"), rows), ""]
