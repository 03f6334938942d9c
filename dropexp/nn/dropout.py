"""Mask sites: where and how strongly each run of a pack drops, and the masks of an epoch, drawn step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from dropexp.experiment.config import Dropout
from dropexp.experiment.kinds import KINDS, Kind
from dropexp.experiment.layout import LEVELS, keep_probability, threshold
from dropexp.nn.noise_laws import NOISE_LAWS, Mask, Strength
from dropexp.streams import generator, integers16, key


class Site:
    """One place where masks act, for all runs of a pack.

    `shape` is an example's shape there, without the batch, and `rates_R` are the runs' rates, 0 where a run does not mask
    it. A unit is dropped where its 16-bit integer u falls below T = round(65536 rate): masks of one seed are nested
    over rates. At rate 0 the factor is exactly 1. `sharing` names axes over which one draw serves, beside the kind's own:
    `time`, or a number of examples, or `batch`.
    """

    def __init__(
        self,
        name: str,
        kind: Kind,
        shape: Sequence[int],
        rates_R: Sequence[float],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        sharing: Sequence[str | int] = (),
        block: int = 3,
    ):
        self.name, self.kind, self.shape = name, kind, tuple(shape)
        self.law = NOISE_LAWS[kind.law]
        self.shared = (*kind.shared, *sharing)
        self.group = next((s for s in sharing if isinstance(s, int)), 1)
        per_run = (len(rates_R), 1, *(1 for _ in self.shape))
        keeps = torch.tensor([keep_probability(rate) for rate in rates_R], dtype=torch.float64)
        below = torch.tensor([threshold(rate) - LEVELS // 2 for rate in rates_R], dtype=torch.int16)
        last = below.to(dtype) - 1
        survivors = 1.0 / keeps if kind.train == "1/keep" else torch.ones_like(keeps)
        tests = keeps if kind.test == "keep" else torch.ones_like(keeps)
        self.strength = Strength(
            keeps.view(per_run),
            below.view(per_run).to(device),
            last.view(per_run).to(device),
            survivors.to(dtype).view(per_run).to(device),
            tuple(rates_R),
            self.shape,
            block,
        )
        self.test_R = tests.to(dtype).view(per_run).to(device)
        self.tested = kind.test != "1"
        self.on_weights = kind.acts_on == "weight"
        self.joins = self.law.two_valued and not self.on_weights  # its factor is 0 or the survivors'

    def mask(self, u_SB: Tensor, seed_of_R: Tensor) -> Mask:
        """Return factor and offset for one step, from integers (S, B, ...) of the pack's S mask seeds.

        Masks shared over an axis take the integers of its first index, and that axis has length 1; masks shared over
        groups of examples take those of each group's first.
        """
        if "batch" in self.shared:
            u_SB = u_SB[:, :1]
        elif self.group > 1:
            u_SB = u_SB[:, torch.arange(u_SB.shape[1], device=u_SB.device) // self.group * self.group]
        if "map" in self.shared:
            u_SB = u_SB[..., :1, :1]
        if "time" in self.shared and len(self.shape) == 2:  # a place behind the sequence keeps a mask for each unit
            u_SB = u_SB[:, :, :1]
        if self.law.two_valued:
            u_SB = u_SB.to(self.strength.survivor_R.dtype)  # once a seed; comparing floats is quicker, and as exact
        u = u_SB if len(u_SB) == 1 else u_SB.index_select(0, seed_of_R)
        return self.law.draw(u, self.strength)


class Noise:
    """The masks of one epoch: each (seed, site) has its stream, read step by step in the order of the steps.

    Masks that are not those of training have streams of their own, by the words in `drawn_for`.
    """

    def __init__(
        self, sites: dict[str, Site], seeds: Sequence[int], seed_of_R: Tensor, epoch: int, drawn_for: str = ""
    ):
        self.drawn_for = drawn_for
        self.sites, self.seeds, self.seed_of_R, self.epoch = sites, seeds, seed_of_R, epoch
        draw = integers_here if seed_of_R.device.type == "cpu" else integers_there
        device = seed_of_R.device
        self._draws = {name: draw(seeds, drawn_for + name, epoch, device) for name in sites}
        fine = [name for name, site in sites.items() if site.law.bits == 32]
        self._finer = {name: draw(seeds, f"{drawn_for}{name}.finer", epoch, device) for name in fine}

    def again(self) -> Noise:
        """Return the same masks from the epoch's first step on."""
        return Noise(self.sites, self.seeds, self.seed_of_R, self.epoch, self.drawn_for)

    def mask(self, name: str, batch: int) -> Mask | None:
        """Return the next step's factor and offset at a site, None where nothing is masked.

        `batch` counts examples, or groups of examples where weights are masked.
        """
        site = self.sites.get(name)
        if site is None:
            return None
        count = batch * int(np.prod(site.shape))
        u_SN = self._draws[name](count)
        # the first 16 bits are those that every kind draws, so that masks stay nested over kinds
        if name in self._finer:
            u_SN = u_SN.to(torch.int32) * LEVELS + (self._finer[name](count).to(torch.int32) + LEVELS // 2)
        return site.mask(u_SN.view(len(u_SN), batch, *site.shape), self.seed_of_R)

    def drawn(self, name: str, batch: int) -> Mask:
        """Return the next step's factor and offset at a site that is there."""
        made = self.mask(name, batch)
        assert made is not None, f"{name} is a mask site of the network but not of its noise"
        return made

    def apply(
        self,
        name: str,
        x: Tensor,
        factor: Tensor,
        offset: Tensor | None = None,
        part: Part | None = None,
        run: int | None = None,
    ) -> Tensor:
        """Return x times a step's factor plus its offset, what a site is there for; the audit watches it here.

        Where x is multiplied by a part of what was drawn, `part` cuts that out of the drawn factor. `run` is the run that x
        belongs to where it has no axis of runs.
        """
        return x * factor if offset is None else x * factor + offset

    def joined(self, name: str, x: Tensor, weight: Tensor, bias: Tensor, low: bool, out: Tensor) -> None:
        """Hear what left a block that took affine map, relu and mask at once."""

    def backward_done(self, parameters: Mapping[str, Tensor]) -> None:
        """Hear that a step's gradients are there."""

    def step_done(self, parameters: Mapping[str, Tensor]) -> None:
        """Hear that a step's update has been made."""


Part = Callable[[Tensor], Tensor]
Draw = Callable[[int], Tensor]  # a number N of integers a seed -> (S, N) int16, all 65,536 values equally likely


def integers_here(seeds: Sequence[int], site: str, epoch: int, device: torch.device) -> Draw:
    """Draw on the processor: the streams that every result on a CPU comes from."""
    streams = [generator(seed, "mask", site, epoch) for seed in seeds]
    return lambda count: torch.from_numpy(np.stack([integers16(stream, count) for stream in streams]))


def integers_there(seeds: Sequence[int], site: str, epoch: int, device: torch.device) -> Draw:
    """Draw where the network is, without a wait for the host: other numbers by the same names and the same law."""
    streams = [torch.Generator(device).manual_seed(key(seed, "mask", site, epoch) % 2**63) for seed in seeds]

    def draw(count: int) -> Tensor:
        drawn = [
            torch.randint(-LEVELS // 2, LEVELS // 2, (count,), dtype=torch.int16, device=device, generator=s)
            for s in streams
        ]
        return torch.stack(drawn)

    return draw


def make_sites(
    dropout: Dropout,
    shapes: dict[str, tuple[int, ...]],
    rates_R: Sequence[dict[str, float]],
    dtype: torch.dtype,
    device: torch.device | str = "cpu",
) -> dict[str, Site]:
    """Return the sites that any run of a pack masks; `rates_R` holds each run's rate by site name.

    Where weights are masked, a rate of 0 in `rates_R` is a site too: masked and plain weights take different products, and
    a schedule that is off in one run of a pack may be on in its neighbour.
    `dropout` is that of any run of the pack: they agree in kind, group and block size, and in how time is shared.
    """
    kind = KINDS[dropout.kind]
    return {
        name: Site(
            name,
            kind,
            shape,
            [rates.get(name, 0.0) for rates in rates_R],
            dtype,
            device,
            _sharing(name, kind, dropout),
            dropout.block_size,
        )
        for name, shape in shapes.items()
        if any(rates.get(name, 0.0) > 0 or (kind.acts_on == "weight" and name in rates) for rates in rates_R)
    }


def _sharing(name: str, kind: Kind, dropout: Dropout) -> tuple[str | int, ...]:
    group = () if dropout.group_size is None or kind.acts_on == "weight" else (dropout.group_size,)
    over_time = name.startswith("recurrent.") and dropout.recurrent == "sequence"
    return (*group, "time") if over_time and "time" not in kind.shared else group
