"""Pages of made-up studies, and a browser to open them with where there is one."""

from __future__ import annotations

from pathlib import Path

import headless_browser
import pandas as pd
import pytest

from dropexp.analysis.tidy import Tidy, tidy
from dropexp.experiment.config import Config
from dropexp.experiment.study import Study
from dropexp.page import render


@pytest.fixture
def no_pictures(monkeypatch):
    """Leave the figures out: they take seconds, and what stands around them does not depend on them."""
    monkeypatch.setattr(render, "pictures", lambda tidy: iter(()))


def by_hand(test: dict, memorised: dict | None = None, test_examples: int = 10_000) -> Tidy:
    """Return a study of rates with training accuracy 1, from test accuracies by rate, a seed each.

    With `memorised`, likewise by rate, a fifth of the labels is wrong.
    """
    base = Config.model_validate({"data": {"label_noise": 0.2 if memorised else 0.0}})
    configs = tuple(base.model_copy(update={"dropout": base.dropout.model_copy(update={"rate": r})}) for r in test)
    seeds = tuple(range(max(map(len, test.values()))))
    study = Study("hand", Path(), base, ((("dropout.rate", tuple(test)),),), seeds, configs)
    runs, epochs = [], []
    for arm in study.arms:
        rate = arm.config.dropout.rate
        for seed, accuracy in enumerate(test[rate]):
            row = {"run_id": f"{arm.arm_id}-{seed}", "arm_id": arm.arm_id, "seed": seed}
            clean = {"clean_train_accuracy": 1.0, "memorised": memorised[rate][seed]} if memorised else {}
            epochs.append({**row, "epoch": 1, "train_accuracy": 1.0, "test_accuracy": accuracy, **clean})
            row |= {"stop_reason": "max_epochs", "selected_epoch": 1, "epochs_run": 1, "train_accuracy": 1.0}
            row |= {"train_examples": 500, "test_examples": test_examples, "classes": 10, "test_set": "official"}
            row |= {"test_accuracy": accuracy, "gap": 1 - accuracy, "train_loss": 1 - accuracy, "test_loss": accuracy}
            runs.append(row | ({"clean_train_accuracy": 1.0, "clean_gap": 1 - accuracy} if memorised else {}))
    return tidy(study, pd.DataFrame(runs), pd.DataFrame(epochs))


@pytest.fixture
def hand():
    return by_hand


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium; tests that need it are skipped where there is none."""
    if headless_browser.found() is None:
        pytest.skip(f"no browser here: none of {', '.join(headless_browser.NAMES)}")
    pytest.importorskip("websocket", reason="websocket-client is not installed; pip install '.[test]'")
    made = headless_browser.Browser(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()
