"""The cache of downloads: good files are used, bad ones never read, and every obstacle says what to run."""

import gzip
import hashlib
import io
import os
import pickle
import struct
import sys
import tarfile
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests

from dropexp.data import available, cache_dir, fetch, listing, load, loading
from dropexp.data import cache as cache_module
from dropexp.data.download import TIMEOUT, unpack
from dropexp.data.published import PUBLISHED, TEST_X, TEST_Y, TRAIN_X, TRAIN_Y, Published
from dropexp.errors import DataError
from dropexp.spec.config import Data
from dropexp.spec.sources import SOURCES, Source


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
            2,
        )
        for name, n in [*((f"data_batch_{i}", 10) for i in range(1, 6)), ("test_batch", 20)]
    },
    "cifar-10-batches-py/batches.meta": pickle.dumps({b"label_names": [b"c%d" % k for k in range(10)]}, 2),
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

    def __init__(self):
        self.answers, self.asked = {}, []

    def get(self, url, timeout, stream):
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
    monkeypatch.setitem(SOURCES, "mnist", Source("MNIST", (1, 4, 5), 10, 60, 10, "stand-in"))
    monkeypatch.setitem(
        PUBLISHED,
        "cifar10",
        Published({n: md5(c) for n, c in BATCHES.items()}, mirrors, archive=("c.tar.gz", md5(archive))),
    )
    monkeypatch.setitem(SOURCES, "cifar10", Source("CIFAR-10", (3, 32, 32), 10, 50, 20, "stand-in"))
    monkeypatch.setenv("DROPEXP_DATA", str(tmp_path / "cache"))
    found = Web()
    found.archive = archive
    monkeypatch.setattr(requests, "get", found.get)
    return found


def put(source, contents):
    for name, content in contents.items():
        path = cache_dir() / source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def fresh(source="mnist", **options):
    return load(Data(source=source), folder=Path(), **options)


@pytest.mark.parametrize("download", [True, False])
@pytest.mark.parametrize("packed", [{*PACKED}, set(), {TRAIN_X}])
def test_files_that_are_there_are_used_packed_or_not(web, packed, download):
    put("mnist", {n: PACKED[n] for n in packed})
    put("mnist", {n.removesuffix(".gz"): SMALL[n] for n in SMALL if n not in packed})
    found = fresh(download=download)
    assert found.x.shape == (70, 1, 4, 5)
    assert found.n_test == 10
    assert found.sha256 is None
    assert found.y.tolist() == [*range(10)] * 7
    assert web.asked == []
    assert available("mnist")


def test_the_folder_is_the_argument_then_the_variable_then_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DROPEXP_DATA", str(tmp_path))
    assert cache_dir(tmp_path / "given") == tmp_path / "given"
    assert cache_dir() == tmp_path
    monkeypatch.setenv("DROPEXP_DATA", "")
    assert cache_dir().name == "dropexp"
    assert cache_dir(Path("~/data")) == Path.home() / "data"


@pytest.mark.parametrize("download", [True, False])
def test_without_network_and_file_the_message_says_what_to_run(web, download):
    with pytest.raises(DataError) as caught:
        fresh(download=download)
    text = str(caught.value)
    assert text.startswith(f"mnist: {TRAIN_X} is not in {cache_dir() / 'mnist'}")
    assert (
        "run `dropexp data mnist` on a machine with a network, then pass --data-dir DIR or set DROPEXP_DATA"
        in text
    )
    assert ("one: ConnectionError, two: ConnectionError" in text) == download
    assert "\n" not in text
    assert len(web.asked) == 2 * download


@pytest.mark.parametrize("name", [TRAIN_X, TRAIN_X.removesuffix(".gz")])
def test_a_damaged_file_is_never_read_and_both_checksums_are_named(web, monkeypatch, name):
    put("mnist", {n: c for n, c in PACKED.items() if n != TRAIN_X})
    put("mnist", {name: b"damaged"})
    monkeypatch.setattr(loading, "read_idx", lambda path: pytest.fail("it was read"))
    with pytest.raises(DataError) as caught:
        fresh(download=False)
    published = PUBLISHED["mnist"]
    expected = (published.files if name == TRAIN_X else published.unpacked)[TRAIN_X]
    assert (
        f"{cache_dir() / 'mnist' / name} has the MD5 checksum {md5(b'damaged')}, and the published file {expected}"
        in str(caught.value)
    )
    assert not available("mnist")


def test_mirrors_are_tried_in_turn_and_good_files_are_kept(web):
    put("mnist", {TRAIN_X: b"damaged", TEST_Y: PACKED[TEST_Y]})
    for mirror, contents in (("http://one/", {TRAIN_X: b"wrong", TRAIN_Y: 404}), ("http://two/", PACKED)):
        web.answers.update({mirror + n: c for n, c in contents.items()})
    told = []
    assert len(fresh(progress=lambda *report: told.append(report)).x) == 70
    assert web.asked == [m + n for n in (TRAIN_X, TRAIN_Y, TEST_X) for m in ("http://one/", "http://two/")]
    size = len(PACKED[TEST_X])
    assert told[-1] == (TEST_X, size, size)
    assert sorted(p.name for p in (cache_dir() / "mnist").iterdir()) == sorted(
        [*PACKED, cache_module.SIDECAR]
    )


