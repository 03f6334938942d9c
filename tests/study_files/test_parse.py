"""From YAML and options to a study: defaults, overrides, axes, unions of grids, and what is one function."""

import re

import pytest

from dropexp.cli.arguments import gather, overrides, seeds, split
from dropexp.errors import ConfigError, UsageError
from dropexp.experiment.leaves import leaves, spell
from dropexp.rows import CONFIG_COLUMNS, config_cells
from dropexp.study_files.arm_conditions import pick, with_baseline
from dropexp.study_files.command_words import read_words
from dropexp.study_files.parse import parse
from dropexp.study_files.path_values import Override
from dropexp.study_files.stored_arms import from_cells, joined, with_leaves
from dropexp.study_files.writing import to_yaml
from dropexp.study_files.yaml_reader import read_text


def study(text="{}", *options, **more):
    return parse(read_text(text, "s.yaml"), options, **more)


def test_an_empty_mapping_is_the_digits_study():
    made = study()
    assert (made.base.data.source, made.base.model.hidden, made.base.dropout.rate) == ("digits", (512,), 0.5)
    assert made.seeds == (0, 1, 2, 3, 4)
    assert made.base.early_stopping.patience is None
    assert study("early_stopping: {}").base.early_stopping.patience == 10
    assert study("early_stopping: {patience: null}").base.early_stopping.patience is None


def test_an_option_replaces_the_axis_of_the_file():
    text = "sweep: {dropout.rate: [0, 0.5], training.lr: [0.1, 0.01]}"
    made = study(text, Override("dropout.rate", (0.2,), "--rates 0.2", axis=True))
    assert [a.value("dropout.rate") for a in made.arms] == [0.2, 0.2]
    assert made.axes == ("training.lr",)
    made = study(text, Override("training.lr", (0.3,), "--set training.lr=0.3"))
    assert made.axes == ("dropout.rate",)
    assert {a.value("training.lr") for a in made.arms} == {0.3}


def test_patience_can_be_swept_with_none_and_keeps_the_section():
    text = "early_stopping: {monitor: val_accuracy}\nsweep: {early_stopping.patience: [null, 5]}"
    assert [a.value("early_stopping.patience") for a in study(text).arms] == [None, 5]
    assert {a.value("early_stopping.monitor") for a in study(text).arms} == {"val_accuracy"}
    assert [a.value("early_stopping.patience") for a in study("sweep: {early_stopping.patience: [null, 5]}").arms] == [
        None,
        5,
    ]


def test_kinds_of_model_in_one_sweep_take_their_own_defaults():
    arms = study("sweep: {model.kind: [mlp, cnn]}").arms
    assert [a.config.model.hidden for a in arms] == [(512,), (128,)]
    assert arms[1].config.model.channels == (32, 64)


def test_a_list_of_grids_is_their_union_without_repeats():
    made = study("sweep:\n- {dropout.rate: [0, 0.5]}\n- {dropout.rate: [0.5], model.hidden: [[512], [8]]}")
    assert [(a.value("dropout.rate"), a.value("model.hidden")) for a in made.arms] == [
        (0, (512,)),
        (0.5, (512,)),
        (0.5, (8,)),
    ]


SAME = [
    ("relu and a mask commute after norm", "NAD", "NDA", "relu", "bernoulli", True),
    ("and before it", "ADN", "DAN", "leaky_relu", "vanilla", True),
    ("norm between them does not", "NAD", "AND", "relu", "bernoulli", False),
    ("tanh does not commute", "NAD", "NDA", "tanh", "bernoulli", False),
]


@pytest.mark.parametrize(("why", "one", "other", "activation", "kind", "same"), SAME)
def test_arms_that_are_one_function_are_trained_once(why, one, other, activation, kind, same):
    text = f"model: {{norm: batch, activation: {activation}}}\ndropout: {{kind: {kind}}}\nsweep: {{model.order: [{one}, {other}]}}"
    made = study(text, seeds=[3])
    assert (len({a.arm_id for a in made.arms}) == 1) is same, why
    assert len(made.runs()) == (3 if same else 6)


def test_without_dropout_kind_place_and_its_step_of_the_order_say_nothing():
    text = "model: {norm: batch}\nsweep: {dropout.rate: [0, 0.5], dropout.kind: [bernoulli, vanilla], model.order: [NAD, DNA, AND]}"
    made = study(text, seeds=[1])
    unmasked = [a for a in made.arms if not a.masked]
    assert len(unmasked) == 6
    assert len({a.arm_id for a in unmasked}) == 2  # norm before or after the activation
    assert len({a.arm_id for a in made.arms}) == 2 + 6


def test_places_that_cover_the_same_layers_are_one_function():
    made = study("sweep: {dropout.placement: [[hidden], [last], [hidden.1], [hidden, last]]}")
    assert len({a.arm_id for a in made.arms}) == 1
    made = study("model: {hidden: [5, 5]}\nsweep: {dropout.placement: [[hidden], [last], [hidden.1, hidden.2]]}")
    assert [a.arm_id == made.arms[0].arm_id for a in made.arms] == [True, False, True]


