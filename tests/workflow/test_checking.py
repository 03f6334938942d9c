"""What check says of masks, inputs and runs: for each kind and group, and counted as run counts."""

import io
import json

import pytest

from dropexp.cli import main
from dropexp.console.progress import Progress
from dropexp.experiment.config import Config
from dropexp.experiment.kinds import KINDS
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.workflow.checking import facts, mask, masks, standardised
from dropexp.workflow.planning import prepare, tally
from dropexp.workflow.request import Options

NETWORK = {  # what a kind needs
    "map": {"model": {"kind": "cnn"}, "dropout": {"placement": ["conv"]}},
    "selu": {"model": {"activation": "selu"}},
    "lstm": {"model": {"kind": "lstm"}, "dropout": {"placement": ["input"]}},
}


def config(kind="bernoulli", model=None, **dropout) -> Config:
    needed = NETWORK.get(KINDS[kind].needs, {})
    return Config.model_validate(
        {
            "model": {**needed.get("model", {}), **(model or {})},
            "dropout": {"kind": kind, **needed.get("dropout", {}), **dropout},
        }
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_mask_in_force_is_that_of_the_kind(kind):
    said = mask(config(kind))
    assert said.startswith(f"{kind}: {KINDS[kind].means}; drawn ")
    assert ("drawn once per batch" in said) == ("batch" in KINDS[kind].shared)
    assert ("drawn for each example" in said) == ("batch" not in KINDS[kind].shared)


@pytest.mark.parametrize(
    "kind", [k for k, row in KINDS.items() if row.law == "bernoulli" and "batch" not in row.shared]
)
@pytest.mark.parametrize(
    ("group", "words"),
    [(None, "drawn for each example"), (1, "drawn for each example"), (8, "drawn once per group of 8 examples"),
     ("batch", "drawn once per batch")],
)  # fmt: skip
def test_the_mask_in_force_says_who_shares_it(kind, group, words):
    said = mask(config(kind, group_size=group))
    assert words in said
    assert said.count("example") == words.count("example"), "nothing else is said of examples"


@pytest.mark.parametrize(
    ("model", "dropout", "words"),
    [
        ({"kind": "lstm"}, {"placement": ["input"]}, "drawn for each example and time step"),
        ({"kind": "lstm"}, {"placement": ["output"]}, "drawn for each example"),
        ({"kind": "lstm"}, {"placement": ["recurrent"]}, "drawn for each example and time step"),
        (
            {"kind": "lstm"},
            {"placement": ["recurrent"], "recurrent": "sequence"},
            "drawn for each example, the same at every time step",
        ),
        ({}, {"schedule": {"shape": "early", "epochs": 7}}, "drawn for each example; on up to epoch 7, off after it"),
        ({}, {"schedule": {"shape": "late", "epochs": 7}}, "drawn for each example; off up to epoch 7, on after it"),
        (
            {},
            {"schedule": {"shape": "linear", "epochs": 7, "begin": 0.5}},
            "drawn for each example; from 0.5 to 1 times the rate over epochs 1 to 7, then 1 times the rate",
        ),
    ],
)  # fmt: skip
def test_the_mask_in_force_says_when_it_acts(model, dropout, words):
    assert mask(config(model=model, **dropout)).endswith(words)


def test_every_mask_of_a_study_is_named_once():
    study = parse(read_text("sweep: {dropout.rate: [0, 0.2, 0.5], dropout.group_size: [1, 8, batch]}", "c.yaml"))
    assert [words.partition("; ")[2] for words in masks(study)] == [
        "drawn for each example",
        "drawn once per group of 8 examples",
        "drawn once per batch",
    ]


@pytest.mark.parametrize(("example", "each"), [((64,), "feature"), ((3, 32, 32), "channel")])
def test_inputs_are_standardised_by_feature_or_channel(example, each):
    assert standardised(example).startswith(f"standardised: each {each} ")


def test_check_prints_masks_and_inputs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("sweep: {dropout.group_size: [8, batch]}")
    assert main(["check", "c.yaml"]) == 0
    shown = capsys.readouterr().out
    assert (
        "  masks: bernoulli: each unit, scaled in training; drawn once per group of 8 examples; on 512 units" in shown
    )
    assert "  masks of other arms: bernoulli: each unit, scaled in training; drawn once per batch\n" in shown
    assert "  inputs: standardised: each channel " in shown
    assert main(["check", "c.yaml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["masks"]) == 2
    assert list(found["inputs"]) == ["digits"]


def test_check_and_run_count_alike(tmp_path):
    text = "seeds: 10\nsweep: {dropout.rate: [0, 0.2, 0.5], dropout.placement: [input, hidden, all]}"
    study, options = parse(read_text(text, "c.yaml")), Options(results=tmp_path)
    plan = prepare(study, options, data=False)
    assert tally(plan) == "9 arms x 10 seeds = 90 runs, 20 shared: 70 to train"
    found = facts(study, options, False)
    assert (found["runs"], found["shared"]) == (70, 20)
    said = io.StringIO()
    Progress(said).started(plan)
    assert said.getvalue().startswith(f"c: {tally(plan)} in ")
