"""The simulations of the documentation are made of what judges a study, and show on a small scale what they show there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.statistics import family as simulated
from benchmarks.statistics import reach as crossed
from dropexp.analysis import family as families
from dropexp.analysis.family import family
from dropexp.analysis.outlook import critical
from dropexp.analysis.stats import paired

DOCS = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _draws(monkeypatch):
    monkeypatch.setattr(families, "_normal", families._normal)  # put back what `remember` replaces
    simulated.remember()


@pytest.mark.parametrize("training", [True, False])
def test_a_study_is_made_of_the_same_differences_as_tables(training):
    made, true = simulated.drawn(
        np.random.default_rng(0), simulated.Cell(5, 3, training=training, effect=1.0, changed=1), 2
    )
    own = simulated.differences(made[1])
    zeros = pd.Series(np.zeros(5))
    stored = [paired(pd.Series(x), zeros) for x in made[1].T]
    for a, b in zip(own, stored, strict=True):
        for name in ("n", "mean", "sd", "low", "high", "p", "error", "degrees"):
            assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-12), name
    one, other = family(own, draws=500), family(stored, draws=500)
    assert (one.size, one.level) == (other.size, other.level)
    assert one.size == (6 if training else 3)  # the gap is the same finding where training accuracy does not vary
    assert true.tolist() == [1, 0, 0, -1, 0, 0]


def test_draws_that_are_remembered_are_the_same(monkeypatch):
    cell = simulated.Cell(4, 2, training=True)
    with_memory = [simulated.simulate(cell, 30) for _ in range(2)]
    monkeypatch.undo()
    assert [simulated.simulate(cell, 30)] * 2 == with_memory


def test_fewer_draws_change_the_level_by_noise_only():
    made, _ = simulated.drawn(np.random.default_rng(1), simulated.Cell(5, 3, training=True), 1)
    found = simulated.differences(made[0])
    levels = [family(found, draws=draws).level for draws in (2000, families.DRAWS)]
    assert levels[0] == pytest.approx(levels[1], rel=4 / np.sqrt(0.05 * 2000))


def test_studies_that_cannot_err_are_skipped_and_no_others(monkeypatch):
    cells = [simulated.Cell(3, 3, "tied", True), simulated.Cell(5, 1, "200 examples", effect=0.02, changed=1)]
    quick = [simulated.simulate(cell, 150) for cell in cells]
    monkeypatch.setattr(simulated, "POSSIBLE", 2.0)
    assert [simulated.simulate(cell, 150) for cell in cells] == quick


def test_seen_is_how_often_the_interval_lies_above_zero():
    cell = simulated.Cell(5, 2, training=True, effect=1.5, changed=2)
    made, _ = simulated.drawn(np.random.default_rng([0, *map(ord, repr(cell))]), cell, 60)
    own = []
    for i, x in enumerate(made):
        level = simulated.level_of(x, i, simulated.DRAWS)
        own.append(np.mean([d.at(1 - level)[0] > 0 for d in simulated.differences(x)[:2]]))
    assert simulated.seen(cell, 60)[0] == pytest.approx(np.mean(own))


@pytest.mark.parametrize(
    "cell", [simulated.Cell(3, 3), simulated.Cell(10, 1, training=True), simulated.Cell(5, 3, places=True)]
)
def test_words_err_together_in_five_percent_at_most(cell):
    studies = 1000
    found = simulated.simulate(cell, studies)
    assert found.errors == found.missed
    assert found.errors / studies <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / studies)
    assert found.errors / studies >= 0.01  # or the simulation shows nothing


def test_a_true_difference_is_seen_more_often_with_more_seeds():
    few, many = (simulated.seen(simulated.Cell(n, 1, training=True, effect=1.0, changed=1), 100) for n in (5, 20))
    assert many[0] > few[0] + 0.3
    assert many[1] >= many[0]


def test_the_true_difference_of_answers_is_what_many_runs_have():
    parts, rng = crossed.PARTS[1], np.random.default_rng(2)
    means = [
        np.mean([a.right.mean() - b.right.mean() for a, b in zip(*(kept.values() for kept in study), strict=True)])
        for study in (crossed.study(rng, 20, crossed.Sets(500), parts) for _ in range(100))
    ]
    error = np.std(means) / np.sqrt(len(means))
    assert np.mean(means) == pytest.approx(crossed.true_difference(parts), abs=4 * error)


@pytest.mark.parametrize("sets", [crossed.Sets(150), crossed.Sets(150, 500)])
def test_intervals_over_examples_hold_where_those_over_seeds_do_not(sets):
    held, half = crossed.simulate(10, sets, crossed.PARTS[1], 200)
    assert held[0] >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 200)
    assert held[1] < held[0]
    assert half[0] > half[1]


def test_the_documented_t_of_designs_is_that_of_the_code():
    heading = re.search(r"\| comparisons \|(.+)\|\n\|[-|]+\n((?:\|.+\|\n)+)", DOCS)
    seeds = [int(n) for n in re.findall(r"(\d+) seeds", heading.group(1))]
    rows = [[float(cell) for cell in line.strip("|").split("|")] for line in heading.group(2).splitlines()]
    assert len(rows) == 4
    for count, *found in rows:
        assert found == [round(critical(n, 0.05 / count), 1) for n in seeds]
