# ruff: noqa: E501 - the table has a row a line
"""Kinds and networks: which combinations are refused and with what advice, which arms are one, how depth is written."""

import pytest

from dropexp.cli.arguments import gather, overrides
from dropexp.errors import ConfigError
from dropexp.experiment.config import Config, Model
from dropexp.experiment.identity import canonical
from dropexp.experiment.kinds import KINDS
from dropexp.experiment.layout import site_rates
from dropexp.experiment.leaves import spell
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text


def study(text, *options):
    return parse(read_text(text, "s.yaml"), options)


def said(text):
    with pytest.raises(ConfigError) as caught:
        study(text)
    return str(caught.value)


CNN, LSTM = "model: {kind: cnn}\n", "model: {kind: lstm}\n"
WRONG = [  # what is written, what the one sentence says is wrong and would be right
    ("dropout: {kind: spatial}", "spatial masks feature maps, but hidden.1 has no height", "use model.kind cnn and placement [conv]"),
    (CNN + "dropout: {kind: spatial}", "hidden.1 has no height and width", "use placement [conv]"),
    (CNN + "dropout: {kind: spatial, placement: [conv, input]}", "input has no height and width", "use placement [conv]"),
    (CNN + "dropout: {kind: dropblock, placement: [all]}", "input has no height and width", "use placement [conv]"),
    ("dropout: {kind: dropblock}", "dropblock masks feature maps, but hidden.1 has no height", "use model.kind cnn and placement [conv]"),
    ("dropout: {kind: alpha}", "alpha keeps the mean and variance of selu only, but model.activation is relu", "use selu"),
    ("model: {kind: lstm, activation: selu}\ndropout: {kind: alpha, placement: [recurrent]}", "recurrent.1 holds states of the lstm", "use placement [hidden]"),
    ("model: {kind: lstm, activation: selu}\ndropout: {kind: alpha, placement: [output]}", "output holds states of the lstm", "use placement [hidden]"),
    ("dropout: {kind: variational}", "variational shares a mask over time, but this mlp has no time steps", "use model.kind lstm, or bernoulli"),
    (CNN + "dropout: {kind: variational}", "variational shares a mask over time, but this cnn has no time steps", "use model.kind lstm, or bernoulli"),
    (CNN + "dropout: {kind: dropconnect, placement: [conv]}", "dropconnect masks the weights of dense layers, but conv.1 is not one", "use placement [hidden]"),
    ("dropout: {kind: dropconnect, placement: [input, hidden]}", "but input is not one", "use placement [hidden]"),
    (LSTM + "dropout: {kind: dropconnect, placement: [output]}", "but output is not one", "use placement [hidden]"),
    ("dropout: {placement: [recurrent]}", "this mlp has no place 'recurrent'", "its places are input, hidden, last, all, hidden.1"),
    ("dropout: {placement: [between]}", "this mlp has no place 'between'", "its places are input, hidden, last, all, hidden.1"),
    ("model: {hidden: []}\ndropout: {placement: [last]}", "this mlp has no place 'last'", "its places are input, all"),
    ("dropout: {recurrent: sequence}", "dropout.recurrent has no effect in this study", "it needs model.kind lstm"),
    (CNN + "dropout: {recurrent: candidate, placement: [conv]}", "dropout.recurrent has no effect in this study", "it needs model.kind lstm"),
    (LSTM + "dropout: {placement: [input], recurrent: sequence}", "sequence applies to the place recurrent", "add recurrent to placement"),
    (LSTM + "dropout: {kind: variational, placement: [recurrent], recurrent: step}", "dropout.recurrent has no effect", "dropout.kind other than variational"),
    (LSTM + "dropout: {placement: [between]}", "the place between is between two LSTM layers, but model.layers is 1", "use 2 or more"),
    (LSTM + "dropout: {placement: [input], rate_at: {between: 0.2}}", "the place between is between two LSTM layers, but model.layers is 1", "use 2 or more"),
    (LSTM + "dropout: {placement: [between.1]}", "the place between.1 is between two LSTM layers, but model.layers is 1", "use 2 or more"),
    ("model: {kind: lstm, layers: 2}\ndropout: {placement: [between.2]}", "this lstm has no place 'between.2'", "its places are input, recurrent, between, output"),
    (LSTM, "this lstm has no place 'hidden'", "its places are input, recurrent, output"),
    ("model: {norm: batch}\ndropout: {kind: dropconnect, at_test: moments}", "moments needs the activation right after the affine map", "model.norm batch is in between"),
    ("model: {norm: layer}\ndropout: {kind: dropconnect, at_test: moments}", "moments needs the activation right after the affine map", "model.norm layer is in between"),
    ("dropout: {at_test: moments}", "dropout.at_test has no effect", "it needs dropout.kind dropconnect"),
    ("dropout: {group_size: 65}", "65 is more than training.batch_size 64", "write batch"),
    ("dropout: {group_size: 9, kind: dropconnect}\ntraining: {batch_size: 8}", "9 is more than training.batch_size 8", "write batch"),
    ("dropout: {kind: gaussian, group_size: 3}", "dropout.group_size has no effect", "it needs dropout.kind bernoulli, vanilla, unscaled, spatial, dropconnect or variational"),
    ("dropout: {kind: batch_shared, group_size: 3}", "dropout.group_size has no effect", "it needs dropout.kind bernoulli"),
    ("dropout: {group_size: 0}", "group_size", "1"),
    ("dropout: {group_size: all}", "group_size", "batch"),
    ("dropout: {block_size: 5}", "dropout.block_size has no effect", "it needs dropout.kind dropblock"),
    ("dropout: {schedule: {begin: 0.5}}", "dropout.schedule.begin has no effect", "dropout.schedule.shape linear"),
    ("dropout: {schedule: {shape: early, end: 0.5}}", "dropout.schedule.end has no effect", "dropout.schedule.shape linear"),
    ("dropout: {schedule: {epochs: 5}}", "dropout.schedule.epochs has no effect", "early, late or linear"),
    ("dropout: {schedule: linear}", "'linear' is not a mapping", "schedule: {shape: linear}"),
    ("model: {units: 32}", "units belongs to an lstm, but model.kind is mlp", "write hidden: [32], or set model.kind lstm"),
    ("model: {kind: cnn, pool: null}", "model.pool: null is not a value here", "leave the key out for max, or write none for no pooling"),
    ("model: {kind: cnn, kernel: null}", "model.kernel: null is not a value here", "leave the key out for 3"),
    ("model: {kind: lstm, layers: null}\ndropout: {placement: [input]}", "model.layers: null is not a value here", "leave the key out for 1"),
    ("model: {kind: lstm, channels: [3]}\ndropout: {placement: [input]}", "channels belongs to a cnn, but model.kind is lstm", "leave it out, or set model.kind cnn"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wrong", "right"), WRONG)
def test_wrong_combinations_say_what_would_be_right(text, wrong, right):
    message = said(text)
    assert message.startswith("s.yaml:")
    assert "\n" not in message, "one mistake, one sentence"
    assert wrong in message
    assert right in message.partition(wrong)[2] or wrong in ("group_size",)


RIGHT = [
    CNN + "dropout: {kind: spatial, placement: [conv]}",
    CNN + "dropout: {kind: dropblock, placement: [conv.2], block_size: 2}",
    "model: {activation: selu}\ndropout: {kind: alpha, placement: [input, hidden]}",
    "model: {kind: lstm, activation: selu, hidden: [9]}\ndropout: {kind: alpha}",
    "model: {kind: lstm, layers: 2}\ndropout: {kind: variational, placement: [all]}",
    "model: {kind: lstm, layers: 2}\ndropout: {placement: [between, recurrent.2], recurrent: candidate}",
    CNN + "dropout: {kind: dropconnect, group_size: batch}",
    "dropout: {kind: dropconnect, at_test: moments}",
    "dropout: {group_size: 64}",
    "model: {activation: relu}\ndropout: {kind: alpha, rate: 0}",
    LSTM + "dropout: {placement: [input, between], rate: 0}",
    "dropout: {schedule: {shape: linear, begin: 1, end: 0.5, epochs: 3}}",
]


@pytest.mark.parametrize("text", RIGHT)
def test_what_the_advice_leads_to_is_accepted(text):
    assert len(study(text).arms) == 1


def test_every_kind_says_what_it_is():
    for kind in KINDS.values():
        assert kind.source
        assert kind.means
        assert kind.needs in ("", "map", "selu", "dense", "lstm")


# --- which arms are one ---


def ids(text):
    return [arm.arm_id for arm in study(text).arms]


def test_groups_of_one_are_bernoulli_and_groups_of_the_batch_are_batch_shared():
    sizes = "sweep: {dropout.group_size: [null, 1, 2, batch], dropout.kind: [bernoulli, batch_shared]}"
    none, shared, one, shared_1, two, shared_2, batch, shared_b = ids(sizes)
    assert none == one
    assert len({shared, shared_1, shared_2, shared_b, batch}) == 1
    assert len({none, two, batch}) == 3


@pytest.mark.parametrize("kind", ["vanilla", "unscaled", "dropconnect"])
def test_groups_of_other_kinds_keep_their_kind(kind):
    none, one, two, batch, shared = ids(
        f"sweep:\n- {{dropout.group_size: [null, 1, 2, batch], dropout.kind: [{kind}]}}\n- {{dropout.kind: [batch_shared]}}"
    )
    assert none == one
    assert len({none, two, batch, shared}) == 4


def orders(kind, activation, *names, model=""):
    return ids(
        f"model: {{norm: batch, activation: {activation}{model}}}\ndropout: {{kind: {kind}}}\n"
        f"sweep: {{model.order: [{', '.join(names)}]}}"
    )


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "linear"])
@pytest.mark.parametrize("kind", ["bernoulli", "vanilla", "unscaled", "batch_shared", "fixed_count"])
def test_factors_that_are_never_negative_commute_with_what_keeps_the_sign(kind, activation):
    for pair in (("NAD", "NDA"), ("ADN", "DAN")):
        one, other = orders(kind, activation, *pair)
        assert one == other
    assert len(set(orders(kind, activation, "NAD", "AND", "ADN", "DNA"))) == 4
    assert len(set(orders(kind, "tanh", "NAD", "NDA"))) == 2


