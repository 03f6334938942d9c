"""Which rows go where, which labels are wrong, and the scale: what paired studies rest on."""

import numpy as np
import pytest
from scipy.stats import chisquare

from dropexp.data import Dataset, sizes, split
from dropexp.errors import DataError
from dropexp.experiment.config import Data


def made(n=1000, classes=10, n_test=None, shape=(1, 3, 3), seed=0):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
    if len(shape) == 1:
        x = x.astype(np.float32)
    y = rng.integers(0, classes, n)
    return Dataset("made", x, y, n_test, tuple(str(k) for k in range(classes)))


def cut(dataset, split_seed=0, label_seed=0, **fields):
    return split(dataset, Data(**fields), split_seed=split_seed, label_seed=label_seed)


SIZES = [
    # (fields, examples in all, official test examples) -> (train, validation, test)
    ({}, 1797, None, (1133, 125, 539)),
    ({"val_size": 200, "train_size": 500}, 1797, None, (500, 200, 539)),
    ({}, 70_000, 10_000, (54_000, 6_000, 10_000)),
    ({"test_size": 1000}, 70_000, 10_000, (54_000, 6_000, 1000)),
    ({"test_size": 0.5}, 70_000, 10_000, (54_000, 6_000, 5000)),
    ({"test_size": 0.25, "val_size": 0}, 100, None, (75, 0, 25)),
    ({"test_size": 0.29, "val_size": 0.29}, 100, None, (51, 20, 29)),  # 0.29 * 100 is 28.999... in binary
    ({"test_size": 98, "val_size": 1}, 100, None, (1, 1, 98)),
]


@pytest.mark.parametrize("fields, n, official, expected", SIZES)
def test_sizes_and_split_agree(fields, n, official, expected):
    assert sizes(Data(**fields), n, official) == expected
    if n <= 2000:
        found = cut(made(n, n_test=official), **fields)
        assert (len(found.train), len(found.val), len(found.test)) == expected


IMPOSSIBLE = [
    ({"test_size": 100}, "data.test_size: 100 leaves nothing to train on"),
    ({"test_size": 1000}, "data.test_size: 1000 leaves nothing to train on: digits has 100 examples"),
    ({"test_size": 0.001}, "data.test_size: 0.001 of 100 examples is less than one"),
    ({"test_size": 10.0}, "data.test_size: 10.0 is neither an integer nor a fraction: write 10"),
    ({"val_size": 70}, "data.val_size: 70 leaves nothing to train on: digits has 100 examples, 30"),
    ({"val_size": 1.0}, "data.val_size: 1.0 is neither an integer nor a fraction: write 1 "),
    ({"val_size": 0.001}, "data.val_size: 0.001 of 70 examples is less than one"),
    ({"train_size": 64}, "data.train_size: 64 is more than the 63 that are left"),
    (
        {"train_size": 10, "label_noise": 0.01},
        "data.label_noise: 0.01 of 10 training labels is less than one",
    ),
]


@pytest.mark.parametrize("fields, message", IMPOSSIBLE)
def test_a_split_that_leaves_nothing_is_refused(fields, message):
    with pytest.raises(DataError) as caught:
        sizes(Data(**fields), 100, None)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError):
        cut(made(100), **fields)


def test_more_test_examples_than_the_official_set_has_are_refused():
    with pytest.raises(DataError, match="more than the 200 examples of the official test set"):
        sizes(Data(test_size=201), 1000, 200)
    with pytest.raises(DataError, match="30% of them is less than one"):
        sizes(Data(), 3, None)


@pytest.mark.parametrize("n_test", [None, 200])
@pytest.mark.parametrize("test_size", [None, 50, 0.2])
def test_the_three_sets_are_disjoint_and_the_official_test_set_stays_apart(n_test, test_size):
    found = cut(made(n_test=n_test), test_size=test_size)
    together = np.concatenate([found.train, found.val, found.test])
    assert len(np.unique(together)) == len(together)
    assert all(rows.dtype == np.int64 for rows in (found.train, found.val, found.test))
    if n_test is None:
        assert len(together) == 1000
    else:
        assert found.test.min() >= 800
        assert max(found.train.max(), found.val.max()) < 800
        assert len(found.train) + len(found.val) == 800
    if n_test and test_size is None:
        assert (found.test == np.arange(800, 1000)).all()


