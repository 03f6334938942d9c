"""The built-in sources: the real digits always, the downloaded ones where they lie in DROPEXP_DATA."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dropexp.data import load, split
from dropexp.data.cache import listed
from dropexp.experiment.config import Data
from dropexp.experiment.sources import SOURCES


def test_digits_are_the_1797_of_scikit_learn():
    found = load(Data(), folder=Path())
    assert found.x.shape == (1797, 1, 8, 8)
    assert found.x.dtype == np.uint8
    assert (found.x.min(), found.x.max()) == (0, 16)
    assert np.bincount(found.y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert found.classes == tuple("0123456789")
    assert found.n_test is None
    assert found.example == (1, 8, 8)
    assert found.notes == ("labels 0 to 9 as given",)
    cut = split(found, Data(val_size=200, train_size=500), split_seed=0, label_seed=0)
    assert (len(cut.train), len(cut.val), len(cut.test)) == (500, 200, 539)


def test_importing_the_room_loads_numpy_only():
    heavy = "torch sklearn scipy pandas pooch requests platformdirs PIL matplotlib"
    code = f"import sys, dropexp.data; print([m for m in {heavy.split()} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "[]"


EVEN = [6000] * 10
MNIST = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
PUBLISHED_FACTS = [
    # examples of each class in the pool, mean and sd of each channel over it
    ("mnist", MNIST, [0.1307], [0.3081], "4"),
    ("fashion-mnist", EVEN, [0.2860], [0.3530], "Coat"),
    ("cifar10", [5000] * 10, [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616], "deer"),
    ("cifar100", [500] * 100, [0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762], "beaver"),
]


@pytest.mark.slow
@pytest.mark.parametrize("source, counts, mean, sd, fourth", PUBLISHED_FACTS)
def test_real_files_have_the_published_counts_and_means(source, counts, mean, sd, fourth):
    if not os.environ.get("DROPEXP_DATA"):
        pytest.skip("DROPEXP_DATA is not set to a folder of downloaded data sets")
    if listed(source).state not in ("embedded", "checked"):
        pytest.skip(f"{source} is not in DROPEXP_DATA; run `dropexp data {source}`")
    found = load(Data(source=source), folder=Path(), download=False)
    row = SOURCES[source]
    assert found.x.shape == (row.pool + row.test, *row.example)
    assert found.n_test == row.test
    assert np.bincount(found.y[: row.pool]).tolist() == counts
    if source != "mnist":
        assert len(set(np.bincount(found.y[row.pool :]))) == 1
    assert found.classes[4] == fourth
    whole = split(found, Data(source=source, val_size=0), split_seed=0, label_seed=0)
    np.testing.assert_allclose(whole.mean / 255, mean, atol=6e-5)
    np.testing.assert_allclose(whole.sd / 255, sd, atol=6e-5)
    assert (whole.test == np.arange(row.pool, row.pool + row.test)).all()
