"""What only an accelerator uses, on the processor: masks drawn where the network is, and convolutions of all runs at once."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from dropexp.experiment.kinds import KINDS
from dropexp.nn import dropout
from dropexp.nn.dropout import Noise, Site, integers_here, integers_there
from dropexp.nn.layers import Convolution, convolve_grouped
from dropexp.train import audit
from dropexp.train.pack import Work, train_pack

CPU = torch.device("cpu")


def drawn(seeds=(0, 1), site="hidden.1", epoch=1, count=1000):
    return integers_there(seeds, site, epoch, CPU)(count)


def test_integers_drawn_there_are_uniform_and_each_name_has_its_own():
    many = drawn((3,), count=2**21)
    assert many.dtype == torch.int16
    counts = np.bincount(many[0].numpy().astype(np.int64) + 32768, minlength=65536)
    assert chisquare(counts).pvalue > 1e-6
    first = drawn()
    assert torch.equal(first, drawn())
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, drawn(site="hidden.2"))
    assert not torch.equal(first, drawn(epoch=2))
    assert torch.equal(first[1:], drawn(seeds=(1,)))  # whatever the neighbours
    assert not torch.equal(first, integers_here((0, 1), "hidden.1", 1, CPU)(1000))


def test_masks_drawn_there_are_nested_over_rates_of_a_seed(monkeypatch):
    monkeypatch.setattr(dropout, "integers_here", integers_there)
    site = Site("x", KINDS["bernoulli"], (500,), [0.0, 0.2, 0.5])
    factor, _ = Noise({"x": site}, [7], torch.tensor([0, 0, 0]), 1).mask("x", 40)
    none, few, many = factor == 0
    assert not none.any()
    assert (few <= many).all()
    assert few.double().mean() == pytest.approx(0.2, abs=0.02)
    assert many.double().mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_convolution_of_all_runs_is_that_of_each(channels):
    generator = torch.Generator().manual_seed(1)
    shapes = (3, 4, channels, 6, 5), (3, 7, channels, 3, 3), (3, 7)
    own = [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]
    apart, grouped = Convolution.apply(*own), convolve_grouped(*own)
    torch.testing.assert_close(grouped, apart)
    weights = torch.randn(apart.shape, generator=generator, dtype=torch.float64)
    for ours, theirs in zip(
        *(torch.autograd.grad((out * weights).sum(), own) for out in (grouped, apart)), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("model", [{"hidden": [64]}, {"kind": "cnn", "channels": [4, 6], "hidden": [16]}])
def test_training_with_both_learns_and_leaves_the_audit_silent(make_run, images, monkeypatch, model):
    """The dispatch goes by the device of a tensor; here the processor takes the accelerator's way."""
    monkeypatch.setattr(dropout, "integers_here", integers_there)
    monkeypatch.setattr(Convolution, "apply", convolve_grouped)
    monkeypatch.setattr(audit, "strangers", lambda *_: [])  # the streams of a processor are not those of a device
    settings = {"data": {"test_size": 20}, "training": {"epochs": 30, "batch_size": 10}, "model": model}
    drop = {"placement": ["all"]}
    runs = tuple(make_run(0, **settings, dropout={**drop, "rate": rate}) for rate in (0.0, 0.2))
    outcome = train_pack(Work(runs, images.source), images)
    assert outcome.probes == ()
    without, at_a_fifth = (row.final_train_accuracy for row in outcome.runs)
    assert without > 0.8
    assert at_a_fifth > 0.3  # five classes
