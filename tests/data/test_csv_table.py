"""A user's .csv: what is read, and which line and column a mistake is at."""

import numpy as np
import pytest

from dropexp.data import load
from dropexp.errors import DataError
from dropexp.experiment.config import Data


def given(tmp_path, text, label="y", encoding="utf-8", **fields):
    (tmp_path / "own.csv").write_bytes(text.encode(encoding))
    return load(Data(source="own.csv", label=label, **fields), folder=tmp_path)


READ = [
    ("a,b,y\n1,2,cat\n3,4,dog\n", [[1, 2], [3, 4]], [0, 1], ("cat", "dog")),
    ("y,a\n10,1\n9,2\n10,3\n", [[1], [2], [3]], [1, 0, 1], ("9", "10")),
    ("a, b, y\r\n1, 2e1, x\r\n\r\n-3, 4., y\r\n\r\n", [[1, 20], [-3, 4]], [0, 1], ("x", "y")),
    ("\ufeffa,y\n1,1.0\n2,2.0\n", [[1], [2]], [0, 1], ("1", "2")),
    ('a,y\n"1","x, \nz"\n2,b\n', [[1], [2]], [1, 0], ("b", "x, \nz")),
    ("a,y\n1,NA\n2,null\n", [[1], [2]], [0, 1], ("NA", "null")),
    ("a,a,y\n1,2,1\n3,4,2\n", [[1, 2], [3, 4]], [0, 1], ("1", "2")),
    ("a,y\n1,1_0\n2,2\n", [[1], [2]], [0, 1], ("1_0", "2")),
    ("a;y\n1.5;u\n2;v\n", [[1.5], [2]], [0, 1], ("u", "v")),
    ('\ufeff"a"\ty\r\n1.5\tu\r\n2\tv, w\r\n', [[1.5], [2]], [0, 1], ("u", "v, w")),
    ("height, cm;y\n1,5;u\n-2,25e1;v\n3;u\n", [[1.5], [-22.5], [3]], [0, 1, 0], ("u", "v")),
    ("a;y\n3;u\n0,5;v\n1,234;u\n", [[3], [0.5], [1.234]], [0, 1, 0], ("u", "v")),
    ('a,y\n"1,5",u\n"2,25",v\n', [[1.5], [2.25]], [0, 1], ("u", "v")),
    ("a;b,y\n1,2\n3,4\n", [[1], [3]], [0, 1], ("2", "4")),
    ("1,2,y\n5,6,u\n7,8,v\n", [[5, 6], [7, 8]], [0, 1], ("u", "v")),
    ('a, "b, c", y\n1, 2, "u"\n3, 4, v\n', [[1, 2], [3, 4]], [0, 1], ("u", "v")),
    ("a,y\n123456789012345678901234567890,1\n2,2\n", [[1.2345679e29], [2]], [0, 1], ("1", "2")),
]


@pytest.mark.parametrize("text, x, y, classes", READ)
def test_numbers_and_labels(tmp_path, text, x, y, classes):
    found = given(tmp_path, text)
    assert found.x.dtype == np.float32
    np.testing.assert_array_equal(found.x, np.array(x, np.float32))
    assert found.y.tolist() == y
    assert found.classes == classes
    assert found.kind == "vector"
    assert found.n_test is None


