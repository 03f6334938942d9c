"""What a pack is fed: every example once a pass, one order for all rates, the scale of the training data alone."""

from collections import Counter

import numpy as np
import pytest
import torch

from dropexp.data import Dataset, split
from dropexp.train import batches as feed_module
from dropexp.train.batches import CHUNK, Feed, batch_sizes


def numbered(count, shape=(3,)):
    """Examples that can be told apart: example i holds i everywhere, and its label is i modulo 7."""
    x = np.broadcast_to(np.arange(count, dtype=np.float32).reshape(-1, *(1,) * len(shape)), (count, *shape)).copy()
    return Dataset("numbered", x, np.arange(count) % 7, None, tuple("abcdefg"))


def feed_of(dataset, *runs, dtype=torch.float64):
    return Feed(dataset, runs, dtype, torch.device("cpu"))


def parts_of(dataset, run):
    seeds = {"split_seed": run.stream_seed("split"), "label_seed": run.stream_seed("labels")}
    return split(dataset, run.config.data, **seeds)


def rows_in(feed, x_RB, dataset, run, r=0):
    """Return which examples of `numbered` these standardised ones are."""
    train = parts_of(dataset, run).train.astype(np.float64)
    mean, sd = np.float32(train.mean()), np.float32(train.std())
    flat = x_RB[r].flatten(1)[:, 0].double().numpy()
    return np.rint(flat * float(sd) + float(mean)).astype(int)


@pytest.mark.parametrize(
    "examples, batch, sizes",
    [
        (10, 5, [5, 5]),
        (11, 5, [5, 6]),
        (12, 5, [5, 5, 2]),
        (4, 5, [4]),
        (1, 5, [1]),
        (6, 5, [6]),
        (5, 5, [5]),
        (3, 1, [1, 2]),
        (129, 64, [64, 65]),
        (500, 64, [64] * 7 + [52]),
    ],
)
def test_a_remainder_of_one_joins_the_batch_before(examples, batch, sizes):
    assert batch_sizes(examples, batch) == sizes


@pytest.mark.parametrize("shape", [(3,), (2, 4, 5)])
@pytest.mark.parametrize("batch", [7, 16, 22, 44, 100])
def test_a_pass_covers_every_training_example_once(make_run, shape, batch):
    dataset = numbered(67, shape)
    run = make_run(1, data={"test_size": 15, "val_size": 7}, training={"batch_size": batch})
    feed, parts = feed_of(dataset, run), parts_of(dataset, run)
    assert feed.set_sizes == (45, 7, 15)
    orders = []
    for epoch in (1, 2):
        batches = list(feed.batches(epoch))
        assert [x.shape[1] for x, _ in batches] == batch_sizes(45, batch)
        assert len(batches) == feed.steps_per_epoch()
        seen = np.concatenate([rows_in(feed, x, dataset, run) for x, _ in batches])
        labels = torch.cat([y[0] for _, y in batches]).numpy()
        assert sorted(seen) == sorted(parts.train)
        assert np.array_equal(labels, seen % 7)
        orders.append(seen.tolist())
    assert orders[0] != orders[1]


def test_an_epoch_of_steps_goes_on_through_the_passes(make_run):
    dataset = numbered(67)
    sections = {"data": {"test_size": 15, "val_size": 7}}
    by_pass = make_run(0, **sections, training={"batch_size": 11})
    by_steps = make_run(0, **sections, training={"batch_size": 11, "steps_per_epoch": 3})
    passes, steps = feed_of(dataset, by_pass), feed_of(dataset, by_steps)
    assert batch_sizes(45, 11) == [11, 11, 11, 12]
    expected = [x for epoch in (1, 2, 3) for x, _ in passes.batches(epoch)]
    found = [x for epoch in (1, 2, 3, 4) for x, _ in steps.batches(epoch)]
    assert len(found) == len(expected) == 12
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert torch.equal(next(iter(steps.batches(3)))[0], expected[6])  # an epoch needs none before it
    longer = make_run(0, **sections, training={"batch_size": 11, "steps_per_epoch": 10})
    counted = Counter(
        row for x, _ in feed_of(dataset, longer).batches(1) for row in rows_in(steps, x, dataset, longer).tolist()
    )
    assert set(counted.values()) == {2, 3}
    assert len(counted) == 45


def orders_of(dataset, run, epoch=1):
    feed = feed_of(dataset, run)
    return np.concatenate([rows_in(feed, x, dataset, run) for x, _ in feed.batches(epoch)]).tolist()


def test_the_order_depends_on_seed_and_pass_alone(make_run):
    dataset = numbered(67)
    first = orders_of(dataset, make_run(0, data={"test_size": 15, "val_size": 7}))
    for other in (
        {"dropout.rate": 0.0},
        {"dropout.rate": 0.9, "dropout.placement": ["all"], "dropout.kind": "vanilla"},
        {"training.batch_size": 5, "training.lr": 1.0, "training.epochs": 3},
        {"model.hidden": [4, 4], "model.norm": "batch"},
        {"data.label_noise": 0.4},
        {"streams.mask": 9, "streams.init": 9, "streams.labels": 9},
    ):
        run = make_run(0, **{"data.test_size": 15, "data.val_size": 7, **other})
        assert orders_of(dataset, run) == first, other
    sizes = {"data.test_size": 15, "data.val_size": 7}
    pinned = {"streams.split": 0}
    assert orders_of(dataset, make_run(1, **sizes, **pinned)) != first
    assert sorted(orders_of(dataset, make_run(1, **sizes, **pinned))) == sorted(first)
    assert sorted(orders_of(dataset, make_run(1, **sizes))) != sorted(first)
    assert orders_of(dataset, make_run(1, **sizes, **pinned, **{"streams.order": 0})) == first
    assert orders_of(dataset, make_run(0, **sizes), epoch=2) != first


