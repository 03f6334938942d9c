"""What people write from habit: each is answered with the very line to write, and that line is taken."""

import re

import pytest

from dropexp.errors import ConfigError, UsageError
from dropexp.experiment.leaves import leaf
from dropexp.experiment.vocabulary import OPTION_WORDS
from dropexp.study_files.command_words import read_words
from dropexp.study_files.parse import parse
from dropexp.study_files.path_values import Override, resolve
from dropexp.study_files.writing import to_yaml
from dropexp.study_files.yaml_reader import read_text
from dropexp.workflow.request import Options

HABITS = {  # what is written -> the line to write, as it stands in the answer
    "epochs: 5": "training: {epochs: 5}",
    "seed: 42": "seeds: [42]",
    "seed: [1, 2]": "seeds: [1, 2]",
    "layers: [128, 64]": "model: {hidden: [128, 64]}",
    "layers: 3": "model: {hidden: '64*3'}",
    "units: 128": "model: {hidden: [128]}",
    "neurons: 128": "model: {hidden: [128]}",
    "neurons: [128, 64]": "model: {hidden: [128, 64]}",
    "hidden_size: 64": "model: {hidden: [64]}",
    "batch: 32": "training: {batch_size: 32}",
    "optim: adam": "training: {optimizer: adam}",
    "learning_rate: 0.1": "training: {lr: 0.1}",
    "lr: [0.1, 0.01]": "sweep: {training.lr: [0.1, 0.01]}",
    "rates: [0, 0.5]": "sweep: {dropout.rate: [0, 0.5]}",
    "dropout: {rates: [0, 0.5]}": "sweep: {dropout.rate: [0, 0.5]}",
    "dropout: 0.5": "dropout: {rate: 0.5}",
    "dropout: true": "dropout: {rate: 0.5}",
    "dataset: mnist": "data: {source: mnist}",
    "early_stopping: 5": "early_stopping: {patience: 5}",
    "patience: none": "early_stopping: {patience: none}",
    "activation: tanh": "model: {activation: tanh}",
    "kind: cnn": "model: {kind: cnn}",
    "kind: vanilla": "dropout: {kind: vanilla}",
    "shape: cosine": "training: {schedule: {shape: cosine}}",
    "order: DNA": "model: {order: DNA}",
}
INSIDE = {  # the same within a section
    "model: {layers: [128, 64]}": "hidden: [128, 64]",
    "model: {layers: 3}": "hidden: '64*3'",
    "model: {units: 128}": "hidden: [128]",
    "model: {neurons: 128}": "hidden: [128]",
    "model: {hidden_layers: [64, 64]}": "hidden: [64, 64]",
}


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(read_text(text, "c.yaml"))
    return str(caught.value)


@pytest.mark.parametrize("text", HABITS)
def test_a_habit_is_answered_with_the_line_to_write(text):
    assert f"'{HABITS[text]}'" in refused(text)
    assert parse(read_text(HABITS[text], "c.yaml"))


@pytest.mark.parametrize("text", INSIDE)
def test_a_habit_within_a_section_is_too(text):
    assert INSIDE[text] in refused(text)
    assert parse(read_text(f"model: {{{INSIDE[text]}}}", "c.yaml"))


def test_how_to_run_is_no_part_of_a_study():
    assert "it is an option of run and sweep: --device cuda" in refused("device: cuda")
    assert set(OPTION_WORDS) <= set(Options.__dataclass_fields__)


def test_seeds_are_swept_nowhere():
    assert "write 'seeds: [1, 2]' at the top of the file" in refused("sweep: {seed: [1, 2]}")
    with pytest.raises(ConfigError, match="seeds are given by --seeds"):
        parse(None, [Override("seed", (42,), "--set seed=42")])


@pytest.mark.parametrize(
    ("name", "path"),
    [("epochs", "training.epochs"), ("lr", "training.lr"), ("order", "model.order"), ("data", "data.source")],
)
def test_a_short_name_stands_for_one_path(name, path):
    assert resolve(name) == path


def test_a_name_of_two_paths_is_asked_back():
    with pytest.raises(ValueError, match=r"kind may be model.kind or dropout.kind"):
        resolve("kind")


@pytest.mark.parametrize("word", ["null", "none"])
def test_none_switches_off_in_a_file_and_is_written_back_as_null(word):
    text = f"early_stopping: {{patience: {word}}}\ntraining: {{max_norm: {word}}}\nsweep: {{early_stopping.patience: [{word}, 5]}}"
    study = parse(read_text(text, "c.yaml"))
    plain = parse(read_text(text.replace("none", "null"), "c.yaml"))
    assert study.base.early_stopping.patience is None
    assert [arm.arm_id for arm in study.arms] == [arm.arm_id for arm in plain.arms]
    assert to_yaml(study) == to_yaml(plain)
    assert "early_stopping.patience: [null, 5]" in to_yaml(study)


def test_none_stays_a_word_where_it_is_one():
    study = parse(read_text("model: {kind: cnn, pool: none, norm: none}\nsweep: {model.pool: [none, max]}", "c.yaml"))
    assert study.base.model.pool == "none"
    assert [arm.config.model.pool for arm in study.arms] == ["none", "max"]
    assert "'none' is not" in refused("training: {lr: none}")


@pytest.mark.parametrize("word", ["off", "false", "'None'"])
def test_other_words_for_nothing_are_answered(word):
    assert refused(f"early_stopping: {{patience: {word}}}").endswith("did you mean null?")


@pytest.mark.parametrize(
    ("words", "axis", "values"),
    [
        (["[64],[64,64]"], False, [[64], [64, 64]]),
        (["[[64],[64,64]]"], False, [[64], [64, 64]]),
        (["[64]", "[64,64]"], False, [[64], [64, 64]]),
        (["[128,", "64]"], False, [[128, 64]]),
        (["[128,64]"], False, [[128, 64]]),
        (["[128,64]"], True, [[128], [64]]),
        (["64,[64,64]"], True, [[64], [64, 64]]),
        (["[]"], False, [[]]),
        (["64*2,[64*2]"], False, [["64*2"], ["64*2"]]),
        (["64,256+256"], False, [[64], [256, 256]]),
    ],
)
def test_lists_within_lists_on_the_command_line(words, axis, values):
    assert read_words("model.hidden", words, "--set", axis) == values


def test_brackets_around_numbers_are_an_axis():
    assert read_words("training.lr", ["[0.1,0.2]"], "--set", axis=False) == [0.1, 0.2]
    assert read_words("dropout.placement", ["[input,hidden]"], "--placements") == [["input"], ["hidden"]]


@pytest.mark.parametrize("word", ["[64],[64", "64]", "[[64]", "]64["])
def test_brackets_must_match(word):
    with pytest.raises(UsageError, match="the brackets do not match"):
        read_words("model.hidden", [word], f"--set model.hidden={word}", axis=False)


def test_a_list_of_lists_makes_networks():
    values = tuple(read_words("model.hidden", ["[64],[64,64]"], "", False))
    study = parse(None, [Override("model.hidden", values, "")], name="x")
    assert [leaf(config, "model.hidden") for config in study.configs] == [(64,), (64, 64)]
    assert re.search(r"model.hidden: \[\[?64\]?, \[64, 64\]\]", to_yaml(study))
