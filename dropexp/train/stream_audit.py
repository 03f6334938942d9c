"""Whether masks are those of their seed, place and epoch: drawn anew from their stream, whatever the network did for its own."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from dropexp.experiment.layout import LEVELS, threshold
from dropexp.experiment.study import Run
from dropexp.nn.dropout import Site
from dropexp.streams import generator, integers16

FEWEST = 8  # integers of 16 bits that two streams have in common with a chance of 2^-128


def strangers(
    name: str, site: Site, factor: Tensor, runs: Sequence[Run], rates: Sequence[float], epoch: int
) -> list[int]:
    """Return the positions of runs whose first masks of an epoch are not those of their own seed, place and epoch.

    `factor` holds (R, examples, ...) of the epoch's first step, masks that groups share once. Which units fire is
    compared: by a threshold where the law has one, so that no code of the network's is trusted.
    """
    fired = site.law.fired(factor, rates)
    expected: dict[int, Tensor] = {}  # by seed: the integers, or what fires in each run if it had this seed
    wrong = []
    for r, run in enumerate(runs):
        seed = run.stream_seed("mask")
        if seed not in expected:
            u = integers(name, site, seed, epoch, factor.shape[1])
            again = u if site.law.threshold else site.law.draw(u[None], site.strength)[0]
            expected[seed] = again if site.law.threshold else site.law.fired(again, rates)
        own = expected[seed]
        own = (own < threshold(rates[r]) - LEVELS // 2).flatten() if site.law.threshold else own[r]
        if not torch.equal(own, fired[r]):
            wrong.append(r)
    return wrong


def confused(name: str, site: Site, runs: Sequence[Run], epoch: int) -> list[int]:
    """Return the positions of runs that would get the same integers under another seed, place or epoch."""
    confusing: dict[int, bool] = {}
    for seed in {run.stream_seed("mask") for run in runs}:
        own, *others = (
            integers(*key, 2)
            for key in (
                (name, site, seed, epoch),
                (name, site, seed + 1, epoch),
                (f"{name}.other", site, seed, epoch),
                (name, site, seed, epoch + 1),
            )
        )
        confusing[seed] = own.numel() >= FEWEST and any(torch.equal(own, other) for other in others)
    return [r for r, run in enumerate(runs) if confusing[run.stream_seed("mask")]]


def integers(name: str, site: Site, seed: int, epoch: int, examples: int) -> Tensor:
    """Return the integers (examples, ...) of a stream's first step, without those that sharing leaves unused."""
    count = ((examples - 1) * site.group + 1) * prod(site.shape)

    def drawn(place: str) -> Tensor:
        return torch.from_numpy(integers16(generator(seed, "mask", place, epoch), count).copy())

    u = drawn(name)
    if site.law.bits == 32:
        u = u.to(torch.int32) * LEVELS + (drawn(f"{name}.finer").to(torch.int32) + LEVELS // 2)
    u = u.view(-1, *site.shape)[:: site.group]
    if "map" in site.shared:
        u = u[..., :1, :1]
    if "time" in site.shared and len(site.shape) == 2:
        u = u[:, :1]
    return u