def test_rate_at_overrides_a_place_and_adds_one():
    from dropexp.experiment.layout import site_rates

    config = study("model: {hidden: [5, 5]}\ndropout: {rate: 0.5, rate_at: {input: 0.2, hidden.2: 0}}").base
    assert site_rates(config.dropout, config.model) == {"input": 0.2, "hidden.1": 0.5}


def test_the_baseline_is_the_arm_without_dropout_that_agrees_elsewhere():
    made = study("sweep: {training.lr: [0.1, 0.01], dropout.rate: [0.5, 0]}")
    found = {
        (a.value("training.lr"), a.value("dropout.rate")): b for a, b in zip(made.arms, made.baselines, strict=True)
    }
    assert found[0.1, 0.5].value("training.lr") == 0.1
    assert found[0.01, 0.5].value("training.lr") == 0.01
    assert found[0.1, 0] is None
    without = study("sweep: {dropout.rate: [0.2, 0.5]}")
    assert [b and b.value("dropout.rate") for b in without.baselines] == [None, 0.2]


LISTS = [
    (["0", "0.2", "0.5"], [0, 0.2, 0.5]),
    (["0,0.2,0.5"], [0, 0.2, 0.5]),
    (["0:0.5:0.25"], [0, 0.25, 0.5]),
    (["0:0.8:0.2"], [0, 0.2, 0.4, 0.6, 0.8]),
    (["0:0.3:0.1"], [0, 0.1, 0.2, 0.3]),
    (["[0,", "0.5]"], [0, 0.5]),
    (["3:1:-1"], [3, 2, 1]),
]


@pytest.mark.parametrize(("words", "values"), LISTS)
def test_lists_of_the_command_line(words, values):
    assert read_words("dropout.rate", words, "--rates") == values


def test_words_that_turn_things_off_or_join():
    assert read_words("early_stopping.patience", ["none", "5"], "") == [None, 5]
    assert read_words("model.norm", ["none", "batch"], "") == ["none", "batch"]
    assert read_words("model.hidden", ["64", "256+256", "none"], "") == [[64], [256, 256], []]
    assert read_words("dropout.placement", ["input+hidden"], "") == [["input", "hidden"]]
    assert read_words("dropout.rate_at", ["input=0.2+hidden.1=0.3"], "") == [{"input": 0.2, "hidden.1": 0.3}]
    assert read_words("training.max_norm", ["none", "2"], "") == [None, 2]


GATHERED = [
    ("sweep --rates 0 0.2 0.5", ["sweep", "--rates", "0\n0.2\n0.5"]),
    ("sweep --rates 0 0.2 c.yaml --jobs 2", ["sweep", "--rates", "0\n0.2", "c.yaml", "--jobs", "2"]),
    ("sweep --jobs 2 --rates 0 -0.1 --fresh", ["sweep", "--jobs", "2", "--rates", "0\n-0.1", "--fresh"]),
    ("sweep --rates=0,1 --rates 0.5", ["sweep", "--rates", "0,1", "--rates", "0.5"]),
    ("sweep --set a.b=1 c.d=2", ["sweep", "--set", "a.b=1\nc.d=2"]),
]


@pytest.mark.parametrize(("line", "found"), GATHERED)
def test_a_list_ends_at_an_option_or_a_config(line, found):
    assert gather(line.split()) == found


def test_seeds_are_a_count_or_names():
    assert seeds(["5"]) == [5]
    assert seeds(["3\n4"]) == [3, 4]
    assert seeds(["[7]"]) == [[7]]
    assert study(seeds=seeds(["[7]"])).seeds == (7,)
    assert study(seeds=seeds(["3\n4"])).seeds == (3, 4)
    assert study(seeds=seeds(["2"])).seeds == (0, 1)


def test_set_takes_several_values_and_several_fields():
    made = overrides({}, ["training.lr=0.01,0.1", "model.norm=batch\nmodel.order=NAD DNA"])
    assert [(o.path, o.values) for o in made] == [
        ("training.lr", (0.01, 0.1)), ("model.norm", ("batch",)), ("model.order", ("NAD", "DNA"))
    ]  # fmt: skip
    with pytest.raises(UsageError, match="PATH=VALUE"):
        overrides({}, ["lr"])
    short = overrides({}, ["lr=0.01", "hidden=8+8", "training.lr=0.1"])
    assert [(o.path, o.values) for o in short] == [("training.lr", (0.01, 0.1)), ("model.hidden", ([8, 8],))]
    assert split(["a b", "c"]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "name, says",
    [
        ("kind", "kind may be model.kind or dropout.kind; write one of them in full"),
        ("lrr", "lrr is not the path of a field; did you mean 'training.lr'?"),
        ("zzzz", "zzzz is not the path of a field"),
    ],
)
def test_a_name_of_no_one_field_is_the_same_sentence_for_every_option(name, says):
    made = study("sweep: [{model.kind: [mlp, cnn], dropout.kind: [bernoulli]}]")
    for asks in (
        lambda: study("{}", *overrides({}, [f"{name}=1"])),
        lambda: with_baseline(made, [f"{name}=1"]),
        lambda: pick(made, [f"{name}=1"]),
    ):
        with pytest.raises((ConfigError, UsageError), match=re.escape(says)):
            asks()


