"""The average of small networks over all of their masks, each with its probability: what the mean of drawn masks comes near."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod

import torch

from dropexp.nn.dropout import Noise, Site
from dropexp.nn.noise_laws import Mask

LOW, HIGH = -(2**15), 2**15 - 1  # the integers of a unit that is dropped, and that is kept, at any rate between 0 and 1


def masked_at(sites: Mapping[str, Site], run: int) -> tuple[str, ...]:
    """Return the sites at which a run drops at all."""
    return tuple(name for name, site in sites.items() if float(site.strength.keep_R[run].item()) < 1)


def units_of(sites: Mapping[str, Site], names: Sequence[str]) -> int | None:
    """Return how many units some sites mask; None where they are not each dropped by themselves, so that masks are not 2^units."""
    own = [sites[name] for name in names]
    if any(not site.law.two_valued or site.on_weights or {"map", "time"} & set(site.shared) for site in own):
        return None
    return sum(prod(site.shape) for site in own)


class OneMask(Noise):
    """One mask for all examples: at the sites `names` a unit is dropped where its bit of `number` is 1, elsewhere none is."""

    def __init__(self, sites: dict[str, Site], runs: int, names: Sequence[str], number: int, device: torch.device):
        super().__init__(sites, (), torch.zeros(runs, dtype=torch.int64, device=device), 1)
        self.dropped = {name: torch.zeros(prod(site.shape), dtype=torch.bool) for name, site in sites.items()}
        for name in names:
            count = prod(sites[name].shape)
            self.dropped[name] = (number >> torch.arange(count) & 1) == 1
            number >>= count

    def mask(self, name: str, batch: int) -> Mask | None:
        """Return the factor of the one mask, whatever the step."""
        if (site := self.sites.get(name)) is None:
            return None
        u = torch.where(self.dropped[name], LOW, HIGH).to(self.seed_of_R.device, torch.int16)
        return site.mask(u.view(1, 1, *site.shape).expand(1, batch, *site.shape), self.seed_of_R)

    def probability(self, run: int) -> float:
        """Return the probability of the mask at the rates of a run."""
        chance = 1.0
        for name, site in self.sites.items():
            keep, dropped = float(site.strength.keep_R[run].item()), int(self.dropped[name].sum())
            chance *= (1.0 - keep) ** dropped * keep ** (len(self.dropped[name]) - dropped)
        return chance


def every_mask(sites: dict[str, Site], runs: int, names: Sequence[str], device: torch.device) -> Iterator[OneMask]:
    """Yield all masks of some sites; their units are each dropped by themselves."""
    for number in range(2 ** (units_of(sites, names) or 0)):
        yield OneMask(sites, runs, names, number, device)
