# ruff: noqa: E501 - the tables have a row a line
"""The schema's refusals as sentences: what is said of every kind of mistake, and that nothing of pydantic shows."""

import random

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dropexp.errors import ConfigError
from dropexp.experiment.config import Config
from dropexp.experiment.kinds import KINDS
from dropexp.experiment.leaves import roles
from dropexp.experiment.vocabulary import (
    KEY_VALUES,
    KEY_WORDS,
    SHORT_NAMES,
    SHORTHANDS,
    VALUE_WORDS,
    near,
    read_as_number,
    sort_of,
)
from dropexp.quoting import clean, spelt
from dropexp.study_files.mistakes import sentences, unknown_top_level
from dropexp.study_files.yaml_reader import read_text

SECTIONS = {name: field.annotation for name, field in Config.model_fields.items()}


def said(text, *, knows_given=True):
    """Return what is said of a study's sections, each line with its place, in the order of the file."""
    document = read_text(text, "c.yaml")
    found = [(document.position(loc, key=True), message) for loc, message in unknown_top_level(document.content)]
    for name, section in SECTIONS.items():
        given = document.content.get(name, {})
        try:
            section.model_validate(given)
        except ValidationError as error:
            for loc, message in sentences(error, section, (name,), given if knows_given else None):
                found.append((document.position(loc, key="unknown key" in message), message))
    return [f"c.yaml:{line}:{column}: {message}" for (line, column), message in sorted(found)]


WRONG_VALUES = [
    ("dropout:\n  rate: 1.5", "2:9: dropout.rate: 1.5 is not below 1 (the probability that a unit is dropped)"),
    ("dropout: {rate: -0.1}", "1:17: dropout.rate: -0.1 is below 0 (the probability that a unit is dropped)"),
    ("dropout: {rate: 50}", "1:17: dropout.rate: 50 is not below 1 (the probability that a unit is dropped); did you mean 0.5?"),
    ("dropout: {rate: on}", "1:17: dropout.rate: 'on' is not a number (the probability that a unit is dropped)"),
    ("dropout: {rate: true}", "1:17: dropout.rate: true is not a number (the probability that a unit is dropped)"),
    ("dropout: {rate: '0.5'}", "1:17: dropout.rate: '0.5' is not a number (...); did you mean 0.5?"),
    ("dropout: {rate: 50%}", "1:17: dropout.rate: '50%' is not a number (...); did you mean 0.5?"),
    ("dropout:\n  rate:", "2:8: dropout.rate: null is not a number (...); write a value, or leave the key out for its default"),
    ("dropout: {rate: [0, 0.5]}", "1:17: dropout.rate: [0, 0.5] is not a number (...); values to compare belong under sweep: 'sweep: {dropout.rate: [0, 0.5]}'"),
    ("dropout: {rate: .nan}", "1:17: dropout.rate: .nan is not finite; infinity and nan are not allowed (...)"),
    ("dropout: {rate_at: {last: 0, input: 2}}", "1:37: dropout.rate_at.input: 2 is not below 1 (...); did you mean 0.02?"),
    ("dropout: {rate_at: {last: x}}", "1:27: dropout.rate_at.last: 'x' is not a number (...)"),
    ("dropout: {rate_at: 0.2}", "1:20: dropout.rate_at: 0.2 is not a mapping of places to rates, as {input: 0.2} (...)"),
    ("dropout: {placement: []}", "1:22: dropout.placement: [] is too short; list 1 or more (the places where masks act)"),
    ("dropout: {placement: [1]}", "1:23: dropout.placement[0]: 1 is not a word (...); did you mean '1', in quotes?"),
    ("dropout: {placement: {a: 1}}", "1:22: dropout.placement: {a: 1} is not a list (...)"),
    ("data: {source: ''}", "1:16: data.source: '' is too short; write 1 character or more (...)"),
    ("data: {test_size: x}", "1:19: data.test_size: 'x' is neither a number nor null (...)"),
    ("data: {test_size: 0}", "1:19: data.test_size: 0 is not above 0 (...)"),
    ("data: {val_size: .inf}", "1:18: data.val_size: .inf is not finite; infinity and nan are not allowed (...)"),
    ("data: {train_size: 1_000}", "1:20: data.train_size: '1_000' is neither a whole number nor null (...); did you mean 1000?"),
    ("data: {train_size: 50.0}", "1:20: data.train_size: 50.0 is neither a whole number nor null (...); did you mean 50?"),
    ("data: {noisy_validation: off}", "1:26: data.noisy_validation: 'off' is not true or false (...); did you mean false?"),
    ("data: {noisy_validation: 1}", "1:26: data.noisy_validation: 1 is not true or false (...); did you mean true?"),
    ("data: {sha256: x}", "1:16: data.sha256: 'x' is not of the form"),
    ("model: {hidden: [64, 0]}", "1:22: model.hidden[1]: 0 is below 1 (units of each hidden layer)"),
    ("model: {hidden: [64, x, 2.5]}", "1:22: model.hidden[1]: 'x' is not a whole number (...)"),
    ("model: {hidden: 0}", "1:17: model.hidden: 0 is below 1 (...)"),
    ("model: {norm: bn}", "1:15: model.norm: 'bn' is not one of none, batch, layer (...); did you mean 'batch'?"),
    ("model: {norm: off}", "1:15: model.norm: 'off' is not one of none, batch, layer (...); did you mean 'none'?"),
    ("model: {norm: [none, batch]}", "1:15: model.norm: [none, batch] is not one of none, batch, layer (...); values to compare belong under sweep: 'sweep: {model.norm: [none, batch]}'"),
    ("model: {activation: rleu}", "1:21: model.activation: 'rleu' is not one of relu, tanh,"),
    ("model: {kernel: 3.5}", "1:17: model.kernel: 3.5 is neither a whole number nor null (...)"),
    ("model: {kernel: 33}", "1:17: model.kernel: 33 is above 31 (...)"),
    ("training: {lr: .inf}", "1:16: training.lr: .inf is not finite; infinity and nan are not allowed (the learning rate)"),
    ("training: {lr: 0}", "1:16: training.lr: 0 is not above 0 (the learning rate)"),
    ("training: {epochs: true}", "1:20: training.epochs: true is not a whole number (...)"),
    ("training: {epochs: 1e3}", "1:20: training.epochs: 1000.0 is not a whole number (...); did you mean 1000?"),
    ("training: {epochs: 2000000}", "1:20: training.epochs: 2000000 is above 1,000,000 (...)"),
    ("training: {schedule: {shape: cosin}}", "1:30: training.schedule.shape: 'cosin' is not one of constant, cosine, step (...); did you mean 'cosine'?"),
    ("training: {schedule: cosine}", "1:22: training.schedule: 'cosine' is not a mapping; did you mean 'schedule: {shape: cosine}'?"),
    ("early_stopping: {patience: 0}", "1:28: early_stopping.patience: 0 is below 1 (...)"),
    ("streams: {mask: -1}", "1:17: streams.mask: -1 is below 0 (pins the dropout masks)"),
]  # fmt: skip

