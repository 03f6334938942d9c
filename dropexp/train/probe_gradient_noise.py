"""The probe gradient_noise: how far gradients of mini-batches scatter at fixed weights, by their examples and by their masks."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from dropexp.nn.dropout import Noise, Site
from dropexp.train.batches import CHUNK
from dropexp.train.evaluate import losses
from dropexp.train.looking import Look, Measured

Batch = tuple[Tensor, Tensor]  # inputs (R, B, ...) and labels (R, B)
Vectors = list[Tensor]  # a gradient per run, (P,) in double precision over all parameters
GRANULARITIES = ("none", "sample", "batch")  # no masks, one per example, one per mini-batch


def gradient_noise(look: Look) -> Measured:
    """Return, by mask granularity and batch size, how mini-batch gradients scatter (Liu et al. 2023, section 3).

    The layer is `none`, `sample` or `batch`, with the batch size: `sample.64`. Over `batches` disjoint mini-batches with
    `masks` masks each, at fixed weights: `masks` is the mean over mini-batches of the variance over masks, `data` the variance
    over mini-batches of the mean over masks, less its share of the former, so that it is unbiased and may fall below 0;
    `total` is their sum. Each is the trace of a covariance, divided by the squared norm of the mean gradient, whose norm
    is `mean_norm`: over all training examples, without masks for `none`, else averaged over `masks` masks. `error_free`
    and `error_mean` are the mean of (1 - cos) / 2 between a mini-batch's gradient and that of all examples without masks,
    and averaged over masks. A batch norm takes the statistics of the batch, so that size 1 has no row there.
    """
    found: Measured = []
    whole: tuple[Vectors, Vectors] | None = None
    for size in look.settings.sizes:
        batches = list(islice(look.feed.shuffled(look.name, size), look.settings.batches))
        if len(batches) < 2 or (size == 1 and look.network.batch_norms):
            continue
        if whole is None or look.network.batch_norms:  # whose statistics go by the size
            whole = _whole(look, size, None), _average(look, size)
        free, average = whole
        for granularity in GRANULARITIES:
            masked = granularity != "none"
            own = _scatter(look, batches, granularity, free, average, average if masked else free)
            found += [(f"{granularity}.{size}", at, values) for at, values in own.items()]
    return found


@dataclass
class _Spread:
    """Sums of one run's gradients: from the first one on, so that equal gradients have a variance of exactly 0."""

    first: Tensor
    total: Tensor
    squares: float = 0.0
    count: int = 1

    @classmethod
    def begin(cls, gradient: Tensor) -> _Spread:
        return cls(gradient, torch.zeros_like(gradient))

    def add(self, gradient: Tensor) -> None:
        apart = gradient - self.first
        self.total += apart
        self.squares += float(apart.square().sum())
        self.count += 1

    @property
    def mean(self) -> Tensor:
        return self.first + self.total / self.count

    @property
    def variance(self) -> float:
        """The trace of the covariance, unbiased; 0 of one gradient."""
        return (self.squares - float(self.total.square().sum()) / self.count) / max(1, self.count - 1)


def _scatter(
    look: Look, batches: list[Batch], granularity: str, free: Vectors, average: Vectors, mean: Vectors
) -> dict[str, list[float | None]]:
    """Return the numbers of one granularity by their names, one per run; `mean` is what variances are divided by."""
    runs, masks = range(len(look.runs)), look.settings.masks if granularity != "none" else 1
    errors = {"error_free": [0.0] * len(runs), "error_mean": [0.0] * len(runs)}
    within = [0.0] * len(runs)
    between: list[_Spread] = []
    for number, batch in enumerate(batches):
        own: list[_Spread] = []
        for mask in range(masks):
            noise = None if granularity == "none" else _masks(look, number * masks + mask, granularity)
            gradients = _gradients(look, batch, noise)
            for r in runs:
                errors["error_free"][r] += _error(gradients[r], free[r]) / (len(batches) * masks)
                errors["error_mean"][r] += _error(gradients[r], average[r]) / (len(batches) * masks)
                if mask == 0:
                    own.append(_Spread.begin(gradients[r]))
                else:
                    own[r].add(gradients[r])
        for r in runs:
            within[r] += own[r].variance / len(batches)
            if number == 0:
                between.append(_Spread.begin(own[r].mean))
            else:
                between[r].add(own[r].mean)
    squared = [float(g.square().sum()) for g in mean]
    data = [between[r].variance - within[r] / masks for r in runs]

    def over(values: list[float]) -> list[float | None]:
        return [value / norm if norm > 0 else None for value, norm in zip(values, squared, strict=True)]

    return {
        "total": over([d + w for d, w in zip(data, within, strict=True)]), "data": over(data), "masks": over(within),
        "mean_norm": [norm**0.5 for norm in squared], **{name: list(values) for name, values in errors.items()},
    }  # fmt: skip


def _error(gradient: Tensor, reference: Tensor) -> float:
    """Return (1 - cos) / 2 between two gradients: 0 for one direction, 1 for the opposite one, 1/2 where one is 0."""
    norms = float(gradient.square().sum().sqrt() * reference.square().sum().sqrt())
    return (1.0 - float((gradient * reference).sum()) / norms) / 2.0 if norms > 0 else 0.5


def _whole(look: Look, size: int, number: int | None) -> Vectors:
    """Return the gradients over all training examples, with one mask per example or, where `number` is None, with none."""
    noise = None if number is None else _masks(look, look.settings.batches * look.settings.masks + number, "sample")
    total, summed = look.feed.set_sizes[0], Vectors()
    for batch in look.feed.part("train", size if look.network.batch_norms else CHUNK):
        share = batch[0].shape[1] / total
        summed = _added(summed, [g * share for g in _gradients(look, batch, noise)])
    return summed


def _average(look: Look, size: int) -> Vectors:
    """Return the gradients over all training examples, averaged over masks."""
    summed = Vectors()
    for number in range(look.settings.masks):
        summed = _added(summed, _whole(look, size, number))
    return [g / look.settings.masks for g in summed]


def _added(to: Vectors, more: Vectors) -> Vectors:
    return [a + b for a, b in zip(to, more, strict=True)] if to else more


def _masks(look: Look, number: int, granularity: str) -> Noise:
    """Return masks of the probe's own, one per example or per mini-batch; at size 1 both are the same."""
    noise = look.masks(number)
    sites = {name: _shared(site, granularity) for name, site in noise.sites.items()}
    return Noise(sites, noise.seeds, noise.seed_of_R, noise.epoch, noise.drawn_for)


def _shared(site: Site, granularity: str) -> Site:
    own = copy.copy(site)
    other = tuple(axis for axis in site.shared if axis != "batch" and not isinstance(axis, int))
    own.shared, own.group = (*other, "batch") if granularity == "batch" else other, 1
    return own


def _gradients(look: Look, batch: Batch, noise: Noise | None) -> Vectors:
    """Return each run's gradient of the mean loss of a batch, over all parameters."""
    x_RB, labels_RB = batch
    logits = look.network(x_RB, noise=noise, norm="batch")
    (losses(logits, labels_RB) / labels_RB.shape[1]).sum().backward()
    grads = [t.grad if t.grad is not None else torch.zeros_like(t) for t in look.network.parameters.values()]
    for tensor in look.network.parameters.values():
        tensor.grad = None
    return [torch.cat([g[r].flatten() for g in grads]).double() for r in range(len(look.runs))]
