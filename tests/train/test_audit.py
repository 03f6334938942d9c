"""The audit of dropout: silent on healthy runs with a chance that is computed here, loud on injected faults."""

import functools
import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import binom

import dropexp.nn.dropout as dropout
from dropexp.experiment.config import Config
from dropexp.experiment.kinds import KINDS
from dropexp.experiment.study import Run
from dropexp.nn.dropout import Noise, Site
from dropexp.nn.expected_noise import blocks_outside, outside
from dropexp.nn.fused import DenseRelu
from dropexp.nn.network import Network
from dropexp.nn.noise_laws import NOISE_LAWS, expectation
from dropexp.streams import generator
from dropexp.train import loop
from dropexp.train.alarms import sentences
from dropexp.train.batches import Feed
from dropexp.train.evaluate import evaluate
from dropexp.train.optim import Optimiser
from dropexp.train.pack import Work, train_pack

SIZES = {"data": {"test_size": 30, "val_size": 20}, "training": {"epochs": 4, "batch_size": 16}}
MLP, CNN = {"hidden": [40, 30]}, {"kind": "cnn", "channels": [6], "hidden": [20]}
LSTM = {"kind": "lstm", "units": 12, "layers": 2}
HEALTHY = {
    **{kind: (MLP, {"kind": kind}, "vectors") for kind in ("bernoulli", "vanilla", "unscaled", "batch_shared")},
    **{kind: (MLP, {"kind": kind}, "vectors") for kind in ("gaussian", "uniform", "fixed_count", "dropconnect")},
    "alpha": ({**MLP, "activation": "selu"}, {"kind": "alpha"}, "vectors"),
    "groups": (MLP, {"group_size": 5}, "vectors"),
    "input and hidden": (MLP, {"placement": ["input", "hidden"], "rate_at": {"input": 0.1}}, "vectors"),
    "late": (MLP, {"schedule": {"shape": "late", "epochs": 2}}, "vectors"),
    "linear": (MLP, {"schedule": {"shape": "linear", "epochs": 4}}, "vectors"),
    "cnn": (CNN, {"placement": ["all"]}, "images"),
    "spatial": (CNN, {"kind": "spatial", "placement": ["conv"]}, "images"),
    "dropblock": (CNN, {"kind": "dropblock", "placement": ["conv"]}, "images"),
    "lstm": (LSTM, {"placement": ["all"]}, "images"),
    "candidate": (LSTM, {"placement": ["recurrent"], "recurrent": "candidate"}, "images"),
    "sequence": ({**LSTM, "bidirectional": True}, {"placement": ["all"], "recurrent": "sequence"}, "images"),
    "variational": (LSTM, {"kind": "variational", "placement": ["all"]}, "images"),
}


def found(make_run, dataset, model, drop, rates=(0.5, 0.2), **work):
    """Return (probe, layer) of what the audit found in a pack of two rates and one seed."""
    runs = tuple(make_run(0, **SIZES, model=model, dropout={**drop, "rate": rate}) for rate in rates)
    outcome = train_pack(Work(runs, dataset.source, **work), dataset)
    return {(row.run_id, row.probe, row.layer) for row in outcome.probes}, outcome


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_runs_leave_no_row(name, make_run, request):
    model, drop, data = HEALTHY[name]
    seen = []
    see = loop.Audit.see
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Audit, "see", lambda self, site, *rest: (seen.append(site), see(self, site, *rest)))
        assert found(make_run, request.getfixturevalue(data), model, drop)[0] == set()
    assert seen


