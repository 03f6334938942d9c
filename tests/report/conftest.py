"""Made-up studies that look like real ones: curves that overfit, less so with dropout."""

from __future__ import annotations

from functools import cache, partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dropexp.analysis.tidy import Tidy, tidy
from dropexp.spec.config import Config
from dropexp.spec.study import Study


def with_leaf(config: Config, path: str, value: object) -> Config:
    """Return a configuration with one leaf replaced, checked anew."""
    data = config.model_dump()
    *sections, name = path.split(".")
    at = data
    for section in sections:
        at = at[section]
    at[name] = value
    return Config.model_validate(data)


def study(axes: dict, seeds: int = 10, base: Config | None = None, name: str = "made-up") -> Study:
    base = base or Config()
    configs = []
    for values in product(*axes.values()):
        config = base
        for path, value in zip(axes, values, strict=True):
            config = with_leaf(config, path, value)
        configs.append(config)
    grid = tuple((path, tuple(values)) for path, values in axes.items())
    return Study(name, Path(), base, (grid,), tuple(range(seeds)), tuple(configs))


def rows(made: Study, epochs: int = 40, effect: float = 0.012, spread: float = 0.004) -> tuple:
    """Return runs and epochs: accuracies that rise and flatten, the gap smaller by `effect` at rate 0.5."""
    runs, curves = [], []
    t = np.arange(1, epochs + 1)
    for arm in {a.arm_id: a for a in made.arms}.values():
        rate = arm.trained.dropout.rate if arm.masked else 0.0
        noise = arm.config.data.label_noise
        shift = 0.004 * (len(arm.config.dropout.placement) - 1) if arm.masked else 0.0
        shift += 0.006 * (arm.trained.model.order == "dropout-norm-activation")
        for seed in made.seeds:
            pair = np.random.default_rng(seed)
            own = np.random.default_rng([seed, int(1000 * rate), len(arm.arm_id), sum(map(ord, arm.arm_id))])
            level = 0.96 + spread * pair.standard_normal() + 0.4 * spread * own.standard_normal()
            level += 2 * effect * rate * (1 - max(0.0, rate - 0.6) * 5) - shift - 0.5 * noise * (1 - rate)
            speed = 3 + 8 * rate
            train = 1 - 0.6 * np.exp(-t / speed) - max(0.0, rate - 0.6) * 0.06
            test = level - 0.55 * np.exp(-t / speed) - 0.0002 * t + 0.002 * own.standard_normal(epochs)
            run = f"{arm.arm_id}-s{seed}"
            patience = arm.config.early_stopping.patience
            last = epochs if patience is None else min(epochs, 12 + patience + int(pair.integers(0, 6)))
            selected = last if patience is None else last - patience
            train = train + 0.002 * own.standard_normal(epochs)
            train, test = np.minimum(np.round(train * 500) / 500, 1), np.round(test * 539) / 539
            clean = 1 - 0.5 * noise * rate * np.ones(epochs)
            for e in range(last):
                curves.append(
                    {"run_id": run, "arm_id": arm.arm_id, "seed": seed, "epoch": e + 1, "train_accuracy": train[e]}
                    | {"test_accuracy": test[e], "train_loss": 1 - train[e], "test_loss": 1 - test[e]}
                    | (
                        {"clean_train_accuracy": clean[e], "memorised": (1 - rate) * 0.8, "recovered": rate * 0.8}
                        if noise
                        else {}
                    )
                )
            s = selected - 1
            runs.append(
                {"run_id": run, "arm_id": arm.arm_id, "seed": seed, "epochs_run": last, "selected_epoch": selected}
                | {"stop_reason": "max_epochs" if last == epochs else "patience", "parameters": 1000}
                | {"train_accuracy": train[s], "test_accuracy": test[s], "gap": train[s] - test[s]}
                | {"train_loss": 1 - train[s], "test_loss": 1 - test[s]}
                | {"train_examples": 500, "test_examples": 50_000, "classes": 10, "test_set": "official"}
                | ({"clean_train_accuracy": clean[s], "clean_gap": clean[s] - test[s]} if noise else {})
            )
    return pd.DataFrame(runs), pd.DataFrame(curves)


def made_up(axes: dict, seeds: int = 10, base: Config | None = None, **shape: float) -> Tidy:
    made = study(axes, seeds, base)
    return tidy(made, *rows(made, **shape))


ORDERS = (
    "norm-activation-dropout",
    "norm-dropout-activation",
    "activation-norm-dropout",
    "activation-dropout-norm",
    "dropout-norm-activation",
    "dropout-activation-norm",
)
BATCH = with_leaf(Config(), "model.norm", "batch")
PLACES = (("hidden",), ("input",), ("hidden", "input"))
RATES = (0.0, 0.2, 0.5)


