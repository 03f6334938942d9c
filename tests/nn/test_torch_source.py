"""A run's network without dropexp: outputs as the run's own, stock dropout in training, and a file that needs torch alone."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from dropexp.experiment.kinds import KINDS
from dropexp.experiment.layout import layout
from dropexp.nn.network import Network
from dropexp.nn.to_torch import to_torch
from dropexp.nn.torch_source import freed, source

CNN = {"model.kind": "cnn", "model.channels": [3, 4], "model.hidden": [7]}
LSTM = {"model.kind": "lstm", "model.units": 4, "model.layers": 2, "model.hidden": [6]}
PLACES = {"mlp": ["input", "hidden"], "cnn": ["input", "conv", "hidden"], "lstm": ["all"]}
ORDERS = ("NAD", "NDA", "AND", "ADN", "DNA", "DAN")
CASES = {
    **{f"mlp-{norm}-{order}": {"model.hidden": [9, 8], "model.norm": norm, "model.order": order}
       for norm in ("none", "batch", "layer") for order in ORDERS},
    **{f"cnn-{norm}-{pool}": {**CNN, "model.norm": norm, "model.pool": pool}
       for norm in ("none", "batch", "layer") for pool in ("max", "avg", "none")},
    **{f"lstm-{norm}-{both}": {**LSTM, "model.norm": norm, "model.bidirectional": both}
       for norm in ("none", "batch") for both in (False, True)},
    **{f"mlp-{act}": {"model.hidden": [9], "model.activation": act}
       for act in ("tanh", "sigmoid", "selu", "gelu", "leaky_relu", "linear")},
}  # fmt: skip
OF_KIND = {
    "spatial": {**CNN, "dropout.placement": ["conv"]}, "dropblock": {**CNN, "dropout.placement": ["conv"]},
    "alpha": {"model.activation": "selu"}, "variational": LSTM,
}  # fmt: skip


def laid_out(make_run, images, **settings):
    """A run with random weights and statistics: its own network, and its tensors as they would be stored."""
    kind = settings.get("model.kind", "mlp")
    run = make_run(2, **{"dropout.placement": PLACES[kind], "dropout.rate": 0.3, **settings})
    network = Network(
        layout(run.config, images.example, 5), [run.config], [2], torch.float64
    )  # what differs is then no rounding
    rng = torch.Generator().manual_seed(0)
    own = {}
    for name, tensor in (network.parameters | network.statistics).items():
        tensor.copy_(tensor + 0.1 * torch.rand(tensor.shape, generator=rng, dtype=torch.float64))
        own[name] = tensor[0].clone()
    return run, network, own


def both(make_run, images, **settings):
    run, network, own = laid_out(make_run, images, **settings)
    mean, sd = (np.array(x, "f4") for x in ([3.0, 2.5, 4.0][: images.example[0]], [1.5, 2.0, 1.0][: images.example[0]]))
    made = to_torch(run.config, images.example, own, mean=mean, sd=sd, epoch=1)
    x = torch.from_numpy(images.x[:20])
    per_map = (-1, 1, 1)
    scaled = (x - torch.from_numpy(mean).double().view(per_map)) / torch.from_numpy(sd).double().view(per_map)
    return run, made, x, network(scaled[None], noise=None, norm="running")[0]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_model_norm_order_and_activation_computes_what_the_run_did(case, make_run, images):
    _, made, x, expected = both(make_run, images, **case)
    with torch.no_grad():
        torch.testing.assert_close(freed(made)(x), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_computes_what_the_run_did_or_says_that_it_drops_nothing(kind, make_run, images):
    _, made, x, expected = both(make_run, images, **{"dropout.kind": kind, **OF_KIND.get(kind, {})})
    module = freed(made)
    with torch.no_grad():
        torch.testing.assert_close(module(x), expected, rtol=1e-6, atol=1e-6)
        torch.manual_seed(0)
        module.train()
        drops = not torch.equal(module(x), module(x))
    stock = {"bernoulli", "vanilla", "spatial", "alpha", "variational"}  # the last where there is no time
    assert drops == (kind in stock)
    told = [note for note in made.notes if note.startswith(f"{kind} has no layer in torch for ")]
    assert bool(told) == (kind not in stock - {"variational"})
    if kind == "variational":
        assert "input, recurrent.1, between.1, recurrent.2: nothing is dropped there" in told[0]


@pytest.mark.parametrize("kind", ["bernoulli", "vanilla"])
def test_in_training_units_are_masked_as_the_kind_masks_them(kind, make_run, images):
    """A linear network of one layer shows the factors themselves."""
    settings = {
        "model.hidden": [400],
        "model.activation": "linear",
        "dropout.kind": kind,
        "dropout.placement": ["hidden"],
    }
    run, _, own = laid_out(make_run, images, **settings)
    one, zero = torch.ones(400).double(), torch.zeros(5).double()
    own |= {"hidden.1.weight": torch.zeros_like(own["hidden.1.weight"]), "hidden.1.bias": one}
    own |= {"output.weight": torch.eye(400).double()[:, :5].clone(), "output.bias": zero}
    module = freed(to_torch(run.config, images.example, own, mean=None, sd=None)).train()
    torch.manual_seed(1)
    seen = torch.cat([module(torch.from_numpy(images.x)) for _ in range(10)]).detach()
    kept = 1 / (1 - run.config.dropout.rate) if kind == "bernoulli" else 1.0
    torch.testing.assert_close(seen[seen != 0], torch.full_like(seen[seen != 0], kept), rtol=1e-4, atol=0)
    assert abs((seen == 0).double().mean().item() - 0.3) < 0.03


@pytest.mark.parametrize("settings, says", [
    ({"model.norm": "batch", "model.norm_group": 4}, "model.norm_group has no layer in torch"),
    ({"dropout.group_size": 4}, "bernoulli has no layer in torch for input, hidden.1"),
    ({"training.precision": "bfloat16"}, "training.precision bfloat16: the run rounded what it multiplied"),
    ({"dropout.schedule": {"shape": "late", "epochs": 3}}, None),
])  # fmt: skip
def test_what_stock_layers_do_otherwise_is_said(settings, says, make_run, images):
    run, _, own = laid_out(make_run, images, **settings)
    notes = to_torch(run.config, images.example, own, mean=None, sd=None, epoch=1).notes
    assert [note.startswith(says) for note in notes] == [True] if says else notes == ()


def test_a_configuration_that_asks_for_more_memory_than_there_is_is_refused(make_run, images):
    _, _, own = laid_out(make_run, images)
    huge = make_run(2, **{"model.hidden": [100_000] * 50}).config
    with pytest.raises(Exception, match=r"weights: hidden\.\d+\.\w+ is missing"):
        to_torch(huge, images.example, own, mean=None, sd=None)


def test_the_callers_random_numbers_are_left_alone(make_run, images):
    run, _, own = laid_out(make_run, images)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    to_torch(run.config, images.example, own, mean=None, sd=None)
    assert torch.equal(torch.get_rng_state(), before)


BLOCKED = """
import importlib.util, pickle, sys
sys.modules["dropexp"] = None  # its import fails
import torch
x, expected = torch.load("x.pt"), torch.load("expected.pt")
for i in range(int(sys.argv[1])):
    spec = importlib.util.spec_from_file_location(f"net{i}", f"net{i}.py")
    file = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(file)
    for network in (file.load(), pickle.load(open(f"net{i}.pickle", "rb"))):
        assert not network.training
        torch.testing.assert_close(network(x), expected[i], rtol=1e-6, atol=1e-6)
        assert not torch.equal(network.train()(x), network(x))
"""


def test_files_and_pickles_need_no_dropexp(tmp_path, make_run, images):
    from safetensors.torch import save_file

    cases = [
        {**CNN, "model.norm": "batch"},
        {**LSTM, "model.bidirectional": True, "model.norm": "layer"},
        {"dropout.kind": "vanilla"},
    ]
    found = []
    for i, case in enumerate(cases):
        run, made, x, _ = both(make_run, images, **case)
        module = freed(made).float()  # as runs are stored
        text = source(module, run.run_id, images.example, 5, made.notes, {"data.source": 'x"""\n}'})
        assert "CONFIGURATION = {\n    'data.source': 'x\"\"\"\\n}',\n}" in text
        (tmp_path / f"net{i}.py").write_text(text)
        save_file(module.state_dict(), tmp_path / f"net{i}.safetensors")
        (tmp_path / f"net{i}.pickle").write_bytes(pickle.dumps(module))
        found.append(module(x).detach())
    torch.save(x, tmp_path / "x.pt")
    torch.save(found, tmp_path / "expected.pt")
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(len(cases))], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