MISTAKES = [
    ("", "is empty; its first line must name the columns"),
    ("a,b,y\n", "has a header and no rows"),
    ("a,b,Y\n1,2,3\n", "has no column 'y' (data.label); its columns are a, b, Y; did you mean 'Y'?"),
    ("a,y,y\n1,2,3\n", "has more than one column 'y'"),
    ("y\n1\n2\n", "'y' is its only column"),
    ("a;b;z\n1;2;3\n", "has no column 'y' (data.label); its columns are a, b, z"),
    ("5.1,3.5,setosa\n4.9,3,setosa\n", "its first line holds numbers (5.1, 3.5, setosa) but must name the columns"),
    ("a|y\n1|2\n", "its columns are a|y; cells are separated by commas, semicolons or tabs"),
    ("sep=;\na;y\n1;2\n3;4\n", "its first line, 'sep=', is understood by one program only; remove it"),
    ("1;2\n3;4\n", "add a line above it, such as x1;y"),
    ("a;y\n1,234;u\n2;v\n", "line 2, column 'a': '1,234' could mean 1234 or 1.234; write it without the comma"),
    (
        "a;y\n3;u\n1,5;v\n2.5;v\n",
        "line 3, column 'a': '1,5' has a decimal comma, but '2.5' in line 4 has a decimal point",
    ),
    ("a;y\n1.234,5;u\n2;v\n", "line 2, column 'a': '1.234,5' is not a number"),
    ("a,b,y\n1,2,cat\n\n3,,dog\n", "line 4, column 'b': the cell is empty; 1 cell in 1 of 2 lines is blank (b 1)"),
    (
        "a,b,y\n1,?,cat\n,NA,dog\n3,4,\n",
        "line 2, column 'b': '?' stands for a blank cell; 4 cells in 3 of 3 lines are blank (a 1, b 2, y 1): set data.blanks",
    ),
    (",b,y\n,2,cat\n,4,dog\n", "blank in all lines: column 1; leave it out with data.ignore: [column 1]"),
    ("a,b,y\n1,2,cat\n3,4\n", "line 3 has 2 cells, but the header names 3 columns"),
    ("a,b,y\n1,2,cat\n3,4,dog,7\n", "line 3 has 4 cells, but the header names 3 columns"),
    ("a,b,y\n1,2,3,cat\n4,5,6,dog\n", "line 2 has 4 cells, but the header names 3 columns"),
    ("y,a,b\n1,2,3,0\n4,5,6,1\n", "line 2 has 4 cells, but the header names 3 columns"),
    ('a,b,y\n1,2,"c\n3,4,c\n"\n', "has only one class, label c 3,4,c, in all of its rows (1)"),
    ('a,"b\nc",d\n1,2,3\n', "has no column 'y' (data.label); its columns are a, b c, d"),
    ("a,b,y\n1,2,\n3,4,dog\n", "line 2, column 'y': the cell is empty"),
    ("a,b,y\n1,nan,cat\n3,4,dog\n", "line 2, column 'b': 'nan' stands for a blank cell"),
    ("a,b,y\n1,2,cat\n3,-inf,dog\n", "line 3, column 'b': '-inf' is not a finite number"),
    ("a,b,y\n1,1e39,cat\n3,4,dog\n", "line 2, column 'b': '1e39' is too large for a 32-bit float"),
    (
        "a,b,y\n1,red,cat\n3,4,dog\n",
        "line 2, column 'b': 'red' is not a number; give numbers only, or remove the line, or leave the column out with",
    ),
    (
        "a,b,y\n1,True,cat\n3,False,dog\n",
        "line 2, column 'b': 'True' is not a number; the column holds text: leave it out with data.ignore: [b]",
    ),
    (
        "p,'q: r',a,y\nx,y,1,cat\nz,,2,dog\n",
        "2 columns hold text: leave them out with data.ignore: [p, \"'q: r'\"], or write numbers for the words",
    ),
    ("p,a,y\nu,1,cat\nv,2,dog\nw,o,dog\n", "line 4, column 'a': 'o' is not a number; give numbers only"),
    ("a,b,y\n1,1_000,cat\n3,4,dog\n", "line 2, column 'b': '1_000' is not a number"),
    ('a,y\n1,"x\ny"\n2,b\nz,b\n', "line 5, column 'a': 'z' is not a number"),
    ("a,y\n1,2\n\n2,1.5\n", "column 'y', line 4: label 1.5 is not a whole number"),
    ("a,y\n1,7\n2,7\n", "has only one class, label 7, in all of its rows (2)"),
    ("a,y\n1\0,2\n3,4\n", "line 2"),
    (",".join("a" * 100_001), "its first line names 100,001 columns; at most 100,000 are allowed"),
    ("a" * 4_000_000, "line 1 has 4,000,000 characters or more"),
    ("a,y\n" + "1" * 5_000_000 + ",2\n", "line 2 has 4,000,000 characters or more"),
    ("a,y\n" + "9" * 5000 + ",2\n", "99...' is not a finite number"),
    ('a,y\n"1,2\n3,4\n', "has 1 cells, but the header names 2 columns"),
]


@pytest.mark.parametrize("text, message", MISTAKES)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(DataError) as caught:
        given(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'own.csv'}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


WINE = "id;name;a;b;kind\n1;x;1,5;2;u\n2;y;;3;v\n3;z;2,5;?;u\n4;x;3,5;4;v\n"


def test_what_was_recognised_is_said(tmp_path):
    found = given(tmp_path, WINE, "kind", ignore=("id", "name"), blanks="mean")
    assert found.notes == (
        "read as vectors (N, F) of 2 features",
        "2 of the 5 columns are inputs, 'kind' is the label, left out: id, name",
        "cells are separated by semicolons",
        "numbers have decimal commas, as in '1,5'",
        "2 cells in 2 of 4 lines are blank (a 1, b 1): filled in with the mean of the training examples of each split",
        "2 classes: u -> 0, v -> 1",
    )
    np.testing.assert_array_equal(found.x, np.array([[1.5, 2], [np.nan, 3], [2.5, np.nan], [3.5, 4]], np.float32))


