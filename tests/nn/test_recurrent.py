"""LSTMs: torch.nn.LSTM with the masks off, recurrences written out step by step with the masks on."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from dropexp.data import load
from dropexp.experiment.config import Data
from dropexp.experiment.layout import keep_probability, layout
from dropexp.nn.dropout import Noise
from dropexp.nn.network import Network
from dropexp.nn.recurrent import RecurrentMask, lstm
from dropexp.nn.to_torch import to_torch
from dropexp.train.evaluate import losses
from dropexp.train.pack import Work, train_pack

AGREE = {"rtol": 1e-10, "atol": 1e-10}
UNITS, CLASSES, BATCH = 4, 5, 8
DIRECTIONS = ("forward", "backward")


def rows_of(image):
    """(C, H, W) to one step a row, its channels side by side: (T = H, F = C W)."""
    channels, height, width = image.shape
    steps = torch.zeros(height, channels * width, dtype=image.dtype)
    for c, t, w in itertools.product(range(channels), range(height), range(width)):
        steps[t, c * width + w] = image[c, t, w]
    return steps


def make_network(make_run, dataset, rates=(0.0, 0.0), seeds=(0, 1), model=(), dtype=torch.float64, **dropout):
    model = {"kind": "lstm", "units": UNITS, **dict(model)}
    dropout = {"placement": ["input"], **dropout}
    runs = [make_run(s, model=model, dropout={**dropout, "rate": r}) for s, r in zip(seeds, rates, strict=True)]
    network = Network(layout(runs[0].config, dataset.example, CLASSES), [r.config for r in runs], seeds, dtype)
    generator = torch.Generator().manual_seed(2)
    for name, tensor in network.parameters.items():
        if name.endswith("bias"):
            tensor.add_(torch.randn(tensor.shape, generator=generator, dtype=dtype) * 0.5)
    return network


def noise_of(network, seeds=(0, 1), epoch=1):
    return Noise(network.sites, seeds, torch.arange(network.runs), epoch)


def inputs(dataset, runs=2):
    x = torch.from_numpy(dataset.x[: runs * BATCH]).double()
    return ((x - x.mean()) / x.std()).view(runs, BATCH, *dataset.example)


@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both ways"])
@pytest.mark.parametrize("layers", [1, 2])
def test_without_masks_it_is_torch_s_lstm_in_outputs_and_every_gradient(make_run, images, layers, bidirectional):
    network = make_network(make_run, images, model={"layers": layers, "bidirectional": bidirectional})
    assert not network.sites
    network.require_grad()
    x = inputs(images).requires_grad_(True)
    labels = torch.from_numpy(images.y[: 2 * BATCH]).view(2, BATCH)
    logits = network(x, noise=noise_of(network), norm="batch")
    losses(logits, labels).sum().backward()
    for r in range(2):
        own = {name: tensor[r] for name, tensor in network.parameters.items()}
        reference = to_torch(network.configs[r], images.example, own, mean=None, sd=None)
        assert sum(isinstance(module, nn.LSTM) for module in reference.modules()) == layers
        shown = x.detach()[r].requires_grad_(True)
        expected = reference(shown)
        torch.testing.assert_close(logits[r], expected, **AGREE)
        nn.functional.cross_entropy(expected, labels[r], reduction="sum").backward()
        torch.testing.assert_close(x.grad[r], shown.grad, **AGREE)
        held = {name: tensor.grad for name, tensor, _ in reference.tensors()}
        assert set(held) == set(network.parameters)
        for name, grad in held.items():
            ours = network.parameters[name].grad[r]
            assert ours.abs().sum() > 0
            torch.testing.assert_close(ours.T if ours.dim() == 2 else ours, grad, **AGREE, msg=name)


@pytest.mark.parametrize("reverse", [False, True])
def test_states_of_one_layer_stand_in_the_order_of_time(reverse):
    rng = np.random.default_rng(0)
    x, w, v, b = (torch.from_numpy(rng.standard_normal(s)) for s in ((1, 3, 6, 5), (1, 5, 16), (1, 4, 16), (1, 16)))
    reference = nn.LSTM(5, 4, batch_first=True).double()
    with torch.no_grad():
        reference.weight_ih_l0.copy_(w[0].T)
        reference.weight_hh_l0.copy_(v[0].T)
        reference.bias_ih_l0.copy_(b[0])
        reference.bias_hh_l0.zero_()
        expected, _ = reference(x[0].flip(1) if reverse else x[0])
    found = lstm(x, w, v, b, None, reverse)[0]
    torch.testing.assert_close(found, expected.flip(1) if reverse else expected, **AGREE)


def test_images_are_read_row_by_row(make_run, images):
    """A change in the last row reaches only the last step: states before it stay."""
    network = make_network(make_run, images, rates=(0.0,), seeds=(0,))
    block = network.layout.blocks[0]
    assert (block.name, block.map, block.fan_in) == ("lstm.1", (6,), 14)
    x, p = inputs(images)[:1], network.parameters
    changed = x.clone()
    changed[:, :, 1, -1, 3] += 1.0

    def states(x):
        rows = torch.stack([rows_of(image) for image in x[0]])[None]
        return lstm(rows, *(p[f"lstm.1.forward.{n}"] for n in ("input.weight", "state.weight", "bias")), None)

    before, after = states(x), states(changed)
    assert torch.equal(before[:, :, :-1], after[:, :, :-1])
    assert not torch.equal(before[:, :, -1], after[:, :, -1])
    for image, state in ((x, before), (changed, after)):
        expected = state[:, :, -1] @ p["output.weight"] + p["output.bias"][:, None]
        torch.testing.assert_close(network(image, noise=None, norm="running"), expected, **AGREE)


@pytest.mark.parametrize(("source", "shape"), [("digits", (8, 8)), ("sequences", (5, 3))])
def test_the_steps_of_digits_and_of_a_file_of_sequences(make_run, tmp_path, source, shape):
    """(N, T, F) in an .npz are T steps of F features, untouched."""
    if source == "sequences":
        rng = np.random.default_rng(0)
        np.savez(tmp_path / "s.npz", x=rng.standard_normal((60, *shape)).astype("f4"), y=np.arange(60) % 3)
        source = "s.npz"
    dataset = load(Data(source=source), folder=tmp_path)
    assert dataset.example == (1, *shape)
    run = make_run(
        0, data={"source": source, "train_size": 30}, model={"kind": "lstm", "units": 3},
        dropout={"rate": 0.3, "placement": ["all"]}, training={"epochs": 1},
    )  # fmt: skip
    block = layout(run.config, dataset.example, len(dataset.classes)).blocks[0]
    assert (*block.map, block.fan_in) == shape
    row = train_pack(Work((run,), source), dataset).runs[0]
    assert (row.stop_reason, row.epochs_run) == ("max_epochs", 1)
    assert row.parameters == 4 * 3 * (shape[1] + 3 + 1) + 4 * len(dataset.classes)


# --- masks on: one run written out ---


def sigmoid(x):
    return 1 / (1 + torch.exp(-x))


def written_out(network, r, x, masks, mode):
    """One run's logits by plain recurrences; `masks` holds a factor or a number by site, with a time axis but at the end.

    `mode` says what the recurrent mask multiplies: the `state` that enters the gates, or the `candidate`.
    """
    model, p = network.model, {name: tensor[r] for name, tensor in network.parameters.items()}
    x = torch.stack([rows_of(image) for image in x])
    time = x.shape[1]

    def at(site, t, x):
        mask = masks.get(site, 1.0)
        return x * (mask[:, t if mask.shape[1] > 1 else 0] if isinstance(mask, torch.Tensor) else mask)

    steps = [at("input", t, x[:, t]) for t in range(time)]
    for layer in range(1, model.layers + 1):
        outs = []
        for d, direction in enumerate(DIRECTIONS[: 2 if model.bidirectional else 1]):
            weight, state, bias = (p[f"lstm.{layer}.{direction}.{n}"] for n in ("input.weight", "state.weight", "bias"))
            own = slice(d * UNITS, (d + 1) * UNITS)

            def recurrent(t, h, layer=layer, own=own):
                whole = torch.ones(len(h), UNITS * (2 if model.bidirectional else 1), dtype=h.dtype)
                return h * at(f"recurrent.{layer}", t, whole)[:, own]

            h = c = torch.zeros(len(x), UNITS, dtype=x.dtype)
            states = [None] * time
            for t in reversed(range(time)) if direction == "backward" else range(time):
                gates = steps[t] @ weight + (recurrent(t, h) if mode == "state" else h) @ state + bias
                i, f, g, o = (gates[:, k * UNITS : (k + 1) * UNITS] for k in range(4))
                g = torch.tanh(g)
                c = sigmoid(f) * c + sigmoid(i) * (recurrent(t, g) if mode == "candidate" else g)
                h = sigmoid(o) * torch.tanh(c)
                states[t] = h
            outs.append(states)
        last = torch.cat([s[0 if d else -1] for d, s in enumerate(outs)], 1)
        steps = [at(f"between.{layer}", t, torch.cat([s[t] for s in outs], 1)) for t in range(time)]
    last = last * masks.get("output", 1.0)
    for i in range(1, len(model.hidden) + 1):
        last = torch.relu(last @ p[f"hidden.{i}.weight"] + p[f"hidden.{i}.bias"]) * masks.get(f"hidden.{i}", 1.0)
    return last @ p["output.weight"] + p["output.bias"]


MODES = {
    "step": ({}, "state"),
    "sequence": ({"recurrent": "sequence"}, "state"),
    "candidate": ({"recurrent": "candidate"}, "candidate"),
    "variational": ({"kind": "variational"}, "state"),
    "groups": ({"group_size": 3}, "state"),
    "batch-sequence": ({"kind": "batch_shared", "recurrent": "sequence"}, "state"),
    "gaussian": ({"kind": "gaussian"}, "state"),
    "vanilla-candidate": ({"kind": "vanilla", "recurrent": "candidate"}, "candidate"),
}


@pytest.mark.parametrize(
    "place, mode, bidirectional",
    [
        pytest.param(place, mode, both, id=f"{'both ways' if both else 'forward'}-{place}-{mode}", marks=marks)
        for both in (False, True)
        for place in ("input", "recurrent", "between", "output", "hidden", "all")
        for marks in ([pytest.mark.slow] * (not both and place not in ("recurrent", "all")),)
        for mode in MODES
        if place in ("recurrent", "all") or mode not in ("sequence", "candidate")  # elsewhere they are step
    ],
)
def test_with_masks_it_is_the_recurrence_written_out(make_run, images, place, mode, bidirectional):
    dropout, acts_on = MODES[mode]
    if place not in ("recurrent", "all"):
        dropout = {**dropout, "recurrent": "step"}
    model = {"layers": 2, "bidirectional": bidirectional, "hidden": [6]}
    network = make_network(make_run, images, (0.3, 0.6), model=model, **{**dropout, "placement": [place]})
    x = inputs(images)
    noise = noise_of(network)
    drawn = {name: noise.mask(name, BATCH)[0] for name in network.sites}
    logits = network(x, noise=noise_of(network), norm="batch")
    plain = make_network(make_run, images, model=model)(x, noise=None, norm="running")
    for r, rate in enumerate((0.3, 0.6)):
        masks = {name: factor[r] for name, factor in drawn.items()}
        torch.testing.assert_close(logits[r], written_out(network, r, x[r], masks, acts_on), **AGREE)
        assert not torch.allclose(logits[r], plain[r])
        tested = network(x, noise=None, norm="running")[r]
        keep = keep_probability(rate) if mode.startswith("vanilla") else 1.0
        expected = written_out(network, r, x[r], dict.fromkeys(masks, keep), acts_on)
        torch.testing.assert_close(tested, expected, **AGREE)
        assert torch.equal(tested, plain[r]) == (keep == 1.0)


@pytest.mark.parametrize("mode", MODES)
def test_which_axes_share_a_mask(make_run, images, mode):
    dropout, _ = MODES[mode]
    network = make_network(
        make_run, images, (0.5,), (0,), {"layers": 2, "hidden": [6], "units": 50}, placement=["all"], **dropout
    )
    noise = noise_of(network, (0,))
    examples = 1 if "batch" in mode else BATCH
    for name, site in network.sites.items():
        factor = noise.mask(name, BATCH)[0][0]
        over_time = mode == "variational" or (mode == "batch-sequence" and name.startswith("recurrent"))
        over_time |= mode == "sequence" and name.startswith("recurrent")
        timed = name.partition(".")[0] in ("input", "recurrent", "between")
        assert len(site.shape) == (2 if timed else 1)
        assert factor.shape == (examples, *((1 if over_time else 6,) if timed else ()), site.shape[-1]), name
        assert factor.flatten(0, -2).unique(dim=1).shape[1] > 1, f"{name}: all units share one mask"
    recurrent = noise.mask("recurrent.1", BATCH)[0][0]
    if recurrent.shape[1] > 1:
        assert not torch.equal(recurrent[:, 0], recurrent[:, 1])


def test_a_recurrent_mask_of_one_step_serves_them_all():
    factor = torch.rand(2, 3, 1, 4)
    assert torch.equal(RecurrentMask(factor, False).at(5), factor[:, :, 0])
    factor = torch.rand(2, 3, 7, 4)
    assert torch.equal(RecurrentMask(factor, True).at(5), factor[:, :, 5])


def test_dropping_every_candidate_keeps_memory_and_dropping_every_state_keeps_no_recurrence():
    rng = np.random.default_rng(1)
    x, w, v, b = (torch.from_numpy(rng.standard_normal(s)) for s in ((1, 3, 6, 5), (1, 5, 16), (1, 4, 16), (1, 16)))
    nothing = torch.zeros(1, 3, 1, 4, dtype=torch.float64)
    assert torch.equal(lstm(x, w, v, b, RecurrentMask(nothing, True)), nothing.expand(1, 3, 6, 4))
    alone = lstm(x, w, v * 0, b, None)
    torch.testing.assert_close(lstm(x, w, v, b, RecurrentMask(nothing, False)), alone, rtol=0, atol=0)


def test_forget_gates_start_open(make_run, images):
    run = make_run(0, model={"kind": "lstm", "units": UNITS}, dropout={"placement": ["input"]})
    network = Network(layout(run.config, images.example, CLASSES), [run.config], [0], torch.float64)
    bias = network.parameters["lstm.1.forward.bias"][0]
    assert bias.tolist() == [0.0] * UNITS + [1.0] * UNITS + [0.0] * 2 * UNITS
