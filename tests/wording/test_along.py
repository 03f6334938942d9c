"""What is said along axes: the strongest comparison, counts of words, arms at chance, and all three movements."""

from __future__ import annotations

import pandas as pd
import pytest
from made_up_studies import study, with_leaf

from dropexp.analysis.chance import at_chance
from dropexp.analysis.compare import Side, compare
from dropexp.analysis.tidy import Tidy, tidy
from dropexp.analysis.verdicts import verdicts
from dropexp.experiment.config import Config
from dropexp.notebook import Results
from dropexp.page.answer import answer, headline
from dropexp.page.arms import axes_grid
from dropexp.tables.arms import WIDTH, table
from dropexp.tables.comparison import comparison
from dropexp.wording.finding import finding

BARE = with_leaf(Config(), "dropout.rate", 0.0)
NOISE = [0.001, -0.001, 0.002, 0.0, -0.002]


def results(axes: dict, tests: list[float], trains: list[float], base: Config | None = None) -> Tidy:
    """Return a study of five seeds with these mean accuracies, arm by arm, and little noise."""
    made, rows = study(axes, 5, base), []
    arms = list({a.arm_id: a for a in made.arms}.values())
    for i, (arm, test, train) in enumerate(zip(arms, tests, trains, strict=True)):
        for seed in made.seeds:
            a, b = train + NOISE[(seed + 2 * i) % 5] / 4, test + NOISE[(seed + i) % 5]
            row = {"run_id": f"{arm.arm_id}-{seed}", "arm_id": arm.arm_id, "seed": seed, "stop_reason": "max_epochs"}
            row |= {"selected_epoch": 1, "train_accuracy": a, "test_accuracy": b, "gap": a - b, "classes": 10}
            rows.append(row | {"train_loss": 1 - a, "test_loss": 1 - b, "train_examples": 500, "test_examples": 500})
    return tidy(made, pd.DataFrame(rows), pd.DataFrame())


@pytest.fixture(scope="module")
def depth() -> Tidy:
    return results({"model.hidden": ((64,), (64, 64), (64,) * 4)}, [0.901, 0.88, 0.097], [0.99, 0.97, 0.10], BARE)


@pytest.fixture(scope="module")
def crossed() -> Tidy:
    axes = {"model.hidden": ((64,), (64,) * 4), "dropout.rate": (0.0, 0.2)}
    return results(axes, [0.90, 0.91, 0.097, 0.098], [0.99, 0.99, 0.10, 0.10])


@pytest.fixture(scope="module")
def shrunk() -> Tidy:
    return results({"dropout.rate": (0.0, 0.5)}, [0.94, 0.92], [0.99, 0.96])


def test_one_axis_is_answered_by_its_strongest_comparison(depth):
    text = headline(depth, verdicts(depth))
    assert text.startswith("With hidden layers 64")
    assert "instead of 64, test accuracy falls from 90.1 to 9.7 percent (-80.4 ±" in text
    assert "n = 5. Test accuracy in all comparisons: worse in 2 of 2. At chance level: hidden layers 64*4" in text
    assert "64, 64" not in text


def test_one_axis_without_dropout_has_its_columns_in_the_table(depth):
    assert "test vs 64" in table(depth)
    assert "-80.4" in table(depth)
    assert finding(depth).startswith("Hidden layers 64")


def test_several_axes_have_a_clause_each_and_dropout_its_own(crossed):
    along, most, dropout, chance = (
        headline(crossed, verdicts(crossed)).replace("; largest change", ". Largest change").split(". ")
    )
    assert along.startswith("Against hidden layers 64: test accuracy worse in 2 of 2")
    assert most.startswith("Largest change: 64")
    assert dropout.startswith("Gap against rate 0:")
    assert chance.startswith("At chance level: hidden layers 64*4")
    assert "rate" not in chance  # both rates are


def test_comparisons_along_an_axis_stand_beneath_the_table(crossed):
    lines = table(crossed).splitlines()
    assert max(map(len, lines)) <= WIDTH
    (at,) = [i for i, line in enumerate(lines) if line.startswith(" hidden layers vs 64")]
    assert lines[at + 1].split()[1:4] == ["0", "-80.3", "±"]
    assert "worse" in lines[at + 1]
    assert any("at chance level" in line for line in lines)
    assert "verdicts are corrected for " in " ".join(" ".join(lines).split())


def test_the_page_has_them_as_cards_and_as_a_table(crossed):
    found = answer(crossed, verdicts(crossed))
    assert [f.word.split(",")[0] for f in found.established if f.of.endswith("against hidden layers 64")][:2] == [
        "worse"
    ] * 2
    grid = axes_grid(crossed)
    assert [cell.text for cell in grid.columns[3].cells] == ["rate 0", "rate 0.2"]
    assert axes_grid(results({"dropout.rate": (0.0, 0.5)}, [0.9, 0.91], [0.99, 0.99])) is None


@pytest.mark.parametrize(
    "tests,guesses",
    [
        ([0.098, 0.099], False),  # two seeds say nothing
        ([0.10, 0.099, 0.101, 0.0985], True),
        ([0.12, 0.121, 0.1205, 0.122], False),  # plainly better than a guess, if poor
        ([0.10, 0.90, 0.10, 0.90], False),  # its interval has chance in it, and is too wide to say so
        ([0.0972, 0.0972, 0.0972], True),  # always the same answer: no interval
    ],
)
def test_an_arm_is_at_chance_where_that_is_plain(tests, guesses):
    made = study({}, len(tests), BARE)
    rows = [
        {"run_id": str(s), "arm_id": made.arms[0].arm_id, "seed": s, "stop_reason": "max_epochs", "test_accuracy": t}
        | {"train_examples": 500, "test_examples": 539, "classes": 10}
        for s, t in enumerate(tests)
    ]
    assert at_chance(tidy(made, pd.DataFrame(rows), pd.DataFrame()), made.arms[0]) is guesses


THREE = "training accuracy -3.0, test accuracy -2.0, gap -1.0 points"


def test_a_gap_that_shrank_because_training_fell_names_all_three_movements_everywhere(shrunk):
    own = verdicts(shrunk)[1]
    assert (own.train.word, own.test.word, own.gap.word) == ("lower", "worse", "underfitting")
    assert finding(shrunk).endswith(f"underfitting, {THREE}")
    assert THREE in " ".join(table(shrunk).split())
    assert THREE in headline(shrunk, verdicts(shrunk))
    assert any(THREE in f.detail for f in answer(shrunk, verdicts(shrunk)).established)
    pair = compare([Side(shrunk, own.arm)], [Side(shrunk, own.baseline)], [])
    assert THREE in " ".join(comparison(pair, ("a", "b")).split())
    frame = Results(None, shrunk).verdicts
    assert frame.set_index("metric").loc["gap", "movements"] == THREE


def test_a_gap_that_test_accuracy_closed_names_none():
    found = results({"dropout.rate": (0.0, 0.5)}, [0.94, 0.96], [0.99, 0.99])
    assert "training accuracy" not in finding(found)
