"""Stand-ins for the published files and the network, so that no test of a download needs either."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
import requests

from dropexp.data import cache_dir, load
from dropexp.data.download import TIMEOUT
from dropexp.data.published import PUBLISHED, TEST_X, TEST_Y, TRAIN_X, TRAIN_Y, Published
from dropexp.experiment.config import Data
from dropexp.experiment.sources import SOURCES, Source


def idx(values):
    head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype(np.uint8).tobytes()


def md5(content):
    return hashlib.md5(content).hexdigest()


RNG = np.random.default_rng(0)
SMALL = {
    TRAIN_X: idx(RNG.integers(0, 256, (60, 4, 5))),
    TRAIN_Y: idx(np.arange(60) % 10),
    TEST_X: idx(RNG.integers(0, 256, (10, 4, 5))),
    TEST_Y: idx(np.arange(10)),
}
PACKED = {name: gzip.compress(content, mtime=0) for name, content in SMALL.items()}
BATCHES = {
    **{
        f"cifar-10-batches-py/{name}": pickle.dumps(
            {b"data": RNG.integers(0, 256, (n, 3072), dtype=np.uint8), b"labels": [k % 10 for k in range(n)]},
            4,
        )
        for name, n in [*((f"data_batch_{i}", 10) for i in range(1, 6)), ("test_batch", 20)]
    },
    "cifar-10-batches-py/batches.meta": pickle.dumps({b"label_names": [b"c%d" % k for k in range(10)]}, 4),
}


def tar(contents, *extra):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for member, content in [*((tarfile.TarInfo(n), c) for n, c in contents.items()), *extra]:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return held.getvalue()


class Web:
    """Stands for the network: what each address answers, and what was asked for."""

    def __init__(self, archive):
        self.answers, self.asked = {}, []
        self.packed, self.plain, self.batches, self.archive = PACKED, SMALL, BATCHES, archive

    def get(self, url, timeout, stream, headers):
        assert timeout == TIMEOUT
        self.asked.append(url)
        answer = self.answers.get(url)
        if answer is None:
            raise requests.ConnectionError("no network")
        response = requests.Response()
        response.status_code = 404 if answer == 404 else 200
        content = b"" if answer == 404 else answer
        response.raw, response.url = io.BytesIO(content), url
        response.headers["content-length"] = str(len(content))
        return response

    @staticmethod
    def put(source, contents):
        for name, content in contents.items():
            path = cache_dir() / source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    @staticmethod
    def load(source="mnist", **options):
        return load(Data(source=source), folder=Path(), **options)


@pytest.fixture
def web(monkeypatch, tmp_path):
    """Small stand-ins for MNIST and CIFAR-10, a network that answers nothing, and an empty cache."""
    mirrors = ("http://one/", "http://two/")
    packed, plain = ({n: md5(c) for n, c in held.items()} for held in (PACKED, SMALL))
    archive = tar(
        BATCHES,
        (tarfile.TarInfo("cifar-10-batches-py/readme.html"), b"x"),
        (tarfile.TarInfo("../evil"), b"x"),
    )
    monkeypatch.setitem(PUBLISHED, "mnist", Published(packed, mirrors, plain))
    monkeypatch.setitem(SOURCES, "mnist", Source("MNIST", (1, 4, 5), (6,) * 10, (1,) * 10, "stand-in"))
    monkeypatch.setitem(
        PUBLISHED,
        "cifar10",
        Published({n: md5(c) for n, c in BATCHES.items()}, mirrors, archive=("c.tar.gz", md5(archive))),
    )
    monkeypatch.setitem(SOURCES, "cifar10", Source("CIFAR-10", (3, 32, 32), (5,) * 10, (2,) * 10, "stand-in"))
    monkeypatch.setenv("DROPEXP_DATA", str(tmp_path / "cache"))
    found = Web(archive)
    monkeypatch.setattr(requests, "get", found.get)
    return found