def test_where_every_mirror_fails_each_reason_is_named(web):
    web.answers = {"http://one/" + TRAIN_X: b"wrong", "http://two/" + TRAIN_X: 404}
    with pytest.raises(DataError, match="one: wrong checksum, two: HTTP 404"):
        fresh()
    assert not (cache_dir() / "mnist" / TRAIN_X).exists()


def test_an_archive_is_unpacked_to_its_expected_files_only(web, tmp_path):
    web.answers = {"http://one/c.tar.gz": web.archive}
    found = fresh("cifar10")
    assert found.x.shape == (70, 3, 32, 32)
    assert found.n_test == 20
    assert found.classes[:2] == ("c0", "c1")
    files = {
        p.relative_to(cache_dir() / "cifar10").as_posix()
        for p in (cache_dir() / "cifar10").rglob("*")
        if p.is_file()
    }
    assert files == {*BATCHES, cache_module.SIDECAR}
    assert not (cache_dir() / "evil").exists()


def test_an_archive_that_lies_there_is_used_and_left(web):
    put("cifar10", {"c.tar.gz": web.archive})
    assert len(fresh("cifar10").x) == 70
    assert (cache_dir() / "cifar10" / "c.tar.gz").exists()
    assert web.asked == []


def test_links_in_an_archive_are_not_followed(tmp_path):
    (tmp_path / "secret").write_text("secret")
    link = tarfile.TarInfo("wanted")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
    (tmp_path / "a.tar.gz").write_bytes(tar({}, (link, b"")))
    (tmp_path / "out").mkdir()
    unpack(tmp_path / "a.tar.gz", tmp_path / "out", {"wanted"})
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"hello", tar(BATCHES)[:-5000]])
def test_a_damaged_archive_is_named(tmp_path, content):
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.tar\.gz: cannot be unpacked"):
        unpack(tmp_path / "a.tar.gz", tmp_path, set(BATCHES))


def test_a_file_is_hashed_once_and_again_when_it_changes(web, monkeypatch):
    put("mnist", PACKED)
    hashed = []
    digest = hashlib.file_digest
    monkeypatch.setattr(
        hashlib, "file_digest", lambda file, kind: (hashed.append(file.name), digest(file, kind))[1]
    )
    fresh()
    assert len(hashed) == 4
    fresh()
    assert len(hashed) == 4
    path = cache_dir() / "mnist" / TRAIN_Y
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match="MD5 checksum"):
        fresh(download=False)
    assert len(hashed) == 5


@pytest.mark.parametrize("content", ["", "[]", "nonsense", '{"train-labels-idx1-ubyte.gz": 3}'])
def test_a_damaged_sidecar_is_no_obstacle(web, content):
    put("mnist", {**PACKED, cache_module.SIDECAR: content.encode()})
    assert len(fresh().x) == 70


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no write bit on Windows")
def test_a_folder_that_cannot_be_written_serves_good_files(web, monkeypatch):
    put("mnist", PACKED)
    # as root, which writes anywhere, a folder without the write bit proves nothing
    monkeypatch.setattr(
        "tempfile.mkstemp", lambda **_: (_ for _ in ()).throw(PermissionError(13, "read-only"))
    )
    assert len(fresh().x) == 70
    assert not (cache_dir() / "mnist" / cache_module.SIDECAR).exists()


def test_a_folder_that_cannot_be_made_is_named(web, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(
        DataError, match="mnist: cannot write to .*name a writable folder with --data-dir DIR"
    ):
        fresh()


def test_fetch_makes_complete_and_refuses_unknown_names_first(web):
    with pytest.raises(
        DataError, match=r"mnits: not a data set; choose from digits, .*did you mean 'mnist'\?"
    ):
        fetch(["mnist", "mnits"])
    assert web.asked == []
    web.answers = {"http://one/" + n: c for n, c in PACKED.items()}
    assert [row.state for row in fetch(["digits", "mnist", "mnist"])] == ["embedded", "checked"]
    assert len(web.asked) == 4


def test_the_listing_says_what_is_there(web):
    put("mnist", {TRAIN_X: PACKED[TRAIN_X]})
    put("cifar10", {**BATCHES, "cifar-10-batches-py/test_batch": b"damaged"})
    rows = {row.source: row for row in listing()}
    assert list(rows) == list(SOURCES)
    states = {name: row.state for name, row in rows.items()}
    assert states == {
        "digits": "embedded",
        "mnist": "incomplete",
        "fashion-mnist": "not cached",
        "cifar10": "damaged",
        "cifar100": "not cached",
    }
    assert rows["mnist"].size == len(PACKED[TRAIN_X])
    assert [file.state for file in rows["mnist"].files] == ["good", "missing", "missing", "missing"]
    assert web.asked == []


def test_every_source_has_a_loader_and_every_download_two_mirrors():
    assert set(loading.BUILT_IN) == set(SOURCES)
    assert set(PUBLISHED) == set(SOURCES) - {"digits"}
    for row in PUBLISHED.values():
        assert len(row.mirrors) >= 2
        assert all(mirror.endswith("/") for mirror in row.mirrors)
        assert all(len(checksum) == 32 for checksum in [*row.files.values(), *row.unpacked.values()])


def test_pooch_still_has_what_is_used():
    assert {"retrieve", "HTTPDownloader", "get_logger"} <= set(dir(pooch))
