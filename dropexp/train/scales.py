"""The scale of a run's inputs, kept beside its weights, so that a network can take examples as they are in the data set."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dropexp.data import Dataset, split
from dropexp.nn.to_torch import FILL, SCALE, SHAPE
from dropexp.train.recorder import Recorder, Weights


def with_scales(recorders: Iterable[Recorder], which: str, dataset: Dataset) -> tuple[tuple[str, Weights], ...]:
    """Return the weights that runs keep, under their names, each with an example's shape and the scale of its inputs.

    `which` is none, selected, last or all.
    """
    found: list[tuple[str, Weights]] = []
    for recorder in recorders:
        if kept := recorder.kept(which):
            seeds = {"split_seed": recorder.run.stream_seed("split"), "label_seed": recorder.run.stream_seed("labels")}
            parts = split(dataset, recorder.run.config.data, **seeds)
            own = dict(zip(SCALE, (parts.mean, parts.sd), strict=True)) | {SHAPE: np.array(dataset.example, np.int64)}
            own |= {} if parts.fill is None else {FILL: parts.fill}
            found += [(name, {**arrays, **own}) for name, arrays in kept]
    return tuple(found)
