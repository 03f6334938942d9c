"""METRICS, the table of metrics, is of one piece; test_recipes.py adds one more."""

from math import log, nan

import pytest

from dropexp.metrics import METRICS, MONITORS, RUNS, WHILE_TRAINING
from dropexp.train.evaluate import EACH


def test_every_metric_measured_on_examples_has_its_function():
    assert set(EACH) == {metric.name for metric in METRICS if metric.on}


def test_the_table_is_of_one_piece():
    for name, column in RUNS.items():
        assert column.metric.low < column.metric.high
        assert all(of in RUNS for of in column.of or ())
        assert WHILE_TRAINING not in name
    for metric in METRICS:
        assert set(metric.averaged) | set(metric.final) <= set(RUNS), metric.name
    assert all(name.startswith(("val_", "test_")) for name in MONITORS)


@pytest.mark.parametrize(
    "name, classes, chance",
    [
        ("test_accuracy", 4, 0.25),
        ("val_loss", 4, log(4)),
        ("final_gap", 4, 0),
        ("gap", nan, 0),
        ("recovered", nan, nan),
    ],
)
def test_what_a_guess_has(name, classes, chance):
    assert RUNS[name].metric.chance(classes) == pytest.approx(chance, nan_ok=True)