@pytest.mark.parametrize("alpha", [1e-3, 1e-9])
@pytest.mark.parametrize("p", [1 / 65536, 0.01, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("n", [7, 100, 5000, 200_000])
def test_the_chance_to_accuse_a_healthy_count_is_below_alpha(n, p, alpha):
    """Summed exactly: the first counts below and above the expectation that are called improbable, and all beyond."""
    expected = expectation("bernoulli", p, (n,), 3)
    at = expected.low
    assert abs(at - p) < 1e-5

    def first(counts):
        return next((k for k in counts if outside(k, n, expected, alpha)), None)

    def bisect(inside, beyond):
        if not outside(beyond, n, expected, alpha):
            return None
        while abs(beyond - inside) > 1:
            middle = (inside + beyond) // 2
            inside, beyond = (inside, middle) if outside(middle, n, expected, alpha) else (middle, beyond)
        return beyond

    low, high = bisect(int(n * at), 0), bisect(int(n * at) + 1, n)
    chance = (0.0 if low is None else binom.cdf(low, n, at)) + (0.0 if high is None else binom.sf(high - 1, n, at))
    assert chance <= alpha
    if n >= 5000 and p >= 0.01:
        assert low is not None
        assert high is not None
        assert high - low < 2 * 8 * (n * p * (1 - p)) ** 0.5, "eight standard deviations are noticed"


def counted(site, rate, batch):
    """Return the audit's count of one mask of a site: fired, units, what is expected."""
    noise = Noise({"x": site}, [0], torch.tensor([0]), 1)
    audit = loop.Audit()
    audit.begin([Run(Config(), 0, "arm", "run")], 1, 1)
    audit.rates = [{"x": rate}]
    audit.see("x", site, noise.mask("x", batch))
    audit.count()
    assert audit.product.findings == []
    return audit.counts[0, "x"]


@pytest.mark.parametrize(
    ("kind", "shape", "sharing", "units"),
    [
        ("bernoulli", (40,), (), 23 * 40),
        ("bernoulli", (40,), (5,), 5 * 40),
        ("bernoulli", (40,), ("batch",), 40),
        ("batch_shared", (40,), (), 40),
        ("spatial", (6, 7, 9), (), 23 * 6),
        ("variational", (11, 8), (), 23 * 8),
        ("bernoulli", (11, 8), ("time", 5), 5 * 8),
    ],
)
def test_only_independent_units_are_counted(kind, shape, sharing, units):
    assert counted(Site("x", KINDS[kind], shape, [0.5], sharing=sharing), 0.5, 23)[1] == units


@pytest.mark.parametrize("law", NOISE_LAWS)
@pytest.mark.parametrize("rate", [0.05, 0.5, 0.8])
def test_what_is_expected_is_what_each_law_does(law, rate):
    """A million units of each law, against an alpha at which a wrong expectation would show."""
    kind = next(k for k in KINDS.values() if k.law == law)
    shape = (8, 7, 9) if law == "dropblock" else (504,)
    fired, units, expected = counted(Site("x", kind, shape, [rate]), rate, 2000)
    assert units == 2000 * 504
    assert not expected.test(fired, units, expected, 1e-6)
    assert abs(fired / units - expected.low) < 0.003
    if law not in ("gaussian", "uniform"):  # whose share above one sd is the same at every rate; the sd is not
        other = expectation(law, rate + 0.04, shape, 3)
        assert other.test(fired, units, other, 1e-9)


def test_fractions_of_maps_are_accused_less_often_than_alpha():
    """20,000 batches of 6 maps whose dropped fraction is drawn from a law of mean 0.3."""
    rng, expected = np.random.default_rng(0), expectation("dropblock", 0.3, (4, 6, 6), 3)
    counts = rng.binomial(36, rng.beta(3, 3 / expected.low - 3, size=(20_000, 6))).sum(1)
    accused = sum(blocks_outside(int(k), 6 * 36, expected, 0.05) for k in counts)
    assert accused / 20_000 < 0.05
    assert blocks_outside(6 * 36, 6 * 36, expected, 0.05)


def after_init(patch, kind, change):
    init = kind.__init__

    def changed(self, *rest, **named):
        init(self, *rest, **named)
        change(self)

    patch.setattr(kind, "__init__", changed)


def rate_ignored(patch):
    patch.setattr(dropout, "threshold", lambda rate: 32768 * (rate > 0))


def another_keep(patch):
    patch.setattr(dropout, "keep_probability", lambda rate: 0.3)


def first_mask_reused(patch):
    kept, mask = {}, Noise.mask

    def again(self, name, batch):
        made = mask(self, name, batch)
        return kept.setdefault((name, batch), made)

    patch.setattr(Noise, "mask", again)


def epoch_forgotten(patch):
    patch.setattr(dropout, "generator", lambda seed, purpose, place, index: generator(seed, purpose, place, 1))


def all_ones(patch):
    mask = Site.mask

    def ones(self, u, seed_of_R):
        factor, offset = mask(self, u, seed_of_R)
        return torch.ones_like(factor), offset

    patch.setattr(Site, "mask", ones)


def never_called(patch):
    joined = Network._joined
    patch.setattr(Network, "_mask", lambda self, x, name, noise: x)
    patch.setattr(Network, "_joined", lambda self, x, block, noise: joined(self, x, block, None))


def noisy_evaluation(patch):
    """Evaluation that goes through the network with noise, as a forgotten .eval() does."""
    call = Network.__call__

    def noisy(network, feed):
        noise = Noise(network.sites, [0], torch.zeros(network.runs, dtype=torch.int64), 99)
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(Network, "__call__", lambda self, x, *, norm, **_: call(self, x, noise=noise, norm=norm))
            return evaluate(network, feed)

    patch.setattr(loop, "evaluate", noisy)


def evaluation_by_chance(patch):
    """Noise that no switch knows of."""
    call, rng = Network.__call__, torch.Generator().manual_seed(0)

    def noisy(self, x, *, noise, norm):
        logits = call(self, x, noise=noise, norm=norm)
        return logits if noise is not None else logits + torch.randn(logits.shape, generator=rng)

    patch.setattr(Network, "__call__", noisy)


def product_skipped(patch):
    """The mask is drawn and nothing is multiplied by it, at sites that are products of their own."""
    patch.setattr(Noise, "apply", lambda self, name, x, factor, offset=None, run=None: x * torch.ones_like(factor))


def fused_product_skipped(patch):
    forward = DenseRelu.forward
    patch.setattr(
        DenseRelu,
        "forward",
        staticmethod(lambda ctx, x, w, b, factor, s, low=False: forward(ctx, x, w, b, None, s, low)),
    )


def rescaled(patch, change):
    def rescale(site):
        site.strength = replace(site.strength, survivor_R=change(site.strength.survivor_R))

    after_init(patch, Site, rescale)


def survivors_unscaled(patch):
    after_init(
        patch,
        Site,
        lambda s: setattr(s, "strength", replace(s.strength, survivor_R=torch.ones_like(s.strength.survivor_R))),
    )


def survivors_scaled_twice(patch):
    after_init(
        patch, Site, lambda s: setattr(s, "strength", replace(s.strength, survivor_R=s.strength.survivor_R.square()))
    )


def fused_backward_unscaled(patch):
    backward = DenseRelu.backward

    def unscaled(ctx, g):
        ctx.survivor_R = None
        return backward(ctx, g)

    patch.setattr(DenseRelu, "backward", staticmethod(unscaled))


class Unscaled(torch.autograd.Function):
    """A product whose gradient forgets the factor's size, or the factor."""

    @staticmethod
    def forward(ctx, x, factor, keeps_mask):
        ctx.save_for_backward(factor)
        ctx.keeps_mask, ctx.shape = keeps_mask, x.shape
        return x * factor

    @staticmethod
    def backward(ctx, g):
        (factor,) = ctx.saved_tensors
        return (g * (factor != 0) if ctx.keeps_mask else g).sum_to_size(ctx.shape), None, None


def backward_unscaled(patch):
    patch.setattr(Noise, "apply", lambda self, name, x, f, offset=None, run=None: Unscaled.apply(x, f, True))


def backward_unmasked(patch):
    patch.setattr(Noise, "apply", lambda self, name, x, f, offset=None, run=None: Unscaled.apply(x, f, False))


def drawn(change):
    """Return a fault that changes the integers (S, B, ...) a site gets."""

    def fault(patch):
        mask = Site.mask
        patch.setattr(Site, "mask", lambda self, u, seed_of_R: mask(self, change(u), seed_of_R))

    return fault


equal_units = drawn(lambda u: u.flatten(2)[:, :, torch.arange(u[0, 0].numel()) // 2 * 2].view_as(u))
equal_examples = drawn(lambda u: u[:, torch.arange(u.shape[1]) // 2 * 2])
shifted_by_one = drawn(lambda u: u.roll(1, 1))


def one_mask_for_all_sites(patch):
    patch.setattr(dropout, "generator", lambda seed, purpose, place, index: generator(seed, purpose, "", index))


def one_mask_for_all_seeds(patch):
    patch.setattr(dropout, "generator", lambda seed, purpose, place, index: generator(7, purpose, place, index))


def mask_of_another_purpose(patch):
    patch.setattr(dropout, "generator", lambda seed, purpose, place, index: generator(seed, "order", place, index))


def every_second_epoch(patch):
    begin = loop.Audit.begin
    patch.setattr(loop.Audit, "begin", lambda self, runs, epoch, steps: begin(self, runs, 2 * epoch, steps))


def last_step_left_out(patch):
    batches = Feed.batches
    patch.setattr(
        Feed, "batches", lambda self, epoch: itertools.islice(batches(self, epoch), self.steps_per_epoch() - 1)
    )


def update_left_out(patch):
    patch.setattr(Optimiser, "step", lambda self, parameters: [setattr(t, "grad", None) for t in parameters.values()])


def offset_forgotten(patch):
    patch.setattr(Noise, "apply", lambda self, name, x, factor, offset=None, run=None: x * factor)


def no_dropout_in_the_first_example(patch):
    apply = Noise.apply

    def partly(self, name, x, factor, offset=None, run=None):
        y = apply(self, name, x, factor, offset, run)
        return torch.cat([x[:, :1], y[:, 1:]], 1)

    patch.setattr(Noise, "apply", partly)


def wrong_site(patch):
    """What is multiplied is another factor than the one that was drawn."""
    apply = Noise.apply
    patch.setattr(Noise, "apply", lambda self, n, x, f, o=None, run=None: apply(self, n, x, f.flip(1), o, run))


PRODUCT_FAULTS = [
    (product_skipped, "gaussian", "audit_product"), (product_skipped, "cnn", "audit_product"),
    (product_skipped, "lstm", "audit_product"), (product_skipped, "dropconnect", "audit_product"),
    (fused_product_skipped, "bernoulli", "audit_product"), (no_dropout_in_the_first_example, "uniform", "audit_product"),
    (wrong_site, "gaussian", "audit_product"), (offset_forgotten, "alpha", "audit_product"),
    (survivors_unscaled, "bernoulli", "audit_scale"), (survivors_unscaled, "dropconnect", "audit_scale"),
    (survivors_unscaled, "fixed_count", "audit_scale"), (survivors_scaled_twice, "spatial", "audit_scale"),
    (fused_backward_unscaled, "bernoulli", "audit_gradient"), (backward_unscaled, "dropconnect", "audit_gradient"),
    (backward_unscaled, "variational", "audit_gradient"), (backward_unmasked, "fixed_count", "audit_gradient"),
    (equal_units, "bernoulli", "audit_stream"), (equal_examples, "gaussian", "audit_stream"),
    (shifted_by_one, "fixed_count", "audit_stream"), (one_mask_for_all_sites, "bernoulli", "audit_stream"),
    (one_mask_for_all_seeds, "dropblock", "audit_stream"), (mask_of_another_purpose, "groups", "audit_stream"),
    (every_second_epoch, "bernoulli", "audit_epochs"), (last_step_left_out, "bernoulli", "audit_steps"),
    (update_left_out, "bernoulli", "audit_update"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "name", "probe"), PRODUCT_FAULTS, ids=lambda v: getattr(v, "__name__", v))
def test_a_fault_behind_the_draw_is_caught(fault, name, probe, make_run, request, monkeypatch):
    """Masks that are drawn well and used badly: 25 faults."""
    model, drop, data = HEALTHY[name]
    fault(monkeypatch)
    rows, outcome = found(make_run, request.getfixturevalue(data), model, drop)
    monkeypatch.undo()
    assert probe in {p for _, p, _ in rows}
    assert {r.run_id for r in outcome.runs} == {run for run, p, _ in rows if p == probe}, "each of the two runs"
    assert all(" {" not in line for line in sentences(outcome.probes))


FAULTS = [
    (rate_ignored, "bernoulli", "audit_rate"), (rate_ignored, "batch_shared", "audit_rate"),
    (rate_ignored, "vanilla", "audit_rate"), (rate_ignored, "dropconnect", "audit_rate"),
    (rate_ignored, "spatial", "audit_rate"), (rate_ignored, "variational", "audit_rate"),
    (another_keep, "gaussian", "audit_rate"), (another_keep, "uniform", "audit_rate"),
    (another_keep, "dropblock", "audit_rate"),
    (first_mask_reused, "bernoulli", "audit_repeat"), (first_mask_reused, "gaussian", "audit_repeat"),
    (first_mask_reused, "fixed_count", "audit_repeat"), (first_mask_reused, "dropblock", "audit_repeat"),
    (first_mask_reused, "groups", "audit_repeat"), (epoch_forgotten, "bernoulli", "audit_repeat"),
    (epoch_forgotten, "variational", "audit_repeat"), (all_ones, "bernoulli", "audit_rate"),
    (all_ones, "gaussian", "audit_rate"), (all_ones, "fixed_count", "audit_rate"), (all_ones, "lstm", "audit_rate"),
    (never_called, "bernoulli", "audit_unused"), (noisy_evaluation, "bernoulli", "audit_evaluation"),
    (noisy_evaluation, "fixed_count", "audit_evaluation"), (evaluation_by_chance, "bernoulli", "audit_evaluation"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "name", "probe"), FAULTS, ids=lambda v: getattr(v, "__name__", v))
def test_an_injected_fault_is_caught(fault, name, probe, make_run, request, monkeypatch):
    model, drop, data = HEALTHY[name]
    fault(monkeypatch)
    rows, outcome = found(make_run, request.getfixturevalue(data), model, drop)
    monkeypatch.undo()
    assert {p for _, p, _ in rows} >= {probe}
    lines = sentences(outcome.probes)
    assert lines
    assert all(line.startswith("dropout audit: ") and line.endswith("(probes.csv)") for line in lines)


def test_a_mask_of_64_bits_or_fewer_may_repeat(make_run, vectors, monkeypatch):
    """One thinned network of 40 + 23 units a batch at rate 0.5 is 40 and 23 bits; 65 units are enough."""
    first_mask_reused(monkeypatch)
    few = found(make_run, vectors, {"hidden": [40, 23]}, {"kind": "batch_shared"})[0]
    assert not {probe for _, probe, _ in few} & {"audit_repeat"}
    monkeypatch.undo()
    first_mask_reused(monkeypatch)
    many = found(make_run, vectors, {"hidden": [65, 23]}, {"kind": "batch_shared"}, rates=(0.5,))[0]
    assert {(probe, layer) for _, probe, layer in many if probe == "audit_repeat"} == {("audit_repeat", "hidden.1")}


def test_what_is_found_does_not_depend_on_pack_or_interruption(make_run, vectors, monkeypatch, tmp_path):
    epoch_forgotten(monkeypatch)
    runs = [make_run(seed, **SIZES, model=MLP, dropout={"rate": rate}) for seed in (0, 1) for rate in (0.5, 0.2)]
    together = set(train_pack(Work(tuple(runs), "vectors"), vectors).probes)
    assert {row.epoch for row in together} == {2, 3, 4}
    assert {p for run in runs for p in train_pack(Work((run,), "vectors"), vectors).probes} == together
    work = functools.partial(Work, source="vectors", checkpoints=tmp_path)
    assert train_pack(work(tuple(runs)), vectors, lambda epoch, *_: epoch == 2).paused
    assert {p for run in runs for p in train_pack(work((run,)), vectors).probes} == together


def test_findings_stand_in_probes_csv_and_on_stderr(monkeypatch, tmp_path, capsys):
    from dropexp.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(
        "data: {train_size: 60}\nmodel: {hidden: [16]}\ntraining: {epochs: 2}\nseeds: 2\nsweep: {dropout.rate: [0, 0.2]}\n"
    )
    assert main(["run", "c.yaml", "--no-plot"]) == 0
    assert "audit" not in capsys.readouterr().err
    assert not (tmp_path / "results/c/probes.csv").exists()
    rate_ignored(monkeypatch)
    assert main(["run", "c.yaml", "--no-plot", "--fresh"]) == 1
    err = capsys.readouterr().err
    assert err.count(": hidden.1 fired for") == 2
    assert "do not trust these runs" in err
    assert re.search(r"epoch 1: hidden.1 fired for a fraction of 0.[45]\d+ of its units", err)
    text = (tmp_path / "results/c/probes.csv").read_text()
    assert text.count(",audit_rate,hidden.1,") == 4
