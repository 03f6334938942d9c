"""A pack as plain data that any executor can carry; torch is loaded only where it is trained."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropexp.experiment.probes import AT_THE_END, due
from dropexp.experiment.study import Run
from dropexp.records import Outcome
from dropexp.train.checkpoint import circumstances

if TYPE_CHECKING:
    from dropexp.data import Dataset

TRAINS = "dropexp.train.pack"  # the module that loads torch, which a command names before it can afford this one
Report = Callable[[int, int, dict[str, float]], bool | None]  # epoch, runs still training, test accuracy by run_id


@dataclass(frozen=True)
class Work:
    """The runs of a pack and what to do beside training them; `probes` are words with their settings."""

    runs: tuple[Run, ...]
    source: str
    probes: tuple[str, ...] = ()
    save_weights: str = "none"
    save_predictions: str = "classes"
    device: str = "cpu"
    threads: int = 1
    checkpoints: Path | None = None

    @property
    def keeps_selected(self) -> bool:
        """Whether each run keeps the weights of its selected and its last epoch until it has ended."""
        return self.save_weights in ("selected", "last") or any(due(self.probes, moment) for moment in AT_THE_END)

    @property
    def circumstances(self) -> dict[str, Any]:
        """What a checkpoint of this work must agree with."""
        return circumstances(self.probes, self.save_weights, self.save_predictions, self.device, self.threads)


def train_work(work: Work, dataset: Dataset, report: Report | None = None) -> Outcome:
    """Train a pack; see `train_pack`."""
    with without_collecting():
        from dropexp.train.pack import train_pack

    return train_pack(work, dataset, report)


@contextlib.contextmanager
def threads_kept() -> Iterator[None]:
    """Leave torch with the threads that it had: training in this process sets its own."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """Look for no garbage meanwhile: a library that loads leaves none, and looking takes a sixth of its time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
