"""A source's name or path -> a Dataset: which reader reads it, and what to say where none does."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from dropexp.data.cifar import read_batch, read_names
from dropexp.data.csv_table import read_csv
from dropexp.data.dataset import Dataset, Progress, describe_classes
from dropexp.data.download import files_of
from dropexp.data.idx import read_idx
from dropexp.data.images import read_images
from dropexp.data.npz import read_npz
from dropexp.data.published import PUBLISHED, TEST_X, TEST_Y, TRAIN_X, TRAIN_Y
from dropexp.errors import DataError
from dropexp.experiment.config import Data
from dropexp.experiment.sources import SOURCES
from dropexp.experiment.vocabulary import meant

Files = dict[str, Path]
DIGITS = tuple(str(k) for k in range(10))
CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def load(
    data: Data, *, folder: Path, data_dir: Path | None = None, download: bool = True, progress: Progress | None = None
) -> Dataset:
    """Read the data set that `data.source` names: a name in SOURCES, or a path relative to `folder`.

    Files of a built-in source are looked for in `cache_dir(data_dir)`, checked, and downloaded where allowed, with
    `progress(file, bytes so far, bytes in all)`. Raises DataError where it is missing, damaged or no data set.
    """
    if data.source in BUILT_IN:
        return BUILT_IN[data.source](data.source, files_of(data.source, data_dir, download, progress))
    try:
        path = folder / Path(data.source).expanduser()
        found, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError, RuntimeError) as error:  # a name too long, a ~user that is none
        raise DataError(f"{data.source}: is not a valid path: {error}; give a path to your own data") from None
    allowed = f"a source is one of {', '.join(SOURCES)}, or a path to a .npz, a .csv or a folder of images"
    if not found:
        raise DataError(f"{path}: no such file or folder; {allowed}{meant(data.source, SOURCES)}")
    if not is_folder and path.suffix.lower() not in READERS:
        raise DataError(f"{path}: cannot tell how to read a file ending in {path.suffix or 'nothing'!r}; {allowed}")
    if not is_folder and not path.is_file():
        raise DataError(f"{path}: is neither a file nor a folder; {allowed}")
    try:
        made = read_images(path, data) if is_folder else READERS[path.suffix.lower()](path, data, _sha256(path))
    except MemoryError:
        raise DataError(f"{path}: does not fit into this machine's memory; use part of it") from None
    if data.sha256 and data.sha256 != made.sha256:
        raise DataError(
            f"{path}: its content has the sha256 {made.sha256}, but data.sha256 is {data.sha256}: restore the file, or "
            "leave data.sha256 out to train on the new content"
        )
    return made


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _digits(source: str, files: Files) -> Dataset:
    """UCI optical digits, 1797 images of 8 x 8 with values 0 to 16, as scikit-learn carries them."""
    carried = find_spec("sklearn")  # its file, as the library takes a second to load
    path = Path(carried.origin or "").parent / "datasets" / "data" / "digits.csv.gz" if carried else Path()
    if path.is_file():
        with gzip.open(path, "rt", encoding="ascii") as file:
            rows = np.loadtxt(file, delimiter=",")
        x, y = rows[:, :-1], rows[:, -1]
    else:
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
    return _built_in(source, x.reshape(-1, 1, 8, 8).astype(np.uint8), y.astype(np.int64), DIGITS)


def _mnist(source: str, files: Files, classes: tuple[str, ...] = DIGITS) -> Dataset:
    x = np.concatenate([_shaped(files[name], 3) for name in (TRAIN_X, TEST_X)])[:, None]
    y = np.concatenate([_shaped(files[name], 1) for name in (TRAIN_Y, TEST_Y)])
    return _built_in(source, x, y.astype(np.int64), classes)


def _shaped(path: Path, ndim: int) -> np.ndarray:
    values = read_idx(path)
    if values.ndim != ndim or values.dtype != np.uint8:
        raise DataError(
            f"{path}: holds {values.ndim} dimensions of {values.dtype}, not {ndim} of uint8; fetch it again"
        )
    return values


def _cifar10(source: str, files: Files) -> Dataset:
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    at = _with_checksums(source, files)
    return _cifar(source, [read_batch(*at[name]) for name in names], read_names(*at["batches.meta"], "label_names"))


def _cifar100(source: str, files: Files) -> Dataset:
    at = _with_checksums(source, files)
    batches = [read_batch(*at[name], "fine_labels") for name in ("train", "test")]
    return _cifar(source, batches, read_names(*at["meta"], "fine_label_names"))


def _with_checksums(source: str, files: Files) -> dict[str, tuple[Path, str]]:
    """Return each file and its published checksum by the last part of its name."""
    return {Path(name).name: (path, PUBLISHED[source].files[name]) for name, path in files.items()}


def _cifar(source: str, batches: list[tuple[np.ndarray, np.ndarray]], classes: tuple[str, ...]) -> Dataset:
    x = np.concatenate([images for images, _ in batches])
    return _built_in(source, x, np.concatenate([labels for _, labels in batches]), classes)


def _built_in(source: str, x: np.ndarray, y: np.ndarray, classes: tuple[str, ...]) -> Dataset:
    row = SOURCES[source]
    total = row.pool + (row.test or 0)
    fits = x.shape == (total, *row.example) and y.shape == (total,) and len(classes) == row.classes
    if not fits or y.min() < 0 or y.max() >= row.classes:
        raise DataError(
            f"{source}: {len(x)} images of shape {x.shape[1:]} with {len(y)} labels of {len(classes)} classes "
            f"were read, but {row.title} has {total} of {row.example} and {row.classes}; fetch it again"
        )
    return Dataset(source, x, y, row.test, classes, None, tuple(describe_classes(classes)))


BUILT_IN: dict[str, Callable[[str, Files], Dataset]] = {
    "digits": _digits,
    "mnist": _mnist,
    "fashion-mnist": partial(_mnist, classes=CLOTHES),
    "cifar10": _cifar10,
    "cifar100": _cifar100,
}
READERS: dict[str, Callable[[Path, Data, str], Dataset]] = {".npz": read_npz, ".csv": read_csv}