WRONG_SECTIONS = [
    ("dropout: 0.5", "1:10: dropout: 0.5 is not a mapping; did you mean 'dropout: {rate: 0.5}'?"),
    ("dropout: 50", "1:10: dropout: 50 is not a mapping; did you mean 'dropout: {rate: 0.5}'?"),
    ("dropout: off", "1:10: dropout: 'off' is not a mapping; did you mean 'dropout: {rate: 0}'?"),
    ("dropout: false", "1:10: dropout: false is not a mapping; did you mean 'dropout: {rate: 0}'?"),
    ("dropout: [0, 0.5]", "1:10: dropout: [0, 0.5] is not a mapping; did you mean 'sweep: {dropout.rate: [0, 0.5]}'?"),
    ("dropout:", "1:9: dropout: null is not a mapping; did you mean 'dropout: {}'?"),
    ("data: mnist", "1:7: data: 'mnist' is not a mapping; did you mean 'data: {source: mnist}'?"),
    ("model: 64", "1:8: model: 64 is not a mapping; did you mean 'model: {hidden: [64]}'?"),
    ("early_stopping: true", "1:17: early_stopping: true is not a mapping; did you mean 'early_stopping: {}'?"),
    ("early_stopping: 5", "1:17: early_stopping: 5 is not a mapping; did you mean 'early_stopping: {patience: 5}'?"),
    ("streams: 7", "1:10: streams: 7 is not a mapping"),
]

