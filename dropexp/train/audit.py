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
from dropexp.nn.expected_noise import Expected, outside
from dropexp.nn.noise_laws import Mask, expectation
from dropexp.nn.protocol import Trainable
from dropexp.train.alarms import ENOUGH_BITS, FALSE_ALARM, WANTED_BITS
from dropexp.train.batches import Feed
from dropexp.train.checkpoint_content import EPOCHS
from dropexp.train.optim import schedule_factor
from dropexp.train.product_audit import Finding, ProductAudit
from dropexp.train.stream_audit import confused, strangers

Count = tuple[int, int, Expected]  # what fired, of how many, and what to expect
FIRST_EXAMPLES = 4  # of a mask that are drawn anew


class Audited(Noise):
    """Noise that shows every mask to the audit before the network multiplies by it."""

    def __init__(self, audit: Audit, sites: dict[str, Site], seeds: Sequence[int], seed_of_R: Tensor, epoch: int):
        super().__init__(sites, seeds, seed_of_R, epoch)
        self._audit = audit

    def mask(self, name: str, batch: int) -> Mask | None:
        made = super().mask(name, batch)
        if made is not None:
            self._audit.see(name, self.sites[name], made)
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
        if not self._audit.watches(name):
            return super().apply(name, x, factor, offset, part, run)
        x = x.view_as(x)  # a use of its own, whose gradient is what comes through the product
        y = super().apply(name, x, factor, offset, part, run)
        self._audit.product.product(name, x, factor, offset, part, run, y)
        return y

    def joined(self, name: str, x: Tensor, weight: Tensor, bias: Tensor, low: bool, out: Tensor) -> None:
        if self._audit.watches(name):
            self._audit.product.joined(name, x, weight, bias, low, out)

    def backward_done(self, parameters: Mapping[str, Tensor]) -> None:
        self._audit.backward_done(parameters)

    def step_done(self, parameters: Mapping[str, Tensor]) -> None:
        self._audit.step_done(parameters)


