"""bfloat16 in products gives the accuracy of float32, as means over seeds do."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from dropexp.data import load
from dropexp.errors import DataError
from dropexp.experiment.config import Config, Data
from dropexp.experiment.study import Study
from dropexp.train.pack import Work, train_pack

SEEDS = tuple(range(10))


def accuracies(precision, **sections):
    training = {**sections.pop("training"), "precision": precision}
    config = Config.model_validate({**sections, "training": training})
    runs = Study("s", Path(), config, (), SEEDS, (config,)).runs()
    dataset = load(config.data, folder=Path())
    rows = [row for i in range(0, 10, 5) for row in train_pack(Work(tuple(runs[i : i + 5]), "x"), dataset).runs]
    return np.array([row.final_test_accuracy for row in rows])


def interval(**sections):
    """Return the mean difference in points, with its 95% interval, paired by seed."""
    difference = 100 * (accuracies("bfloat16", **sections) - accuracies("float32", **sections))
    half = stats.t.ppf(0.975, len(SEEDS) - 1) * stats.sem(difference)
    return (
        difference.mean(),
        f"{difference.mean():+.2f} points [{difference.mean() - half:.2f}, {difference.mean() + half:.2f}]",
    )


@pytest.mark.slow
def test_digits_are_learnt_as_well():
    mean, shown = interval(
        data={"train_size": 800, "val_size": 0}, model={"hidden": [64]}, training={"epochs": 15, "batch_size": 50}
    )
    assert abs(mean) < 0.3, shown


@pytest.mark.slow
def test_fashion_is_learnt_as_well():
    try:
        load(Data(source="fashion-mnist"), folder=Path(), download=False)
    except DataError as error:
        pytest.skip(f"no real data here: {error}")
    mean, shown = interval(
        data={"source": "fashion-mnist", "train_size": 6000, "test_size": 2000, "val_size": 0},
        model={"kind": "cnn", "channels": [16, 32], "hidden": [64]},
        training={"epochs": 4, "batch_size": 128},
    )
    assert abs(mean) < 1.0, shown  # a seed's own difference has a standard deviation of about 1.2 points