UNKNOWN_KEYS = [
    ("dropout: {placment: [hidden]}", "1:11: dropout.placment: unknown key; did you mean 'placement'?"),
    ("dropout: {xyzzy: 1}", "1:11: dropout.xyzzy: unknown key; known here: kind, rate, placement, rate_at"),
    ("dropout: {p: 0.3}", "1:11: dropout.p: unknown key; did you mean 'rate'?"),
    ("dropout: {keep_prob: 0.8}", "1:11: dropout.keep_prob: unknown key; did you mean 'rate: 0.2'?"),
    ("dropout: {keep: x}", "1:11: dropout.keep: unknown key; did you mean 'rate'?"),
    ("keep_prob: 0.7", "1:1: keep_prob: unknown key; did you mean 'rate' under dropout: 'dropout: {rate: 0.3}'?"),
    ("dropout: {lr: 0.1}", "1:11: dropout.lr: unknown key; 'lr' belongs under training: 'training: {lr: 0.1}'"),
    ("dropout: {seeds: 5}", "1:11: dropout.seeds: unknown key; 'seeds' belongs at the top of the file: 'seeds: 5'"),
    ("dropout: {order: NAD}", "1:11: dropout.order: unknown key; 'order' belongs under model: 'model: {order: NAD}'"),
    ("model: {learning_rate: 1}", "1:9: model.learning_rate: unknown key; did you mean 'lr' under training: 'training: {lr: 1}'?"),
    ("model: {n_units: [64]}", "1:9: model.n_units: unknown key"),
    ("model: {batch_norm: true}", "1:9: model.batch_norm: unknown key; did you mean 'norm: batch'?"),
    ("training: {bs: 3}", "1:12: training.bs: unknown key; did you mean 'batch_size'?"),
    ("training: {Batch-Size: 3}", "1:12: training.Batch-Size: unknown key; did you mean 'batch_size'?"),
    ("training: {n_epochs: 3}", "1:12: training.n_epochs: unknown key; did you mean 'epochs'?"),
    ("training: {epochs:3}", "1:12: training.epochs:3: unknown key; did you mean 'epochs: 3', with a space after ':'?"),
    ("training: {every: 3}", "1:12: training.every: unknown key; 'every' belongs under training.schedule: 'training: {schedule: {every: 3}}'"),
    ("training: {schedule: {lr: 1}}", "1:23: training.schedule.lr: unknown key; 'lr' belongs under training: 'training: {lr: 1}'"),
    ("data: {dataset: mnist}", "1:8: data.dataset: unknown key; did you mean 'source'?"),
    ("dropuot: {}", "1:1: dropuot: unknown key; did you mean 'dropout'?"),
    ("kind: mlp", "1:1: kind: unknown key; 'kind' belongs under model: 'model: {kind: mlp}'"),
    ("dropout.rate: 0.5", "1:1: dropout.rate: unknown key; did you mean 'rate' under dropout: 'dropout: {rate: 0.5}'?"),
    ("rate: [0, 0.5]", "1:1: rate: unknown key; to compare values, write 'sweep: {dropout.rate: [0, 0.5]}'"),
    ("hidden: [64]", "1:1: hidden: unknown key; 'hidden' belongs under model: 'model: {hidden: [64]}'"),
    ("seed: 3", "1:1: seed: unknown key; did you mean 'seeds: [3]'?"),
    ("xyzzy: 3", "1:1: xyzzy: unknown key; known here: study, data, model, dropout, early_stopping, training, streams, seeds"),
    ("'a\\nb': 3\n\"c\\td\": 4", "1:1: a\\\\nb: unknown key; known here:"),
    ('"c\\td": 4', "1:1: c\\td: unknown key; known here:"),
]  # fmt: skip


def fits(line, pattern):
    """Whether a line begins with a pattern; '(...)' stands for the meaning of a field."""
    start, dots, end = pattern.partition("(...)")
    return line.startswith(start + "(") and (not end or line.endswith(")" + end)) if dots else line.startswith(pattern)


@pytest.mark.parametrize("text, expected", WRONG_VALUES + WRONG_SECTIONS + UNKNOWN_KEYS)
def test_sentences(text, expected):
    first, *_ = said(text)
    assert fits(first, "c.yaml:" + expected.replace("\\\\", "\\")), first
    assert first.isprintable()


