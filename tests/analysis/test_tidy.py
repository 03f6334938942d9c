"""Which rows are a study's, and what diverged, noisy or missing ones become."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dropexp.analysis.tidy import tidy

RATES = {0.0: [0.9, 0.8, 0.7], 0.5: [0.9, 0.8, 0.7]}


def test_keeps_only_the_arms_and_seeds_of_the_study(rate_study, rows_of):
    rows = rows_of(rate_study((0.0, 0.5), 3), RATES, RATES)
    narrow = tidy(rate_study((0.0,), 2), rows, pd.DataFrame())
    assert list(narrow.runs["seed"]) == [0, 1]
    assert set(narrow.runs["arm_id"]) == {narrow.arms[0].arm_id}


def test_diverged_runs_are_counted_and_left_out(rate_study, rows_of):
    study = rate_study((0.0, 0.5), 3)
    rows = rows_of(study, RATES, RATES)
    rows.loc[4, ["stop_reason", "test_loss"]] = ["diverged", np.inf]
    found = tidy(study, rows, pd.DataFrame())
    assert found.diverged(found.arms[1]) == 1
    assert list(found.values(found.arms[1], "test_accuracy").index) == [0, 2]


def test_a_row_written_twice_counts_once(rate_study, rows_of):
    study = rate_study((0.0, 0.5), 3)
    rows = rows_of(study, RATES, RATES)
    assert len(tidy(study, pd.concat([rows, rows]), pd.DataFrame()).runs) == 6


def test_no_rows_at_all(rate_study):
    found = tidy(rate_study((0.0,), 3), pd.DataFrame(), pd.DataFrame())
    assert found.values(found.arms[0], "gap").empty
    assert found.curves(found.arms[0]).empty


def test_what_became_of_wrong_labels_is_read_from_epochs_where_an_older_folder_has_no_column(rate_study, rows_of):
    study = rate_study((0.0,), 2, noise=0.2)
    runs = rows_of(study, {0.0: [0.9] * 2}, {0.0: [0.8] * 2}).assign(selected_epoch=2, clean_train_accuracy=0.95)
    epochs = pd.DataFrame({"epoch": [1, 2, 3] * 2, "memorised": [0.1, 0.2, 0.3] * 2, "recovered": [0.7, 0.6, 0.5] * 2})
    epochs = epochs.assign(run_id=runs["run_id"].repeat(3).to_numpy(), arm_id=runs["arm_id"][0], seed=[0] * 3 + [1] * 3)
    found = tidy(study, runs, epochs)
    assert found.noisy
    assert found.lead.gap == "clean_gap"
    assert list(found.values(found.arms[0], "memorised")) == [0.2, 0.2]
    assert list(found.values(found.arms[0], "recovered")) == [0.6, 0.6]
    stored = tidy(study, runs.assign(memorised=[0.25, np.nan]), epochs)
    assert list(stored.values(stored.arms[0], "memorised")) == [0.25, 0.2]


def test_probes_are_those_of_the_runs_shown(rate_study, rows_of):
    study = rate_study((0.0, 0.5), 2)
    runs = rows_of(study, {0.0: [0.9] * 2, 0.5: [0.9] * 2}, {0.0: [0.8] * 2, 0.5: [0.8] * 2})
    rows = [{"run_id": r, "epoch": 1, "probe": "gap_parts", "layer": "batch", "value": 0.5} for r in runs["run_id"]]
    found = tidy(rate_study((0.5,), 2), runs, pd.DataFrame(), pd.DataFrame(rows))
    assert list(found.probes["run_id"]) == list(runs["run_id"][2:])
    assert tidy(study, runs, pd.DataFrame()).probes.empty


def test_without_label_noise_every_example_is_clean(rate_study, rows_of):
    quiet, noisy = rate_study((0.0,), 1), rate_study((0.0,), 1, noise=0.2)
    both = type(quiet)("both", quiet.folder, quiet.base, (), (0,), quiet.configs + noisy.configs)
    rows = rows_of(quiet, {0.0: [0.9]}, {0.0: [0.8]})
    found = tidy(both, rows, pd.DataFrame())
    assert list(found.values(found.arms[0], "clean_gap")) == list(rows["gap"])
    assert found.values(found.arms[1], "clean_gap").empty
