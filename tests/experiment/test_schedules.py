"""Rate schedules: their values by hand, and that masks, rate column and test factor of a training follow them."""

import csv

import pytest
import torch

from dropexp.experiment.config import RateSchedule
from dropexp.experiment.layout import keep_probability, layout
from dropexp.experiment.schedules import SHAPES, rate_factor
from dropexp.nn.dropout import Noise
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.train.batches import Feed
from dropexp.train.loop import train
from dropexp.workflow.planning import Options
from dropexp.workflow.running import run

BY_HAND = [  # epochs 1, 2, ... 6
    ({"shape": "constant"}, [1, 1, 1, 1, 1, 1]),
    ({"shape": "early", "epochs": 3}, [1, 1, 1, 0, 0, 0]),
    ({"shape": "early", "epochs": 1}, [1, 0, 0, 0, 0, 0]),
    ({"shape": "late", "epochs": 3}, [0, 0, 0, 1, 1, 1]),
    ({"shape": "late", "epochs": 1}, [0, 1, 1, 1, 1, 1]),
    ({"shape": "linear", "epochs": 5}, [0, 0.25, 0.5, 0.75, 1, 1]),
    ({"shape": "linear", "epochs": 3, "begin": 1.0, "end": 0.0}, [1, 0.5, 0, 0, 0, 0]),
    ({"shape": "linear", "epochs": 4, "begin": 0.25, "end": 1.0}, [0.25, 0.5, 0.75, 1, 1, 1]),
    ({"shape": "linear", "epochs": 2, "begin": 0.5, "end": 0.25}, [0.5, 0.25, 0.25, 0.25, 0.25, 0.25]),
    ({"shape": "linear", "epochs": 1, "begin": 0.5}, [1, 1, 1, 1, 1, 1]),
]
NAMES = ["-".join(map(str, schedule.values())) for schedule, _ in BY_HAND]


@pytest.mark.parametrize(("schedule", "expected"), BY_HAND, ids=NAMES)
def test_values_by_hand(schedule, expected):
    schedule = RateSchedule(**schedule)
    assert [rate_factor(schedule, epoch) for epoch in range(1, 7)] == pytest.approx(expected, rel=1e-15, abs=1e-15)


def test_every_shape_is_here_and_stays_between_0_and_1():
    assert {given["shape"] for given, _ in BY_HAND} == set(SHAPES)
    for shape in SHAPES:
        for epochs in (1, 2, 7):
            factors = [rate_factor(RateSchedule(shape=shape, epochs=epochs), epoch) for epoch in range(1, 20)]
            assert all(0 <= factor <= 1 for factor in factors)


def written(schedule, expected):
    inner = ", ".join(f"{name}: {value}" for name, value in schedule.items())
    return pytest.param(f"{{{inner}}}", schedule, expected, id=inner)


TRAINED = [written(*BY_HAND[i]) for i in (0, 1, 3, 5, 6)]


@pytest.mark.parametrize(("text", "schedule", "expected"), TRAINED)
def test_the_rate_in_force_stands_in_epochs_csv(tmp_path, text, schedule, expected):
    study = parse(read_text(f"""
data: {{train_size: 60, val_size: 20, test_size: 20}}
model: {{hidden: [5]}}
dropout: {{rate: 0.4, schedule: {text}}}
training: {{epochs: 6}}
seeds: 1
""", "s.yaml"), name="s")  # fmt: skip
    folder = run(study, Options(results=tmp_path)).folder
    with (folder / "epochs.csv").open() as file:
        rates = {int(row["epoch"]): float(row["rate"]) for row in csv.DictReader(file)}
    assert rates == pytest.approx({epoch: 0.4 * factor for epoch, factor in enumerate(expected, 1)}, rel=1e-12)


def epochs_of(runs, dataset, count):
    """Yield the epochs of a training, and keep every run in it."""
    shapes = layout(runs[0].config, dataset.example, len(dataset.classes))
    loop = train(runs, Feed(dataset, runs, torch.float64, torch.device("cpu")), shapes)
    epoch = next(loop)
    for number in range(1, count + 1):
        yield epoch
        if number < count:
            epoch = loop.send(range(len(runs)))


