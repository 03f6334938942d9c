"""What the network did with its masks, on the audited step: the product, the gradient that came back, the update."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod

import torch
from torch import Tensor

from dropexp.experiment.layout import LEVELS, keep_probability, threshold
from dropexp.experiment.study import Run
from dropexp.nn.dropout import Site
from dropexp.nn.fused import DenseRelu
from dropexp.streams import generator, integers16

Finding = tuple[int, str, str, float]  # position of the run, probe, layer, value
NEAR = 1e-3  # relative: sums in float32 differ by their order, a factor of 1/keep by more


class ProductAudit:
    """Checks of one step; `findings` are what was wrong, gathered until the epoch's end."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._waiting: list[Callable[[], None]] = []  # checks that need the step's gradients
        self._before: dict[str, Tensor] = {}
        self._applied: set[str] = set()

    def product(self, name: str, x: Tensor, factor: Tensor, offset: Tensor | None, y: Tensor, run: int | None) -> None:
        """Hold y against x times factor plus offset, bit for bit, and hear the gradients of both.

        `x` must have no other use than this product, so that its gradient is the one that came through. `run` is the run
        that tensors without a leading axis of runs belong to.
        """
        self._applied.add(name)
        with torch.no_grad():
            expected = x * factor if offset is None else x * factor + offset
        self._compare(name, "audit_product", expected, y, run)
        if x.requires_grad and y.requires_grad:
            heard: dict[str, Tensor] = {}
            x.register_hook(lambda g: heard.__setitem__("x", g))
            y.register_hook(lambda g: heard.__setitem__("y", g))

            def check() -> None:
                none = torch.zeros_like(factor.expand_as(y))
                through = (heard.get("y", none) * factor).sum_to_size(x.shape)
                self._near(name, through, heard.get("x", torch.zeros_like(x)), run, missing="y" not in heard)

            self._waiting.append(check)

    def joined(
        self, name: str, x: Tensor, weight: Tensor, bias: Tensor, factor: Tensor, low: bool, out: Tensor
    ) -> None:
        """Hold the output of a fused block against its steps one by one, and its bias's gradient against the output's."""
        self._applied.add(name)
        with torch.no_grad():
            plain = DenseRelu.apply(x.detach(), weight.detach(), bias.detach(), None, None, low)
        self._compare(name, "audit_product", plain * factor, out, None)
        if not out.requires_grad:
            return
        heard: dict[str, Tensor] = {}
        out.register_hook(lambda g: heard.__setitem__("out", g))
        passes = (plain > 0) * factor

        def check() -> None:
            if "out" in heard and bias.grad is not None:
                self._near(name, (heard["out"] * passes).sum(1), bias.grad, None)

        self._waiting.append(check)

    def scale(self, name: str, site: Site, factor: Tensor, offset: Tensor | None, rates: Sequence[float]) -> None:
        """Hold the survivors' factor, and what is added, against what the kind and the rate ask for."""
        for r, rate in enumerate(rates):
            keep = keep_probability(rate)
            asked = None if site.law.kept is None else site.law.kept(keep, site.kind.train)
            most = float(factor[r].max())
            if asked is not None and most > 0 and abs(most / asked - 1) > NEAR / 100:
                self.findings.append((r, "audit_scale", name, most))
            if site.law.shift is None:
                continue
            kept, dropped = site.law.shift(keep)
            expected = torch.where(factor[r] == 0, dropped, kept)
            if offset is None or not torch.allclose(offset[r].to(expected), expected, rtol=NEAR, atol=NEAR / 100):
                self.findings.append((r, "audit_product", name, 1.0))

    def unapplied(self, drawn: Iterable[str]) -> list[str]:
        """Return the sites of `drawn` by whose mask nothing was multiplied."""
        return [name for name in drawn if name not in self._applied]

    def gradients(self) -> None:
        """Compare the gradients that the step left."""
        for check in self._waiting:
            check()
        self._waiting.clear()

    def backward_done(self, parameters: Mapping[str, Tensor]) -> None:
        """Remember the smallest parameter that has a gradient."""
        gradients = {name: tensor.grad for name, tensor in parameters.items() if tensor.grad is not None}
        smallest = min(gradients, key=lambda name: gradients[name].numel(), default="")
        self._before = {smallest: parameters[smallest].detach().clone()} if smallest else {}
        self._moves = gradients[smallest].flatten(1).abs().amax(1) > 0 if smallest else torch.zeros(0)

    def step_done(self, parameters: Mapping[str, Tensor], may_rest: Sequence[bool]) -> None:
        """Note runs whose parameter has a gradient and did not move; those that `may_rest` have a learning rate of next to 0."""
        for name, before in self._before.items():
            same = (parameters[name].detach() == before).flatten(1).all(1)
            for r in torch.nonzero(same & self._moves).flatten().tolist():
                if not may_rest[r]:
                    self.findings.append((r, "audit_update", f"the step of {name}", 0.0))
        self._before = {}

    def _compare(self, name: str, probe: str, expected: Tensor, found: Tensor, run: int | None) -> None:
        same = (expected == found) | (expected.isnan() & found.isnan())
        self._note(name, probe, (~same).double(), run)

    def _near(self, name: str, expected: Tensor, found: Tensor, run: int | None, missing: bool = False) -> None:
        """Note runs whose gradient differs by more than a thousandth of its length, all where it is `missing`."""
        if run is not None:
            expected, found = expected[None], found[None]
        away = (expected - found).flatten(1).double().norm(dim=1)
        length = expected.flatten(1).double().norm(dim=1)
        wrong = (away > NEAR * length + 1e-12) | missing  # NaN is no finding: such a run has diverged
        for r in torch.nonzero(wrong).flatten().tolist():
            value = float(found[r].double().norm() / length[r]) if length[r] > 0 else 0.0
            self.findings.append((r if run is None else run, "audit_gradient", name, value))

    def _note(self, name: str, probe: str, wrong: Tensor, run: int | None) -> None:
        shares = wrong.flatten(1).mean(1) if run is None else wrong.mean()[None]
        for r in torch.nonzero(shares).flatten().tolist():
            self.findings.append((r if run is None else run, probe, name, float(shares[r])))


def strangers(
    name: str, site: Site, factor: Tensor, runs: Sequence[Run], rates: Sequence[float], epoch: int
) -> list[int]:
    """Return the positions of runs whose first masks of an epoch are not those of their own seed, place and epoch.

    The integers are drawn anew from their stream, shared as the kind says and, where the law allows, compared with a threshold:
    whatever the network went through to get its own. `factor` holds (R, examples, ...) of the epoch's first step, masks that
    groups share once.
    """
    examples = factor.shape[1]
    drawn: dict[int, Tensor] = {}
    wrong = []
    for r, run in enumerate(runs):
        seed = run.stream_seed("mask")
        if seed not in drawn:
            drawn[seed] = _integers(name, site, seed, epoch, examples)
        if site.law.threshold:
            expected = (drawn[seed] < threshold(rates[r]) - LEVELS // 2).flatten()
        else:
            made = site.law.draw(drawn[seed][None], site.strength)[0]
            expected = site.law.fired(made[r : r + 1], rates[r : r + 1])[0]
        if not torch.equal(expected, site.law.fired(factor[r : r + 1], rates[r : r + 1])[0]):
            wrong.append(r)
    return wrong


def _integers(name: str, site: Site, seed: int, epoch: int, examples: int) -> Tensor:
    """Return the 16-bit integers (examples, ...) of a stream's first step, without those that sharing leaves unused."""
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
