"""The laws of dropout: from shared uniform integers to the factor that each activation is multiplied by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from dropexp.spec.kinds import KINDS, Kind
from dropexp.spec.layout import keep_probability, threshold
from dropexp.streams import generator, integers16


def _bernoulli(u: Tensor, drop_below_R: Tensor, survivor_R: Tensor) -> Tensor:
    """0 where the integer lies below the threshold, else the survivors' factor (Srivastava 2014, section 10)."""
    return (u >= drop_below_R).to(survivor_R.dtype) * survivor_R


LAWS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"bernoulli": _bernoulli}


class Site:
    """One place where masks act, for all runs of a pack.

    `rates_R` are the runs' rates there, 0 where a run does not mask it. A factor is drawn where the run's 16-bit
    integers u fall below T = round(65536 rate): masks of one seed are nested over rates. At rate 0 it is exactly 1.
    """

    def __init__(
        self,
        name: str,
        kind: Kind,
        shape: Sequence[int],
        rates_R: Sequence[float],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ):
        self.name, self.kind, self.shape = name, kind, tuple(shape)
        per_run = (len(rates_R), 1, *(1 for _ in self.shape))
        keeps = torch.tensor([keep_probability(rate) for rate in rates_R], dtype=torch.float64)
        below = torch.tensor([threshold(rate) - 32768 for rate in rates_R], dtype=torch.int16)
        survivors = 1.0 / keeps if kind.train == "1/keep" else torch.ones_like(keeps)
        tests = keeps if kind.test == "keep" else torch.ones_like(keeps)
        self.drop_below_R = below.view(per_run).to(device)
        self.survivor_R = survivors.to(dtype).view(per_run).to(device)
        self.test_R = tests.to(dtype).view(per_run).to(device)
        self.tested = kind.test != "1"

    def factor(self, u_SB: Tensor, seed_of_R: Tensor) -> Tensor:
        """Return the factor for one step, (R, B, ...), from integers (S, B, ...) of the pack's S mask seeds.

        Masks shared over the batch take the integers of its first example, and the factor is (R, 1, ...).
        """
        if "batch" in self.kind.shared:
            u_SB = u_SB[:, :1]
        u = u_SB if len(u_SB) == 1 else u_SB[seed_of_R]
        return LAWS[self.kind.law](u, self.drop_below_R, self.survivor_R)


class Noise:
    """The masks of one epoch: each (seed, site) has its stream, read step by step in the order of the steps."""

    def __init__(self, sites: dict[str, Site], seeds: Sequence[int], seed_of_R: Tensor, epoch: int):
        self.sites, self.seed_of_R, self.epoch = sites, seed_of_R, epoch
        self._streams = {name: [generator(seed, "mask", name, epoch) for seed in seeds] for name in sites}

    def factor(self, name: str, batch: int) -> Tensor | None:
        """Return the next step's factor at a site for a batch of `batch` examples, None where nothing is masked."""
        site = self.sites.get(name)
        if site is None:
            return None
        count = batch * int(np.prod(site.shape))
        u_SB = np.stack([integers16(stream, count) for stream in self._streams[name]])
        u = torch.from_numpy(u_SB).view(len(u_SB), batch, *site.shape).to(site.survivor_R.device)
        return site.factor(u, self.seed_of_R)


def make_sites(
    kind: str,
    shapes: dict[str, tuple[int, ...]],
    rates_R: Sequence[dict[str, float]],
    dtype: torch.dtype,
    device: torch.device | str = "cpu",
) -> dict[str, Site]:
    """Return the sites that any run of a pack masks; `rates_R` holds each run's rate by site name."""
    return {
        name: Site(name, KINDS[kind], shape, [rates.get(name, 0.0) for rates in rates_R], dtype, device)
        for name, shape in shapes.items()
        if any(rates.get(name, 0.0) > 0 for rates in rates_R)
    }
