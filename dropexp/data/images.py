"""A user's folder of images: one sub-folder per class, every image of the same size."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from dropexp.data.dataset import Dataset, assemble, bounded, shorten
from dropexp.errors import DataError
from dropexp.experiment.config import Data

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # by content; others may start programs of their own
PIXELS = 1 << 24  # of one image
GREY = ("1", "L")  # PIL's modes of one channel and at most 8 bits
DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def read_images(path: Path, data: Data) -> Dataset:
    """Read images (N, C, H, W) uint8, C = 1 where all are greyscale, else 3, and each one's folder as its label.

    The sha256 is that of each image's name and bytes in sorted order; hidden files are ignored. Raises
    DataError where there is no image, sizes differ, or one cannot be read.
    """
    found, other = _found(path)
    shapes = [_inspect(file, None) for _, file in found]
    size, first = shapes[0][0], found[0][1]
    for (_, file), (this, _) in zip(found, shapes, strict=True):
        if this != size:
            raise DataError(
                f"{path}: {file.relative_to(path)} is {this[0]} x {this[1]} and {first.relative_to(path)} {size[0]} x "
                f"{size[1]} (width x height); all images must have the same size: resize or crop them"
            )
    grey = [mode in GREY for _, mode in shapes]
    mode, channels = ("L", 1) if all(grey) else ("RGB", 3)
    bounded(path, "the folder of images", len(found) * size[0] * size[1] * channels)
    x = np.empty((len(found), size[1], size[0], channels), np.uint8)
    digest = hashlib.sha256()
    for i, (_, file) in enumerate(found):
        try:
            content = file.read_bytes()
        except OSError as error:
            raise DataError(f"{file}: cannot be read: {error.strerror or error}") from None
        digest.update(f"{file.relative_to(path).as_posix()}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
        digest.update(content)
        x[i] = _inspect(file, mode, content).reshape(x.shape[1:])
    notes = [
        f"{len(found)} images of {size[0]} x {size[1]} pixels (width x height),"
        f" {'greyscale' if channels == 1 else 'RGB'}"
    ]
    if channels == 3 and any(grey):
        notes.append(f"{sum(grey)} greyscale images were turned into RGB, because the others are in colour")
    if other:
        notes.append(f"ignored, because they are not images of a class: {shorten(other, 4)}")
    labels = _as_numbers([label for label, _ in found])
    made = assemble(
        data.source, str(path), [("the images", x.transpose(0, 3, 1, 2), "the folders", labels)],
        sha256=digest.hexdigest(), row=lambda i: found[i][1].relative_to(path).as_posix(),
    )  # fmt: skip
    return Dataset(made.source, made.x, made.y, None, made.classes, made.sha256, (*notes, *made.notes[1:]))


def _found(path: Path) -> tuple[list[tuple[str, Path]], list[str]]:
    """Return every image with its class, sorted by name, and the names of what is neither."""
    found: list[tuple[str, Path]] = []
    try:
        inside = sorted(p for p in path.iterdir() if not p.name.startswith("."))
        other = [p.name for p in inside if not p.is_dir()]
        for folder in (p for p in inside if p.is_dir()):
            files = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
            images = [p for p in files if p.suffix.lower() in SUFFIXES and p.is_file()]
            if not images:
                hint = "; put images directly into the folder of their class" if any(p.is_dir() for p in files) else ""
                raise DataError(
                    f"{folder}: contains no images; give each class's folder at least one ({', '.join(SUFFIXES)}), or "
                    f"remove it{hint}"
                )
            found += [(folder.name, p) for p in images]
            other += [f"{folder.name}/{p.name}" for p in files if p not in set(images)]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not found:
        raise DataError(
            f"{path}: has no sub-folders; make a sub-folder for each class and put that class's images there"
        )
    return sorted(found, key=lambda pair: pair[1].relative_to(path).as_posix()), other


def _inspect(file: Path, mode: str | None, content: bytes | None = None) -> Any:
    """Return (size, mode) of an image from its header, or where a mode is given its pixels, (H, W) or (H, W, 3)."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file if content is None else io.BytesIO(content), formats=FORMATS) as image:
                if image.width * image.height > PIXELS:
                    raise DataError(
                        f"{file}: has {image.width} x {image.height} pixels; at most {PIXELS:,} in all are allowed: make it smaller"
                    )
                if image.mode in DEEP:
                    raise DataError(
                        f"{file}: has more than 8 bits per channel (mode {image.mode}); save it with 8 bits"
                    )
                if mode is None:
                    return image.size, image.mode
                return np.asarray(image.convert(mode))
    except DataError:
        raise
    # each of PIL's decoders fails in its own way: OSError, SyntaxError, ValueError, struct.error, IndexError
    # ...
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        raise DataError(f"{file}: cannot be read as an image: {line}; replace or remove it") from None


def _as_numbers(words: list[str]) -> np.ndarray:
    """Return words as whole numbers where all are, so that 10 sorts after 9."""
    if all(word.isascii() and word.isdigit() and word == str(int(word)) for word in words):
        return np.array([int(word) for word in words])
    return np.array(words)
