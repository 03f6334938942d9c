"""Rows of probes for made-up studies: what dropout is said to do to units, weights and memory, plainly."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from dropexp.analysis.tidy import Tidy, tidy

LAYERS = ("hidden.1", "hidden.2")
SIZES = (1, 8)
SHARES = (0.25, 0.5, 0.9)


def probed(made: Tidy, wrong: bool = False, images: bool = True) -> Tidy:
    """Return a study whose finished runs have the rows of probes at their last epoch, which is the selected one.

    Dropout at rate r makes r / 2 more of the outputs 0, takes r off the gradient by the inputs, adds r / 4 to accuracy
    without half of the units, has examples learned 10 r epochs later, and takes r off the ratio of variances; repair adds
    r / 10 to accuracy; gradients fall 4 - r times per layer before training and
    scatter by masks 3 r times as much as by examples; seeds differ by up to 0.01.
    """
    rates = {arm.arm_id: arm.value("dropout.rate") if arm.masked else 0.0 for arm in made.arms}
    found = []
    for run in made.runs[made.runs["stop_reason"] != "diverged"].itertuples():
        rate = rates[run.arm_id]
        jitter = 0.01 * np.random.default_rng([run.seed, int(100 * rate)]).uniform()
        for probe, layer, at, value in _numbers(rate, jitter, int(run.epochs_run), wrong, images):
            found.append((run.run_id, run.selected_epoch, probe, layer, at, value))
        for epoch, layer, at, value in _gradients(rate, jitter, int(run.epochs_run)):
            found.append((run.run_id, epoch, "gradient_norms", layer, at, value))
        for epoch, size, (granularity, at, value) in product((0, run.selected_epoch), SIZES, _noise(rate, jitter)):
            scaled = value if "error" in at or (granularity, at) == ("batch", "masks") else value / size
            found.append((run.run_id, epoch, "gradient_noise", f"{granularity}.{size}", at, scaled))
    rows = pd.DataFrame(found, columns=["run_id", "epoch", "probe", "layer", "at", "value"])
    return tidy(made.study, made.runs, made.epochs, rows)


def _numbers(rate: float, jitter: float, epochs: int, wrong: bool, images: bool):
    for layer in LAYERS:
        yield "activations", layer, "zeros", 0.4 + rate / 2 + jitter
        yield "activations", layer, "dead", 0.0
        yield "activations", layer, "participation", 8 - 4 * rate + jitter
        yield "weights", layer, "", 5 + rate + jitter
        yield "weights", layer, "from_start", 1 + rate + jitter
        yield "co_adaptation", layer, "correlation", 0.2 - rate / 10 + jitter
    for what, bins in (("bin", {"0": 0.5, "0.5": 0.5 - rate / 2, "2": rate / 2}), ("means", {"0.2": 0.3, "0.5": 0.7})):
        for name, value in bins.items():
            if value:
                yield "activations", "hidden.2", f"{what}.{name}", value
    yield "weights", "input", "gradient", 2 - rate + jitter
    yield "weights", "loss", "gradient", 1 - rate / 2 + jitter
    yield "weights", "loss", "random", 0.01 + jitter / 100
    if images:
        for unit, row, column in np.ndindex(3, 4, 5):
            yield "weights", "hidden.1", f"{unit}.0.{row}.{column}", np.sin(unit + row * column + 3 * rate)
    for layer in LAYERS:
        yield "variance_shift", layer, "", 9.0
        yield "variance_shift", layer, "live", 1 - rate + jitter
        yield "variance_shift", layer, "predicted", 1 - rate if layer == "hidden.1" else np.nan
        yield "variance_shift", layer, "left_out", 2.0
    yield "variance_shift", "test_accuracy", "running", 0.8
    yield "variance_shift", "test_accuracy", "batch", 0.8 + jitter
    yield "variance_shift", "test_accuracy", "repaired", 0.8 + rate / 10 + jitter
    yield "variance_shift", "test_accuracy", "repaired_dropout_on", 0.8 - jitter
    yield "co_adaptation", "whole", "", 0.95
    for part in ("units", "weights", "inputs"):
        for share in SHARES:
            left = 0.95 - share / 2 + (rate / 4 if share == 0.5 else 0.0)
            yield "co_adaptation", part, f"{share:g}.plain", left - 0.1
            yield "co_adaptation", part, f"{share:g}.rescaled", left + jitter
    for group, late in (("right", 0), ("wrong", 8)) if wrong else (("right", 0),):
        first = 1 + late + round(10 * rate)
        yield "memorisation", group, f"from.{first}", 0.5
        yield "memorisation", group, f"from.{min(first + 4, epochs)}", 0.4 - jitter - (0.2 * rate if late else 0.0)
        yield "memorisation", group, "never", 0.1 + jitter + (0.2 * rate if late else 0.0)
        yield "memorisation", group, "example.17", float(first)


def _gradients(rate: float, jitter: float, epochs: int):
    """Norms at epoch 0, at the last one with averages over masks, which is not the last, and at the last, flat units too."""
    for epoch, scale in ((0, 1.0), (epochs - 2, 0.1), (epochs, 0.01)):
        for layer, norm in (("hidden.1", scale / (4 - rate + jitter)), ("hidden.2", scale), ("output", scale)):
            for at in (
                ("", "preactivations") if epoch == epochs else ("", "masks", "preactivations", "preactivations_masks")
            ):
                yield epoch, layer, at, norm * (0.5 if "masks" in at else 1.0)
            if layer != "output":
                yield epoch, layer, "saturated", 0.25


def _noise(rate: float, jitter: float):
    """Scatter of gradients of one example, which falls with the batch size but for masks that the whole batch shares."""
    for granularity in ("none", "sample", "batch"):
        masks = 0.0 if granularity == "none" else 30 * rate
        yield granularity, "data", 10 + jitter
        yield granularity, "masks", masks
        yield granularity, "total", 10 + jitter + masks
        yield granularity, "error_free", 0.3 + rate / 10
        yield granularity, "error_mean", 0.2 + rate / 10


def diverged(made: Tidy, arm: int, seed: int) -> Tidy:
    """Return the study with one run that diverged."""
    runs = made.runs.copy()
    of = (runs["arm_id"] == made.arms[arm].arm_id) & (runs["seed"] == seed)
    runs.loc[of, ["stop_reason", "selected_epoch", "test_accuracy", "gap"]] = ["diverged", np.nan, np.nan, np.nan]
    return replace(made, runs=runs)
