"""summary.csv: its columns, in order, and every number of a worked example."""

from __future__ import annotations

from math import isnan

import numpy as np
import pandas as pd
import pytest

from dropexp.analysis.summary import PARTS, summary
from dropexp.analysis.tidy import tidy
from dropexp.experiment.leaves import roles
from dropexp.metrics import averaged

TEST = {0.0: [0.88, 0.91, 0.90, 0.90], 0.5: [0.90, 0.92, 0.91, 0.93]}
TRAIN = {0.0: [1.0] * 4, 0.5: [1.0] * 4}


def test_columns(hand):
    names = ["arm_id", "n", "n_diverged", "baseline_arm"]
    names += [f"{m}_{part}" for m in averaged(False) for part in PARTS] + list(roles())
    assert list(summary(hand(TRAIN, TEST)).columns) == names


def test_numbers_by_hand(hand):
    base, own = summary(hand(TRAIN, TEST)).to_dict("records")
    assert base["baseline_arm"] == ""
    assert isnan(base["gap_diff"])
    assert own["baseline_arm"] == base["arm_id"]
    assert (own["n"], own["n_diverged"], own["test_accuracy_mean"]) == (4, 0, pytest.approx(0.915))
    assert own["test_accuracy_diff"] == pytest.approx(0.0175)
    assert own["gap_diff"] == pytest.approx(-0.0175)
    assert own["gap_diff_low"] == pytest.approx(-0.0175 - 0.0152348, abs=1e-6)
    assert own["gap_diff_high"] == pytest.approx(-0.0175 + 0.0152348, abs=1e-6)
    assert isnan(own["train_accuracy_low"])  # every seed 1.0: variance 0


def test_configuration_is_spelt_and_empty_where_it_does_not_apply(hand):
    row = summary(hand(TRAIN, TEST)).iloc[1]
    assert (row["dropout.rate"], row["dropout.placement"], row["model.hidden"]) == ("0.5", "hidden", "512")
    assert (row["model.kernel"], row["early_stopping.monitor"]) == ("", "")


def test_diverged_runs_are_counted_beside_n(rate_study, rows_of):
    study = rate_study((0.0, 0.5), 4)
    rows = rows_of(study, TRAIN, TEST)
    rows.loc[7, ["stop_reason", "test_loss", "test_accuracy"]] = ["diverged", np.nan, 0.1]
    row = summary(tidy(study, rows, pd.DataFrame())).iloc[1]
    assert (row["n"], row["n_diverged"]) == (3, 1)
    assert row["test_accuracy_mean"] == pytest.approx(0.91)


def test_clean_columns_with_label_noise(rate_study, rows_of):
    study = rate_study((0.0, 0.5), 4, noise=0.2)
    rows = rows_of(study, TRAIN, TEST).assign(clean_train_accuracy=0.99)
    columns = summary(tidy(study, rows.assign(clean_gap=0.1), pd.DataFrame())).columns
    assert {f"{m}_{part}" for m in averaged(True) for part in PARTS} <= set(columns)


def test_each_gap_has_its_own_difference(rate_study, rows_of):
    study = rate_study((0.0, 0.5), 4, noise=0.2)
    rows = rows_of(study, {0.0: [0.7, 0.8, 0.7, 0.8], 0.5: [0.8, 0.9, 0.9, 0.9]}, TEST)
    clean = np.array([0.99, 0.98, 0.99, 0.98, 0.91, 0.93, 0.92, 0.92])
    rows = rows.assign(clean_train_accuracy=clean, clean_gap=clean - rows["test_accuracy"].to_numpy())
    base, own = summary(tidy(study, rows, pd.DataFrame())).to_dict("records")
    for metric in ("gap", "clean_gap", "train_accuracy", "clean_train_accuracy"):
        assert own[f"{metric}_diff"] == pytest.approx(own[f"{metric}_mean"] - base[f"{metric}_mean"]), metric
    assert (own["gap_diff_word"], own["clean_gap_diff_word"]) == ("larger", "underfitting")
