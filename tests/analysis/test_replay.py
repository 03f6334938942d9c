"""Replayed rules on curves that can be followed by hand, and which runs are left out and why."""

from __future__ import annotations

from math import nan, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dropexp.analysis.family import family
from dropexp.analysis.replay import replay, stopping
from dropexp.analysis.tidy import tidy
from dropexp.experiment.config import Config
from dropexp.experiment.study import Study
from dropexp.stopping import Setting

LOSS = [3.0, 2.0, 2.5, 1.5, 1.6, 1.7, 1.4, 1.8]
TEST = [0.50, 0.60, 0.90, 0.70, 0.80, 0.75, 0.72, 0.71]
PATIENT = (Setting("patience", 1), Setting("patience", 2), Setting("patience", 2, 0.25))


def curves(run: pd.Series, loss: list[float], test: list[float], **others: list[float]) -> pd.DataFrame:
    rows = pd.DataFrame({"val_loss": loss, "test_accuracy": test, "train_loss": [1.0] * len(loss), **others})
    return rows.assign(epoch=range(1, len(loss) + 1), run_id=run["run_id"], arm_id=run["arm_id"], seed=run["seed"])


def whole(study: Study, rows_of, losses: list[list[float]], tests: list[list[float]]) -> tuple:
    """Return the rows of one arm's runs trained to the end, a seed a curve."""
    n = len(losses)
    runs = rows_of(study, {0.0: [1.0] * n}, {0.0: [t[-1] for t in tests]})
    runs["epochs_run"] = [len(loss) for loss in losses]
    made = [curves(run, loss, test) for (_, run), loss, test in zip(runs.iterrows(), losses, tests, strict=True)]
    return runs, pd.concat(made)


@pytest.fixture
def one(rate_study, rows_of):
    study = rate_study((0.0,), 1)
    return tidy(study, *whole(study, rows_of, [LOSS], [TEST]))


@pytest.mark.parametrize(
    "setting, stop, selected, accuracy",
    [
        (Setting(), 8, 8, 0.71),
        (PATIENT[0], 3, 2, 0.60),  # 2.5 is worse than 2.0
        (PATIENT[1], 6, 4, 0.70),  # 1.6 and 1.7 are worse than 1.5
        (PATIENT[2], 6, 4, 0.70),  # from 2.0 to 1.5 is more than 0.25
        (Setting("patience", 3), 8, 7, 0.72),  # epoch 7 comes in time
        (Setting("patience", 3, 0.25), 7, 4, 0.70),  # from 1.5 to 1.4 is not
        (Setting("gl", 5), 3, 2, 0.60),  # 100 (2.5 / 2 - 1) = 25
        (Setting("gl", 26), 8, 7, 0.72),  # 100 (1.8 / 1.4 - 1) = 28.6
        (Setting("pq", 1), 5, 4, 0.70),  # no progress: training losses are all 1
        (Setting("up", 1), 8, 7, 0.72),  # a second strip does not end
    ],
)
def test_stop_selection_savings_and_regret_by_hand(one, setting, stop, selected, accuracy):
    found = replay(one, [setting])
    row = found.of(one.arms[0], setting).iloc[0]
    assert (row["stop_epoch"], row["selected_epoch"], row["epochs_saved"]) == (stop, selected, 8 - stop)
    assert row["test_accuracy"] == accuracy
    assert row["regret"] == pytest.approx(0.90 - accuracy)
    assert row["stopped"] == (stop < 8)
    assert found.left_out == {}


def test_accuracy_is_monitored_upwards_and_the_order_of_rows_is_no_matter(rate_study, rows_of):
    study = rate_study((0.0,), 1)
    runs, epochs = whole(study, rows_of, [LOSS], [TEST])
    epochs = epochs.assign(val_accuracy=[0.1, 0.5, 0.4, 0.5, 0.6, 0.2, 0.2, 0.2]).iloc[::-1]
    found = replay(tidy(study, runs, epochs), [Setting("patience", 2)], "val_accuracy")
    row = found.runs[found.runs["setting"] == 1].iloc[0]
    assert (row["stop_epoch"], row["selected_epoch"], row["test_accuracy"]) == (4, 2, 0.60)


