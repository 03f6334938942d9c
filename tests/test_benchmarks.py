"""The benchmarks compare like with like: peers and dropexp are given inputs of one shape, count and scale."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.measure import agreement, operations
from benchmarks.workloads import WORKLOADS, arrays, study
from dropexp.data import load
from dropexp.experiment.layout import layout
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.train.batches import Feed

DIGITS = [name for name, work in WORKLOADS.items() if work.source == "digits"]
REAL = [pytest.param(name, marks=pytest.mark.slow) for name in WORKLOADS if name not in DIGITS]


@pytest.mark.parametrize("name", DIGITS + REAL)
def test_peers_and_dropexp_are_given_the_same_work(name):
    work = WORKLOADS[name]
    runs = parse(read_text(study(work), f"{name}.yaml"), folder=Path()).runs()
    assert len(runs) == len(work.runs)
    dataset = load(runs[0].config.data, folder=Path())
    feed = Feed(dataset, runs[:1], torch.float32, torch.device("cpu"))
    x_train, y_train, x_test, y_test = arrays(work, 0)
    assert feed.set_sizes == (len(x_train), 0, len(x_test)) == (len(y_train), 0, len(y_test))
    x = torch.cat([x for _, x, _ in feed.chunks()], 1)[0].flatten(1).numpy()
    for ours, theirs in ((x[: work.train], x_train), (x[work.train :], x_test)):
        flat = theirs.reshape(len(theirs), -1)
        assert flat.shape == ours.shape
        assert np.abs(flat).max() == pytest.approx(np.abs(ours).max(), rel=0.05)
        assert flat.std() == pytest.approx(ours.std(), rel=0.05)
    network = layout(runs[0].config, dataset.example, len(dataset.classes))
    counted, first = network.operations, network.blocks[0].operations
    an_epoch = work.train * (3 * counted - first) + (work.train + work.test) * counted
    assert operations(work) == 2 * an_epoch * work.epochs * len(runs)


def test_agreement_is_refused_where_means_are_apart():
    off, width = agreement((0.97, 0.98, 0.975), (0.1, 0.11, 0.09))
    assert abs(off) > width
    off, width = agreement((0.97, 0.98, 0.975), (0.976, 0.974, 0.969))
    assert abs(off) < width
