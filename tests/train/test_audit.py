"""The audit of dropout: silent on healthy runs with a chance that is computed here, loud on injected faults."""

import functools
import re

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
from dropexp.nn.noise_laws import NOISE_LAWS, expectation
from dropexp.streams import generator
from dropexp.train import loop
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


def rate_ignored(patch):
    patch.setattr(dropout, "threshold", lambda rate: 32768 * (rate > 0))


def first_mask_reused(patch):
    kept, mask = {}, Noise.mask

    def again(self, name, batch):
        made = mask(self, name, batch)
        return kept.setdefault((name, batch), made)

    patch.setattr(Noise, "mask", again)


def epoch_forgotten(patch):
    patch.setattr(dropout, "generator", lambda seed, purpose, place, index: generator(seed, purpose, place, 1))


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
    assert err.count("the noise of hidden.1 acted on") == 2
    assert "do not trust these runs" in err
    assert re.search(r"epoch 1: the noise of hidden.1 acted on a fraction of 0.[45]\d+ of its units", err)
    text = (tmp_path / "results/c/probes.csv").read_text()
    assert text.count(",audit_rate,hidden.1,") == 4
