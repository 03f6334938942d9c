"""Files as data frames: every number as Python reads it, and the line of a cell that is none."""

import math

import pytest

from dropexp.errors import StoreError
from dropexp.rows import COLUMNS
from dropexp.store.frames import framed

NAME = "probes.csv"


def lines(*values):
    """One row of probes.csv a value."""
    assert COLUMNS[NAME] == ("run_id", "epoch", "probe", "layer", "at", "value")
    return [f"r{i},{i + 1},p,l,,{value}\n" for i, value in enumerate(values)]


@pytest.mark.parametrize("others", [(), ("1_0",)], ids=["at a glance", "cell by cell"])
def test_numbers_are_those_that_python_reads(tmp_path, others):
    cells = ["0.1", "1e-320", "0.30000000000000004", "inf", "nan", "", "17", "-1.7976931348623157e308", *others]
    found = framed(tmp_path / NAME, lines(*cells))["value"].tolist()
    for cell, number in zip(cells, found, strict=True):
        expected = float(cell or "nan")
        assert number == expected or (math.isnan(number) and math.isnan(expected))


@pytest.mark.parametrize("word", ["True", "false", "NULL", "1e", "0x10", "1;5"])
def test_a_word_among_numbers_is_named_with_its_line(tmp_path, word):
    with pytest.raises(StoreError, match=f"{NAME}:4: value: '{word}' is not a number; the file was edited"):
        framed(tmp_path / NAME, lines(0.5, 0.25, word))


def test_a_count_that_is_no_number_is_named_with_its_line(tmp_path):
    spoilt = [lines(0.5)[0], lines(0.5, 0.5)[1].replace(",2,", ",nan,")]
    with pytest.raises(StoreError, match=f"{NAME}:3: epoch: 'nan' is not a whole number"):
        framed(tmp_path / NAME, spoilt)


def test_a_frame_that_is_changed_leaves_the_next_one_whole(tmp_path):
    mine = framed(tmp_path / NAME, lines(1, 2))
    mine.loc[0, "value"] = 7.0
    assert framed(tmp_path / NAME, lines(1, 2))["value"].tolist() == [1.0, 2.0]
    assert framed(tmp_path / NAME, lines(1, 3))["value"].tolist() == [1.0, 3.0]
