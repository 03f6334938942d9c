"""Each mistake that an implementation could make is caught by a law, and each law catches one."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dropexp.data.dataset import Dataset
from dropexp.errors import ConfigError
from dropexp.experiment import schedules
from dropexp.experiment.config import RateSchedule
from dropexp.experiment.layout import layout
from dropexp.laws.all_laws import LAWS_TABLE, examine
from dropexp.nn import dropout, layers
from dropexp.nn.dropout import Noise, Site, integers_here
from dropexp.nn.network import Network
from dropexp.nn.noise_laws import NOISE_LAWS
from dropexp.stopping import Stopper
from dropexp.train.batches import Feed
from dropexp.train.loop import train
from dropexp.train.optim import Optimiser

CPU = torch.device("cpu")


def after_init(patch, cls, change):
    """Let `change` act on every new object of a class."""
    original = cls.__init__

    def init(self, *args, **kwargs):
        original(self, *args, **kwargs)
        change(self)

    patch.setattr(cls, "__init__", init)


def survivors(patch, factor):
    """Replace the survivors' factor by a function of keep, the same for every kind; a run at rate 0 keeps its 1."""

    def change(site):
        keep = site.strength.keep_R
        changed = torch.where(keep < 1, factor(site, keep), 1.0).to(site.strength.survivor_R.dtype)
        site.strength = dataclasses.replace(site.strength, survivor_R=changed)

    after_init(patch, Site, change)


def frozen(patch):
    original = Noise.mask

    def mask(self, name, batch):
        first = self.__dict__.setdefault("first", {})
        if name not in first:
            first[name] = original(self, name, batch)
        return first[name]

    patch.setattr(Noise, "mask", mask)


def active_in_evaluation(patch):
    original = Network.__call__

    def call(self, x, *, noise, norm):
        zeros = torch.zeros(self.runs, dtype=torch.int64)
        return original(self, x, noise=noise or Noise(self.sites, [0], zeros, 1), norm=norm)

    patch.setattr(Network, "__call__", call)


def scale_missing(patch):
    survivors(patch, lambda site, keep: torch.ones_like(keep))


def scaled_by_the_rate(patch):
    survivors(patch, lambda site, keep: 1.0 / (1.0 - keep))


def scaled_whatever_the_kind(patch):
    survivors(patch, lambda site, keep: 1.0 / keep)


def shared_mask_unscaled(patch):
    survivors(patch, lambda site, keep: torch.ones_like(keep) if "batch" in site.shared else 1.0 / keep)


def one_mask_for_the_batch(patch):
    original = Site.mask
    patch.setattr(Site, "mask", lambda self, u, seed_of_R: original(self, u[:, :1], seed_of_R))


def one_draw_for_all_layers(patch):
    original = Noise.__init__

    def init(self, sites, seeds, seed_of_R, epoch):
        original(self, sites, seeds, seed_of_R, epoch)
        self._draws = {name: integers_here(seeds, "hidden.1", epoch, CPU) for name in sites}

    patch.setattr(Noise, "__init__", init)


def shared_mask_from_elsewhere(patch):
    original = Noise.__init__

    def init(self, sites, seeds, seed_of_R, epoch):
        original(self, sites, seeds, seed_of_R, epoch)
        for name, site in sites.items():
            if "batch" in site.shared:
                self._draws[name] = integers_here(seeds, f"{name}.shared", epoch, CPU)

    patch.setattr(Noise, "__init__", init)


def sharing_forgotten(patch):
    after_init(patch, Site, lambda site: setattr(site, "shared", ()))


def half_the_threshold(patch):
    original = dropout.threshold
    patch.setattr(dropout, "threshold", lambda rate: original(rate / 2))


def rate_taken_as_keep(patch):
    original = dropout.threshold
    patch.setattr(dropout, "threshold", lambda rate: original(1.0 - rate) if rate else 0)


def gradient_not_masked(patch):
    original = Network._mask

    def mask(self, x, name, noise):
        return x + (original(self, x, name, noise) - x).detach()

    patch.setattr(Network, "_mask", mask)


def running_statistics_in_training(patch):
    original = Network._norm
    patch.setattr(Network, "_norm", lambda self, x, block, norm: original(self, x, block, "running"))


