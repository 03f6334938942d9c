"""What the network did with its masks on the audited step: which it used, the product, the gradient, the update."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dropexp.experiment.layout import keep_probability
from dropexp.nn.dropout import Part, Site
from dropexp.nn.fused import DenseRelu

Finding = tuple[int, str, str, float]  # position of the run, probe, layer, value
SAME = 1e-5  # relative: by how much the survivors' factor may be off in float32
FIRST = 16  # examples whose products are looked at: the first of the batch
WATCHED = 64  # entries of each parameter whose updates are watched
# so many entries, each with lr |gradient| above this part of its size, do not all stay by chance
FEWEST, MOVES = 16, 1e-4


@dataclass(frozen=True)
class Drawn:
    """A step's mask at a site: a copy that nothing else holds, and how often the network used each of its entries.

    `wanted` is how often it should: once, or once a time step where a recurrent state is masked by one mask for all.
    """

    copy: Tensor
    offset: Tensor | None
    uses: Tensor
    wanted: int

    def used(self, factor: Tensor, part: Part | None) -> Tensor:
        """Count a use of the mask, or of a part of it, and return what was drawn there."""
        cut = part or (lambda whole: whole.view_as(factor))
        cut(self.uses).add_(1)
        return cut(self.copy)


class ProductAudit:
    """Checks of one step; `findings` are what was wrong, gathered until the epoch's end.

    Nothing here is a matter of chance: a product is right to the bit, a sum in float32 to within its bound of rounding.
    """

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._waiting: list[Callable[[], None]] = []  # checks that need the step's gradients
        self._before: dict[str, tuple[Tensor, Tensor]] = {}
        self._drawn: dict[str, Drawn] = {}

    def drawn(self, name: str, site: Site, factor: Tensor, offset: Tensor | None) -> None:
        """Expect the network to use this mask (R, B, ...) in full before the step's gradients are there."""
        wanted = site.shape[0] // factor.shape[2] if name.startswith("recurrent.") else 1
        uses = torch.zeros_like(factor, dtype=torch.int16)
        self._drawn[name] = Drawn(factor.detach().clone(), offset, uses, wanted)

    def expects(self, name: str) -> bool:
        """Return whether a site's mask for the step at hand is known."""
        return name in self._drawn

    def product(
        self, name: str, x: Tensor, factor: Tensor, offset: Tensor | None, part: Part | None, run: int | None, y: Tensor
    ) -> None:
        """Hold y against x times what was drawn, bit for bit, and hear the gradients of both.

        `x` must have no other use than this product, so that its gradient is the one that came through. The rest is what
        `Noise.apply` was given.
        """
        drawn = self._drawn[name]
        asked = drawn.used(factor, part)
        if run is None and x.shape[1] == asked.shape[1]:  # units, not weights nor a mask for the whole batch
            asked = asked[:, :FIRST]
        seen = slice(None) if run is not None else (slice(None), slice(FIRST))
        with torch.no_grad():
            expected = x[seen] * asked
            if drawn.offset is not None:
                expected += drawn.offset.view(drawn.offset.shape if offset is None else offset.shape)[seen]
        self._compare(name, expected, y[seen], run)
        if x.requires_grad and y.requires_grad:
            heard: dict[str, Tensor] = {}
            x.register_hook(lambda g: heard.__setitem__("x", g))
            y.register_hook(lambda g: heard.__setitem__("y", g))

            def check() -> None:
                if "y" not in heard:  # what left the product went nowhere
                    self._missing(name, range(len(y)) if run is None else [run])
                    return
                found = heard["x"] if "x" in heard else torch.zeros_like(x)
                self._near(name, heard["y"][seen] * asked, found[seen], run)

            self._waiting.append(check)

    def joined(self, name: str, x: Tensor, weight: Tensor, bias: Tensor, low: bool, out: Tensor) -> None:
        """Hold the output of a fused block against its steps one by one, and its bias's gradient against the output's."""
        drawn = self._drawn[name]
        drawn.uses.add_(1)
        with torch.no_grad():
            x, mask = x[:, :FIRST], drawn.copy[:, :FIRST]
            expected = DenseRelu.apply(x, weight, bias, None, None, low) * mask
            # A product of fewer rows may round otherwise: each by eps I |x| |w| at most, in bfloat16 the result besides.
            size_R = x.norm(dim=2).amax(1) * weight.norm(dim=1).amax(1) + bias.abs().amax(1)
            bound = 2 * (x.shape[2] + 1) * torch.finfo(out.dtype).eps * size_R[:, None, None] * mask
            if low:
                bound = bound + 2**-7 * expected
            self._note(name, "audit_product", (expected - out[:, :FIRST]).abs() > bound, None)
        heard: dict[str, Tensor] = {}
        out.register_hook(lambda g: heard.__setitem__("out", g))

        def check() -> None:
            if "out" not in heard or bias.grad is None:
                self._missing(name, range(len(out)))
                return
            self._near(name, heard["out"] * drawn.copy * (out.detach() > 0), bias.grad[:, None], None)

        self._waiting.append(check)

    def scale(self, name: str, site: Site, factor: Tensor, offset: Tensor | None, rates: Sequence[float]) -> None:
        """Hold the survivors' factor, and what is added, against what the kind and the rate ask for."""
        for r, rate in enumerate(rates):
            keep = keep_probability(rate)
            asked = None if site.law.kept is None else site.law.kept(keep, site.kind.train)
            most = float(factor[r].max())
            if asked is not None and most > 0 and abs(most / asked - 1) > SAME:
                self.findings.append((r, "audit_scale", name, most))
            if site.law.shift is None:
                continue
            kept, dropped = site.law.shift(keep)
            expected = torch.where(factor[r] == 0, dropped, kept)
            if offset is None or not torch.allclose(offset[r].to(expected), expected, rtol=SAME, atol=SAME):
                self.findings.append((r, "audit_product", name, 1.0))

    def backward_done(self, parameters: Mapping[str, Tensor], lr_R: Sequence[float]) -> None:
        """Compare what the step left, and remember where updates must show; a learning rate of 0 means nowhere."""
        for check in self._waiting:
            check()
        self._waiting.clear()
        for name, drawn in self._drawn.items():
            if not bool((drawn.uses == drawn.wanted).all()):
                self._note(name, "audit_product", drawn.uses != drawn.wanted, None)
        self._drawn.clear()
        for name, tensor in parameters.items():
            if tensor.grad is not None:
                before = _watched(tensor).clone()
                lr = torch.tensor(lr_R, dtype=before.dtype, device=before.device)[:, None]
                self._before[name] = before, lr * _watched(tensor.grad).abs() > MOVES * before.abs()

    def step_done(self, parameters: Mapping[str, Tensor]) -> None:
        """Note runs that have a parameter of which not one entry moved where all should have.

        An entry whose gradient is large enough stays only where momentum or a decay cancels it to a thousandth.
        """
        for name, (before, due) in self._before.items():
            moved = due & (_watched(parameters[name]) != before)
            for r in torch.nonzero((due.sum(1) >= FEWEST) & ~moved.any(1)).flatten().tolist():
                self.findings.append((r, "audit_update", f"the step of {name}", 0.0))
        self._before.clear()

    def _compare(self, name: str, expected: Tensor, found: Tensor, run: int | None) -> None:
        if not torch.equal(expected, found):
            self._note(name, "audit_product", (expected != found) & ~(expected.isnan() & found.isnan()), run)

    def _near(self, name: str, terms: Tensor, found: Tensor, run: int | None) -> None:
        """Note runs whose gradient is not the sum of these terms over the axes along which `found` is shorter.

        Two sums of n numbers in float32, each in its own order, differ by 2 n eps times the sum of their sizes at most.
        """
        count = max(32, terms.numel() // max(1, found.numel()))
        expected, bound = terms.sum_to_size(found.shape), terms.abs().sum_to_size(found.shape)
        wrong = (expected - found).abs() > 2 * count * torch.finfo(found.dtype).eps * bound  # NaN: it has diverged
        if run is not None:
            expected, found, wrong = expected[None], found[None], wrong[None]
        for r in torch.nonzero(wrong.flatten(1).any(1)).flatten().tolist():
            value = float(found[r].norm() / expected[r].norm())
            self.findings.append((r if run is None else run, "audit_gradient", name, value))

    def _missing(self, name: str, runs: Iterable[int]) -> None:
        self.findings += [(r, "audit_gradient", name, 0.0) for r in runs]

    def _note(self, name: str, probe: str, wrong: Tensor, run: int | None) -> None:
        """Note runs for which anything (R, ...) is wrong, and which fraction of it; `run` where there is no axis of runs."""
        shares = (wrong.flatten(1) if run is None else wrong.flatten()[None]).double().mean(1)
        for r in torch.nonzero(shares).flatten().tolist():
            self.findings.append((r if run is None else run, probe, name, float(shares[r])))


def _watched(tensor: Tensor) -> Tensor:
    return tensor.detach().flatten(1)[:, :WATCHED]