@pytest.mark.parametrize("kind", ["gaussian", "uniform"])
def test_signed_factors_do_not_commute_with_relu(kind):
    assert KINDS[kind].signed
    assert len(set(orders(kind, "relu", "NAD", "NDA", "ADN", "DAN", "AND", "DNA"))) == 6


def test_alpha_does_not_commute_with_selu():
    assert KINDS["alpha"].signed
    assert len(set(orders("alpha", "selu", "NAD", "NDA"))) == 2


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_dropconnect_ignores_where_dropout_stands_in_the_order(activation):
    before = orders("dropconnect", activation, "NAD", "NDA", "DNA")
    after = orders("dropconnect", activation, "AND", "ADN", "DAN")
    assert len(set(before)) == len(set(after)) == 1
    assert before[0] != after[0]


@pytest.mark.parametrize(("activation", "sides"), [("tanh", 2), ("relu", 1)])
def test_without_a_norm_only_the_side_of_the_activation_is_left(activation, sides):
    made = [
        Config.model_validate({"model": {"activation": activation, "order": order}})
        for order in ("NAD", "AND", "ADN", "NDA", "DNA", "DAN")
    ]
    assert len({canonical(config) for config in made}) == sides


def test_at_rate_0_every_kind_is_one_arm():
    arms = ids("sweep: {dropout.kind: [bernoulli, vanilla, unscaled, batch_shared, gaussian, uniform, dropconnect, fixed_count]}\n"
               "dropout: {rate: 0}")  # fmt: skip
    conv = ids(CNN + "dropout: {rate: 0, placement: [conv]}\nsweep: {dropout.kind: [bernoulli, spatial, dropblock]}")
    time = ids(LSTM + "dropout: {rate: 0, placement: [recurrent]}\nsweep: {dropout.kind: [bernoulli, variational]}")
    selu = ids("model: {activation: selu}\ndropout: {rate: 0}\nsweep: {dropout.kind: [bernoulli, alpha]}")
    mode = ids(
        LSTM + "dropout: {rate: 0, placement: [recurrent]}\nsweep: {dropout.recurrent: [step, sequence, candidate]}"
    )
    for found in (arms, conv, time, selu, mode):
        assert len(set(found)) == 1
    masked = "dropout: {rate: 0}\nsweep: {dropout.schedule.shape: [constant, early, late, linear], dropout.group_size: [1, 4]}"
    assert len(set(ids(masked))) == 1


