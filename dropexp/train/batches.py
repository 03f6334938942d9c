"""What a pack trains on: the batches of each pass and the rows to evaluate, for every run of the pack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from dropexp.data import Dataset, Split, split
from dropexp.experiment.study import Run
from dropexp.nn.layers import batch_sizes
from dropexp.streams import generator

CHUNK = 512  # examples evaluated at once: a constant, so that no result depends on memory
READY_BYTES = 256 * 2**20  # up to which the examples of all streams are standardised once, and not batch by batch


class Feed:
    """The data of a pack's R runs: S distinct (split, order) streams, and labels by run.

    `set_sizes` are the numbers of training, validation and test examples, which all runs share.
    """

    def __init__(self, dataset: Dataset, runs: Sequence[Run], dtype: torch.dtype, device: torch.device):
        self.dtype, self.device = dtype, device
        self.pool = torch.from_numpy(np.ascontiguousarray(dataset.x)).to(device)
        splits = [
            split(dataset, run.config.data, split_seed=run.stream_seed("split"), label_seed=run.stream_seed("labels"))
            for run in runs
        ]
        self.set_sizes = (len(splits[0].train), len(splits[0].val), len(splits[0].test))
        self._splits, self._true = splits, torch.from_numpy(dataset.y)
        self._streams = [(run.stream_seed("split"), run.stream_seed("order")) for run in runs]
        self._batch = runs[0].config.training.batch_size
        self._steps = runs[0].config.training.steps_per_epoch
        self._index()

    def _index(self) -> None:
        """Find the distinct streams, and lay out rows, labels and statistics for gathering."""
        distinct = list(dict.fromkeys(self._streams))
        first = [self._streams.index(pair) for pair in distinct]
        self._orders = [pair[1] for pair in distinct]
        self.stream_of_R = torch.tensor([distinct.index(pair) for pair in self._streams], device=self.device)
        chosen = [self._splits[i] for i in first]
        self.rows_SN = torch.from_numpy(np.stack([_all_rows(s) for s in chosen])).to(self.device)
        self.labels_RN = torch.from_numpy(np.stack([s.labels[_all_rows(s)] for s in self._splits])).to(self.device)
        self.wrong_RN = torch.from_numpy(np.stack([s.wrong[s.train] for s in self._splits]))
        self.true_RN = torch.stack([self._true[torch.from_numpy(s.train)] for s in self._splits])
        per_stream = (len(chosen), 1, -1, *(1 for _ in range(self.pool.dim() - 2)))
        self._mean = (
            torch.from_numpy(np.stack([s.mean for s in chosen])).to(self.dtype).view(per_stream).to(self.device)
        )
        self._sd = torch.from_numpy(np.stack([s.sd for s in chosen])).to(self.dtype).view(per_stream).to(self.device)
        self._fill = None  # what stands for blank cells, (S, 1, F)
        if chosen[0].fill is not None:
            fills = torch.from_numpy(np.stack([s.fill for s in chosen if s.fill is not None]))
            self._fill = fills.to(self.dtype)[:, None].to(self.device)
        self._ready = None
        if self.rows_SN.numel() * self.pool[0].numel() * self.dtype.itemsize <= READY_BYTES:
            self._ready = self._standardised(self.rows_SN)

    def keep(self, kept: Sequence[int]) -> None:
        """Let all runs but those at positions `kept` leave."""
        self._splits = [self._splits[i] for i in kept]
        self._streams = [self._streams[i] for i in kept]
        self._index()

    def _standardised(self, rows_SB: Tensor) -> Tensor:
        """Return the examples in these rows, each stream's filled in and by its own scale: (S, B, ...)."""
        x_SB = self.pool[rows_SB].to(self.dtype)
        if self._fill is not None:
            x_SB = torch.where(x_SB.isnan(), self._fill, x_SB)
        return x_SB.sub_(self._mean).div_(self._sd)

    def _gather(self, at_SB: Tensor) -> Tensor:
        """Return standardised examples (R, B, ...) for positions (S, B) in each stream's rows."""
        if self._ready is None:
            return self._by_run(self._standardised(torch.gather(self.rows_SN, 1, at_SB)))
        streams, count = self.rows_SN.shape
        begins_S = torch.arange(0, streams * count, count, device=self.device)
        flat = self._ready.flatten(0, 1).index_select(0, (at_SB + begins_S[:, None]).flatten())
        return self._by_run(flat.unflatten(0, at_SB.shape))

    def _by_run(self, x_SB: Tensor) -> Tensor:
        """Give each run its stream's examples; one stream's are not copied."""
        if len(x_SB) == 1:
            return x_SB.expand(len(self.stream_of_R), *x_SB.shape[1:])
        return x_SB.index_select(0, self.stream_of_R)

    def steps_per_epoch(self) -> int:
        """Return the number of optimiser steps in an epoch."""
        return self._steps or len(batch_sizes(self.set_sizes[0], self._batch))

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the epoch's batches: inputs (R, B, ...) and the labels trained on (R, B).

        An epoch is a pass over the training data in a new order, or `steps_per_epoch` steps that go on through
        passes; a pass's order depends on its number alone.
        """
        sizes = batch_sizes(self.set_sizes[0], self._batch)
        ends = np.cumsum([0, *sizes])
        passed, order_SN = -1, torch.empty(0)  # drawn where a pass begins, which may be in the middle of an epoch
        for step in range((epoch - 1) * self.steps_per_epoch(), epoch * self.steps_per_epoch()):
            number, within = divmod(step, len(sizes))
            if number != passed:
                passed, order_SN = number, self._order(number)
            yield self._batch_at(order_SN[:, ends[within] : ends[within + 1]])

    def shuffled(self, place: str, size: int, number: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield disjoint batches of a size from the training examples, in an order that is not that of any pass."""
        order_SN = self._order(number, place)
        for begin in range(0, order_SN.shape[1] - size + 1, size):
            yield self._batch_at(order_SN[:, begin : begin + size])

    def _batch_at(self, at_SB: Tensor) -> tuple[Tensor, Tensor]:
        return self._gather(at_SB), torch.gather(self.labels_RN, 1, at_SB.index_select(0, self.stream_of_R))

    def _order(self, number: int, place: str = "") -> Tensor:
        """Return the order of one pass for each stream, (S, N)."""
        drawn = [
            np.argsort(
                generator(seed, "order", place, number).bit_generator.random_raw(self.set_sizes[0]), kind="stable"
            )
            for seed in self._orders
        ]
        return torch.from_numpy(np.stack(drawn)).to(self.device)

    def chunks(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Yield (first position, inputs (R, B, ...), labels (R, B)) over training, validation and test examples."""
        total = self.rows_SN.shape[1]
        for begin in range(0, total, CHUNK):
            yield begin, *self.examples(begin, min(begin + CHUNK, total))

    def examples(self, begin: int, end: int) -> tuple[Tensor, Tensor]:
        """Return inputs (R, B, ...) and labels (R, B) of the examples at positions among training, validation and test."""
        if self._ready is None:
            streams = len(self.rows_SN)
            x_RB = self._gather(torch.arange(begin, end, device=self.device).expand(streams, -1))
        else:
            x_RB = self._by_run(self._ready[:, begin:end])
        return x_RB, self.labels_RN[:, begin:end]

    @property
    def of_images(self) -> bool:
        """Whether an example is an image, (C, H, W)."""
        return self.pool.dim() == 4

    def changed(self, begin: int, end: int, change: Callable[[Tensor], Tensor]) -> Tensor:
        """Return inputs as `examples` does, changed before they are standardised: `change` gets and gives (S, B, ...)."""
        raw = self.pool[self.rows_SN[:, begin:end]].to(self.dtype)
        return self._by_run(change(raw).sub(self._mean).div(self._sd))

    def part(self, which: Literal["train", "val", "test"], size: int = CHUNK) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs and labels of one set of examples, in its order and in batches of a size."""
        at = ("train", "val", "test").index(which)
        ends = np.cumsum([sum(self.set_sizes[:at]), *batch_sizes(self.set_sizes[at], size)])
        for begin, end in pairwise(ends):
            yield self.examples(int(begin), int(end))


def _all_rows(parts: Split) -> np.ndarray:
    return np.concatenate([parts.train, parts.val, parts.test])
