"""The learning rate's schedule and the bound on norms, against their formulas."""

import math

import pytest
import torch

from dropexp.data import Dataset
from dropexp.experiment.config import LrSchedule
from dropexp.experiment.layout import layout
from dropexp.nn.network import Network
from dropexp.train.batches import Feed
from dropexp.train.evaluate import losses
from dropexp.train.loop import train
from dropexp.train.optim import Optimiser, schedule_factor


def test_constant_is_1_at_every_epoch():
    assert {schedule_factor(LrSchedule(), epoch, 60) for epoch in range(1, 61)} == {1.0}


def test_cosine_goes_from_1_towards_0():
    cosine = [schedule_factor(LrSchedule(shape="cosine"), epoch, 4) for epoch in (1, 2, 3, 4)]
    root = math.sqrt(0.5) / 2
    assert cosine == pytest.approx([1.0, 0.5 + root, 0.5, 0.5 - root])
    assert schedule_factor(LrSchedule(shape="cosine"), 61, 60) == pytest.approx(0.0)  # would be reached after the last


@pytest.mark.parametrize("shape, stock", [("cosine", "CosineAnnealingLR"), ("step", "StepLR")])
def test_schedules_are_those_of_torch(shape, stock):
    schedule = LrSchedule(shape=shape, every=3, factor=0.5)
    sgd = torch.optim.SGD([torch.zeros(1)], lr=0.2)
    settings = {"T_max": 10} if shape == "cosine" else {"step_size": 3, "gamma": 0.5}
    scheduler = getattr(torch.optim.lr_scheduler, stock)(sgd, **settings)
    for epoch in range(1, 11):
        assert 0.2 * schedule_factor(schedule, epoch, 10) == pytest.approx(scheduler.get_last_lr()[0])
        sgd.step()
        scheduler.step()


def test_step_multiplies_once_every_so_many_epochs():
    schedule = LrSchedule(shape="step", every=3, factor=0.1)
    found = [schedule_factor(schedule, epoch, 60) for epoch in range(1, 11)]
    assert found == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001])


def test_the_loop_uses_each_runs_own_schedule(make_run, vectors: Dataset):
    """At momentum 0 and one step an epoch, a step is the learning rate times the gradient."""
    base = {"model": {"hidden": [7]}, "dropout": {"rate": 0.0}}
    fixed = {"training.momentum": 0.0, "training.steps_per_epoch": 1, "training.epochs": 4, "training.lr": 0.25}
    shapes = ({"shape": "constant"}, {"shape": "cosine"}, {"shape": "step", "every": 2, "factor": 0.5})
    runs = [make_run(0, **base, **fixed, **{"training.schedule": shape}) for shape in shapes]
    factors = [[1, 1, 1, 1], [1, 0.8535533905932737, 0.5, 0.14644660940672627], [1, 1, 0.5, 0.5]]
    feed = Feed(vectors, runs, torch.float64, torch.device("cpu"))
    shapes = layout(runs[0].config, vectors.example, 5)
    ours = Network(shapes, [r.config for r in runs], [0] * 3, torch.float64)
    loop = train(runs, Feed(vectors, runs, torch.float64, torch.device("cpu")), shapes)
    epoch = next(loop)
    for number in range(1, 5):
        ours.require_grad()
        ((x, y),) = feed.batches(number)
        losses(ours(x, noise=None, norm="batch"), y).mean(1).sum().backward()
        for name, tensor in ours.parameters.items():
            lr = torch.tensor([0.25 * f[number - 1] for f in factors], dtype=torch.float64)
            moved = tensor.detach() - lr.view(-1, *(1,) * (tensor.dim() - 1)) * tensor.grad
            torch.testing.assert_close(epoch.network.parameters[name].detach(), moved, rtol=1e-9, atol=1e-12)
            ours.parameters[name] = moved
        if number < 4:
            epoch = loop.send([0, 1, 2])


@pytest.mark.parametrize("model", [{"hidden": [13, 9]}, {"kind": "cnn", "channels": [3, 4], "hidden": [7]}])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_norms_are_bounded_after_every_step(make_run, images, model, optimizer):
    limits = (0.3, 0.8, 3.0)
    runs = [
        make_run(
            r, model=model, **{"training.optimizer": optimizer, "training.max_norm": limit, "training.batch_size": 8}
        )
        for r, limit in enumerate(limits)
    ]
    shapes = layout(runs[0].config, images.example, 5)
    network = Network(shapes, [r.config for r in runs], [0, 1, 2], torch.float64)
    optimiser = Optimiser([r.config for r in runs], network)
    network.require_grad()
    for x, y in Feed(images, runs, torch.float64, torch.device("cpu")).batches(1):
        losses(network(x, noise=None, norm="batch"), y).mean(1).sum().backward()
        optimiser.step(network.parameters)
        at_limit = [0, 0, 0]
        for name, tensor in network.parameters.items():
            if name.endswith(".weight"):
                unit_in = tensor.detach().flatten(2) if tensor.dim() > 3 else tensor.detach().mT
                norms = unit_in.norm(dim=2)
                for r, limit in enumerate(limits):
                    assert norms[r].max() <= limit * (1 + 1e-12), name
                    at_limit[r] += int((norms[r] > limit * (1 - 1e-12)).sum())
        assert at_limit[0] > 0
        assert at_limit[0] >= at_limit[1] > at_limit[2] == 0
    assert network.parameters["hidden.1.bias"].abs().max() > 0


def test_a_run_without_a_bound_stands_beside_one_with(make_run, vectors):
    runs = [make_run(0, model={"hidden": [7]}, training={"max_norm": limit}) for limit in (None, 0.1)]
    network = Network(layout(runs[0].config, vectors.example, 5), [r.config for r in runs], [0, 0], torch.float64)
    optimiser = Optimiser([r.config for r in runs], network)
    before = {name: tensor.clone() for name, tensor in network.parameters.items()}
    for tensor in network.parameters.values():
        tensor.grad = torch.zeros_like(tensor)
    optimiser.step(network.parameters)
    assert all(torch.equal(network.parameters[name][0], before[name][0]) for name in before)
    assert network.parameters["hidden.1.weight"][1].norm(dim=0).max() <= 0.1 * (1 + 1e-12)