class Audit:
    """What the masks of a pack's runs did in an epoch, counted run by run, over independent units only.

    In the first three epochs and in every fourth one step, another each time, is counted in full, units that are next to
    each other are compared, and so are the masks of three steps: with each other, with those of the first epoch and of the
    last. In epochs 1, 2, 4, 8, and every sixteenth the first step's masks are compared with what their streams hold, every
    product with a mask and its gradient are checked on the step that is counted, and the update on all three (see
    `ProductAudit`). `memory` holds prints and counts so far, by run and site. That costs a few hundredths of training where
    an epoch has few steps, and next to nothing where it has many.
    """

    def __init__(self, memory: Mapping[str, Any] | None = None):
        self.memory: dict[str, dict[str, dict[str, Any]]] = {k: dict(v) for k, v in (memory or {}).items()}

    def begin(self, runs: Sequence[Run], epoch: int, steps: int) -> None:
        """Start an epoch of so many steps."""
        self.runs, self.turn = runs, (epoch - 1) % steps
        self.looked_at = {0, 1, self.turn} if epoch < 4 or epoch % 4 == 0 else set()
        self.closely = epoch & (epoch - 1) == 0 or epoch % 16 == 0
        self.rates = [site_rates_in_force(run.config.dropout, run.config.model, epoch) for run in runs]
        self.steps: dict[str, int] = {}
        self.counts: dict[tuple[int, str], Count] = {}
        self.pairs: dict[tuple[int, str], list[Count]] = {}
        self.prints: dict[tuple[int, str], list[str]] = {}
        self.seen: list[tuple[str, bool, int, list[Expected], Tensor]] = []  # on their device until the epoch is over
        self.epoch, self.planned, self.taken = epoch, steps, 0
        self.product = ProductAudit()
        self.training = [run.config.training for run in runs]

    def see(self, name: str, site: Site, made: Mask) -> None:
        """Keep what a mask (R, B, ...) dropped, to be counted after the epoch, if it is this step's turn."""
        step = self.steps.get(name, 0)
        self.steps[name] = step + 1
        if step not in self.looked_at:
            return
        factor, offset = made[0].detach()[:, :: site.group], made[1]
        own_shape, size = tuple(factor.shape[2:]), self.runs[0].config.dropout.block_size
        rates = [own.get(name, 0.0) for own in self.rates]
        expected = [expectation(site.kind.law, rate, own_shape, size) for rate in rates]
        if step != self.turn:  # as many examples as are compared
            needed = max((ceil(WANTED_BITS / e.bits) * e.block for e in expected if e.bits), default=1)
            factor = factor[:, : ceil(needed / prod(own_shape))]
        else:
            self.product.scale(name, site, factor, None if offset is None else offset[:, :: site.group], rates)
            if self.closely:
                self.product.drawn(name, site, *made)
        if self.closely and step == 0 and factor.device.type == "cpu":  # a device draws other numbers by the same law
            wrong = {*strangers(name, site, factor[:, :FIRST_EXAMPLES], self.runs, rates, self.epoch)}
            if self.epoch == 1:
                wrong |= {*confused(name, site, self.runs, self.epoch)}
            self.product.findings += [(r, "audit_stream", name, 1.0) for r in sorted(wrong)]
        self.seen.append((name, step == self.turn, factor.shape[1], expected, site.law.fired(factor, rates)))

    def watches(self, name: str) -> bool:
        """Return whether this is the step on which a site's products are checked."""
        return self.taken == self.turn and self.product.expects(name)

    def backward_done(self, parameters: Mapping[str, Tensor]) -> None:
        """Check the gradients of the step at hand, and what it should update, if it is looked at."""
        if not (self.closely and self.taken in self.looked_at):
            return
        # how far adam moves a parameter follows from its gradient only in the very first step, which has no past
        past = self.epoch > 1 or self.taken > 0
        lr_R = [
            0.0 if past and t.optimizer != "sgd" else t.lr * schedule_factor(t.schedule, self.epoch, t.epochs)
            for t in self.training
        ]
        self.product.backward_done(parameters, lr_R)

    def step_done(self, parameters: Mapping[str, Tensor]) -> None:
        """Count a step, and check its updates where some were to be seen."""
        self.product.step_done(parameters)
        self.taken += 1

    def count(self) -> None:
        """Count what fired in the steps that were kept, and take the prints of their masks."""
        for name, whole, examples, expected, kept in self.seen:
            fired = kept.cpu().numpy()
            for i, e in enumerate(expected):
                if whole:
                    self.counts[i, name] = (int(np.count_nonzero(fired[i])), fired.shape[1], e)
                    self.pairs[i, name] = neighbours(fired[i], examples, e)
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
            if self.taken != self.planned:
                found.append((i, "audit_steps", f"where {self.planned} were planned", float(self.taken)))
            if updates != self.epoch * self.planned:
                found.append((i, "audit_update", f"{self.epoch * self.planned} updates", float(updates)))
            before = memory.get(EPOCHS, {"last": 0})
            if self.epoch != before["last"] + 1:
                found.append((i, "audit_epochs", f"follows {before['last']}", float(self.epoch)))
            memory[EPOCHS] = {"last": self.epoch}
            alpha = FALSE_ALARM / 2 / (4 * max(1, len(own)) * run.config.training.epochs)
            for name, draws in self.steps.items():
                if draws != self.taken:
                    found.append((i, "audit_steps", f"in which {name} drew {draws} masks", float(self.taken)))
                site = memory.setdefault(name, {"first": [], "last": [], "fired": 0, "units": 0, "low": None})
                if (i, name) in self.counts:
                    found += [(i, "audit_rate", name, f) for f in _improbable(site, self.counts[i, name], alpha)]
                for k, n, e in self.pairs.get((i, name), []):
                    if n and e.test(k, n, e, alpha):
                        found.append((i, "audit_neighbours", name, k / n))
                if again := _repeated(site, self.prints.get((i, name), [])):
                    found.append((i, "audit_repeat", name, float(again)))
        return found


def _improbable(site: dict[str, Any], count: tuple[int, int, Expected], alpha: float) -> list[float]:
    """Return the realised fraction where this epoch's count, or all since the rate last changed, is improbable.

    Two tests per audited epoch and site, each with a chance of alpha at most, beside two of neighbours.
    """
    fired, units, expected = count
    if site["low"] != expected.low:
        site.update(low=expected.low, fired=0, units=0)
    site.update(fired=site["fired"] + fired, units=site["units"] + units)
    for k, n in ((fired, units), (site["fired"], site["units"])):
        if expected.test(k, n, expected, alpha):
            return [k / n]
    return []


def neighbours(fired: np.ndarray, examples: int, expected: Expected) -> list[Count]:
    """Return how many pairs of neighbouring units, and of units of neighbouring examples, did the same, and what to expect.

    Pairs share no unit, so that they are independent where units are; elsewhere nothing is counted.
    """
    if expected.block > 1:
        return []
    chances = [p * p + (1 - p) * (1 - p) for p in (expected.low, expected.high)]
    least = 0.5 if expected.low <= 0.5 <= expected.high else min(chances)
    alike = Expected(least, max(chances), 1, 0.0, outside)
    by_example = fired.reshape(examples, -1)
    pairs = [(fired[:-1:2], fired[1::2]), (by_example[:-1:2], by_example[1::2])]
    return [(int(np.count_nonzero(one == other)), one.size, alike) for one, other in pairs]


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