def batch_statistics_in_testing(patch):
    original = Network._norm
    patch.setattr(Network, "_norm", lambda self, x, block, norm: original(self, x, block, "batch"))


def norm_gradient_of_constants(patch):
    original = layers.BatchNorm.backward

    def backward(ctx, g, *rest):
        _, inverse, scale = ctx.saved_tensors
        return g * (scale * inverse)[:, None, :, None], *original(ctx, g, *rest)[1:]

    patch.setattr(layers.BatchNorm, "backward", staticmethod(backward))


def max_pool_to_the_first(patch):
    original = layers.POOLS["max"]
    patch.setitem(layers.POOLS, "max", lambda x: x[..., ::2, ::2] + (original(x) - x[..., ::2, ::2]).detach())


def mean_pool_unshared(patch):
    patch.setitem(layers.POOLS, "avg", lambda x: F.avg_pool2d(4 * x[0] - 3 * x[0].detach(), 2)[None])


def vanilla_unscaled_at_test(patch):
    after_init(patch, Site, lambda site: setattr(site, "tested", False))


def count_left_to_chance(patch):
    patch.setitem(NOISE_LAWS, "fixed_count", NOISE_LAWS["bernoulli"])


def dropped_to_minus_one(patch):
    original = NOISE_LAWS["bernoulli"].draw

    def law(u, strength):
        factor, _ = original(u, strength)
        return factor, -(factor == 0).to(factor.dtype)

    patch.setitem(NOISE_LAWS, "bernoulli", replace(NOISE_LAWS["bernoulli"], draw=law))


def variance_for_deviation(patch):
    original = NOISE_LAWS["gaussian"].draw

    def law(u, strength):
        factor, _ = original(u, strength)
        spread = ((1 - strength.keep_R) / strength.keep_R).sqrt().to(factor.dtype)
        return 1 + (factor - 1) * spread, None

    patch.setitem(NOISE_LAWS, "gaussian", replace(NOISE_LAWS["gaussian"], draw=law))


def momentum_always(patch):
    original = Optimiser.configure

    def configure(self, configs, epoch=1):
        original(self, configs, epoch)
        self.momentum = torch.full_like(self.momentum, 0.9)

    patch.setattr(Optimiser, "configure", configure)


def decay_always(patch):
    original = Optimiser.configure

    def configure(self, configs, epoch=1):
        original(self, configs, epoch)
        self.decay = torch.full_like(self.lr, 1e-3)

    patch.setattr(Optimiser, "configure", configure)


def one_epoch_too_patient(patch):
    patch.setattr(Stopper, "stopped", property(lambda s: s.patience is not None and s.waited > s.patience))


def one_epoch_too_impatient(patch):
    patch.setattr(Stopper, "stopped", property(lambda s: s.patience is not None and s.waited >= max(1, s.patience - 1)))


def last_epoch_selected(patch):
    patch.setattr(Stopper, "selected_epoch", property(lambda s: s.epoch))


def rates_clamped(patch):
    from dropexp.laws import scaling

    original = scaling.parse

    def parse(*args, **kwargs):
        try:
            return original(*args, **kwargs)
        except ConfigError:
            return None

    patch.setattr(scaling, "parse", parse)


# mistake -> the laws that catch it
MUTATIONS = {
    frozen: ["mask-rate", "mask-formula"],
    active_in_evaluation: ["eval-identity", "inverted-scale"],
    scale_missing: ["inverted-scale", "mask-formula", "weighted-update", "ridge"],
    scaled_by_the_rate: ["inverted-scale", "mask-formula"],
    scaled_whatever_the_kind: ["vanilla-scale", "times-p", "scale-equivalence"],
    shared_mask_unscaled: ["shared-same-mean", "batch-shared"],
    one_mask_for_the_batch: ["per-sample", "mask-rate"],
    one_draw_for_all_layers: ["io-untouched"],
    shared_mask_from_elsewhere: ["batch-of-one", "batch-shared"],
    sharing_forgotten: ["batch-shared"],
    half_the_threshold: ["mask-rate", "mask-formula", "subnetwork-expectation"],
    rate_taken_as_keep: ["mask-rate", "keep-or-drop"],
    gradient_not_masked: ["backward", "survivors-learn"],
    running_statistics_in_training: ["bn-train-test"],
    batch_statistics_in_testing: ["bn-train-test"],
    norm_gradient_of_constants: ["bn-backward"],
    max_pool_to_the_first: ["max-pool-backward"],
    mean_pool_unshared: ["mean-pool-backward"],
    vanilla_unscaled_at_test: ["vanilla-scale", "geometric-mean"],
    count_left_to_chance: ["exact-half"],
    dropped_to_minus_one: ["relu-commutes"],
    variance_for_deviation: ["variance-shift"],
    momentum_always: ["survivors-learn"],
    decay_always: ["scale-equivalence", "survivors-learn"],
    one_epoch_too_patient: ["early-stop-rule"],
    one_epoch_too_impatient: ["early-stop-rule"],
    last_epoch_selected: ["early-stop-rule"],
    rates_clamped: ["rate-range"],
}


