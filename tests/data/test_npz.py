"""A user's .npz: every layout that is read, and every mistake that is named."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dropexp.data import load
from dropexp.errors import DataError
from dropexp.experiment.config import Data

Y = np.arange(20) % 2


def given(tmp_path, **arrays):
    np.savez(tmp_path / "own.npz", **arrays)
    return load(Data(source="own.npz"), folder=tmp_path)


LAYOUTS = [
    ((20, 6), (6,), "read as vectors (N, F) of 6 features"),
    ((20, 5, 4), (1, 5, 4), "read as images of one channel (N, H, W)"),
    ((20, 2, 5, 6), (2, 5, 6), "read as channels first (N, C, H, W)"),
    ((20, 3, 5, 6), (3, 5, 6), "read as channels first (N, C, H, W)"),
    ((20, 5, 6, 1), (1, 5, 6), "read as channels last (N, H, W, C), because the last axis of x has size 1"),
    ((20, 5, 6, 3), (3, 5, 6), "read as channels last (N, H, W, C), because the last axis of x has size 3"),
    ((20, 3, 6, 4), (4, 3, 6), "if the channels come first, transpose to (N, H, W, C)"),
]


@pytest.mark.parametrize("shape, example, note", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.float16, np.int32, bool])
def test_layouts(tmp_path, shape, example, note, dtype):
    x = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    found = given(tmp_path, x=x, y=Y)
    assert found.example == example
    assert found.kind == ("vector" if len(shape) == 2 else "image")
    assert found.x.dtype == (np.uint8 if dtype in (np.uint8, bool) and len(shape) > 2 else np.float32)
    assert found.x.flags.c_contiguous
    assert note in found.notes[0]
    assert found.n_test is None
    if "channels last" in found.notes[0]:
        x = x.transpose(0, 3, 1, 2)
    assert (found.x.reshape(x.shape) == x).all()


def test_an_official_test_set_comes_last(tmp_path):
    x = np.arange(60.0).reshape(20, 3)
    found = given(tmp_path, x_train=x[:12], y_train=Y[:12], x_test=x[12:], y_test=Y[12:], more=Y)
    assert found.n_test == 8
    assert (found.x == x).all()
    assert (found.y == Y).all()
    assert "ignored: the arrays more" in found.notes
    assert given(tmp_path, x_train=x, y_train=Y).n_test is None


def test_8_bit_and_float_parts_meet_as_float(tmp_path):
    x = np.ones((10, 4, 5))
    found = given(tmp_path, x_train=x.astype(np.uint8), y_train=Y[:10], x_test=x * 0.5, y_test=Y[:10])
    assert found.x.dtype == np.float32
    assert found.x[10:].max() == 0.5


LABELS = [
    (np.array([7, -3] * 10), ("-3", "7"), "2 classes: -3 -> 0, 7 -> 1"),
    (np.array([10, 9] * 10, np.uint8), ("9", "10"), "9 -> 0, 10 -> 1"),
    (np.array([1.0, 0.0] * 10), ("0", "1"), "labels 0 to 1 as given"),
    (np.array([True, False] * 10), ("0", "1"), "labels 0 to 1 as given"),
    (np.array(["cat", "ape"] * 10), ("ape", "cat"), "ape -> 0, cat -> 1"),
    (np.array([b"cat", b"ape"] * 10), ("ape", "cat"), "ape -> 0, cat -> 1"),
    (np.array([[3], [2]] * 10), ("2", "3"), "2 -> 0, 3 -> 1"),
    (np.arange(20) * 5, tuple(str(5 * k) for k in range(20)), "45 -> 9, ..., 95 -> 19"),
]


@pytest.mark.parametrize("labels, classes, note", LABELS)
def test_labels_are_sorted_and_their_mapping_is_told(tmp_path, labels, classes, note):
    found = given(tmp_path, x=np.zeros((20, 2)), y=labels)
    assert found.classes == classes
    assert found.y.dtype == np.int64
    words = labels.reshape(-1)
    words = np.char.decode(words) if words.dtype.kind == "S" else words
    assert all(classes[k] == str(v if words.dtype.kind == "U" else int(v)) for k, v in zip(found.y, words, strict=True))
    assert note in found.notes[-1]


def test_a_class_that_only_the_test_set_has_is_told(tmp_path):
    x = np.zeros((20, 2))
    found = given(tmp_path, x_train=x, y_train=Y, x_test=x[:3], y_test=np.array([0, 1, 5]))
    assert found.notes[-1] == "no training example has label 5, but the official test set does"


def holed(value):
    x = np.zeros((20, 3))
    x[7, 1] = value
    return x


X = np.zeros((20, 3))
MISTAKES = [
    ({"x": X, "y": Y[:19]}, "x has 20 rows and y has 19"),
    ({"x": X}, "has no array 'y', only x"),
    ({"X": X, "y": Y}, "has no array 'x', only X, y; give x and y, or x_train, y_train"),
    ({"images": X, "target": Y}, "has no array 'x_train', only images, target"),
    ({"x_train": X, "y_train": Y, "x_test": X}, "has no array 'y_test'"),
    ({"x": X, "y": Y, "x_train": X}, "give either x and y, or x_train and y_train"),
    ({"x": np.array([[1], [2, 3]], object), "y": Y[:2]}, "x is an object array"),
    ({"x": X, "y": np.array(["a", None] * 10, object)}, "y is an object array"),
    ({"x": holed(np.nan), "y": Y}, "x, row 7 (counted from 0): nan is not a finite number; 1 of 20 rows"),
    ({"x": holed(-np.inf), "y": Y}, "x, row 7 (counted from 0): -inf is not a finite number"),
    ({"x": holed(1e300), "y": Y}, "x, row 7 (counted from 0): 1e+300 is too large for a 32-bit float"),
    ({"x": X + 1j, "y": Y}, "x holds complex numbers"),
    ({"x": X.astype(str), "y": Y}, "x holds words"),
    ({"x": X[:, 0], "y": Y}, "x has shape (20,); it must be (N, F)"),
    ({"x": X.reshape(20, 1, 1, 1, 3), "y": Y}, "x has shape (20, 1, 1, 1, 3)"),
    ({"x": X[:, :0], "y": Y}, "its examples are empty"),
    ({"x": X[:0], "y": Y[:0]}, "x has no rows"),
    ({"x": np.float64(3), "y": Y}, "x is not an array of examples"),
    ({"x": X, "y": Y + 0.5}, "label 0.5 is not a whole number"),
    ({"x": X, "y": np.full(20, np.nan)}, "label nan is not a whole number"),
    ({"x": X, "y": Y * 0 + 4}, "has only one class, label 4, in all of its rows (20)"),
    ({"x": X, "y": np.eye(2)[Y]}, "argmax(axis=1)"),
    ({"x": X, "y": np.array([0, 2**63] * 10, np.uint64)}, "labels as numbers must be below 2**63"),
    ({"x": np.zeros((20_000, 1)), "y": np.arange(20_000)}, "has 20,000 different labels in 20,000 rows"),
    ({"x": X[:2], "y": np.array([0x110000, 65], "u4").view("U1")}, "y holds numbers that are not characters"),
    ({"x": X, "y": Y.astype("M8[D]")}, "y holds dates"),
    ({"x": X, "y": np.array([b"\xff", b"a"] * 10)}, "y holds bytes that are not UTF-8"),
    ({"x_train": X, "y_train": Y, "x_test": X[:, :2], "y_test": Y}, "x_test has examples of shape (2,)"),
    ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y.astype(str)}, "mix numbers and words"),
]  # fmt: skip


@pytest.mark.parametrize("arrays, message", MISTAKES)
def test_mistakes_are_named(tmp_path, arrays, message):
    with pytest.raises(DataError) as caught:
        given(tmp_path, **arrays)
    assert str(caught.value).startswith(f"{tmp_path / 'own.npz'}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def zipped(name, content):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(name, content)
    return held.getvalue()


def saved(save, *arguments, **arrays):
    held = io.BytesIO()
    save(held, *arguments, **arrays)
    return held.getvalue()


WHOLE = saved(np.savez, x=X, y=Y)
DAMAGED = [
    (b"", "is not a readable .npz"),
    (b"hello", "is not a readable .npz"),
    (b"\x80\x04}\x94.", "is not a readable .npz"),
    (WHOLE[:200], "is not a readable .npz"),
    (WHOLE[:-1], "is not a readable .npz"),
    (WHOLE.replace(b"NUMPY", b"DUMPY"), "x cannot be read"),
    (WHOLE.replace(b"'descr'", b"'dexcr'"), "x cannot be read"),
    (saved(np.save, X), "holds a single array"),
    (zipped("readme.txt", "hello"), "has no array 'x_train', only readme.txt"),
    (zipped("x", "hello"), "has no array 'y'"),
    (saved(np.savez), "has no array 'x_train', only nothing"),
]


@pytest.mark.parametrize("content, message", DAMAGED)
def test_damage_is_named(tmp_path, content, message):
    path = tmp_path / "own.npz"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(Data(source="own.npz"), folder=tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_content_not_path_is_the_identity(tmp_path):
    first = given(tmp_path, x=X, y=Y).sha256
    (tmp_path / "sub").mkdir()
    Path(tmp_path / "own.npz").rename(tmp_path / "sub" / "moved.NPZ")
    assert load(Data(source="sub/moved.NPZ"), folder=tmp_path).sha256 == first
    assert given(tmp_path, x=X + 1, y=Y).sha256 != first
    with pytest.raises(DataError, match=r"restore the file, or leave data\.sha256 out"):
        load(Data(source="own.npz", sha256=first), folder=tmp_path)


UNKNOWN = [
    ("digit", "did you mean 'digits'?"),
    ("Fashion_MNIST", "did you mean 'fashion-mnist'?"),
    ("~nobody-of-this-name/own.npz", "is not a valid path"),
    ("n" * 5000, "is not a valid path"),
    ("cifar-10", "did you mean 'cifar10'?"),
    (
        "nowhere.npz",
        "no such file or folder; a source is one of digits, mnist, fashion-mnist, cifar10, cifar100",
    ),
    ("file.txt", "cannot tell how to read a file ending in '.txt'"),
    ("bare", "cannot tell how to read a file ending in 'nothing'"),
]


@pytest.mark.parametrize("source, message", UNKNOWN)
def test_a_source_that_is_none_is_named_with_what_is_allowed(tmp_path, source, message):
    for name in ("file.txt", "bare"):
        (tmp_path / name).write_text("hello")
    with pytest.raises(DataError) as caught:
        load(Data(source=source), folder=tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def with_header(array, old, new):
    """Return an .npy whose header says something else than its content."""
    raw = saved(np.save, array)
    header = raw[10 : 10 + int.from_bytes(raw[8:10], "little")].replace(old, new)
    return raw[:8] + len(header).to_bytes(2, "little") + header + raw[10 + int.from_bytes(raw[8:10], "little") :]


CLAIMS = [
    (with_header(X, b"(20, 3)", b"(1152921504606846976,)"), "its header claims the shape (1152921504606846976,)"),
    (with_header(X, b"(20, 3)", b"(1000000, 1000000)"), "its header claims the shape (1000000, 1000000)"),
    (with_header(X, b"'<f8'", b"'<U99999999'"), "its header claims the shape (20, 3), but it has"),
    (with_header(X, b"'<f8'", b"('a',)"), "x cannot be read"),
    (with_header(X, b"False", b"(" * 500), "x cannot be read"),
    (with_header(X, b"False", b"\n\n  0\n"), "x cannot be read"),
    (
        with_header(X, b"False", b"False" + b" " * 9000 + b"\0"),
        "characters, more than an array of numbers or words needs",
    ),  # takes numpy seconds
    (saved(np.save, np.zeros(70 << 20, np.uint8)), "would unpack from 0.1 MB to 73.4 MB"),
]


@pytest.mark.parametrize("content, message", CLAIMS, ids=[message[:30] for _, message in CLAIMS])
def test_an_array_that_claims_more_than_it_holds_takes_no_memory(content, message, tmp_path):
    with zipfile.ZipFile(tmp_path / "own.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", content)
        archive.writestr("y.npy", saved(np.save, Y))
    with pytest.raises(DataError) as caught:
        load(Data(source="own.npz"), folder=tmp_path)
    assert message in str(caught.value)


def test_more_memory_than_there_is_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("dropexp.data.npz.assemble", lambda *_, **__: np.empty(1 << 62, np.uint8))
    with pytest.raises(DataError, match="does not fit into this machine's memory"):
        given(tmp_path, x=X, y=Y)