ROUND_TRIPS = [
    "{}",
    "model: {kind: cnn, channels: [4], hidden: [], norm: batch, norm_group: 8, order: DNA}\ndropout: {placement: [conv]}",
    "early_stopping: {patience: 3, monitor: val_accuracy}\nsweep: {early_stopping.patience: [null, 3]}",
    "dropout: {rate_at: {input: 0.2}}\ntraining: {schedule: {shape: step, every: 3}, max_norm: 2}",
    "data: {source: mnist, label_noise: 0.2, test_size: 0.5, train_size: 100}\nseeds: [3, 7]\nstreams: {split: 7}",
    "sweep:\n- {dropout.rate: [0, 0.5]}\n- {model.hidden: [[8], [8, 8]]}\nprobes: all\nsave_weights: selected",
    "training: {optimizer: adam, lr: 1e-3}\nsweep: {dropout.rate: [0, 0.5]}\n"
    "claims:\n- {says: x, metric: gap, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}}\n"
    "- {says: y, all: [{metric: test_loss, compare: {dropout.rate: all}, expect: decreasing, tuned_over: [training.lr]}]}",
]


@pytest.mark.parametrize("text", ROUND_TRIPS)
def test_study_yaml_reads_back_as_the_same_study(text):
    made = study(text)
    again = parse(read_text(to_yaml(made), "study.yaml"), name="s")
    assert (again.base, again.seeds, again.claims, again.probes) == (made.base, made.seeds, made.claims, made.probes)
    assert [a.arm_id for a in again.arms] == [a.arm_id for a in made.arms]
    assert again.axes == made.axes


@pytest.mark.parametrize("text", ROUND_TRIPS)
def test_a_row_of_runs_csv_reads_back_as_its_configuration(text):
    for arm in study(text).arms:
        cells = dict(zip(CONFIG_COLUMNS, config_cells(arm.trained), strict=True))
        assert from_cells(cells) == arm.trained


def rows(made):
    return [
        {"arm_id": r.arm_id, "seed": str(r.seed), **dict(zip(CONFIG_COLUMNS, config_cells(r.config), strict=True))}
        for r in made.runs()
    ]


def test_stored_arms_that_differ_in_axes_alone_join_the_study():
    old, new = study("sweep: {dropout.rate: [0, 0.5]}", seeds=[2]), study("sweep: {dropout.rate: [0.2]}", seeds=[[7]])
    shown, note = joined(new, rows(old))
    assert [a.value("dropout.rate") for a in shown.arms] == [0, 0.2, 0.5]
    assert shown.axes == ("dropout.rate",)
    assert shown.seeds == (0, 1, 7)
    assert note is None
    other = study("training: {epochs: 2}\nsweep: {dropout.rate: [0, 0.5]}", seeds=[2])
    shown, note = joined(new, rows(other))
    assert [a.value("dropout.rate") for a in shown.arms] == [0.2]
    assert note == "4 runs with training.epochs 2 are not shown; 'dropexp plot --all' draws them"
    shown, note = joined(new, rows(other), everything=True)
    assert len(shown.arms) == 3
    assert note is None


def test_with_leaves_reaches_into_sections():
    base = study().base
    changed = with_leaves(base, {"training.schedule.shape": "cosine", "dropout.rate": 0.1})
    assert (changed.training.schedule.shape, changed.dropout.rate, changed.data) == ("cosine", 0.1, base.data)
    assert {p for p, v in leaves(changed).items() if v != leaves(base)[p]} == {
        "training.schedule.shape",
        "dropout.rate",
    }


def test_cells_are_spelt_as_on_the_command_line():
    assert [spell(v) for v in (None, True, 0.2, 1.0, 5, (), (256, 256), ("input", "hidden"), (("input", 0.2),))] == [
        "", "true", "0.2", "1", "5", "none", "256+256", "input+hidden", "input=0.2"
    ]  # fmt: skip


def test_mistakes_come_in_the_order_of_the_file():
    with pytest.raises(ConfigError) as caught:
        study("training: {lr: abc}\nmodel: {hiden: 5}\ndropout: {rate: 2}")
    assert [m.split(":")[1] for m in caught.value.messages] == ["1", "2", "3"]


def test_an_empty_grid_beside_others_is_the_base_and_is_written_as_such():
    study = parse(read_text("sweep: [{dropout.rate: [0]}, {}, {dropout.rate: [0.2]}]", "s.yaml"))
    again = parse(read_text(to_yaml(study), "study.yaml"))
    assert [arm.config.dropout.rate for arm in again.arms] == [0, 0.5, 0.2]


def test_a_value_of_many_levels_where_a_rate_belongs_is_a_sentence():
    with pytest.raises(ConfigError, match=r"dropout.rate_at.a: \{b: \{c: 1\}\} is not a number"):
        parse(read_text("dropout: {rate_at: {z: 1, a: {b: {c: 1}}}}", "s.yaml"))
