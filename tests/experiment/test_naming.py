"""What axes and values are called where people read, and in names of files, which stay as they were."""

import pytest

from dropexp.experiment.leaves import folded
from dropexp.experiment.naming import called, headings, keys


@pytest.mark.parametrize(
    "path,word,key",
    [
        ("model.hidden", "hidden layers", "hidden"),
        ("data.label_noise", "wrong labels", "label_noise"),
        ("data.train_size", "train size", "train_size"),
        ("dropout.kind", "dropout", "dropout"),
        ("a column_of others", "a column of others", "a column_of others"),
    ],
)
def test_an_axis_is_called_by_its_field(path, word, key):
    assert called(path) == headings((path,))[path] == word
    assert keys((path,))[path] == key


def test_two_axes_that_read_alike_have_two_names():
    paths = ("dropout.schedule.epochs", "training.epochs")
    assert list(headings(paths).values()) == ["schedule.epochs", "training.epochs"]


@pytest.mark.parametrize(
    "value,shown",
    [
        ((64,) * 8, "64*8"),
        ((64,), "64"),
        ((256, 256), "256+256"),
        ((64, 64, 64, 32), "64*3+32"),
        ((), "none"),
        (None, "none"),
    ],
)
def test_equal_layers_are_counted(value, shown):
    assert folded("model.hidden", value) == shown
