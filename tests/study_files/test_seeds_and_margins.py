"""Seeds that grow and the smallest differences that count: read, refused, written and read back."""

import json
from dataclasses import FrozenInstanceError

import pytest

from dropexp.errors import ConfigError
from dropexp.experiment.design import MARGINS
from dropexp.experiment.foreign_study import Foreign
from dropexp.experiment.growth import Grow
from dropexp.study_files.parse import parse
from dropexp.study_files.schema import schema
from dropexp.study_files.writing import to_yaml
from dropexp.study_files.yaml_reader import read_text


def study(text, **options):
    return parse(read_text(text, "s.yaml"), **options)


def said(text):
    with pytest.raises(ConfigError) as caught:
        study(text)
    (message,) = caught.value.messages
    return message


def reads_back(text):
    made = study(text)
    again = parse(read_text(to_yaml(made), "study.yaml"), name=made.name)
    assert (again.seeds, again.grow, again.margins) == (made.seeds, made.grow, made.margins)
    return made, to_yaml(made)


def test_a_study_grows_from_five_by_five_where_nothing_else_is_said():
    made, text = reads_back("seeds: {grow_to: 30}")
    assert made.grow == Grow(5, 5, 30)
    assert made.seeds == (0, 1, 2, 3, 4)
    assert "seeds:\n  start: 5\n  step: 5\n  grow_to: 30\n" in text
    with pytest.raises(FrozenInstanceError):
        made.grow.start = 3


def test_seeds_of_the_command_line_are_fixed_ones():
    made = study("seeds: {grow_to: 30}", seeds=[7])
    assert (made.grow, made.seeds) == (None, tuple(range(7)))
    assert "seeds: 7\n" in to_yaml(made)


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ("{grow_too: 30}", "1:9: seeds.grow_too: unknown key; did you mean 'grow_to'?"),
        ("{grow_to: 30, start: 2}", "1:29: seeds.start: 2 is not a whole number from 3 to 1,000"),
        ("{grow_to: 30, step: 0}", "1:28: seeds.step: 0 is not a whole number from 1 to 1,000"),
        ("{grow_to: true}", "1:18: seeds.grow_to: true is not a whole number from 1 to 1,000"),
        ("{grow_to: 5}", "1:18: seeds.grow_to: 5 is not above start, 5; write seeds: 5 for a fixed number"),
        (
            "{start: 4}",
            "1:8: seeds: a mapping needs grow_to, the largest number of seeds, as in {start: 5, grow_to: 30}",
        ),
        ("{}", "1:8: seeds: a mapping needs grow_to, the largest number of seeds, as in {start: 5, grow_to: 30}"),
    ],
)
def test_what_is_no_growth_is_refused(seeds, words):
    assert said(f"seeds: {seeds}") == f"s.yaml:{words}"


def test_the_runs_at_most_count_as_a_large_grid():
    with pytest.raises(ConfigError, match="150,000 runs are more than 100,000"):
        study("seeds: {grow_to: 1000}\nsweep: {training.lr: [" + ", ".join(f"{i + 1}.0e-4" for i in range(150)) + "]}")


def test_rounds():
    assert Grow(5, 5, 12).rounds == (5, 10, 12)
    assert [Grow(5, 5, 12).after(n) for n in (5, 10, 12)] == [10, 12, None]
    grow = Grow(3, 2, 6)
    assert grow.reached([]) == 3
    assert grow.reached([{0, 1, 2, 3, 4}, {0, 1, 2, 3}]) == 3
    assert grow.reached([{0, 1, 2, 3, 4, 9}, {0, 1, 2, 3, 4}]) == 5
    assert [grow.is_round(seeds) for seeds in ((0, 1, 2), (2, 1, 0, 3), (0, 1), (1, 2, 3), range(7))] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_the_seeds_of_a_growing_study_are_those_that_all_its_arms_have():
    made = study("seeds: {start: 3, step: 1, grow_to: 6}\nsweep: {dropout.rate: [0, 0.5]}")
    one, two = (arm.arm_id for arm in made.arms)
    rows = [{"arm_id": one, "seed": str(seed)} for seed in range(6)]
    rows += [{"arm_id": two, "seed": str(seed)} for seed in range(4)]
    assert made.grown(rows).seeds == (0, 1, 2, 3)
    assert made.grown([]).seeds == (0, 1, 2)
    assert study("seeds: 2").grown(rows).seeds == (0, 1)


def test_margins_have_defaults_and_others_are_named():
    assert study("{}").margins == MARGINS == {"test_accuracy": 0.005, "gap": 0.005}
    assert "margins" not in reads_back("margins: {gap: 0.005}")[1]
    made, text = reads_back("margins: {gap: 0.01, test_loss: 2}")
    assert made.margins == {"test_accuracy": 0.005, "gap": 0.01, "test_loss": 2.0}
    assert "margins:\n  gap: 0.01\n  test_loss: 2.0\n" in text
    assert Foreign("x", (), ()).margins == MARGINS
    assert hash(made) == hash(study(text, name="s"))


@pytest.mark.parametrize(
    ("margins", "words"),
    [
        (
            "0.005",
            "1:10: margins: 0.005 is not a mapping of metrics to differences; write {test_accuracy: 0.005, gap: 0.005}",
        ),
        ("{gaps: 0.01}", "1:11: margins.gaps: not a metric of summary.csv; did you mean 'gap'?"),
        ("{gap: 0}", "1:16: margins.gap: 0 is not above 0 (the smallest difference that counts)"),
        ("{gap: .inf}", "1:16: margins.gap: .inf is not above 0 (the smallest difference that counts)"),
        ("{gap: half}", "1:16: margins.gap: 'half' is not a number; write a difference above 0, such as 0.005"),
        (
            "{gap: 0.5}",
            "1:16: margins.gap: 0.5 is 50% of an accuracy; accuracies are fractions: half a point is 0.005",
        ),
    ],
)
def test_what_is_no_margin_is_refused(margins, words):
    assert said(f"margins: {margins}") == f"s.yaml:{words}"


def test_a_metric_that_is_none_is_told_which_there_are():
    assert "not a metric of summary.csv; they are train_accuracy" in said("margins: {xyzzy: 0.01}")
    assert said("margin: {gap: 0.01}").startswith("s.yaml:1:1: margin: unknown key; did you mean 'margins'?")


def test_the_schema_knows_both():
    made = schema()["properties"]
    assert made["seeds"]["anyOf"][-1]["required"] == ["grow_to"]
    assert {"gap", "test_loss"} <= set(made["margins"]["properties"])
    json.dumps(made)
