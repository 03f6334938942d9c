"""Overfitting on curves that can be followed by hand; the median's interval against scipy and by simulation."""

from __future__ import annotations

from itertools import permutations
from math import inf, isnan, nan, sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dropexp.analysis.overfit import PARTS, measured, onset, overfit, parts
from dropexp.analysis.summary import summary
from dropexp.analysis.tidy import tidy
from dropexp.figures.gap_parts import parts_figure

LOSSES = [[3.0, 2.0, 1.0, 1.5, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0], [3.0, 2.0, 1.8, 1.7, 1.6, 1.5, 1.4, 1.3, 1.2, 1.1]]
TRAIN = [0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 0.9, 1.0, 1.0, 1.0]
TEST = [0.5, 0.6, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.6]


def stored(study, rows_of, **columns: list[float]):
    """Return two runs of ten epochs whose selected epoch is the eighth."""
    runs = rows_of(study, {0.0: [1.0] * 2}, {0.0: [0.7] * 2})
    runs = runs.assign(selected_epoch=8, epochs_run=10, gap=0.3)
    epochs = [
        pd.DataFrame({"val_loss": loss, "train_accuracy": TRAIN, "test_accuracy": TEST, **columns}).assign(
            epoch=range(1, 11), run_id=run["run_id"], arm_id=run["arm_id"], seed=run["seed"]
        )
        for (_, run), loss in zip(runs.iterrows(), LOSSES, strict=True)
    ]
    return runs, pd.concat(epochs)


def test_gaps_area_and_onset_by_hand(rate_study, rows_of):
    study = rate_study((0.0,), 2)
    found = measured(data := tidy(study, *stored(study, rows_of)))
    assert list(found["gap"]) == [0.3, 0.3]  # at the selected epoch, from runs.csv
    assert list(found["last_gap"]) == pytest.approx([0.4, 0.4])
    assert list(found["area"]) == pytest.approx([1.7, 1.7])  # 0 0 0 .1 .2 .2 .2 .3 .3 .4
    assert list(found["mean_gap"]) == pytest.approx([0.17, 0.17])
    assert list(found["least"]) == [3, 10]  # the earlier of two minima; and the last epoch
    row = overfit(data).iloc[0]
    assert (row["onset_n"], row["onset_censored"], row["onset_after"]) == (2, 1, 9)
    assert isnan(row["onset_mean"])  # one seed is censored
    assert row["onset_median"] == inf  # of 3 and something later than 9


def test_a_run_stopped_early_has_no_onset_but_its_gap_counts(rate_study, rows_of):
    study = rate_study((0.0,), 2)
    runs, epochs = stored(study, rows_of)
    runs.loc[1, "stop_reason"] = "patience"
    row = overfit(tidy(study, runs, epochs)).iloc[0]
    assert (row["n"], row["onset_n"], row["onset_censored"], row["onset_mean"]) == (2, 1, 0, 3)
    without = overfit(tidy(study, runs, epochs.drop(columns="val_loss"))).iloc[0]
    assert (without["n"], without["onset_n"]) == (2, 0)
    assert isnan(without["onset_median"])


def test_diverged_runs_are_counted_and_left_out(rate_study, rows_of):
    study = rate_study((0.0,), 2)
    runs, epochs = stored(study, rows_of)
    runs.loc[0, ["stop_reason", "gap"]] = ["diverged", 9.0]
    row = overfit(tidy(study, runs, epochs)).iloc[0]
    assert (row["n"], row["n_diverged"], row["gap_mean"], row["onset_n"]) == (1, 1, 0.3, 1)


def test_label_noise_takes_the_gap_of_clean_labels_and_what_became_of_the_wrong_ones(rate_study, rows_of):
    study = rate_study((0.0,), 2, noise=0.2)
    clean = [min(1.0, a + 0.1) for a in TRAIN]
    runs, epochs = stored(study, rows_of, clean_train_accuracy=clean, memorised=[0.25] * 10, recovered=[0.5] * 10)
    row = overfit(tidy(study, runs.assign(clean_gap=0.35), epochs)).iloc[0]
    assert row["gap_mean"] == 0.35
    assert row["last_gap_mean"] == pytest.approx(0.4)
    assert (row["memorised_mean"], row["recovered_mean"], row["neither_mean"]) == (0.25, 0.5, 0.25)


