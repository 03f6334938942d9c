"""Small studies with numbers that can be followed by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from dropexp.analysis.tidy import Tidy, tidy
from dropexp.experiment.config import Config
from dropexp.experiment.study import Study

Values = dict[float, list[float]]


def rated(rates: tuple[float, ...], seeds: int, noise: float = 0.0) -> Study:
    base = Config.model_validate({"data": {"label_noise": noise}})
    configs = tuple(
        base.model_copy(update={"dropout": base.dropout.model_copy(update={"rate": rate})}) for rate in rates
    )
    return Study("hand", Path(), base, ((("dropout.rate", rates),),), tuple(range(seeds)), configs)


def table_of(study: Study, train: Values, test: Values) -> pd.DataFrame:
    """Return a run a seed, in the order of the lists, with losses that are one minus accuracy."""
    rows = []
    for arm in study.arms:
        rate = arm.config.dropout.rate
        for seed, (a, b) in enumerate(zip(train[rate], test[rate], strict=True)):
            row = {"run_id": f"{arm.arm_id}-{seed}", "arm_id": arm.arm_id, "seed": seed}
            row |= {"stop_reason": "max_epochs", "selected_epoch": 1, "train_accuracy": a, "test_accuracy": b}
            rows.append(row | {"gap": a - b, "train_loss": 1 - a, "test_loss": 1 - b})
    return pd.DataFrame(rows)


def by_hand(train: Values, test: Values, facts: dict[str, object] | None = None) -> Tidy:
    study = rated(tuple(train), max(map(len, train.values())))
    return tidy(study, table_of(study, train, test).assign(**facts or {}), pd.DataFrame())


@pytest.fixture
def hand() -> Callable[[Values, Values], Tidy]:
    return by_hand


@pytest.fixture
def rate_study() -> Callable[..., Study]:
    return rated


@pytest.fixture
def rows_of() -> Callable[[Study, Values, Values], pd.DataFrame]:
    return table_of