def test_runs_of_a_pack_see_what_each_sees_alone(make_run, images):
    sizes = {"data.test_size": 15, "data.val_size": 7, "training.batch_size": 9}
    members = [(2, 0.5, 0.3), (0, 0.0, 0.0), (2, 0.0, 0.0), (1, 0.9, 0.5)]
    runs = [make_run(s, **sizes, **{"dropout.rate": rate, "data.label_noise": q}) for s, rate, q in members]
    pack = feed_of(images, *runs, dtype=torch.float32)
    assert len(pack.rows_SN) == 3  # runs of one seed share their data
    together = list(pack.batches(1)), list(pack.chunks())
    assert torch.equal(together[0][0][0][0], together[0][0][0][2])  # a seed's data is one whatever the rate
    for r, run in enumerate(runs):
        alone = feed_of(images, run, dtype=torch.float32)
        for (x, y), (own_x, own_y) in zip(together[0], alone.batches(1), strict=True):
            assert torch.equal(x[r], own_x[0])
            assert torch.equal(y[r], own_y[0])
        for (begin, x, y), (own_begin, own_x, own_y) in zip(together[1], alone.chunks(), strict=True):
            assert begin == own_begin
            assert torch.equal(x[r], own_x[0])
            assert torch.equal(y[r], own_y[0])
    pack.keep([3, 0])
    for (x, y), (all_x, all_y) in zip(pack.batches(1), together[0], strict=True):
        assert torch.equal(x, all_x[[3, 0]])
        assert torch.equal(y, all_y[[3, 0]])


@pytest.mark.parametrize("fixture", ["images", "vectors"])
def test_the_scale_is_that_of_the_training_data_alone(make_run, request, fixture):
    dataset = request.getfixturevalue(fixture)
    run = make_run(0, data={"test_size": 15, "val_size": 7})
    parts, axes = parts_of(dataset, run), (0, 2, 3) if fixture == "images" else (0,)
    train = dataset.x[parts.train].astype(np.float64)
    mean, sd = train.mean(axes, keepdims=True), train.std(axes, keepdims=True)
    found = torch.cat([x[0] for _, x, _ in feed_of(dataset, run).chunks()]).numpy()
    rows = np.concatenate([parts.train, parts.val, parts.test])
    np.testing.assert_allclose(found, (dataset.x[rows] - mean) / sd, rtol=0, atol=1e-5)
    seen = found[: len(parts.train)]
    np.testing.assert_allclose(seen.mean(axes), 0, atol=1e-6)
    np.testing.assert_allclose(seen.std(axes), 1, atol=1e-6)

    moved = dataset.x.copy()
    moved[np.concatenate([parts.val, parts.test])] *= 100  # what is set aside moves no training example
    other = Dataset(dataset.source, moved, dataset.y, None, dataset.classes)
    for (x, _), (same, _) in zip(feed_of(dataset, run).batches(1), feed_of(other, run).batches(1), strict=True):
        assert torch.equal(x, same)


def test_a_feature_that_never_varies_is_0_and_not_nan(make_run):
    dataset = numbered(40)
    dataset.x[:, 1] = 5.0
    x = torch.cat([x[0] for x, _ in feed_of(dataset, make_run(0)).batches(1)])
    assert not x[:, 1].any()
    assert x[:, 0].std() > 0.9


@pytest.mark.parametrize("count", [67, CHUNK, CHUNK + 1, 2 * CHUNK + 100])
def test_evaluation_covers_training_validation_and_test_examples(make_run, count):
    dataset = numbered(count)
    run = make_run(3, data={"test_size": 15, "val_size": 7})
    feed, parts = feed_of(dataset, run), parts_of(dataset, run)
    begins, rows, labels = [], [], []
    for begin, x, y in feed.chunks():
        begins.append(begin)
        rows += rows_in(feed, x, dataset, run).tolist()
        labels += y[0].tolist()
    assert begins == list(range(0, count, CHUNK))
    assert rows == [*parts.train, *parts.val, *parts.test]
    assert sorted(rows) == list(range(count))
    assert labels == [row % 7 for row in rows]


def test_examples_standardised_once_have_the_bits_of_those_standardised_batch_by_batch(make_run, monkeypatch):
    made = []
    for limit in (feed_module.READY_BYTES, 0):
        monkeypatch.setattr(feed_module, "READY_BYTES", limit)
        runs = [
            make_run(seed, data={"test_size": 15, "val_size": 7}, training={"batch_size": 16}) for seed in (1, 0, 1)
        ]
        feed = feed_of(numbered(67, (2, 4, 5)), *runs, dtype=torch.float32)
        assert (feed._ready is None) == (limit == 0)
        made.append([x for x, _ in feed.batches(2)] + [x for _, x, _ in feed.chunks()])
    assert all(torch.equal(a, b) for a, b in zip(*made, strict=True))