def test_at_a_rate_every_kind_is_its_own_arm():
    names = [name for name, kind in KINDS.items() if kind.needs in ("", "dense")]
    assert len(names) == 8
    assert len(set(ids(f"sweep: {{dropout.kind: [{', '.join(names)}]}}"))) == 8


def test_what_a_kind_does_not_read_makes_no_other_arm():
    lead = "sweep: {dropout.kind: [dropconnect, bernoulli], dropout.at_test: [mean, moments]}"
    assert len(set(ids(lead))) == 3
    blocks = (
        CNN + "dropout: {placement: [conv]}\nsweep: {dropout.kind: [dropblock, spatial], dropout.block_size: [2, 3]}"
    )
    assert len(set(ids(blocks))) == 3
    schedule = "sweep: {dropout.schedule.shape: [constant, early, linear], dropout.schedule.epochs: [3, 4]}"
    assert len(set(ids(schedule))) == 5


# --- depth ---


DEEP = [
    ("64*8", (64,) * 8),
    ("[128, 64*2]", (128, 64, 64)),
    ("[64*2, 32]", (64, 64, 32)),
    ("'[64] * 3'", (64,) * 3),
    ("64 * 3", (64,) * 3),
    ("64", (64,)),
    ("[]", ()),
]


@pytest.mark.parametrize(("text", "expected"), DEEP)
def test_so_many_layers_of_a_width_in_a_file(text, expected):
    place = "[hidden]" if expected else "[input]"
    made = study(f"model: {{hidden: {text}}}\ndropout: {{placement: {place}}}")
    assert made.base.model.hidden == expected
    assert Config.model_validate({"model": {"hidden": expected}}).model == made.base.model