@pytest.mark.parametrize("n_test", [None, 200])
def test_test_and_validation_do_not_move_and_training_sets_are_nested(n_test):
    dataset = made(n_test=n_test)
    whole = cut(dataset)
    for fields in ({"train_size": 17}, {"train_size": 300}, {"label_noise": 0.3}):
        found = cut(dataset, label_seed=5, **fields)
        assert (found.test == whole.test).all()
        assert (found.val == whole.val).all()
        assert (found.train == whole.train[: len(found.train)]).all()


def test_the_split_hangs_on_the_split_seed_alone_and_is_reproducible():
    dataset = made()
    first, again, other = cut(dataset), cut(made(), label_seed=9), cut(dataset, split_seed=1)
    for name in ("train", "val", "test"):
        assert (getattr(first, name) == getattr(again, name)).all()
        assert (getattr(first, name) != getattr(other, name)).any()
    # pinned, so that no release moves the test set of a finished study
    assert first.test[:6].tolist() == [7, 12, 16, 18, 23, 27]
    assert first.val[:4].tolist() == [10, 25, 28, 56]
    assert first.train[:6].tolist() == [237, 866, 707, 11, 248, 584]
    noisy = cut(dataset, label_noise=0.01)
    assert noisy.train[noisy.wrong[noisy.train]].tolist() == [411, 980, 368, 720, 473, 566]
    assert noisy.labels[[411, 980, 368]].tolist() == [3, 6, 1]


def test_every_row_is_equally_likely_to_be_a_test_example():
    dataset = made(50)
    counts = sum(np.bincount(cut(dataset, split_seed=s).test, minlength=50) for s in range(400))
    # draws without replacement scatter less than independent ones, by the factor 1 - 0.3
    assert chisquare(counts, np.full(50, 400 * 15 / 50)).pvalue > 0.001
    assert 60 < counts.min() <= counts.max() < 180


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.155, 0.5, 0.999])
@pytest.mark.parametrize("train_size", [None, 130])
def test_exactly_the_stated_share_of_training_labels_is_wrong(noise, train_size):
    dataset = made(n_test=100)
    found = cut(dataset, label_noise=noise, train_size=train_size)
    assert found.wrong[found.train].sum() == round(noise * len(found.train))
    assert found.wrong.sum() == found.wrong[found.train].sum()
    assert (found.wrong == (found.labels != dataset.y)).all()
    assert found.labels.dtype == np.int64
    assert 0 <= found.labels.min() <= found.labels.max() <= 9


def test_noise_sets_are_nested_and_wrong_in_the_same_way():
    dataset = made()
    earlier = cut(dataset, label_noise=0.05)
    for noise in (0.2, 0.5, 0.9):
        found = cut(dataset, label_noise=noise)
        assert found.wrong[earlier.wrong].all()
        assert (found.labels[earlier.wrong] == earlier.labels[earlier.wrong]).all()
        earlier = found


def test_the_draw_of_a_row_does_not_move_with_the_training_size():
    dataset = made()
    small, large = cut(dataset, label_noise=0.5, train_size=300), cut(dataset, label_noise=0.5)
    both = small.wrong & large.wrong
    assert (small.labels[both] == large.labels[both]).all()
    assert both.sum() > 0.85 * small.wrong.sum()  # only the threshold moves


def test_noise_hangs_on_the_label_seed_alone():
    dataset = made()
    first, other = cut(dataset, label_noise=0.2), cut(dataset, label_noise=0.2, label_seed=1)
    assert (first.wrong != other.wrong).any()
    assert (first.train == other.train).all()


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_wrong_class_is_uniform_over_the_others(classes):
    dataset = made(30_000, classes, shape=(1, 1, 1))
    found = cut(dataset, label_noise=0.9, val_size=0, test_size=1)
    steps = (found.labels - dataset.y)[found.wrong] % classes
    counts = np.bincount(steps, minlength=classes)
    assert counts[0] == 0
    if classes > 2:
        assert chisquare(counts[1:]).pvalue > 0.001


