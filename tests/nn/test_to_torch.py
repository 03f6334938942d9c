"""Saved weights as stock torch layers: they find what the run found, on examples as they are in the data set."""

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dropexp.data import split
from dropexp.errors import ConfigError
from dropexp.nn.to_torch import to_torch
from dropexp.train.pack import Work, train_pack

SIZES = {"data.test_size": 20, "data.val_size": 10, "training.epochs": 3, "training.batch_size": 8}
LSTM = {"model.kind": "lstm", "model.units": 4, "model.layers": 2, "dropout.placement": ["all"]}
SAVED = {
    "mlp-batch": {"model.hidden": [13, 9], "model.norm": "batch"},
    "mlp-mask-before-norm": {"model.hidden": [13, 9], "model.norm": "batch", "model.order": "DNA"},
    "cnn-layer": {"model.kind": "cnn", "model.channels": [3, 5], "model.hidden": [7], "model.norm": "layer"},
    "cnn-spatial": {"model.kind": "cnn", "model.channels": [3], "dropout.kind": "spatial", "dropout.placement": ["conv"]},
    "lstm": {**LSTM, "model.hidden": [6], "model.norm": "batch"},
    "lstm-both-ways-vanilla": {**LSTM, "model.bidirectional": True, "dropout.kind": "vanilla"},
    "vanilla-scheduled": {"dropout.kind": "vanilla", "dropout.schedule": {"shape": "linear", "epochs": 5}},
    "dropconnect": {"model.hidden": [13], "model.norm": "batch", "dropout.kind": "dropconnect"},
}  # fmt: skip


def trained(make_run, dataset, case):
    run = make_run(1, **{**SIZES, **case})
    outcome = train_pack(Work((run,), dataset.source, save_weights="all"), dataset)
    file = io.BytesIO()
    np.savez(file, **outcome.weights[-1][1])
    file.seek(0)
    return run, outcome.epochs[-1], np.load(file)


@pytest.mark.parametrize("case", SAVED.values(), ids=SAVED)
def test_what_is_saved_finds_the_losses_that_the_run_found(make_run, images, case):
    run, last, weights = trained(make_run, images, case)
    parts = split(images, run.config.data, split_seed=1, label_seed=1)
    module = to_torch(run.config, images.example, weights, mean=parts.mean, sd=parts.sd, epoch=3)
    other = to_torch(
        run.config, images.example, {k: 0 * weights[k] for k in weights.files}, mean=None, sd=None, epoch=3
    )
    other.load_state_dict(module.state_dict())
    for network in (module, other):
        for name, rows in (("train", parts.train), ("test", parts.test)):
            with torch.no_grad():
                logits = network(torch.from_numpy(images.x[rows]))
            labels = torch.from_numpy(images.y[rows])
            assert getattr(last, f"{name}_loss") == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
            assert getattr(last, f"{name}_accuracy") == (logits.argmax(1) == labels).double().mean().item()
    stock = {type(m).__module__.partition(".")[0] for m in module.modules() if not list(m.children())}
    assert stock == {"torch"}


def test_weights_of_0_2_0_come_with_biases_before_batch_norm(make_run, vectors):
    run, _, weights = trained(make_run, vectors, SAVED["mlp-batch"])
    older = {**weights, "hidden.1.bias": np.ones(13, "f4"), "hidden.2.bias": np.ones(9, "f4")}
    older |= {f"hidden.{i}.norm.mean": weights[f"hidden.{i}.norm.mean"] + 1 for i in (1, 2)}
    x = torch.from_numpy(vectors.x)
    new, old = (to_torch(run.config, (11,), w, mean=None, sd=None) for w in (weights, older))
    torch.testing.assert_close(old(x), new(x), rtol=1e-5, atol=1e-5)
    assert isinstance(old.get_submodule("blocks.hidden_1.affine"), nn.Linear)


@pytest.mark.parametrize(
    ("change", "settings", "said"),
    [
        ({"hidden.1.weight": np.zeros((11, 7))}, {}, "weights: hidden.1.weight is (11, 7) where this network has (11, 13)"),
        ({"hidden.3.weight": np.zeros((9, 9))}, {}, "weights: hidden.3.weight is not part of this network"),
        ({"output.weight": None}, {}, "weights: output.weight is missing"),
        ({"output.bias": None}, {}, "weights: no output.bias among them"),
        ({}, {"dropout.kind": "dropconnect", "dropout.at_test": "moments"}, "dropout.at_test: moments has no stock layer"),
        ({}, {"dropout.kind": "vanilla", "dropout.schedule": {"shape": "early"}}, "epoch: vanilla scales by the rate"),
    ],
)  # fmt: skip
def test_what_cannot_be_laid_out_is_said(make_run, vectors, change, settings, said):
    _, _, weights = trained(make_run, vectors, SAVED["mlp-batch"])
    config = make_run(1, **{**SIZES, **SAVED["mlp-batch"], **settings}).config
    changed = {name: array for name, array in {**weights, **change}.items() if array is not None}
    with pytest.raises(ConfigError) as error:
        to_torch(config, (11,), changed, mean=None, sd=None)
    assert str(error.value).startswith(said)


def test_factors_are_for_places_that_are_there(make_run, vectors):
    run, _, weights = trained(make_run, vectors, SAVED["mlp-batch"])
    module = to_torch(run.config, (11,), weights, mean=None, sd=None)
    with pytest.raises(
        ValueError, match=r"hidden.9 is not a place in this network; allowed are hidden.1, hidden.2, input"
    ):
        module(torch.from_numpy(vectors.x), {"hidden.9": torch.ones(1)})
