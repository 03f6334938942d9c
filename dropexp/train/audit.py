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
from dropexp.nn.dropout import Noise, Part, Site
from dropexp.nn.expected_noise import Expected
from dropexp.nn.noise_laws import expectation
from dropexp.nn.protocol import Trainable
from dropexp.train.alarms import ENOUGH_BITS, FALSE_ALARM, WANTED_BITS
from dropexp.train.batches import Feed
from dropexp.train.optim import schedule_factor
from dropexp.train.product_audit import Finding, ProductAudit, strangers

EPOCHS = "epochs"  # the key of a run's memory that is no site
FIRST_EXAMPLES = 4  # of a mask that are drawn anew


class Audited(Noise):
    """Noise that shows every mask to the audit before the network multiplies by it."""

    def __init__(self, audit: Audit, sites: dict[str, Site], seeds: Sequence[int], seed_of_R: Tensor, epoch: int):
        super().__init__(sites, seeds, seed_of_R, epoch)
        self._audit = audit

    def mask(self, name: str, batch: int) -> tuple[Tensor, Tensor | None] | None:
        made = super().mask(name, batch)
        if made is not None:
            self._audit.see(name, self.sites[name], *made)
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
        drawn = self._audit.watched(name)
        if drawn is None:
            return super().apply(name, x, factor, offset, part, run)
        x = x.view_as(x)  # a use of its own, whose gradient is what comes through the product
        y = super().apply(name, x, factor, offset, part, run)
        asked = drawn.view_as(factor) if part is None else part(drawn)  # what was drawn, whatever came here
        self._audit.product.product(name, x, asked, offset, y, run)
        return y

    def joined(self, name: str, x: Tensor, weight: Tensor, bias: Tensor, low: bool, out: Tensor) -> None:
        drawn = self._audit.watched(name)
        if drawn is not None:
            self._audit.product.joined(name, x, weight, bias, drawn, low, out)

    def backward_done(self, parameters: Mapping[str, Tensor]) -> None:
        self._audit.backward_done(parameters)

    def step_done(self, parameters: Mapping[str, Tensor]) -> None:
        self._audit.step_done(parameters)


class Audit:
    """What the masks of a pack's runs did in an epoch, counted run by run, over independent units only.

    In the first three epochs and in every fourth one step, another each time, is counted in full, and the masks of three
    steps are compared: with each other, with those of the first epoch and of the last, and the first with what its stream
    holds. On the step that is counted, the product, its gradient and the update are checked (see `ProductAudit`). `memory`
    holds prints and counts so far, by run and site. That costs about a hundredth of training.
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
        self.epoch, self.planned, self.taken = epoch, steps, 0
        self.product = ProductAudit()
        self.drawn: dict[str, Tensor] = {}
        # what a schedule brings to next to nothing may leave a weight where it is, by rounding
        self.may_rest = [r.config.training.lr * schedule_factor(r.config.training.schedule, epoch, r.config.training.epochs) < 1e-5
                         for r in runs]  # fmt: skip

    def see(self, name: str, site: Site, factor: Tensor, offset: Tensor | None = None) -> None:
        """Keep what a mask (R, B, ...) dropped, to be counted after the epoch, if it is this step's turn."""
        step = self.steps.get(name, 0)
        self.steps[name] = step + 1
        if step not in self.looked_at:
            return
        whole, factor = factor.detach(), factor.detach()[:, :: site.group]
        own_shape, size = tuple(factor.shape[2:]), self.runs[0].config.dropout.block_size
        rates = [own.get(name, 0.0) for own in self.rates]
        expected = [expectation(site.kind.law, rate, own_shape, size) for rate in rates]
        if step != self.turn:  # as many examples as are compared
            needed = max((ceil(WANTED_BITS / e.bits) * e.block for e in expected if e.bits), default=1)
            factor = factor[:, : ceil(needed / prod(own_shape))]
        else:
            self.drawn[name] = whole
            self.product.scale(name, site, whole, None if offset is None else offset.detach(), rates)
        if step == 0 and factor.device.type == "cpu":  # a device draws other numbers by the same law
            first = factor[:, :FIRST_EXAMPLES]
            for r in strangers(name, site, first, self.runs, rates, self.epoch):
                self.product.findings.append((r, "audit_stream", name, 1.0))
        self.seen.append((name, step == self.turn, expected, site.law.fired(factor, rates)))

    def watched(self, name: str) -> Tensor | None:
        """Return the factor that a site drew for the step at hand where it is this step's turn, else None."""
        return self.drawn.get(name) if self.taken == self.turn else None

    def backward_done(self, parameters: Mapping[str, Tensor]) -> None:
        if self.taken not in self.looked_at:
            return
        if self.taken == self.turn:
            self.product.gradients()
            for name in self.product.unapplied(self.drawn):
                for r, own in enumerate(self.rates):
                    if keep_probability(own.get(name, 0.0)) < 1:
                        self.product.findings.append((r, "audit_product", name, 1.0))
        self.product.backward_done(parameters)

    def step_done(self, parameters: Mapping[str, Tensor]) -> None:
        if self.taken in self.looked_at:
            self.product.step_done(parameters, self.may_rest)
        self.taken += 1

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

    def end(self, updates: int) -> list[Finding]:
        """Return what was wrong in this epoch, after so many updates of the optimiser in all."""
        self.count()
        found: list[Finding] = list({finding[:3]: finding for finding in self.product.findings}.values())
        for i, run in enumerate(self.runs):
            own = self.rates[i]
            for name, rate in own.items():
                if keep_probability(rate) < 1 and name not in self.steps:
                    found.append((i, "audit_unused", name, 0.0))
            memory = self.memory.setdefault(run.run_id, {})
            last = memory.setdefault(EPOCHS, {"last": 0})
            if self.taken != self.planned:
                found.append((i, "audit_steps", f"{self.planned} were planned", float(self.taken)))
            if updates != self.epoch * self.planned:
                found.append((i, "audit_update", f"{self.epoch * self.planned} updates", float(updates)))
            if self.epoch != last["last"] + 1:
                found.append((i, "audit_epochs", f"follows {last['last']}", float(self.epoch)))
            last["last"] = self.epoch
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
