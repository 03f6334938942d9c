"""The cache of downloads: good files are used, bad ones never read, and what is lacking says what to run."""

import hashlib
from pathlib import Path

import pytest

from dropexp.data import cache_dir, listing, loading
from dropexp.data.cache import listed
from dropexp.data.published import PUBLISHED, TEST_X, TEST_Y, TRAIN_X, TRAIN_Y
from dropexp.errors import DataError
from dropexp.experiment.sources import SOURCES


def md5(content):
    return hashlib.md5(content).hexdigest()


@pytest.mark.parametrize("download", [True, False])
@pytest.mark.parametrize("packed", [{TRAIN_X, TRAIN_Y, TEST_X, TEST_Y}, set(), {TRAIN_X}])
def test_files_that_are_there_are_used_packed_or_not(web, packed, download):
    web.put("mnist", {n: web.packed[n] for n in packed})
    web.put("mnist", {n.removesuffix(".gz"): web.plain[n] for n in web.plain if n not in packed})
    found = web.load(download=download)
    assert found.x.shape == (70, 1, 4, 5)
    assert found.n_test == 10
    assert found.x[:60].tobytes() == web.plain[TRAIN_X][16:]
    assert found.x[60:].tobytes() == web.plain[TEST_X][16:]
    assert found.sha256 is None
    assert found.y.tolist() == [*range(10)] * 7
    assert web.asked == []
    assert listed("mnist").state == "checked"


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
        web.load(download=download)
    text = str(caught.value)
    assert text.startswith(f"mnist: {TRAIN_X} is not in {cache_dir() / 'mnist'}")
    assert "run `dropexp data mnist` on a machine with a network, then pass --data-dir DIR or set DROPEXP_DATA" in text
    assert ("one: ConnectionError, two: ConnectionError" in text) == download
    assert "\n" not in text
    assert len(web.asked) == 2 * download


@pytest.mark.parametrize("name", [TRAIN_X, TRAIN_X.removesuffix(".gz")])
def test_a_damaged_file_is_never_read_and_both_checksums_are_named(web, monkeypatch, name):
    web.put("mnist", {n: c for n, c in web.packed.items() if n != TRAIN_X})
    web.put("mnist", {name: b"damaged"})
    monkeypatch.setattr(loading, "read_idx", lambda path: pytest.fail("it was read"))
    with pytest.raises(DataError) as caught:
        web.load(download=False)
    published = PUBLISHED["mnist"]
    expected = (published.files if name == TRAIN_X else published.unpacked)[TRAIN_X]
    text = str(caught.value)
    assert f"{cache_dir() / 'mnist' / name} has the MD5 checksum {md5(b'damaged')}" in text
    assert f"but the published file has {expected}" in text
    assert "run `dropexp data mnist`" in text
    assert listed("mnist").state == "damaged"


@pytest.mark.parametrize("given", ["~nobody-of-that-name/x", "x" * 300, "a-file"])
def test_a_folder_of_downloads_that_can_be_none_is_a_sentence(given, web, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").write_text("")
    with pytest.raises(DataError, match=r"^--data-dir [~xa].*; name "):
        cache_dir(Path(given))
    monkeypatch.setenv("DROPEXP_DATA", given)
    with pytest.raises(DataError, match=r"^DROPEXP_DATA=[~xa].*; name "):
        web.load()


def test_the_listing_says_what_is_there(web):
    web.put("mnist", {TRAIN_X: web.packed[TRAIN_X]})
    web.put("cifar10", {**web.batches, "cifar-10-batches-py/test_batch": b"damaged"})
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
    assert [file.state for file in rows["mnist"].files] == ["good", "missing", "missing", "missing"]
    assert web.asked == []
