"""Whether masks are those of their seed, place and epoch: drawn anew from their stream, whatever the network did for its own."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from dropexp.experiment.layout import LEVELS, threshold
from dropexp.experiment.study import Run
from dropexp.nn.dropout import Site
from dropexp.nn.noise_laws import Mask
from dropexp.streams import generator, integers16

FEWEST = 8  # integers of 16 bits that two streams have in common with a chance of 2^-128


def strangers(name: str, site: Site, made: Mask, runs: Sequence[Run], rates: Sequence[float], epoch: int) -> list[int]:
    """Return the positions of runs whose first masks of an epoch are not those of their own seed, place and epoch.

    `made` is factor and offset (R, examples, ...) of the epoch's first step, masks that groups share once. Which units
    fire is compared, by a threshold where the law has one, and the first example's offset.
    """
    factor, offset = made
    fired = site.law.fired(factor, rates)
    drawn: dict[int, tuple[Tensor, Mask]] = {}
    wrong = []
    for r, run in enumerate(runs):
        seed = run.stream_seed("mask")
        if seed not in drawn:
            u = integers(name, site, seed, epoch, factor.shape[1])
            examples = 1 if site.law.threshold else len(u)  # all that is needed: weights can be millions
            drawn[seed] = u, site.law.draw(u[None, :examples], site.strength)
        u, (again, offset_again) = drawn[seed]
        if site.law.threshold:
            expected = (u < threshold(rates[r]) - LEVELS // 2).flatten()
        else:
            expected = site.law.fired(again[r : r + 1], rates[r : r + 1])[0]
        if (
            (offset is None) != (offset_again is None)
            or not torch.equal(expected, fired[r])
            or (offset is not None and offset_again is not None and not torch.equal(offset[r, :1], offset_again[r, :1]))
        ):
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
