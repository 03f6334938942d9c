"""Downloads: checksummed, from mirrors in turn, unpacked to the expected files and nothing else."""

import io
import tarfile

import pytest

from dropexp.data import cache_dir, fetch, loading
from dropexp.data.download import unpack
from dropexp.data.published import PUBLISHED, TEST_X, TEST_Y, TRAIN_X, TRAIN_Y
from dropexp.errors import DataError
from dropexp.experiment.sources import SOURCES


def tar(*members):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return held.getvalue()


def test_mirrors_are_tried_in_turn_and_good_files_are_kept(web):
    web.put("mnist", {TRAIN_X: b"damaged", TEST_Y: web.packed[TEST_Y]})
    for mirror, contents in (("http://one/", {TRAIN_X: b"wrong", TRAIN_Y: 404}), ("http://two/", web.packed)):
        web.answers.update({mirror + n: c for n, c in contents.items()})
    told = []
    assert len(web.load(progress=lambda *report: told.append(report)).x) == 70
    assert web.asked == [m + n for n in (TRAIN_X, TRAIN_Y, TEST_X) for m in ("http://one/", "http://two/")]
    size = len(web.packed[TEST_X])
    assert told[-1] == (TEST_X, size, size)
    assert sorted(p.name for p in (cache_dir() / "mnist").iterdir()) == sorted([*web.packed, ".lock"])


def test_where_every_mirror_fails_each_reason_is_named(web):
    web.answers = {"http://one/" + TRAIN_X: b"wrong", "http://two/" + TRAIN_X: 404}
    with pytest.raises(DataError, match="one: wrong checksum, two: HTTP 404"):
        web.load()
    assert not (cache_dir() / "mnist" / TRAIN_X).exists()


def test_an_archive_is_unpacked_to_its_expected_files_only(web, tmp_path):
    web.answers = {"http://one/c.tar.gz": web.archive}
    found = web.load("cifar10")
    assert found.x.shape == (70, 3, 32, 32)
    assert found.n_test == 20
    assert found.classes[:2] == ("c0", "c1")
    files = {
        p.relative_to(cache_dir() / "cifar10").as_posix() for p in (cache_dir() / "cifar10").rglob("*") if p.is_file()
    }
    assert files == {*web.batches, ".lock"}
    assert not (cache_dir() / "evil").exists()


def test_an_archive_that_lies_there_is_used_and_left(web):
    web.put("cifar10", {"c.tar.gz": web.archive})
    assert len(web.load("cifar10").x) == 70
    assert (cache_dir() / "cifar10" / "c.tar.gz").exists()
    assert web.asked == []


def test_links_in_an_archive_are_not_followed(tmp_path):
    (tmp_path / "secret").write_text("secret")
    link = tarfile.TarInfo("wanted")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
    (tmp_path / "a.tar.gz").write_bytes(tar((link, b"")))
    (tmp_path / "out").mkdir()
    unpack(tmp_path / "a.tar.gz", tmp_path / "out", {"wanted"})
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(web, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "mnist").write_text("a file")
    with pytest.raises(DataError, match=r"mnist: cannot write to .*name a writable folder with --data-dir DIR"):
        web.load()


def test_fetch_makes_complete_and_refuses_unknown_names_first(web):
    with pytest.raises(DataError, match=r"mnits: not a data set; choose from digits, .*did you mean 'mnist'\?"):
        fetch(["mnist", "mnits"])
    assert web.asked == []
    web.answers = {"http://one/" + n: c for n, c in web.packed.items()}
    assert [row.state for row in fetch(["digits", "mnist", "mnist"])] == ["embedded", "checked"]
    assert len(web.asked) == 4


def test_every_source_has_a_loader_and_every_download_two_mirrors():
    assert set(loading.BUILT_IN) == set(SOURCES)
    assert set(PUBLISHED) == set(SOURCES) - {"digits"}
    for row in PUBLISHED.values():
        assert len(row.mirrors) >= 2
        assert all(mirror.endswith("/") for mirror in row.mirrors)
        assert all(len(checksum) == 32 for checksum in [*row.files.values(), *row.unpacked.values()])


@pytest.mark.parametrize("name", ["/tmp/abs", "../up", "a/../../up", "."])
def test_a_member_that_would_leave_the_folder_is_not_written(name, tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(tar((tarfile.TarInfo(name), b"x"), (tarfile.TarInfo("wanted"), b"y")))
    (tmp_path / "in" / "out").mkdir(parents=True)
    unpack(tmp_path / "a.tar.gz", tmp_path / "in" / "out", {"wanted"})
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()} == {
        "a.tar.gz",
        "in/out/wanted",
    }