@pytest.mark.parametrize(
    "last, epochs, censored",
    [(60, [54, 55], 1), (60, [54, 54], 0), (15, [13, 14], 1), (10, [9, 10], 1), (5, [4, 5], 1), (1, [1], 1)],
)
def test_the_last_tenth_of_the_epochs_is_censored(last, epochs, censored):
    assert onset(pd.Series(epochs, dtype=float), last).censored == censored


def test_without_censoring_the_mean_has_students_interval():
    found = onset(pd.Series([10.0, 12.0, 17.0]), 60)
    half = stats.t.ppf(0.975, 2) * sqrt(13) / sqrt(3)  # deviations -3 -1 4: 26 / 2
    assert (found.mean, found.low, found.high) == pytest.approx((13, 13 - half, 13 + half))
    assert found.median == 12
    assert isnan(found.median_low)  # three values hold the median with 75% at most


@pytest.mark.parametrize("n", range(1, 60))
def test_the_medians_interval_is_that_of_the_sign_test(n):
    values = np.random.default_rng(n).permutation(np.arange(1, n + 1)).astype(float)
    found = onset(pd.Series(values), 1000)
    other = stats.quantile_test(values, q=np.median(values), p=0.5).confidence_interval(0.95)
    assert found.median == np.median(values)
    assert (found.median_low, found.median_high) == pytest.approx((other.low, other.high), nan_ok=True)
    assert isnan(found.median_low) == (n < 6)


def test_censored_seeds_stand_above_all_others():
    seen = [3.0, 5.0, 7.0, 9.0, 30.0, 58.0, 59.0, 60.0]
    found = onset(pd.Series(seen), 60)
    assert (found.n, found.censored, found.bound) == (8, 3, 54)
    assert (found.median, found.median_low, found.median_high) == (19.5, 3, inf)  # first and last of eight
    assert onset(pd.Series([58.0] * 8), 60).median_low == inf
    assert onset(pd.Series([3.0, 58.0]), 60).median == inf


@pytest.mark.parametrize("n", [6, *(pytest.param(n, marks=pytest.mark.slow) for n in (10, 20))])
def test_the_medians_interval_covers_at_least_95_percent_with_censored_seeds(n):
    rounds, rng = 2000, np.random.default_rng(n)
    median = 100 * np.log(2)  # of an exponential law, 69: a third of the seeds lie beyond 90 of 100 epochs
    found = [onset(pd.Series(rng.exponential(100, n)), 100) for _ in range(rounds)]
    assert np.mean([o.censored for o in found]) > n / 3
    covered = np.mean([o.median_low <= median <= o.median_high for o in found])
    assert covered > 0.95 - 3.3 * sqrt(0.95 * 0.05 / rounds)


def probed(runs: pd.DataFrame, **values: float) -> pd.DataFrame:
    rows = [
        {"run_id": run, "epoch": epoch, "probe": "gap_parts", "layer": layer, "value": value - 0.1 * (epoch != 8)}
        for run in runs["run_id"] for epoch in range(1, 11) for layer, value in values.items()
    ]  # fmt: skip
    other = {"run_id": runs["run_id"][0], "epoch": 8, "probe": "gradient_norms", "layer": "batch", "value": 7.0}
    return pd.DataFrame([*rows, other])


def test_the_parts_of_a_training_logs_gap_by_hand(rate_study, rows_of):
    study = rate_study((0.0,), 2)
    runs, epochs = stored(study, rows_of, dropout_on_train_accuracy=[0.85] * 10, val_accuracy=[0.75] * 10)
    data = tidy(study, runs, epochs, probed(runs, noise_batch=0.88, batch=0.97, running=1.0))
    found = parts(data)
    assert list(found.index) == list(runs["run_id"])
    row = found.iloc[0]  # the eighth epoch: training accuracy 1, test 0.7
    expected = {
        "apparent": 0.15, "weights_moving": -0.03, "dropout_noise": -0.09, "batch_to_running": -0.03,
        "train_to_val": 0.25, "val_to_test": 0.05,
    }  # fmt: skip
    assert row[list(expected)].to_dict() == pytest.approx(expected)
    assert isnan(row["train_to_test"])
    assert row[list(PARTS)].sum() == pytest.approx(row["apparent"], abs=1e-15)
    assert row["train_to_val"] + row["val_to_test"] == pytest.approx(data.values(data.arms[0], "gap")[0])
    assert overfit(data).iloc[0]["dropout_noise_mean"] == pytest.approx(-0.09)


