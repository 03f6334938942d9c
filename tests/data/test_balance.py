"""How many examples each class has, and what always guessing one of them scores."""

import numpy as np
import pytest

from dropexp.data import Dataset, balance, load
from dropexp.experiment.config import Data
from dropexp.experiment.sources import SOURCES


def made(y, n_test=None, classes=("cat", "dog", "cow")):
    return Dataset("made", np.zeros((len(y), 2), np.float32), np.array(y), n_test, classes)


def test_without_a_test_set_the_largest_class_is_guessed_on_all_examples():
    found = balance(made([0, 0, 1, 0, 2]))
    assert (found.counts, found.test) == ({"cat": 3, "dog": 1, "cow": 1}, None)
    assert found.sentence == "examples per class: cat: 3, dog: 1, cow: 1; always guessing cat gives 60.0% accuracy"


def test_the_class_is_chosen_outside_the_official_test_set_and_scored_on_it():
    found = balance(made([0, 0, 1, 1, 1, 1, 0], n_test=4, classes=("cat", "dog")))
    assert found.counts == {"cat": 2, "dog": 1}
    assert found.test == {"cat": 1, "dog": 3}
    assert found.guessed == 0.25
    assert found.sentence.endswith(
        "not counting the test set; always guessing cat gives 25.0% accuracy on the test set"
    )


def test_classes_of_one_size_are_said_together():
    assert (
        balance(made([0, 1, 2])).sentence
        == "3 classes with 1 examples each; always guessing one class gives 33.3% accuracy"
    )
    many = balance(made([0, *range(40)], classes=tuple(map(str, range(40)))))
    assert "..., 39: 1" in many.sentence


def test_digits_have_the_counts_that_their_row_states(tmp_path):
    read = balance(load(Data(), folder=tmp_path))
    assert tuple(read.counts.values()) == SOURCES["digits"].in_pool
    assert read == balance(SOURCES["digits"])


@pytest.mark.parametrize("source, pool, test", [("mnist", 60_000, 10_000), ("cifar100", 50_000, 10_000)])
def test_the_counts_of_a_row_add_up(source, pool, test):
    assert (SOURCES[source].pool, SOURCES[source].test) == (pool, test)
