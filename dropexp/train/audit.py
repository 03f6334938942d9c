"""The audit of dropout: in every training, what each mask site did is held against what it was asked to do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from math import ceil, prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dropexp.experiment.layout import keep_probability
from dropexp.experiment.schedules import site_rates_in_force
from dropexp.experiment.study import Run
from dropexp.nn.dropout import Noise, Site
from dropexp.nn.expected_noise import Expected
from dropexp.nn.noise_laws import expectation
from dropexp.nn.protocol import Trainable
from dropexp.train.alarms import ENOUGH_BITS, FALSE_ALARM, WANTED_BITS
from dropexp.train.batches import Feed

Finding = tuple[int, str, str, float]  # position of the run, probe, layer, value


class Audited(Noise):
    """Noise that shows every mask to the audit before the network multiplies by it."""

    def __init__(self, audit: Audit, sites: dict[str, Site], seeds: Sequence[int], seed_of_R: Tensor, epoch: int):
        super().__init__(sites, seeds, seed_of_R, epoch)
        self._audit = audit

    def mask(self, name: str, batch: int) -> tuple[Tensor, Tensor | None] | None:
        made = super().mask(name, batch)
        if made is not None:
            self._audit.see(name, self.sites[name], made[0])
        return made


class Audit:
    """What the masks of a pack's runs did in an epoch, counted run by run, over independent units only.

    In the first three epochs and in every fourth one step, another each time, is counted in full, and the masks of three
    steps are compared: with each other, with those of the first epoch and of the last. `memory` holds these, and the
    counts so far, by run and site. That costs about a hundredth of training.
    """

    def __init__(self, memory: Mapping[str, Any] | None = None):
        self.memory: dict[str, dict[str, dict[str, Any]]] = {k: dict(v) for k, v in (memory or {}).items()}

    def begin(self, runs: Sequence[Run], epoch: int, steps: int) -> None:
        """Start an epoch of so many steps."""
        self.runs, self.turn = runs, (epoch - 1) % steps
        self.looked_at = {0, 1, self.turn} if epoch < 4 or epoch % 4 == 0 else set()
        self.rates = [site_rates_in_force(run.config.dropout, run.config.model, epoch) for run in runs]
        self.steps: dict[str, int] = {}
        self.counts: dict[tuple[int, str], tuple[int, int, Expected]] = {}
        self.prints: dict[tuple[int, str], list[str]] = {}
        self.seen: list[tuple[str, bool, list[Expected], Tensor]] = []  # left on their device until the epoch is over

    def see(self, name: str, site: Site, factor: Tensor) -> None:
        """Keep what a mask (R, B, ...) dropped, to be counted after the epoch, if it is this step's turn."""
        step = self.steps.get(name, 0)
        self.steps[name] = step + 1
        if step not in self.looked_at:
            return
        factor = factor.detach()[:, :: site.group]
        own_shape, size = tuple(factor.shape[2:]), self.runs[0].config.dropout.block_size
        rates = [own.get(name, 0.0) for own in self.rates]
        expected = [expectation(site.kind.law, rate, own_shape, size) for rate in rates]
        if step != self.turn:  # as many examples as are compared
            needed = max((ceil(WANTED_BITS / e.bits) * e.block for e in expected if e.bits), default=1)
            factor = factor[:, : ceil(needed / prod(own_shape))]
        self.seen.append((name, step == self.turn, expected, site.law.fired(factor, rates)))

    def count(self) -> None:
        """Count what fired in the steps that were kept, and take the prints of their masks."""
        for name, whole, expected, kept in self.seen:
            fired = kept.cpu().numpy()
            for i, e in enumerate(expected):
                if whole:
                    self.counts[i, name] = (int(np.count_nonzero(fired[i])), fired.shape[1], e)
                blocks = fired.shape[1] // e.block
                if e.bits * blocks > ENOUGH_BITS:
                    compared = fired[i, : e.block * min(blocks, ceil(WANTED_BITS / e.bits))]
                    digest = hashlib.blake2b(np.packbits(compared).tobytes(), digest_size=16).hexdigest()
                    self.prints.setdefault((i, name), []).append(digest)
        self.seen.clear()

    def end(self) -> list[Finding]:
        """Return what was wrong in this epoch."""
        self.count()
        found: list[Finding] = []
        for i, run in enumerate(self.runs):
            own = self.rates[i]
            for name, rate in own.items():
                if keep_probability(rate) < 1 and name not in self.steps:
                    found.append((i, "audit_unused", name, 0.0))
            memory = self.memory.setdefault(run.run_id, {})
            alpha = FALSE_ALARM / 2 / (2 * max(1, len(own)) * run.config.training.epochs)
            for name in self.steps:
                site = memory.setdefault(name, {"first": [], "last": [], "fired": 0, "units": 0, "low": None})
                if (i, name) in self.counts:
                    found += [(i, "audit_rate", name, f) for f in _improbable(site, self.counts[i, name], alpha)]
                if again := _repeated(site, self.prints.get((i, name), [])):
                    found.append((i, "audit_repeat", name, float(again)))
        return found


def _improbable(site: dict[str, Any], count: tuple[int, int, Expected], alpha: float) -> list[float]:
    """Return the realised fraction where this epoch's count, or all since the rate last changed, is improbable.

    Two tests per audited epoch and site, each with a chance of alpha at most.
    """
    fired, units, expected = count
    if site["low"] != expected.low:
        site.update(low=expected.low, fired=0, units=0)
    site.update(fired=site["fired"] + fired, units=site["units"] + units)
    for k, n in ((fired, units), (site["fired"], site["units"])):
        if expected.test(k, n, expected, alpha):
            return [k / n]
    return []


def _repeated(site: dict[str, Any], prints: list[str]) -> int:
    """Return how many of an epoch's masks were there before; remember them.

    At most three masks an epoch are compared with eight others at most: 24 pairs, each of which coincides with a chance
    below 2^-64, so that a thousand epochs at a hundred sites stay below 10^-12.
    """
    known, again = {*site["first"], *site["last"]}, 0
    for digest in prints:
        again += digest in known
        known.add(digest)
    if prints:
        site.update(first=site["first"] or prints, last=prints)
    return again


def checked_evaluation(network: Trainable, feed: Feed, noisy_calls: int, epoch: int) -> list[Finding]:
    """Return what was wrong with an epoch's evaluation, during which the network drew masks `noisy_calls` times.

    In epochs 1, 2, 4, 8 and so on a batch is evaluated twice: without noise the two agree to the bit.
    """
    if noisy_calls:
        return [(i, "audit_evaluation", "masked calls", float(noisy_calls)) for i in range(network.runs)]
    if epoch & (epoch - 1):
        return []
    x_RB = next(iter(feed.batches(epoch)))[0]
    with torch.no_grad():
        one, two = (network(x_RB, noise=None, norm="running") for _ in range(2))
    same = (one == two) | (one.isnan() & two.isnan())
    wrong = (~same).flatten(1).sum(1).cpu().tolist()
    return [(i, "audit_evaluation", "logits that differ", float(n)) for i, n in enumerate(wrong) if n]
