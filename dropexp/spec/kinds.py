"""KINDS: each named dropout as a row of data; nn/dropout.py holds the few laws in code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One row of the table of dropouts.

    `law` names how the factor is drawn (nn/dropout.py), `shared` the axes over which one draw serves,
    `train` the factor of survivors in training (`1/keep` or `1`), `test` the factor at test time (`1` or
    `keep`), `source` the paper, `means` one line for `check` and the README.
    """

    law: str
    shared: tuple[str, ...]
    train: str
    test: str
    source: str
    means: str


KINDS: dict[str, Kind] = {
    "bernoulli": Kind(
        "bernoulli", (), "1/keep", "1", "Srivastava 2014 §10", "each unit of each example, scaled in training"
    ),
    "vanilla": Kind("bernoulli", (), "1", "keep", "Hinton 2012", "each unit of each example, scaled at test time"),
    "unscaled": Kind(
        "bernoulli",
        (),
        "1",
        "1",
        "Wang & Manning 2013, table 3",
        "never scaled: the mistake, kept to measure it",
    ),
    "batch_shared": Kind(
        "bernoulli", ("batch",), "1/keep", "1", "Graham 2015", "one thinned network for the whole mini-batch"
    ),
}