@pytest.mark.parametrize("text, expected", WRONG_SECTIONS + UNKNOWN_KEYS)
def test_what_was_validated_is_only_needed_for_the_path(text, expected):
    assert said(text, knows_given=False) == said(text)


def test_one_sentence_a_mistake_for_unions_and_short_lists():
    assert len(said("data: {test_size: x, val_size: .inf, train_size: [1]}")) == 3
    assert len(said("dropout: {placement: [1]}")) == 1
    assert len(said("model: {hidden: [0, x, 1.5, null, 64]}")) == 4


def test_only_what_looks_like_a_percentage_is_taken_for_one():
    assert not [line for rate in (1, 1.5, 100, 200) for line in said(f"dropout: {{rate: {rate}}}") if "did you" in line]
    assert "did you mean 0.02?" in said("dropout: {rate: 2}")[0]
    assert "did you mean 0.995?" in said("dropout: {rate: 99.5}")[0]


def test_all_mistakes_of_all_sections_at_once():
    lines = said("dropot: {}\ndropout: {rate: 2, p: 1}\ntraining: {lr: x, epochs: 0}\nmodel: {kind: mpl}")
    assert [line.split(": ")[1] for line in lines] == [
        "dropot", "dropout.rate", "dropout.p", "training.lr", "training.epochs", "model.kind",
    ]  # fmt: skip


def test_without_a_study_file_the_loc_is_what_is_left():
    with pytest.raises(ValidationError) as caught:
        SECTIONS["training"].model_validate({"lr": "abc"})
    (mistake,) = sentences(caught.value, SECTIONS["training"], ("training",))
    assert mistake.loc == ("training", "lr")
    assert mistake.text == "training.lr: 'abc' is not a number (the learning rate)"


