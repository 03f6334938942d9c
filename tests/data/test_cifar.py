"""CIFAR batches: the published bytes come through, others are not unpickled, and nothing but an array is ever rebuilt."""

import codecs
import collections
import hashlib
import os
import pickle

import numpy as np
import pytest

from dropexp.data.cifar import read_batch, read_names
from dropexp.errors import DataError

DATA = np.arange(2 * 3072, dtype=np.int64).astype(np.uint8).reshape(2, 3072)
OF_PYTHON_2 = (  # {'data': DATA[:1], 'labels': [3]} as its pickle module wrote it, and as the published files are
    b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05"
    b"(K\x01K\x01M\x00\x0c\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
    b"K\x00tb\x89T\x00\x0c\x00\x00" + DATA[0].tobytes() + b"tbU\x06labels]K\x03au."
)


def written(path, content):
    """Write bytes, or a value as a pickle, and return the path with its checksum."""
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, 4))
    return path, hashlib.md5(path.read_bytes()).hexdigest()


def test_a_batch_is_read_as_channels_first(tmp_path):
    x, y = read_batch(*written(tmp_path / "batch", {b"data": DATA, b"fine_labels": [3, 1]}), "fine_labels")
    assert x.shape == (2, 3, 32, 32)
    assert (x[1, 2, 0] == DATA[1, 2048:2080]).all()
    assert y.tolist() == [3, 1]
    assert read_names(*written(tmp_path / "meta", {b"label_names": [b"cat", b"dog"]}), "label_names") == ("cat", "dog")


def test_a_batch_of_python_2_is_read(tmp_path):
    x, y = read_batch(*written(tmp_path / "batch", OF_PYTHON_2))
    assert (x.reshape(1, 3072) == DATA[:1]).all()
    assert y.tolist() == [3]


class Evil:
    def __init__(self, callee, *arguments):
        self.callee, self.arguments = callee, arguments

    def __reduce__(self):
        return self.callee, self.arguments


MALICIOUS = [
    Evil(os.system, "echo harm"), Evil(eval, "print('harm')"), Evil(getattr, {}, "clear"), Evil(codecs.encode, "text", "rot13"),
    Evil(np.load, "file"), collections.OrderedDict(a=1),
]  # fmt: skip


@pytest.mark.parametrize("value", MALICIOUS)
def test_nothing_but_an_array_is_rebuilt(value, tmp_path, capfd):
    with pytest.raises(pickle.UnpicklingError, match="is not part of an array"):
        read_batch(*written(tmp_path / "batch", {b"data": value, b"labels": []}))
    assert "harm" not in capfd.readouterr().out


@pytest.mark.parametrize("content", [b"", b"hello", OF_PYTHON_2[:-1], {b"data": Evil(os.system, "echo harm")}])
def test_a_file_that_is_not_the_published_one_is_not_unpickled(content, tmp_path, monkeypatch):
    path, found = written(tmp_path / "batch", content)
    monkeypatch.setattr("dropexp.data.cifar._Arrays", lambda *_, **__: pytest.fail("it was unpickled"))
    published = hashlib.md5(OF_PYTHON_2).hexdigest()
    for read in (lambda: read_batch(path, published), lambda: read_names(path, published, "label_names")):
        with pytest.raises(DataError) as caught:
            read()
        assert f"{path}: has the MD5 checksum {found}, but the published file has {published}" in str(caught.value)
