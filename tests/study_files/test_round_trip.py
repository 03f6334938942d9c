"""A study that was written reads back as itself: every value that decides what applies, alone and in pairs, base or no arm."""

import itertools
from typing import get_args

import pytest

from dropexp.errors import ConfigError
from dropexp.experiment.config import Config, KindName, LrSchedule, Model, RateSchedule, Training
from dropexp.experiment.kinds import KINDS
from dropexp.experiment.leaves import declarations
from dropexp.study_files.parse import parse
from dropexp.study_files.path_values import Override
from dropexp.study_files.writing import to_yaml
from dropexp.study_files.yaml_reader import read_text


def words(section, name):
    return get_args(section.model_fields[name].annotation)


DECIDING = {  # every field that another one needs, but for the path of the data
    "data.label_noise": (0, 0.2),
    "model.kind": words(Model, "kind"),
    "model.norm": words(Model, "norm"),
    "dropout.kind": get_args(KindName),
    "dropout.schedule.shape": words(RateSchedule, "shape"),
    "early_stopping.patience": (None, 3),
    "training.optimizer": words(Training, "optimizer"),
    "training.schedule.shape": words(LrSchedule, "shape"),
}
# what a base configuration may say: nothing, or everything that applies to it
BASES = {
    "bare": "{}",
    "full": """
data: {source: digits, label_noise: 0.1, noisy_validation: true}
model: {kind: mlp, hidden: [512], norm: batch, norm_group: 8}
dropout: {kind: bernoulli, group_size: 4, schedule: {shape: linear, epochs: 4, begin: 0.5, end: 0.9}}
early_stopping: {patience: 10, monitor: val_accuracy, min_delta: 0.01, start_from_epoch: 2}
training: {optimizer: sgd, momentum: 0.8, nesterov: true, schedule: {shape: step, every: 3, factor: 0.5}}
""",
}
MODEL_OF = {"map": "cnn", "lstm": "lstm"}  # what a kind of dropout needs -> the one kind of model that has it


def surroundings(chosen):
    """Return what else must be set for some values to go together, None where they cannot."""
    needs = {KINDS[kind].needs for kind in chosen.get("dropout.kind", ())}
    models = {*chosen.get("model.kind", ()), *(MODEL_OF[need] for need in needs if need in MODEL_OF)}
    if (needs & set(MODEL_OF) and len(models) > 1) or {"map", "dense"} <= needs:
        return None
    sets = {"model.activation": "selu"} if "selu" in needs else {}
    if len(models) == 1:
        sets["model.kind"] = next(iter(models))
    if "lstm" in models:
        sets["model.hidden"] = [8]  # an LSTM has no hidden layers of its own, and the masks lie there
    if "map" in needs:
        sets["dropout.placement"] = ["conv"]
    return {path: value for path, value in sets.items() if path not in chosen}


def study(base, chosen):
    """Return the study of a base whose fields are set and swept from the command line, None where values do not go together."""
    sets = surroundings(chosen)
    if sets is None:
        return None
    return parse(
        read_text(BASES[base], "s.yaml"),
        [
            *(Override(path, (value,), f"--set {path}") for path, value in sets.items()),
            *(Override(path, values, f"--set {path}", axis=True) for path, values in chosen.items()),
        ],
    )


def reads_back(made):
    text = to_yaml(made)
    again = parse(read_text(text, "study.yaml"), name=made.name)
    assert again.base == made.base, text
    assert [(arm.config, arm.arm_id) for arm in again.arms] == [(arm.config, arm.arm_id) for arm in made.arms], text
    assert again.axes == made.axes, text


SINGLE = [(path, value) for path, values in DECIDING.items() for value in values]


def test_every_field_that_another_needs_is_tried_here():
    read = {condition.path for declared in declarations().values() for condition in declared.needs}
    assert read == {*DECIDING, "data.source"}
    assert set(DECIDING) <= set(declarations())
    assert Config().model.kind in DECIDING["model.kind"]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(("path", "value"), SINGLE)
def test_a_study_of_one_value_reads_back(base, path, value):
    made = study(base, {path: (value,)})
    assert len(made.arms) == 1
    reads_back(made)


def pairs(first):
    """Return the pairs of a field's values with each other, and with those of the fields after it."""
    for values in itertools.combinations(DECIDING[first], 2):
        yield {first: values}
    for path in list(DECIDING)[list(DECIDING).index(first) + 1 :]:
        for one, other in itertools.product(DECIDING[first], DECIDING[path]):
            yield {first: (one,), path: (other,)}


@pytest.mark.parametrize(
    "first",  # the kinds of dropout have more pairs than all other fields together
    [pytest.param(path, marks=[pytest.mark.slow] * (path == "dropout.kind")) for path in DECIDING],
)
@pytest.mark.parametrize("base", ["full", pytest.param("bare", marks=pytest.mark.slow)])
def test_a_study_of_two_values_reads_back(base, first):
    made = [study(base, chosen) for chosen in pairs(first)]
    assert any(made)
    for each in filter(None, made):
        reads_back(each)


def refusals(text, *options):
    with pytest.raises(ConfigError) as caught:
        parse(read_text(text, "s.yaml"), options)
    return caught.value.messages


NO_ARM = [  # a field that means something in no arm and not in a base that the file spells out
    "dropout: {group_size: 4}\nsweep: {dropout.kind: [gaussian, uniform]}",
    "training: {momentum: 0.8}\nsweep: {training.optimizer: [adam, adamw]}",
    "dropout: {kind: bernoulli, block_size: 5}\nsweep: {dropout.kind: [gaussian]}",
    "model: {kind: lstm}\ndropout: {placement: [input], recurrent: step}\nsweep: {dropout.kind: [variational]}",
]


@pytest.mark.parametrize("text", NO_ARM)
def test_what_a_file_says_of_no_arm_is_refused(text):
    (message,) = refusals(text)
    assert "has no effect in this study" in message


def test_an_option_is_judged_by_the_arms_and_the_file_beside_it_by_its_base_too():
    away = Override("dropout.kind", ("gaussian",), "--kinds gaussian", axis=True)
    reads_back(parse(read_text("dropout: {group_size: 4}", "s.yaml"), [away]))
    (message,) = refusals("{}", away, Override("dropout.group_size", (4,), "--set dropout.group_size=4"))
    assert message.startswith("--set dropout.group_size=4: dropout.group_size has no effect in this study")


def test_null_says_that_a_field_is_not_there():
    assert (
        len(parse(read_text("dropout: {kind: gaussian, group_size: null}\nmodel: {units: null}", "s.yaml")).arms) == 1
    )