def test_validation_labels_are_wrong_only_where_asked_for():
    dataset = made()
    clean, noisy = cut(dataset, label_noise=0.3), cut(dataset, label_noise=0.3, noisy_validation=True)
    assert not clean.wrong[clean.val].any()
    assert noisy.wrong[noisy.val].sum() == round(0.3 * len(noisy.val))
    assert (noisy.wrong[noisy.train] == clean.wrong[noisy.train]).all()
    assert not noisy.wrong[noisy.test].any()


@pytest.mark.parametrize("shape", [(1, 5, 4), (3, 6, 6), (7,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_mean_and_sd_are_those_of_the_training_rows(shape, dtype):
    dataset = made(9000, shape=shape)
    x = dataset.x.astype(np.float32 if len(shape) == 1 else dtype)
    dataset = Dataset("made", x, dataset.y, None, dataset.classes)
    found = cut(dataset, train_size=5000)
    axes = (0,) if len(shape) == 1 else (0, 2, 3)
    rows = x[found.train].astype(np.float64)
    np.testing.assert_allclose(found.mean, rows.mean(axes), rtol=1e-6)
    np.testing.assert_allclose(found.sd, rows.std(axes), rtol=1e-6)
    assert found.mean.dtype == found.sd.dtype == np.float32
    assert found.mean.shape == found.sd.shape == shape[:1]


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8])
def test_a_constant_feature_has_sd_1(value):
    x = np.random.default_rng(0).normal(size=(9001, 3)).astype(np.float32)
    x[:, 1] = value
    found = cut(Dataset("made", x, np.arange(9001) % 2, None, ("0", "1")))
    assert found.sd[1] == 1
    assert found.mean[1] == np.float32(value)
    assert (found.sd[[0, 2]] < 1.2).all()
    black = Dataset("made", np.zeros((100, 1, 2, 2), np.uint8), np.arange(100) % 2, None, ("0", "1"))
    assert cut(black).sd.tolist() == [1.0]


def test_a_large_offset_costs_no_precision():
    x = (np.random.default_rng(0).normal(size=(4000, 2)) + 30_000).astype(np.float32)
    found = cut(Dataset("made", x, np.arange(4000) % 2, None, ("0", "1")))
    np.testing.assert_allclose(found.sd, x[found.train].astype(np.float64).std(0), rtol=1e-6)


def with_blanks(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal([5, -3, 100], [1, 2, 30], (200, 3)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    return Dataset("d.csv", x, rng.integers(0, 2, 200), None, ("0", "1"))


@pytest.mark.parametrize("blanks, taken", [("mean", np.nanmean), ("median", np.nanmedian)])
def test_blanks_are_filled_in_from_the_training_rows_alone(blanks, taken):
    dataset = with_blanks()
    found = cut(dataset, source="d.csv", label="y", blanks=blanks)
    rows = dataset.x[found.train].astype(np.float64)
    fill = taken(rows, axis=0)
    np.testing.assert_allclose(found.fill, fill, rtol=1e-6)
    filled = np.where(np.isnan(rows), fill, rows)
    np.testing.assert_allclose(found.mean, filled.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.sd, filled.std(0), rtol=1e-6)
    others = np.setdiff1d(np.arange(200), found.train)
    changed = dataset.x.copy()
    changed[others] *= 1000
    moved = cut(Dataset("d.csv", changed, dataset.y, None, dataset.classes), source="d.csv", label="y", blanks=blanks)
    for name in ("fill", "mean", "sd"):
        np.testing.assert_array_equal(getattr(moved, name), getattr(found, name))


def test_a_split_whose_training_rows_say_nothing_of_a_column_is_refused():
    dataset = with_blanks()
    found = cut(dataset, source="d.csv", label="y", blanks="mean")
    dataset.x[found.train, 1] = np.nan
    with pytest.raises(
        DataError, match=r"no training example has a number in input 2 of 3 of d\.csv, so there is no mean"
    ):
        cut(dataset, source="d.csv", label="y", blanks="mean")


def test_data_without_blanks_have_nothing_to_fill_in():
    assert cut(made()).fill is None
    assert cut(made(shape=(4,))).fill is None
