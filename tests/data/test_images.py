"""A user's folder of images: one sub-folder per class, every mistake named with its file."""

import numpy as np
import pytest
from PIL import Image

from dropexp.data import load
from dropexp.errors import DataError
from dropexp.experiment.config import Data


def save(path, mode="L", size=(5, 4), value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = (np.arange(size[0] * size[1] * max(1, *channels, 1)) + value).astype(np.uint8)
    Image.fromarray(pixels.reshape(size[1], size[0], *channels)).save(path)
    return pixels.reshape(size[1], size[0], *channels)


def given(tmp_path, source="own"):
    return load(Data(source=source), folder=tmp_path)


def test_grey_images_keep_one_channel(tmp_path):
    pixels = [
        save(tmp_path / "own" / name, value=7 * i) for i, name in enumerate(("ape/1.png", "ape/2.bmp", "cat/0.png"))
    ]
    found = given(tmp_path)
    assert found.x.shape == (3, 1, 4, 5)
    assert found.x.dtype == np.uint8
    assert (found.x[:, 0] == pixels).all()
    assert found.y.tolist() == [0, 0, 1]
    assert found.classes == ("ape", "cat")
    assert found.notes[0] == "3 images of 5 x 4 pixels (width x height), greyscale"


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colour_images_have_three_channels(tmp_path, mode):
    pixels = [save(tmp_path / "own" / name, mode) for name in ("ape/1.png", "cat/0.png")]
    found = given(tmp_path)
    assert found.x.shape == (2, 3, 4, 5)
    assert (found.x[0] == pixels[0][..., :3].transpose(2, 0, 1)).all()
    assert found.x.flags.c_contiguous


def test_a_mixture_becomes_colour_and_says_so(tmp_path):
    grey = save(tmp_path / "own" / "ape" / "1.png")
    save(tmp_path / "own" / "cat" / "1.JPG", "RGB")
    found = given(tmp_path)
    assert found.x.shape == (2, 3, 4, 5)
    assert (found.x[0] == grey).all()
    assert "1 greyscale images were turned into RGB, because the others are in colour" in found.notes


def test_folders_that_are_numbers_sort_by_value(tmp_path):
    for name in ("10", "9", "2"):
        save(tmp_path / "own" / name / "1.png", value=int(name))
    found = given(tmp_path)
    assert found.classes == ("2", "9", "10")
    assert [int(found.classes[k]) for k in found.y] == found.x[:, 0, 0, 0].tolist()
    save(tmp_path / "own" / "02" / "1.png")
    assert given(tmp_path).classes == ("02", "10", "2", "9")


def test_hidden_files_are_ignored_and_others_are_named(tmp_path):
    for name in ("ape", "cat", ".git"):
        save(tmp_path / "own" / name / "1.png")
    alone = given(tmp_path)
    (tmp_path / "own" / "ape" / ".DS_Store").write_text("hidden")
    assert given(tmp_path).sha256 == alone.sha256
    (tmp_path / "own" / "ape" / "notes.txt").write_text("text")
    (tmp_path / "own" / "list.csv").write_text("text")
    found = given(tmp_path)
    assert len(found.x) == 2
    assert "ignored, because they are not images of a class: list.csv, ape/notes.txt" in found.notes


def test_names_and_bytes_are_the_identity(tmp_path):
    for name in ("ape/1.png", "cat/1.png"):
        save(tmp_path / "own" / name)
    first = given(tmp_path).sha256
    (tmp_path / "own").rename(tmp_path / "moved")
    assert given(tmp_path, "moved").sha256 == first
    (tmp_path / "moved" / "cat" / "1.png").rename(tmp_path / "moved" / "cat" / "2.png")
    assert given(tmp_path, "moved").sha256 != first


def write(path, content="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    if content == "16 bits":
        Image.fromarray(np.zeros((4, 5), np.uint16)).save(path)
    elif content == "truncated":
        save(path, size=(50, 40))
        path.write_bytes(path.read_bytes()[:-300])
    else:
        path.write_text(content)


def two_sizes(own):
    save(own / "a" / "1.png")
    save(own / "b" / "2.png", size=(4, 4))


MISTAKES = [
    (lambda own: own.mkdir(), "has no sub-folders; make a sub-folder for each class"),
    (lambda own: save(own / "1.png"), "has no sub-folders"),
    (lambda own: (own / "cat").mkdir(parents=True), "contains no images; give each class's folder at least one"),
    (lambda own: save(own / "train" / "cat" / "1.png"), "put images directly into the folder of their class"),
    (lambda own: save(own / "cat" / "1.png"), "has only one class, label cat, in all of its rows (1)"),
    (two_sizes, "b/2.png is 4 x 4 and a/1.png 5 x 4"),
    (lambda own: write(own / "a" / "2.png", "16 bits"), "2.png: has more than 8 bits per channel (mode I;16)"),
    (lambda own: write(own / "a" / "2.png"), "2.png: cannot be read as an image"),
    (lambda own: write(own / "a" / "1.png", "truncated"), "1.png: cannot be read as an image"),
]


@pytest.mark.parametrize("make, message", MISTAKES)
def test_mistakes_are_named(tmp_path, make, message):
    make(tmp_path / "own")
    with pytest.raises(DataError) as caught:
        given(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'own'}")
    assert message in str(caught.value).replace("\\", "/")
    assert "\n" not in str(caught.value)
    assert "BytesIO" not in str(caught.value)


def test_a_picture_that_would_fill_the_memory_is_refused_by_its_header(tmp_path):
    (tmp_path / "own" / "a").mkdir(parents=True)
    Image.new("1", (9000, 9000)).save(tmp_path / "own" / "a" / "1.png")  # 10 kB, of 81 million pixels
    with pytest.raises(
        DataError, match=r"1\.png: has 9000 x 9000 pixels; at most 16,777,216 in all are allowed: make it smaller"
    ):
        given(tmp_path)


def test_a_folder_that_would_fill_the_memory_is_refused_by_its_headers(tmp_path, monkeypatch):
    for k in range(3):
        save(tmp_path / "own" / str(k) / "1.png", size=(40, 40))
    monkeypatch.setattr("dropexp.data.dataset.LARGEST", 4000)
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("a picture was unpacked"))
    with pytest.raises(DataError, match="the folder of images takes 0"):
        given(tmp_path)


def test_a_file_that_other_programs_would_be_started_for_is_no_picture(tmp_path, monkeypatch):
    """PIL hands EPS to Ghostscript, whatever the file is called."""
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a program was started"))
    save(tmp_path / "own" / "b" / "1.png")
    (tmp_path / "own" / "a").mkdir()
    Image.new("RGB", (5, 4)).save(tmp_path / "own" / "a" / "1.png", "EPS")
    with pytest.raises(DataError, match=r"1\.png: cannot be read as an image"):
        given(tmp_path)