def test_the_settings_are_each_replayed_once_and_after_training_to_the_end(one):
    found = replay(one, [PATIENT[0], Setting(), PATIENT[0], PATIENT[1]])
    assert found.settings == (Setting(), PATIENT[0], PATIENT[1])
    assert list(found.runs["setting"]) == [0, 1, 2]


def test_rows_of_stopping_csv_hold_means_and_intervals_over_seeds(rate_study, rows_of):
    study = rate_study((0.0,), 3)
    later = [3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    data = tidy(study, *whole(study, rows_of, [LOSS, LOSS, later], [TEST, TEST[::-1], TEST]))
    rows = stopping(data, replay(data, [Setting("patience", 1)]))
    assert list(rows["criterion"]) == ["none", "patience"]
    assert list(rows["n"]) == [3, 3]
    assert list(rows["n_stopped"]) == [0, 3]
    row = rows.iloc[1]
    assert row["stop_epoch_mean"] == pytest.approx(10 / 3)  # 3, 3 and 4
    assert row["stop_epoch_sd"] == pytest.approx(sqrt(1 / 3))
    half = stats.t.ppf(0.975, 2) * sqrt(1 / 3) / sqrt(3)
    assert (row["stop_epoch_low"], row["stop_epoch_high"]) == pytest.approx((10 / 3 - half, 10 / 3 + half))
    assert row["test_accuracy_mean"] == pytest.approx((0.60 + 0.72 + 0.90) / 3)
    assert row["regret_mean"] == pytest.approx((0.30 + 0.18 + 0.0) / 3)
    assert (row["threshold"], row["min_delta"], row["monitor"]) == (1, 0.0, "val_loss")
    assert pd.isna(rows.iloc[0]["threshold"])
    assert row["dropout.rate"] == "0"


def test_runs_that_were_not_trained_to_the_end_are_counted_by_reason(rows_of):
    settings = {"dropout": {"rate": 0.0}}
    configs = tuple(Config.model_validate({**settings, "early_stopping": {"patience": p}}) for p in (None, 5))
    grid = ((("early_stopping.patience", (None, 5)),),)
    study = Study("left", Path(), configs[0], grid, (0, 1, 2, 3), configs)
    runs = rows_of(study, {0.0: [1.0] * 4}, {0.0: [0.9] * 4})
    runs["epochs_run"] = len(LOSS)
    runs.loc[1, "stop_reason"] = "diverged"
    runs.loc[runs["arm_id"] == study.arms[1].arm_id, "stop_reason"] = ["patience"] * 3 + ["max_epochs"]
    made = [curves(run, LOSS, TEST) for _, run in runs.iterrows()]
    made[2] = made[2].drop(index=3)  # a line that somebody took out
    made[3]["val_loss"] = nan
    found = replay(tidy(study, runs, pd.concat(made)), PATIENT)
    first, second = (arm.arm_id for arm in study.arms)
    assert set(found.runs["run_id"]) == {runs["run_id"][0]}
    assert [arm.arm_id for arm in found.arms] == [first]
    assert found.left_out == {
        "diverged": {first: 1},
        "with missing epochs": {first: 1},
        "without val_loss": {first: 1},
        "trained with early stopping": {second: 4},
    }


def test_nothing_to_replay_is_no_row(rate_study):
    empty = tidy(rate_study((0.0,), 2), pd.DataFrame(), pd.DataFrame())
    found = replay(empty, PATIENT)
    assert found.runs.empty
    assert found.arms == ()
    assert stopping(empty, found).empty


FALLS = [0.5, 0.9, 0.8, 0.7, 0.7, 0.7, 0.7]


def seeded(study, rows_of, ends, minima=None):
    """Return runs of one arm whose validation loss is least at epoch 2 (or that of `minima`), and end at accuracies."""
    minima = minima or [2] * len(ends)
    losses = [[1.0 + abs(e - least) for e in range(1, 8)] for least in minima]
    tests = [[*FALLS[:6], end] for end in ends]
    return tidy(study, *whole(study, rows_of, losses, tests))


@pytest.mark.parametrize(
    "ends, word",
    [
        ([0.70, 0.71, 0.72, 0.70], "better"),  # selected: 0.9 in each
        ([0.95, 0.96, 0.97, 0.95], "worse"),
        ([0.70, 0.95, 0.99, 0.85], "undecided"),
        ([0.70, 0.71], "undecided"),  # three seeds or more decide
        ([0.70], "no interval with one seed"),
        ([0.75, 0.75, 0.75], "undecided"),  # variance 0
    ],
)
def test_a_rule_against_training_to_the_end(rate_study, rows_of, ends, word):
    data = seeded(rate_study((0.0,), len(ends)), rows_of, ends)
    found = replay(data, [Setting("patience", 1)])
    versus = found.versus(data.arms[0], Setting("patience", 1))
    assert versus.word == word
    d = versus.difference
    assert d.mean == pytest.approx(0.9 - np.mean(ends))
    assert (d.low > 0 or d.high < 0) == (word in ("better", "worse")) or d.n < 3
    if len(set(ends)) > 1:
        expected = stats.ttest_1samp(np.subtract(0.9, ends), 0).confidence_interval(0.95)
        assert (versus.family, versus.level) == (1, 0.05)
        assert (d.low, d.high) == pytest.approx(tuple(expected))
    assert found.versus(data.arms[0], Setting()) is None
    row = stopping(data, found).iloc[1]
    assert row["vs_end_word"] == word
    assert row["vs_end_mean"] == pytest.approx(d.mean)
    assert pd.isna(stopping(data, found).iloc[0]["vs_end_mean"])


def test_rules_that_select_alike_are_one_comparison_and_the_last_epoch_is_the_same_function(rate_study, rows_of):
    ends = [0.70, 0.73, 0.72, 0.70]
    data = seeded(rate_study((0.0,), 4), rows_of, ends)
    rules = [Setting("patience", 1), Setting("patience", 2), Setting("patience", 3)]
    found = replay(data, rules)
    assert {found.versus(data.arms[0], rule).family for rule in rules} == {1}
    late = seeded(rate_study((0.0,), 4), rows_of, ends, [7] * 4)
    found = replay(late, rules)
    versus = found.versus(late.arms[0], rules[0])
    assert (versus.word, versus.family) == ("the same function", 0)
    assert np.isnan(versus.difference.low)


def test_all_rules_and_arms_are_one_family(rate_study, rows_of):
    study = rate_study((0.0, 0.5), 4)
    rng, minima = np.random.default_rng(3), [2, 3, 2, 4]
    parts = []
    for arm in study.arms:
        losses = [[1.0 + 0.1 * abs(e - least) + 0.2 * (e == least + 1) for e in range(1, 9)] for least in minima]
        tests = rng.uniform(0.6, 0.9, (4, 8)).tolist()
        runs, epochs = whole(study, rows_of_arm(arm, rows_of, study), losses, tests)
        parts.append((runs, epochs))
    data = tidy(study, *(pd.concat(frames) for frames in zip(*parts, strict=True)))
    rules = [Setting("patience", 1), Setting("gl", 5)]
    found = replay(data, rules)
    made = [found.versus(arm, rule) for arm in data.arms for rule in rules]
    members = [v.difference for v in made]
    distinct = len({tuple(np.round(d.sample, 12)) for d in members})
    assert {v.family for v in made} == {distinct}
    assert distinct > 1
    assert {v.level for v in made} == {family(members).level}
    for v in made:
        low, high = v.difference.at(1 - v.level)
        assert (v.difference.low, v.difference.high) == (low, high)
        assert (v.word == "undecided") == (low <= 0 <= high)


def rows_of_arm(arm, rows_of, study):
    def made(_, train, test):
        rows = rows_of(study, {0.0: train[0.0], 0.5: train[0.0]}, {0.0: test[0.0], 0.5: test[0.0]})
        return rows[rows["arm_id"] == arm.arm_id].reset_index(drop=True)

    return made
