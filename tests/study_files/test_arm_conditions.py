"""Arms by what is said of them: paths by their last part, values as on the command line, sentences for the rest."""

import pytest

from dropexp.errors import UsageError
from dropexp.experiment.foreign_study import Foreign, ForeignArm
from dropexp.study_files.arm_conditions import pick
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text

STUDY = parse(
    read_text(
        "model: {norm: batch}\nsweep: {dropout.rate: [0, 0.5], model.order: [NAD, DNA],"
        " dropout.placement: [hidden, [input, hidden]], early_stopping.patience: [null, 5]}",
        "s.yaml",
    )
)


@pytest.mark.parametrize(
    "conditions, count",
    [
        ((), 16),
        (("rate=0.5",), 8),
        (("dropout.rate=0.50",), 8),
        (("rate=5e-1", "order=DNA"), 4),
        (("order=dropout-norm-activation",), 8),
        (("order=norm > relu > dropout",), 8),
        (("placement=hidden+input", "patience=none"), 4),
        (("patience=off", "rate=0", "order=NAD", "placement=hidden"), 1),
        (("norm=batch",), 16),
    ],
)
def test_conditions_pick_arms(conditions, count):
    assert len(pick(STUDY, conditions).arms) == count


@pytest.mark.parametrize(
    "condition, says",
    [
        ("rate", "write PATH=VALUE"),
        ("=0.5", "write PATH=VALUE"),
        ("rat=0.5", "did you mean 'rate'"),
        ("rate=0.3", "no arm of s has this; its values of rate are 0, 0.5"),
        ("shape=early", "shape may be dropout.schedule.shape or training.schedule.shape; write one"),
        ("zzzz=1", "not the path of a field; the axes of s are dropout.rate"),
    ],
)
def test_what_picks_nothing_is_said(condition, says):
    with pytest.raises(UsageError, match=says):
        pick(STUDY, [condition])


def test_columns_of_others_are_picked_by_their_names():
    arms = tuple(
        ForeignArm((("optimizer", word), ("dropout.rate", rate))) for word in ("sgd", "adam") for rate in (0, 0.5)
    )
    study = Foreign("theirs", (0,), arms)
    assert pick(study, ["optimizer=adam", "rate=0.5"]).arms == (arms[3],)
    assert pick(study, ["dropout.rate=0"]).paths == ("dropout.rate",)