FIRST = {laws[0] for laws in MUTATIONS.values()}


def _pairs():
    """Each mistake with a law and each law with a mistake in the fast suite, all pairs in the slow one."""
    caught = set(FIRST)
    for mutate, laws in MUTATIONS.items():
        for i, law in enumerate(laws):
            yield pytest.param(mutate, law, marks=[pytest.mark.slow] * (i > 0 and law in caught))
        caught |= set(laws)


@pytest.mark.parametrize("mutate, law", list(_pairs()), ids=lambda v: getattr(v, "__name__", v))
def test_the_mistake_is_caught(monkeypatch, mutate, law):
    mutate(monkeypatch)
    assert not examine(LAWS_TABLE[law]).holds


def test_every_law_catches_something():
    assert {law for laws in MUTATIONS.values() for law in laws} == set(LAWS_TABLE)


# an off by one in the schedule is no law's matter: these answers catch it
FACTORS = [
    (RateSchedule(shape="constant"), [1, 1, 1, 1, 1, 1]),
    (RateSchedule(shape="early", epochs=3), [1, 1, 1, 0, 0, 0]),
    (RateSchedule(shape="late", epochs=3), [0, 0, 0, 1, 1, 1]),
    (RateSchedule(shape="linear", epochs=5), [0, 0.25, 0.5, 0.75, 1, 1]),
    (RateSchedule(shape="linear", epochs=3, begin=1.0, end=0.5), [1, 0.75, 0.5, 0.5, 0.5, 0.5]),
]


def wrong_factors():
    return sum(schedules.rate_factor(s, epoch) != f for s, factors in FACTORS for epoch, f in enumerate(factors, 1))


def masked_epochs(make_run, shape):
    """Return in which of six epochs of training anything is masked."""
    settings = {"shape": shape, "epochs": 3}
    run = make_run(0, model={"hidden": [5]}, dropout={"schedule": settings}, training={"epochs": 6})
    x = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
    data = Dataset("toy", x, np.arange(40) % 2, None, ("a", "b"))
    loop = train([run], Feed(data, [run], torch.float32, torch.device("cpu")), layout(run.config, (4,), 2))
    found, epoch = [], next(loop)
    for _ in range(6):
        if epoch.network.sites:
            found.append(epoch.number)
        epoch = loop.send([0])
    return found


def test_rates_follow_the_schedule_by_the_epoch(make_run):
    assert wrong_factors() == 0
    assert masked_epochs(make_run, "early") == [1, 2, 3]
    assert masked_epochs(make_run, "late") == [4, 5, 6]


@pytest.mark.parametrize("shift", [-1, 1])
def test_a_schedule_off_by_one_is_caught(monkeypatch, make_run, shift):
    for name, shape in list(schedules.SHAPES.items()):
        moved = replace(shape, factor=lambda s, epoch, shape=shape: shape.factor(s, epoch + shift))
        monkeypatch.setitem(schedules.SHAPES, name, moved)
    assert wrong_factors() > 0
    assert masked_epochs(make_run, "early") != [1, 2, 3]
    monkeypatch.undo()
    original = Network.set_epoch
    monkeypatch.setattr(Network, "set_epoch", lambda self, epoch: original(self, epoch + shift))
    assert masked_epochs(make_run, "early") != [1, 2, 3]