class Odd(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    must: int = Field(description="what must be there")
    bare: int
    many: int = Field(1, multiple_of=5)
    table: dict[str, int] = Field(default_factory=dict)
    own: int = 1
    deep: list[list[int]] | None = None

    @field_validator("own")
    @classmethod
    def _own(cls, given):
        if given == 7:
            raise ValueError("seven is not allowed")
        return given


@pytest.mark.parametrize(
    "given, expected",
    [
        ({"bare": 1}, "odd[0].must: missing (what must be there); add 'must: ...'"),
        ({"must": 1}, "odd[0].bare: missing; add 'bare: ...'"),
        ({"must": 1, "bare": 1, "many": 3}, "odd[0].many: 3: Input should be a multiple of 5"),
        ({"must": 1, "bare": 1, "table": 3}, "odd[0].table: 3 is not a mapping"),
        ({"must": 1, "bare": 1, "table": {"a.b": "x"}}, "odd[0].table.a.b: 'x' is not a whole number"),
        ({"must": 1, "bare": 1, "own": 7}, "odd[0].own: 7: seven is not allowed"),
        ({"must": 1, "bare": 1, "deep": [[1], [2, "x"]]}, "odd[0].deep[1][1]: 'x' is not a whole number"),
        ({"must": 1, "bare": 1, "lr": 7}, "odd[0].lr: unknown key; known here: must, bare, many, table, own, deep"),
        ({"must": 1, "bare": 1, "manny": 7}, "odd[0].manny: unknown key; did you mean 'many'?"),
        ("word", "odd[0]: 'word' is not a mapping"),
    ],
)
def test_sections_that_are_no_part_of_a_configuration(given, expected):
    with pytest.raises(ValidationError) as caught:
        Odd.model_validate(given)
    (mistake,) = sentences(caught.value, Odd, ("odd", 0), given)
    assert mistake.text == expected


@pytest.mark.parametrize(
    "word, candidates, expected",
    [
        ("bernouli", KINDS, "bernoulli"),
        ("BERNOULLI", KINDS, "bernoulli"),
        ("batch-shared", KINDS, "batch_shared"),
        ("xyzzy", KINDS, None),
        ("fc", ["input", "hidden"], "hidden"),
        ("Dense", ["input", "hidden"], "hidden"),
        ("linear", ["relu", "linear"], "linear"),
        ("batchnorm", ["none", "batch"], "batch"),
        ("fmnist", ["mnist", "fashion-mnist"], "fashion-mnist"),
        ("droput.rate", ["dropout.rate", "data.label"], "dropout.rate"),
        ("learning_rate", ["training.lr", "dropout.rate"], "training.lr"),
        ("sdg", ["sgd", "adam"], "sgd"),
        ("x", ["xy", "y"], None),
        ("relu", [], None),
        (None, ["none", "batch"], "none"),
        (3, ["3"], None),
        ("a" * 100_000, ["a" * 99_999], None),
    ],
)
def test_near(word, candidates, expected):
    assert near(word, candidates) == expected


def test_the_tables_of_words_lead_somewhere():
    known = {*roles(), *(path.rpartition(".")[0] for path in roles()), "seeds", "sweep", "study"}
    assert set(KEY_WORDS.values()) <= known
    names = {path.rpartition(".")[2] for path in known}
    # a word of ours is not explained as someone else's, but for those that only an lstm has
    assert set(KEY_WORDS) & names == {"layers", "units"}
    assert set(SHORT_NAMES.values()) <= set(roles())
    assert set(KEY_VALUES) <= set(KEY_WORDS)
    assert all(target for targets in VALUE_WORDS.values() for target in targets)
    for (section, _), example in SHORTHANDS.items():
        content = read_text(example.format("1"), "c").content
        assert list(content) in ([section], ["sweep"])


@pytest.mark.parametrize(
    "given, expected",
    [
        (None, "null"),
        (True, "true"),
        (1e-9, "1e-09"),
        (float("-inf"), "-.inf"),
        ("on", "'on'"),
        ("two\nlines\x1b[0m", "'two\\nlines\\x1b[0m'"),
        ("x" * 100, "'" + "x" * 55 + "...'"),
        (["a", "b c", "null", 1, [2]], "[a, 'b c', 'null', 1, [2]]"),
        ({"a": {"b": "it's"}}, "{a: {b: 'it''s'}}"),
        (list(range(1000)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16..."),
    ],
)
def test_values_are_spelt_as_yaml_in_one_short_line(given, expected):
    assert spelt(given) == expected
    assert len(spelt(given)) <= 60


def test_a_number_beyond_all_digits_is_counted_in_bits():
    assert spelt(10**5000) == "a number of 16610 bits"


def test_endless_structures_are_spelt_too():
    endless = []
    endless.append(endless)
    assert spelt(endless) == "[[[[...]]]]"
    assert clean("\ud800") == "\\ud800"


@pytest.mark.parametrize(
    "word, number",
    [("1_000", 1000), ("50%", 0.5), ("0,5", 0.5), (" 0.5 ", 0.5), ("1e-3", 0.001), ("5 %", 0.05), ("x", None), ("1" * 99, None)],
)  # fmt: skip
def test_numbers_in_words(word, number):
    assert read_as_number(word) == number


@pytest.mark.parametrize(
    "given, sort",
    [(None, "nothing"), (True, "on"), ("off", "off"), ("none", "off"), (0, "number"), (1, "number"), (0.5, "number"),
     ("x", "word"), ([1, 2], "numbers"), ([], "list"), (["x"], "list"), ({}, "other")],
)  # fmt: skip
def test_sorts_of_values(given, sort):
    assert sort_of(given) == sort


def test_any_value_at_any_place_ends_in_sentences():
    draw = random.Random(0)
    values = ["x", "''", "on", "off", "true", "~", "-1", "0", "1", "2.5", "64", "1e400", ".inf", "9" * 299, "0x" + "f" * 290,
              "[]", "[1]", "[x, ~, [1]]", "{}", "{a: 1}", "{input: 0.1, a: x}", "[{a: {b: [c]}}]", '"\\x00"', "NAD"]  # fmt: skip
    keys = [path.rpartition(".")[2] for path in roles()] + list(KEY_WORDS) + ["zzz", "rate:1", '"\\n"', "''"]
    lines = 0
    for _ in range(1000):
        name = draw.choice([*SECTIONS, draw.choice(keys)])
        pairs = {draw.choice(keys): draw.choice(values) for _ in range(draw.randint(1, 4))}
        inner = (
            draw.choice(values) if draw.random() < 0.3 else "\n" + "".join(f"  {k}: {v}\n" for k, v in pairs.items())
        )
        try:
            found = said(f"{name}: {inner}")
        except ConfigError as error:
            found = list(error.messages)
        lines += len(found)
        assert all(line.isprintable() and line.startswith("c.yaml:") and len(line) < 500 for line in found), found
        assert not any("Input should" in line for line in found), found
    assert lines > 1000
