"""CIFAR batches: plain data comes through, and a pickle that asks for anything else builds nothing."""

import codecs
import collections
import os
import pickle
import struct

import numpy as np
import pytest

from dropexp.data.cifar import read_batch, read_names
from dropexp.data.pickles import plain_pickle
from dropexp.errors import DataError


def written(path, value, protocol=2):
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(5))
def test_plain_values_and_arrays_come_through(tmp_path, protocol):
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    value = {b"data": array, "list": [1, 2.5, (True, None)], b"words": b"bytes \xff"}
    found = plain_pickle(written(tmp_path / "batch", value, protocol))
    assert (found[b"data"] == array).all()
    assert found["list"] == [1, 2.5, (True, None)]
    assert found[b"words"] == b"bytes \xff"


class Evil:
    def __init__(self, callee, *arguments):
        self.callee, self.arguments = callee, arguments

    def __reduce__(self):
        return self.callee, self.arguments


MALICIOUS = [
    (Evil(os.system, "echo harm"), ".system"),
    (Evil(eval, "1 + 1"), ".eval"),
    (Evil(getattr, {}, "clear"), ".getattr"),
    (Evil(codecs.encode, "text", "rot13"), "the codec 'rot13'"),
    (collections.OrderedDict(a=1), "collections.OrderedDict"),
    (np.array([{}], dtype=object), "an array of Python objects"),
    (Evil(np.load, "file"), ".load"),
]


@pytest.mark.parametrize("value, asked", MALICIOUS)
def test_a_malicious_pickle_is_refused_before_it_acts(tmp_path, value, asked, capfd):
    path = written(tmp_path / "batch", {b"data": value, b"labels": []})
    with pytest.raises(DataError) as caught:
        read_batch(path)
    assert str(caught.value).startswith(f"{path}: asks for ")
    assert asked in str(caught.value)
    assert "harm" not in capfd.readouterr().out


@pytest.mark.parametrize("content", [b"", b"\x80\x02", b"hello", b"\x80\x02}q\x00(U\x04data", b"\xff" * 100])
def test_a_damaged_pickle_is_named(tmp_path, content):
    path = tmp_path / "batch"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_batch(path)
    assert str(caught.value).startswith(f"{path}: cannot be read as a python batch")
    assert "\n" not in str(caught.value)


def test_a_truncated_batch_is_named(tmp_path):
    whole = pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 1]}, protocol=2)
    path = tmp_path / "batch"
    for length in range(0, len(whole) - 1, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError):
            read_batch(path)


NO_BATCH = [
    [1, 2],
    {},
    {b"data": np.zeros((2, 3), np.uint8), b"labels": [0, 1]},
    {b"data": np.zeros((2, 3072), np.float32), b"labels": [0, 1]},
    {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]},
    {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, "1"]},
    {b"data": np.zeros((2, 3072), np.uint8), b"fine_labels": [0, 1]},
]


@pytest.mark.parametrize("value", NO_BATCH)
def test_a_pickle_that_is_no_batch_is_named(tmp_path, value):
    with pytest.raises(DataError, match="not a CIFAR python batch"):
        read_batch(written(tmp_path / "batch", value))


def test_a_batch_is_read_as_channels_first(tmp_path):
    data = np.arange(2 * 3072, dtype=np.int64).astype(np.uint8).reshape(2, 3072)
    x, y = read_batch(written(tmp_path / "batch", {b"data": data, b"labels": [3, 1]}))
    assert x.shape == (2, 3, 32, 32)
    assert (x[1, 2, 0] == data[1, 2048:2080]).all()
    assert y.tolist() == [3, 1]
    names = written(tmp_path / "meta", {b"label_names": [b"cat", b"dog"]})
    assert read_names(names, "label_names") == ("cat", "dog")
    with pytest.raises(DataError, match="fine_label_names"):
        read_names(names, "fine_label_names")


def test_a_batch_that_claims_a_huge_array_is_an_error(tmp_path):
    whole = pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [0]}, protocol=2)
    path = tmp_path / "batch"
    path.write_bytes(whole.replace(struct.pack("<H", 3072), b"\xff\xff", 1))
    with pytest.raises(DataError):
        read_batch(path)


BOMBS = {
    "a memo of 2^31 places": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "a byte array of 2^60": b"\x80\x05\x96" + b"\0" * 7 + b"\x10.",
    "a key that takes for ever to hash": b"\x80\x02}K\x01" + b"q\x00h\x00\x86" * 60 + b"NsK.",
    "an array that is called": b"\x80\x02cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85R.",
    "a state for a function": b"\x80\x02cnumpy\ndtype\n}U\x01aK\x01sb.",
    "a state for a dict": b"\x80\x02}}U\x01aK\x01sb.",
    "an array that lies": pickle.dumps(np.zeros(4, np.uint8), 2).replace(b"K\x04\x85", b"J\xff\xff\xff\x7f\x85"),
    "marks only": b"(" * 100_000 + b".",
    "an extension": b"\x80\x02\x82\x01.",
    "a persistent id": b"\x80\x02NQ.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_pickle_takes_no_more_than_it_holds_and_calls_nothing(name, tmp_path):
    path = tmp_path / "batch"
    path.write_bytes(BOMBS[name])
    with pytest.raises(DataError) as caught:
        read_batch(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value)) < 400