def test_what_an_epoch_of_few_steps_did_not_see_counts_with_its_moving_weights(rate_study, rows_of):
    study = rate_study((0.0,), 2)
    runs, epochs = stored(study, rows_of, dropout_on_train_accuracy=[0.85] * 10, val_accuracy=[0.75] * 10)
    data = tidy(study, runs, epochs, probed(runs, noise_batch=0.88, batch=0.96, running=0.96))
    row = parts(data).iloc[0]
    assert row["weights_moving"] == pytest.approx(0.85 - 0.88 - (1.0 - 0.96))
    assert row["batch_to_running"] == 0
    assert row[list(PARTS)].sum() == pytest.approx(0.15, abs=1e-15)


def test_without_validation_the_last_two_parts_are_one(rate_study, rows_of):
    study = rate_study((0.0,), 2)
    runs, epochs = stored(study, rows_of, dropout_on_train_accuracy=[0.85] * 10)
    data = tidy(study, runs, epochs.assign(val_loss=nan), probed(runs, noise_batch=0.88, batch=0.97, running=1.0))
    row = parts(data).iloc[1]
    assert isnan(row["train_to_val"])
    assert isnan(row["val_to_test"])
    assert row["train_to_test"] == pytest.approx(0.3)
    assert row[list(PARTS)].sum() == pytest.approx(0.15, abs=1e-15)


def test_without_the_probe_there_are_no_parts(rate_study, rows_of):
    study = rate_study((0.0,), 2)
    data = tidy(study, *stored(study, rows_of))
    assert parts(data).empty
    assert "apparent_mean" not in overfit(data)


def test_an_arm_without_a_run_has_a_row_of_nothing(rate_study):
    row = overfit(tidy(rate_study((0.0,), 2), pd.DataFrame(), pd.DataFrame())).iloc[0]
    assert (row["n"], row["onset_n"]) == (0, 0)
    assert isnan(row["area_mean"])


@pytest.mark.parametrize("selected", [8, nan])
def test_where_every_run_diverged_there_are_no_parts(rate_study, rows_of, selected):
    study = rate_study((0.0,), 2)
    runs, epochs = stored(study, rows_of, dropout_on_train_accuracy=[0.85] * 10)
    runs = runs.assign(stop_reason="diverged", selected_epoch=selected)
    data = tidy(study, runs, epochs, probed(runs, noise_batch=0.88, batch=0.97, running=1.0))
    assert parts(data).empty
    assert parts_figure(data) is None
    row = overfit(data).iloc[0]
    assert (row["n"], row["n_diverged"]) == (0, 2)
    assert "apparent_mean" not in row


def test_a_part_whose_rows_are_missing_is_absent_and_no_error(rate_study, rows_of):
    study = rate_study((0.0,), 2)
    runs, epochs = stored(study, rows_of, dropout_on_train_accuracy=[0.85] * 10)
    row = parts(tidy(study, runs, epochs, probed(runs, batch=0.97, running=1.0))).iloc[0]
    assert isnan(row["dropout_noise"])
    assert row["batch_to_running"] == pytest.approx(-0.03)


def test_the_order_in_which_runs_ended_leaves_no_trace(rate_study, rows_of):
    """Floats do not add up to the same in every order: 0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1."""
    study = rate_study((0.0, 0.5), 3)
    gaps = [0.1, 0.2, 0.3]
    runs = rows_of(study, {0.0: [1.0] * 3, 0.5: [1.0] * 3}, {0.0: [1 - g for g in gaps], 0.5: gaps}).assign(
        epochs_run=1
    )
    epochs = runs[["run_id", "arm_id", "seed", "train_accuracy", "test_accuracy"]].assign(epoch=1, val_loss=0.5)
    texts = {
        (overfit(data).to_csv(), summary(data).to_csv())
        for order in permutations(range(3))
        for at in ([*order, 3, 4, 5], [5, 4, 3, *order])
        for data in [tidy(study, runs.iloc[at], epochs.iloc[at[::-1]])]
    }
    assert len(texts) == 1
