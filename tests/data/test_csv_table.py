"""A user's .csv: what is read, and which line and column a mistake is at."""

import numpy as np
import pytest

from dropexp.data import load
from dropexp.errors import DataError
from dropexp.experiment.config import Data


def given(tmp_path, text, label="y", encoding="utf-8"):
    (tmp_path / "own.csv").write_bytes(text.encode(encoding))
    return load(Data(source="own.csv", label=label), folder=tmp_path)


READ = [
    ("a,b,y\n1,2,cat\n3,4,dog\n", [[1, 2], [3, 4]], [0, 1], ("cat", "dog")),
    ("y,a\n10,1\n9,2\n10,3\n", [[1], [2], [3]], [1, 0, 1], ("9", "10")),
    ("a, b, y\r\n1, 2e1, x\r\n\r\n-3, 4., y\r\n\r\n", [[1, 20], [-3, 4]], [0, 1], ("x", "y")),
    ("\ufeffa,y\n1,1.0\n2,2.0\n", [[1], [2]], [0, 1], ("1", "2")),
    ('a,y\n"1","x, \nz"\n2,b\n', [[1], [2]], [1, 0], ("b", "x, \nz")),
    ("a,y\n1,NA\n2,null\n", [[1], [2]], [0, 1], ("NA", "null")),
    ("a,a,y\n1,2,1\n3,4,2\n", [[1, 2], [3, 4]], [0, 1], ("1", "2")),
    ("a,y\n1,1_0\n2,2\n", [[1], [2]], [0, 1], ("1_0", "2")),
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
    ("a;b;y\n1;2;3\n", "separated by semicolons"),
    ("a\tb\ty\n1\t2\t3\n", "separated by tabs"),
    ("a,b,y\n1,2,cat\n\n3,,dog\n", "line 4, column 'b': the cell is empty"),
    ("a,b,y\n1,2,cat\n3,4\n", "line 3 has 2 cells, and the header names 3 columns"),
    ("a,b,y\n1,2,cat\n3,4,dog,7\n", "line 3 has 4 cells, and the header names 3 columns"),
    ("a,b,y\n1,2,3,cat\n4,5,6,dog\n", "line 2 has 4 cells, and the header names 3 columns"),
    ("y,a,b\n1,2,3,0\n4,5,6,1\n", "line 2 has 4 cells, and the header names 3 columns"),
    ('a,b,y\n1,2,"c\n3,4,c\n"\n', "has one class only, label c 3,4,c in all of its rows (1)"),
    ('a,"b\nc",d\n1,2,3\n', "has no column 'y' (data.label); its columns are a, b c, d"),
    ("a,b,y\n1,2,\n3,4,dog\n", "line 2, column 'y': the cell is empty"),
    ("a,b,y\n1,nan,cat\n3,4,dog\n", "line 2, column 'b': 'nan' is not a finite number"),
    ("a,b,y\n1,2,cat\n3,-inf,dog\n", "line 3, column 'b': '-inf' is not a finite number"),
    ("a,b,y\n1,1e39,cat\n3,4,dog\n", "line 2, column 'b': '1e39' is too large for a 32-bit float"),
    ("a,b,y\n1,red,cat\n3,4,dog\n", "line 2, column 'b': 'red' is not a number"),
    ("a,b,y\n1,True,cat\n3,False,dog\n", "line 2, column 'b': 'True' is not a number"),
    ("a,b,y\n1,1_000,cat\n3,4,dog\n", "line 2, column 'b': '1_000' is not a number"),
    ('a,y\n1,"x\ny"\n2,b\nz,b\n', "line 5, column 'a': 'z' is not a number"),
    ("a,y\n1,2\n\n2,1.5\n", "column 'y', line 4: label 1.5 is not a whole number"),
    ("a,y\n1,7\n2,7\n", "has one class only, label 7 in all of its rows (2)"),
    ("a,y\n1\0,2\n3,4\n", "line 2"),
    (",".join("a" * 100_001), "its first line names 100,001 columns; 100,000 are allowed"),
    ("a" * 4_000_000, "line 1 has 4,000,000 characters or more"),
    ("a,y\n" + "1" * 5_000_000 + ",2\n", "line 2 has 4,000,000 characters or more"),
    ("a,y\n" + "9" * 5000 + ",2\n", "99...' is not a finite number"),
    ('a,y\n"1,2\n3,4\n', "has 1 cells, and the header names 2 columns"),
]


@pytest.mark.parametrize("text, message", MISTAKES)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(DataError) as caught:
        given(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'own.csv'}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


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
    with pytest.raises(DataError, match="line 2 has 1 cells, and the header names 100000 columns"):
        given(tmp_path, text)