def test_so_many_layers_of_a_width_in_a_sweep_and_as_channels():
    made = study("sweep: {model.hidden: [64*2, 64, [128, 64*2]]}")
    assert [arm.value("model.hidden") for arm in made.arms] == [(64, 64), (64,), (128, 64, 64)]
    assert study("model: {kind: cnn, channels: 8*2}").base.model.channels == (8, 8)
    assert len(set(ids("sweep: {model.hidden: [64*2, [64, 64]]}"))) == 1


SET = [
    ("model.hidden=64*2,128+64*2", [(64, 64), (128, 64, 64)]),
    ("model.hidden=64*2", [(64, 64)]),
    ("model.hidden=64,64*3+9", [(64,), (64, 64, 64, 9)]),
]


@pytest.mark.parametrize(("typed", "expected"), SET)
def test_so_many_layers_of_a_width_on_the_command_line(typed, expected):
    _, words = gather(["--set", typed])
    made = study("{}", *overrides({}, [words]))
    assert [arm.value("model.hidden") for arm in made.arms] == expected
    assert spell(expected[0]) == "+".join(map(str, expected[0]))


@pytest.mark.parametrize("text", ["64*x", "x*2", "64.5*2", "64*2*2", "-64*2", "[128, 64*x]", "0*3"])
def test_what_is_no_width_times_a_number_is_refused(text):
    assert "model.hidden" in said(f"model: {{hidden: {text}}}")


def test_rates_of_single_layers():
    def rates(dropout, **model):
        config = Config.model_validate({"dropout": dropout, "model": model})
        return site_rates(config.dropout, config.model)

    deep = {"hidden": "64*4"}
    assert rates({"rate": 0.5, "rate_at": {"hidden.1": 0.2}}, **deep) == {
        "hidden.1": 0.2, "hidden.2": 0.5, "hidden.3": 0.5, "hidden.4": 0.5,
    }  # fmt: skip
    assert rates({"rate": 0.5, "rate_at": {"hidden.4": 0, "hidden": 0.3, "input": 0.1}}, **deep) == {
        "input": 0.1, "hidden.1": 0.3, "hidden.2": 0.3, "hidden.3": 0.3,
    }  # fmt: skip
    assert rates({"rate": 0.5, "rate_at": {"all": 0.1, "last": 0.4}}, **deep)["hidden.4"] == 0.4
    lstm = {"kind": "lstm", "layers": 2}
    assert rates({"rate": 0.5, "placement": ["all"], "rate_at": {"recurrent.2": 0.2, "output": 0.1}}, **lstm) == {
        "input": 0.5, "recurrent.1": 0.5, "between.1": 0.5, "recurrent.2": 0.2, "output": 0.1,
    }  # fmt: skip
    assert "no place 'hidden.5'" in said("model: {hidden: 64*4}\ndropout: {rate_at: {hidden.5: 0.2}}")


def test_the_shorthand_leaves_no_trace():
    assert Model(hidden="64*2") == Model(hidden=[64, 64])
    assert spell(Model(hidden="64*2").hidden) == "64+64"