SIZES = {"data": {"test_size": 15, "val_size": 10}, "model": {"hidden": [100]}, "training": {"batch_size": 19}}


@pytest.mark.parametrize("kind", ["bernoulli", "vanilla", "dropconnect", "fixed_count"])
def test_masks_are_on_and_off_in_the_epochs_they_should(make_run, vectors, monkeypatch, kind):
    """A pack of all schedules at rate 0.5: zeros counted in every mask that a step drew."""
    asked = Noise.mask
    zeros, drawn = {}, {}

    def counted(self, name, batch):
        found = asked(self, name, batch)
        for r, factor in enumerate(found[0] if found else ()):
            zeros[self.epoch, r] = zeros.get((self.epoch, r), 0) + int((factor == 0).sum())
            drawn[self.epoch, r] = drawn.get((self.epoch, r), 0) + factor.numel()
        return found

    monkeypatch.setattr(Noise, "mask", counted)
    runs = [make_run(0, **SIZES, dropout={"kind": kind, "rate": 0.5, "schedule": s}) for s, _ in BY_HAND]
    for _ in epochs_of(runs, vectors, 6):
        pass
    for r, (schedule, factors) in enumerate(BY_HAND):
        for epoch, factor in enumerate(factors, 1):
            share, n = zeros[epoch, r] / drawn[epoch, r], drawn[epoch, r]
            assert n > 9000
            rate = 0.5 * factor
            tolerance = 5 * (rate * (1 - rate) / n) ** 0.5 + (0.006 if kind == "fixed_count" else 1e-5)
            assert (share == 0) == (factor == 0), (schedule, epoch)
            assert abs(share - rate) <= tolerance, (schedule, epoch)


def test_alone_a_run_draws_nothing_where_its_rate_is_0(make_run, vectors):
    run_ = make_run(0, **SIZES, dropout={"rate": 0.5, "schedule": {"shape": "late", "epochs": 2}})
    sites = [set(epoch.network.sites) for epoch in epochs_of([run_], vectors, 4)]
    assert sites == [set(), set(), {"hidden.1"}, {"hidden.1"}]


def test_until_it_begins_late_dropout_is_none_and_until_it_ends_early_dropout_is_constant(make_run, vectors):
    def scores(rate=0.5, **schedule):
        made = make_run(0, **SIZES, dropout={"rate": rate, "schedule": schedule})
        return [epoch.scores[0] for epoch in epochs_of([made], vectors, 4)]

    none, constant = scores(0.0), scores()
    late, early = scores(shape="late", epochs=2), scores(shape="early", epochs=2)
    assert (late[:2], early[:2]) == (none[:2], constant[:2])
    assert late[2] != none[2]
    assert early[2] != constant[2]


@pytest.mark.parametrize("schedule", [s for s, _ in BY_HAND], ids=NAMES)
def test_the_factor_of_vanilla_at_test_time_follows_the_rate_in_force(make_run, vectors, schedule):
    made = make_run(0, **SIZES, dropout={"kind": "vanilla", "rate": 0.4, "schedule": schedule})
    feed = Feed(vectors, [made], torch.float64, torch.device("cpu"))
    x = torch.cat([x for _, x, _ in feed.chunks()], 1)[0]
    (expected,) = [factors for given, factors in BY_HAND if given == schedule]
    for number, epoch in enumerate(epochs_of([made], vectors, 6), 1):
        p = {name: tensor.detach()[0] for name, tensor in epoch.network.parameters.items()}
        keep = keep_probability(0.4 * expected[number - 1])
        hidden = torch.relu(x @ p["hidden.1.weight"] + p["hidden.1.bias"]) * keep
        logits = epoch.network(x[None], noise=None, norm="running")[0]
        torch.testing.assert_close(logits, hidden @ p["output.weight"] + p["output.bias"], rtol=1e-10, atol=1e-10)
        labels = feed.labels_RN[0]
        train_size = feed.set_sizes[0]
        right = (logits.argmax(1) == labels)[:train_size].double().mean().item()
        assert epoch.scores[0].train_accuracy == pytest.approx(right, rel=1e-12)