def broken(axes: dict, **changes: object) -> Tidy:
    """Return a study one of whose arms diverged in half of its seeds, and another of which is missing."""
    made = study(axes)
    runs, epochs = rows(made)
    first, last = made.arms[0].arm_id, made.arms[-1].arm_id
    runs.loc[(runs.arm_id == last) & (runs.seed % 2 == 0), ["stop_reason", "test_loss"]] = [
        "diverged",
        np.nan,
    ]
    gone = [a.arm_id for a in made.arms if a.arm_id not in (first, last)][:1]
    keep = ~runs.arm_id.isin(gone)
    return tidy(made, runs[keep], epochs[~epochs.arm_id.isin(gone)])


def constant() -> Tidy:
    """Return a study in which every accuracy is 1.0."""
    made = study({"dropout.rate": RATES}, 5)
    runs, epochs = rows(made, epochs=3)
    for frame in (runs, epochs):
        frame[["train_accuracy", "test_accuracy"]] = 1.0
    return tidy(made, runs.assign(gap=0.0), epochs)


def empty() -> Tidy:
    made = study({"dropout.rate": RATES})
    return tidy(made, pd.DataFrame(), pd.DataFrame())


CASES = {
    "rates": lambda: made_up({"dropout.rate": RATES}),
    "high-rates": lambda: made_up({"dropout.rate": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)}),
    "undecided": lambda: made_up({"dropout.rate": (0.0, 0.2)}, 5, effect=0.003, spread=0.008),
    "one-seed": lambda: made_up({"dropout.rate": RATES}, 1),
    "one-arm": lambda: made_up({}),
    "one-arm-one-seed": lambda: made_up({}, 1),
    "placement": lambda: made_up({"dropout.placement": PLACES}),
    "rate-placement": lambda: made_up({"dropout.rate": RATES, "dropout.placement": PLACES}),
    "orders": lambda: made_up({"model.order": ORDERS}, base=BATCH),
    "rate-orders": lambda: made_up({"dropout.rate": RATES, "model.order": ORDERS}, base=BATCH),
    "patience": lambda: made_up({"early_stopping.patience": (None, 5, 20), "dropout.rate": (0.0, 0.5)}),
    "oracle": lambda: made_up(
        {"dropout.rate": RATES},
        base=Config.model_validate({"early_stopping": {"patience": 5, "monitor": "test_accuracy"}}),
    ),
    "noise": lambda: made_up({"data.label_noise": (0.0, 0.2), "dropout.rate": RATES}),
    "three": lambda: made_up(
        {"dropout.rate": RATES, "dropout.placement": PLACES, "data.train_size": (100, 300, 1000)},
        4,
        epochs=20,
    ),
    "train-size": lambda: made_up({"data.train_size": (100, 200, 500, 1000), "dropout.rate": (0.0, 0.5)}, 5),
    "hundred": lambda: made_up(
        {"dropout.rate": tuple(i / 20 for i in range(20)), "training.lr": (0.01, 0.02, 0.05, 0.1, 0.2)},
        3,
        epochs=5,
    ),
    "long": lambda: made_up(
        {
            "model.order": ORDERS[:3],
            "dropout.placement": (("hidden",), ("input", "hidden"), ("hidden.1",)),
            "training.lr": (0.001, 0.01, 0.1),
            "dropout.rate": (0.0, 0.5),
        },
        3,
        base=BATCH,
        epochs=5,
    ),
    "placements": lambda: made_up(
        {"dropout.placement": [("input",), *((f"hidden.{i}",) for i in range(1, 9)), ("all",), ("last", "input")]},
        4,
        base=with_leaf(Config(), "model.hidden", (32,) * 8),
        epochs=5,
    ),
    "many": lambda: made_up(
        {"dropout.rate": tuple(i / 25 for i in range(24)), "data.train_size": (100, 500, 1000)}, 2, epochs=3
    ),
    "hidden": lambda: made_up({"model.hidden": ((64,), (256,), (256, 256)), "dropout.rate": (0.0, 0.5)}),
    "broken": lambda: broken({"dropout.rate": RATES}),
    "constant": constant,
    "empty": empty,
}


@cache
def ready(name: str) -> Tidy:
    return CASES[name]()


@pytest.fixture(scope="session", params=list(CASES))
def case(request: pytest.FixtureRequest) -> Tidy:
    return ready(request.param)


@pytest.fixture(scope="session")
def cases() -> dict:
    return {name: partial(ready, name) for name in CASES}
