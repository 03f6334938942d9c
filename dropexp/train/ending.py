"""Probes at the end of training: every run's network once more, with the weights of its selected and its last epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch

from dropexp.data import Dataset
from dropexp.experiment.layout import Layout
from dropexp.experiment.probes import AT_THE_END, PROBES, due, name_of, place_of
from dropexp.experiment.study import Run
from dropexp.nn.network import Network
from dropexp.nn.protocol import Trainable
from dropexp.records import ProbeRow
from dropexp.train.batches import Feed
from dropexp.train.probes import Taken, take
from dropexp.train.recorder import Recorder, Weights, remembered_by
from dropexp.train.work import Work

MOST_PARAMETERS = 4_000_000  # of the runs that are looked at together: a probe may keep ten numbers for each
Kept = tuple[Run, int, Weights]  # a run, an epoch of it, and the weights of that epoch


def rows_of(run: Run, place: int, taken: Iterable[Taken], epoch: int | None = None) -> list[ProbeRow]:
    """Return what probes measured of the run at a position, as rows of probes.csv; `epoch` replaces the one in `taken`."""
    return [
        ProbeRow(run.run_id, number if epoch is None else epoch, probe, layer, at, value)
        for number, probe, layer, at, values in taken
        if (value := values[place]) is not None
    ]


def in_order(rows: Iterable[ProbeRow]) -> list[ProbeRow]:
    """Return a run's rows as the store orders lines; of two for one place, as two moments of one epoch give, the first."""
    first: dict[tuple[object, ...], ProbeRow] = {}
    for row in rows:
        first.setdefault((row.epoch, row.probe, row.layer, row.at), row)
    return sorted(first.values(), key=lambda row: (row.epoch, place_of(row.probe)))


def at_the_end(
    work: Work, layout: Layout, dataset: Dataset, recorders: Mapping[str, Recorder]
) -> dict[str, list[ProbeRow]]:
    """Return by run what the probes measure that look at the end of training; a run that kept no weights has no rows."""
    found: dict[str, list[ProbeRow]] = {run_id: [] for run_id in recorders}
    for moment, words, kept in _asked(work, list(recorders.values())):
        for part in _parts(kept, layout.parameters) if words else ():
            runs = [run for run, _, _ in part]
            feed = Feed(dataset, runs, torch.float32, torch.device(work.device))
            remembered = remembered_by([recorders[run.run_id] for run in runs])
            taken = take(words, moment, _network(part, layout, feed), feed, runs, remembered=remembered)
            for i, (run, epoch, _) in enumerate(part):
                found[run.run_id] += rows_of(run, i, taken, epoch)
    return found


def _asked(work: Work, recorders: Sequence[Recorder]) -> Iterator[tuple[str, list[str], list[Kept]]]:
    """Yield (moment, probes, runs): a probe that looks at both ends looks once at a run that selected its last epoch."""
    for moment in AT_THE_END:
        words = due(work.probes, moment)
        kept = [known for recorder in recorders if (known := _kept(recorder, moment))]
        twice = [word for word in words if moment == "last" and "selected" in PROBES[name_of(word)].moments]
        selected = {recorder.run.run_id: recorder.selected for recorder in recorders}
        yield moment, [word for word in words if word not in twice], kept
        yield moment, twice, [(run, epoch, own) for run, epoch, own in kept if epoch != selected[run.run_id]]


def _kept(recorder: Recorder, moment: str) -> Kept | None:
    """Return what a run kept of the epoch that a moment speaks of, None where there is no such epoch."""
    last = len(recorder.rows) - (recorder.reason == "diverged")
    epoch, weights = (recorder.selected, recorder.chosen) if moment == "selected" else (last, recorder.latest)
    return (recorder.run, epoch, weights) if epoch and weights is not None else None


def _parts(kept: Sequence[Kept], parameters: int) -> list[list[Kept]]:
    """Return runs in parts for which one epoch's rates are in force, each so small that it fits beside what trained."""
    scheduled = any(run.config.dropout.schedule.shape != "constant" for run, _, _ in kept)
    parts: dict[int, list[Kept]] = {}
    for own in kept:
        parts.setdefault(own[1] if scheduled else 0, []).append(own)
    most = max(1, MOST_PARAMETERS // parameters)
    return [part[i : i + most] for part in parts.values() for i in range(0, len(part), most)]


def _network(part: Sequence[Kept], layout: Layout, feed: Feed) -> Trainable:
    """Return the network of some runs with the weights that they kept."""
    runs = [run for run, _, _ in part]
    network: Trainable = Network(layout, [r.config for r in runs], [r.stream_seed("init") for r in runs], feed.dtype)
    network.to(feed.device)
    network.set_epoch(part[0][1])
    names = [*network.parameters, *network.statistics]
    network.put(
        {
            name: torch.from_numpy(np.stack([np.asarray(own[name]) for _, _, own in part])).to(feed.device)
            for name in names
        }
    )
    network.require_grad()
    return network