def test_lines_with_blank_cells_are_dropped_with_their_labels(tmp_path):
    found = given(tmp_path, WINE, "kind", ignore=("id", "name"), blanks="drop")
    np.testing.assert_array_equal(found.x, np.array([[1.5, 2], [3.5, 4]], np.float32))
    assert found.y.tolist() == [0, 1]
    assert "2 of 4 lines left out for blank cells (a 1, b 1)" in found.notes
    more = given(tmp_path, WINE, "kind", ignore=("id", "name", "b"), blanks="drop")
    assert more.x.tolist() == [[1.5], [2.5], [3.5]], "a blank in a column that is left out drops nothing"
    labelled = given(tmp_path, "a,y\n1,\n2,u\n3,v\n", blanks="drop")
    assert labelled.x.tolist() == [[2], [3]]


def test_a_column_that_counts_the_lines_is_pointed_out(tmp_path):
    found = given(tmp_path, "n,a,y\n7,1,u\n8,2,v\n9,4,u\n")
    assert [note for note in found.notes if "counts the lines" in note] == [
        "column 'n' counts the lines; leave it out with data.ignore if it is not a measurement"
    ]


REFUSED = [
    ("a,y\n1,u\n2,v\n", {"ignore": ("b",)}, "has no column 'b' (data.ignore); its columns are a, y"),
    ("a,y\n1,u\n2,v\n", {"ignore": ("y",)}, "'y' is named under both data.label and data.ignore"),
    ("a,y\n1,u\n2,v\n", {"ignore": ("a",)}, "'y' is its only column; data.ignore leaves out a; add numeric columns"),
    ("a,b,y\n1,,u\n,2,v\n", {"blanks": "drop"}, "every line has a blank cell (a 1, b 1), so data.blanks drop leaves no lines"),
    ("a,b,y\n1,,u\n2,,v\n", {"blanks": "mean"}, "blank in all lines: b; leave it out with data.ignore: [b]"),
    ("a,y\n1,u\n2,\n3,v\n", {"blanks": "median"}, "line 3, column 'y': the cell is empty in 1 line, and a label cannot be"),
]  # fmt: skip


@pytest.mark.parametrize("text, fields, message", REFUSED)
def test_fields_that_do_not_fit_the_file_are_refused(tmp_path, text, fields, message):
    with pytest.raises(DataError) as caught:
        given(tmp_path, text, **fields)
    assert message in str(caught.value)


def test_columns_are_ignored_as_a_set_of_words():
    assert Data(source="d.csv", label="y", ignore=["b", 2020, "a", "b"]).ignore == ("2020", "a", "b")
    assert Data(source="d.csv", label="y", ignore="id").ignore == ("id",)
    assert Data(source="d.csv", label="y", ignore=[]) == Data(source="d.csv", label="y")
    for name in ("a+b", "none", " a", "a\nb", ""):
        with pytest.raises(ValueError, match=r"rename|too_short"):
            Data(source="d.csv", label="y", ignore=[name])


def test_a_label_must_be_named_and_the_text_must_be_utf8(tmp_path):
    with pytest.raises(DataError, match=r"data\.label is not set; set it to .* one of a, y"):
        given(tmp_path, "a,y\n1,2\n3,4\n", label=None)
    with pytest.raises(DataError, match=r"is not UTF-8 text \(at byte 6\)"):
        given(tmp_path, "a,y\n1,é\n2,b\n", encoding="latin1")


def test_the_fast_and_the_slow_reader_agree(tmp_path):
    rng = np.random.default_rng(0)
    numbers, labels = rng.normal(size=(300, 2)).tolist(), rng.integers(0, 3, 300).tolist()
    rows = [f"{a!r},{b:.3g},{k}" for (a, b), k in zip(numbers, labels, strict=True)]
    fast = given(tmp_path, "a,b,y\n" + "\n".join(rows))
    # a number that no machine integer holds sends the whole table to the slow reader
    slow = given(tmp_path, "a,b,y\n" + "\n".join([*rows, f"1,{10**30},0"]))
    np.testing.assert_array_equal(fast.x, slow.x[:-1])
    assert (fast.y == slow.y[:-1]).all()


def test_rows_of_one_cell_under_many_columns_take_no_memory_for_the_others(tmp_path, monkeypatch):
    """100,000 columns and as many rows of two bytes would be ten thousand million cells to pandas, which fills rows up."""
    import pandas

    monkeypatch.setattr(pandas, "read_csv", lambda *_, **__: pytest.fail("pandas was asked"))
    text = ",".join(["y", *("a" * 99_999)]) + "\n" + "1\n" * 100_000
    with pytest.raises(DataError, match="line 2 has 1 cells, but the header names 100000 columns"):
        given(tmp_path, text)
