"""KINDS: the table of kinds of dropout, one row per kind; nn/dropout.py holds the few laws they draw by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One row of the table of dropouts.

    `law` names how the factor is drawn (nn/dropout.py), `shared` the axes over which one draw serves (batch, map, time),
    `train` the factor of survivors in training (`1/keep` or `1`, where the law uses it), `test` the factor at test time
    (`1` or `keep`), `source` the paper, `means` one line for `check` and the README. `acts_on` is `unit` or `weight`;
    `needs` names what a network must have: `map` (masks at conv places only), `selu`, `dense` (at dense places) or `lstm`.
    A `signed` factor may be negative, and so does not commute with relu.
    """

    law: str
    shared: tuple[str, ...]
    train: str
    test: str
    source: str
    means: str
    acts_on: str = "unit"
    needs: str = ""
    signed: bool = False


KINDS: dict[str, Kind] = {
    "bernoulli": Kind("bernoulli", (), "1/keep", "1", "Srivastava 2014 §10",
                      "each unit, scaled in training"),
    "vanilla": Kind("bernoulli", (), "1", "keep", "Hinton 2012", "each unit, scaled at test time"),
    "unscaled": Kind("bernoulli", (), "1", "1", "Wang & Manning 2013, table 3",
                     "each unit, never scaled: a common mistake, included to measure it"),
    "batch_shared": Kind("bernoulli", ("batch",), "1/keep", "1", "Graham 2015",
                         "one thinned network for the whole mini-batch"),
    "spatial": Kind("bernoulli", ("map",), "1/keep", "1", "Tompson 2015",
                    "whole feature maps of a convolution", needs="map"),
    "dropblock": Kind("dropblock", (), "1/keep", "1", "Ghiasi 2018",
                      "blocks of a feature map, scaled by the fraction kept", needs="map"),
    "gaussian": Kind("gaussian", (), "1/keep", "1", "Srivastava 2014 §10",
                     "multiplies by N(1, rate/keep); nothing is dropped", signed=True),
    "uniform": Kind("uniform", (), "1/keep", "1", "Li 2019, Uout",
                    "multiplies by 1 + U(-b, b) of the same variance; nothing is dropped", signed=True),
    "alpha": Kind("alpha", (), "1/keep", "1", "Klambauer 2017",
                  "sets units to the lowest value of SELU; mean and variance are kept", needs="selu", signed=True),
    "dropconnect": Kind("bernoulli", (), "1/keep", "1", "Wan 2013",
                        "weights and biases of the layer instead of its units", acts_on="weight", needs="dense"),
    "variational": Kind("bernoulli", ("time",), "1/keep", "1", "Gal & Ghahramani 2016",
                        "one mask for all steps of a sequence", needs="lstm"),
    "fixed_count": Kind("fixed_count", (), "1/keep", "1", "as textbooks describe it",
                        "exactly round(rate n) units of each example"),
}  # fmt: skip


def kinds_with(has: Callable[[Kind], bool]) -> tuple[str, ...]:
    """Return the names of the kinds whose row satisfies a condition, in the order of the table."""
    return tuple(name for name, kind in KINDS.items() if has(kind))
