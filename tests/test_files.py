"""Files: whole or as they were, never through a link, never read beyond their bound, and nothing predictable beside them."""

import errno
import os

import pytest

from dropexp import files

POSIX = pytest.mark.skipif(os.name == "nt", reason="needs symbolic links and pipes")


@pytest.fixture
def secret(tmp_path):
    """A file of the user's, elsewhere, to which a stranger's folder has links."""
    path = tmp_path / "secret"
    path.write_text("mine")
    (tmp_path / "theirs").mkdir()
    return path


@POSIX
@pytest.mark.parametrize("target", ["secret", "not-there"])
def test_a_link_is_replaced_and_not_written_through(target, secret, tmp_path):
    path = tmp_path / "theirs" / "report.html"
    path.symlink_to(tmp_path / target)
    files.write_aside(path, b"page")
    assert path.read_bytes() == b"page"
    assert not path.is_symlink()
    assert secret.read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["secret", "theirs"]


@POSIX
@pytest.mark.parametrize("act", [lambda p: files.append(p, b"row"), lambda p: files.read_bounded(p, 9)])
@pytest.mark.parametrize("target", ["secret", "not-there"])
def test_a_link_is_neither_appended_to_nor_read(act, target, secret, tmp_path):
    path = tmp_path / "theirs" / "runs.csv"
    path.symlink_to(tmp_path / target)
    with pytest.raises(OSError, match="it is a symbolic link") as caught:
        act(path)
    assert caught.value.errno == errno.ELOOP
    assert secret.read_text() == "mine"
    assert not (tmp_path / "not-there").exists()


@POSIX
def test_a_folder_that_is_a_link_is_refused_within_a_study_and_followed_where_the_user_names_it(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="it is a symbolic link"):
        files.make_folder(tmp_path / "link")
    files.make_folders(tmp_path / "link" / "a" / "b")
    assert (tmp_path / "elsewhere" / "a" / "b").is_dir()


@POSIX
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "runs.csv")
    with pytest.raises(OSError, match="a device or a pipe"):
        files.read_bounded(tmp_path / "runs.csv", 9)


def test_a_file_is_measured_before_it_is_read(tmp_path):
    with (tmp_path / "claims.csv").open("wb") as file:
        file.truncate(5 << 40)  # that nobody could read
    with pytest.raises(files.TooLarge, match=r"it has 5,497,558,138,880 bytes, more than the 1,000 that are read"):
        files.read_bounded(tmp_path / "claims.csv", 1000)
    (tmp_path / "small").write_bytes(bytes(1000))
    assert files.read_bounded(tmp_path / "small", 1000) == bytes(1000)


def test_a_write_that_fails_leaves_the_old_content_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "a"
    files.write_aside(path, b"old")
    for name in ("write", "fsync", "replace"):
        with monkeypatch.context() as patch:

            def refuse(*_, **__):
                raise OSError(errno.ENOSPC, "full")

            patch.setattr(os, name, refuse)
            with pytest.raises(OSError, match="full"):
                files.write_aside(path, b"another")
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]


def test_an_append_that_fails_leaves_the_file_as_long_as_it_was(tmp_path, monkeypatch):
    path, write = tmp_path / "a", os.write
    files.append(path, b"one\n", header=b"name\n")
    calls = []

    def half(handle, content):
        calls.append(content)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "full")
        return write(handle, content[: len(content) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="full"):
        files.append(path, b"two\n", header=b"name\n")
    assert path.read_bytes() == b"name\none\n"


@POSIX
def test_a_path_that_the_user_names_may_be_a_link_or_a_device(tmp_path, secret):
    (tmp_path / "table.tex").symlink_to(secret)
    files.write_named(tmp_path / "table.tex", b"new")
    assert secret.read_text() == "new"
    files.write_named(files.Path(os.devnull), b"new")
    assert not files.Path(os.devnull).is_file()
