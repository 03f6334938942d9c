"""Claims as written: what is refused, where, and in which words."""

from __future__ import annotations

import pytest

from dropexp.errors import ConfigError, UsageError
from dropexp.study_files.arm_conditions import with_baseline
from dropexp.study_files.parse import parse
from dropexp.study_files.path_values import Override
from dropexp.study_files.writing import to_yaml
from dropexp.study_files.yaml_reader import read_text

SWEEP = "sweep: {dropout.rate: [0, 0.2, 0.5], model.norm: [none, batch]}\nclaims:\n"
GOOD = "{metric: gap, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}}"


def said(claim: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        parse(read_text(f"{SWEEP}- {claim}\n", "c.yaml"))
    return error.value.messages


@pytest.mark.parametrize(
    "claim,words",
    [
        ("{metric: gap, compare: {dropout.rate: 0.5}}", "claims[0].against: expect lower compares two groups of arms"),
        ("{metric: gap, compare: {dropout.rate: 0.3}, against: {dropout.rate: 0}}", "no arm has dropout.rate 0.3; the"),
        ("{metric: gap, compare: {dropout.rate: 1.5}, against: {dropout.rate: 0}}", "1.5 is not below 1"),
        ("{metric: gap, compare: {rate: 0.5}, against: {dropout.rate: 0}}", "did you mean 'dropout.rate'?"),
        ("{metric: gaps, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}}", "did you mean 'gap'?"),
        (GOOD.replace("}}", "}, margin: 0.5}"), "0.5 is 50% of an accuracy"),
        (GOOD.replace("}}", "}, margin: 0}"), "is not above 0"),
        (GOOD.replace("}}", "}, expect: smaller}"), "claims[0].expect"),
        (
            "{metric: gap, compare: {dropout.rate: 0.5}, expect: at_least}",
            "expect at_least compares two groups of arms",
        ),
        (GOOD.replace("}}", "}, tuned_over: [dropout.rate]}"), "dropout.rate is compared and cannot be tuned over"),
        (GOOD.replace("}}", "}, tuned_over: [lr]}"), "did you mean 'training.lr'?"),
        (GOOD.replace("rate: 0}", "rate: 0.5}"), "the same arms as in compare"),
        ("{metric: gap, compare: {dropout.rate: [0.5]}, expect: increasing}", "2 or more values of one axis"),
        ("{metric: gap, compare: {dropout.rate: [0, 0.5]}, expect: interior_best}", "3 or more values of one axis"),
        ("{metric: gap, compare: {model.norm: [none, batch]}, expect: increasing}", "needs numbers; model.norm has"),
        (
            "{metric: gap, compare: {dropout.rate: all}, against: {dropout.rate: 0}, expect: increasing}",
            "leave 'against'",
        ),
        (GOOD.replace("}}", "}, expect: interaction}"), "two axes at two values each"),
        ("{says: x, metric: gap, all: [" + GOOD + "]}", "claims[0].metric: a claim with 'all' has this in each"),
        (
            "{all: [{metric: gap, compare: {dropout.rate: 0.3}, against: {dropout.rate: 0}}]}",
            "claims[0].all[0].compare",
        ),
    ],
)
def test_refused(claim, words):
    messages = said(claim)
    assert any(words in m for m in messages), messages
    assert all(m.startswith("c.yaml:3:") for m in messages)


def test_values_are_those_of_configurations():
    text = (
        "sweep: {model.order: [NAD, DNA], early_stopping.patience: [null, 5], model.hidden: [[64], [64, 64]]}\n"
        "model: {norm: batch}\nclaims:\n- {compare: {model.order: DNA, early_stopping.patience: null},"
        " against: {model.hidden: 64}}"
    )
    (claim,) = parse(read_text(text, "c.yaml")).claims
    assert claim.compare == {"model.order": "dropout-norm-activation", "early_stopping.patience": None}
    assert claim.against == {"model.hidden": (64,)}


@pytest.mark.parametrize("expect", ["at_least", "lower_at_least"])
def test_a_claim_of_more_than_the_margin(expect):
    claim = GOOD.replace("}}", "}, margin: 0.01, expect: ") + expect + "}"
    study = parse(read_text(f"{SWEEP}- {claim}\n", "c.yaml"))
    assert (study.claims[0].expect, study.claims[0].margin) == (expect, 0.01)
    assert parse(read_text(to_yaml(study), "study.yaml")).claims == study.claims


def test_an_axis_from_the_command_line_may_leave_claims_behind():
    document = read_text(f"{SWEEP}- {GOOD}\n", "c.yaml")
    assert parse(document, [Override("dropout.rate", (0, 0.3), "--rates 0 0.3", axis=True)]).claims


def test_baselines_named_on_the_command_line():
    study = parse(read_text(SWEEP.partition("claims")[0], "c.yaml"))
    named = with_baseline(study, ["dropout.rate=0.2"])
    found = {
        (a.value("dropout.rate"), a.value("model.norm")): b for a, b in zip(named.arms, named.baselines, strict=True)
    }
    assert found[0.2, "none"] is None
    assert found[0.5, "batch"].value("dropout.rate") == 0.2
    assert found[0.5, "batch"].value("model.norm") == "batch"
    assert with_baseline(study, []) is study
    assert with_baseline(study, ["rate=.2"]) == named


@pytest.mark.parametrize(
    "word,said",
    [
        ("dropout.rate", "write PATH=VALUE"),
        ("rat=0", "did you mean 'rate'?"),
        ("dropout.rate=0.3", "no arm of c has this; its values of dropout.rate are 0, 0.2, 0.5"),
    ],
)
def test_wrong_baselines(word, said):
    study = parse(read_text(SWEEP.partition("claims")[0], "c.yaml"))
    with pytest.raises(UsageError, match="--baseline") as error:
        with_baseline(study, [word])
    assert said in str(error.value)
