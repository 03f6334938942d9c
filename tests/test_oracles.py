"""Every run of a pack against its own plain torch.nn network and torch.optim: copied weights, the same masks."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn

from dropexp.data import load
from dropexp.experiment.layout import biased, layout
from dropexp.experiment.packs import pack_key
from dropexp.nn.dropout import Noise
from dropexp.nn.network import Network
from dropexp.nn.to_torch import ACTIVATIONS, to_torch
from dropexp.train.batches import Feed
from dropexp.train.evaluate import losses
from dropexp.train.loop import train
from dropexp.train.pack import Work, train_pack

AGREE = {"rtol": 1e-6, "atol": 1e-6}


def as_torch(runs, network, dataset):
    """Return each run of a pack as stock layers; only batch statistics over groups are not among them."""
    held = network.parameters | network.statistics
    made = []
    for r, run in enumerate(runs):
        own = {name: tensor[r] for name, tensor in held.items()}
        module = to_torch(run.config, dataset.example, own, mean=None, sd=None)
        for name, norm in module.named_modules():
            if name.endswith(".norm") and run.config.model.norm_group:
                norm.forward = partial(grouped, norm, run.config.model.norm_group)
        made.append(module)
    return made


def laid_out(ours, like, transposed):
    return (ours.T if transposed else ours).reshape(like.shape)


def grouped(norm, size, x):
    """Batch norm group by group, the running statistics moved once by the groups' mean; a last one of one joins."""
    if not norm.training:
        return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    groups = list(x.split(size))
    if len(groups[-1]) == 1:
        groups[-2:] = [torch.cat(groups[-2:])]
    with torch.no_grad():
        apart = [g.transpose(0, 1).flatten(1) for g in groups]
        norm.running_mean.lerp_(torch.stack([g.mean(1) for g in apart]).mean(0), 0.1)
        norm.running_var.lerp_(torch.stack([g.var(1) for g in apart]).mean(0), 0.1)
    return torch.cat([F.batch_norm(g, None, None, norm.weight, norm.bias, training=True) for g in groups])


class Stepper:
    """torch.optim with weight decay on weights alone; l1 and max_norm by hand."""

    def __init__(self, reference, training):
        self.training = training
        self.weights = [tensor for name, tensor, _ in reference.tensors() if name.endswith(".weight")]
        others = [p for p in reference.parameters() if all(p is not w for w in self.weights)]
        groups = [
            {"params": self.weights, "weight_decay": training.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        if training.optimizer == "sgd":
            self.optim = torch.optim.SGD(groups, lr=training.lr, momentum=training.momentum, nesterov=training.nesterov)
        else:
            self.optim = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[training.optimizer](
                groups, lr=training.lr
            )

    def step(self):
        for weight in self.weights:
            weight.grad += self.training.l1 * weight.detach().sign()
        self.optim.step()
        self.optim.zero_grad()
        if self.training.max_norm is not None:
            with torch.no_grad():
                for weight in self.weights:
                    norm = weight.flatten(1).norm(dim=1)
                    weight.mul_((self.training.max_norm / norm).clamp(max=1.0).view(-1, *(1,) * (weight.dim() - 1)))


MLP = {"model": {"kind": "mlp", "hidden": [13, 9]}}
CNN = {"model": {"kind": "cnn", "channels": [3, 5], "hidden": [7]}, "dropout": {"placement": ["conv", "hidden"]}}
ORDERS = ("NAD", "NDA", "AND", "ADN", "DNA", "DAN")
CASES = {
    f"{kind}-{norm}-{order}-{activation}": {
        **base,
        "model.norm": norm,
        "model.order": order,
        "model.activation": activation,
    }
    for kind, base in (("mlp", MLP), ("cnn", CNN))
    for norm in ("none", "batch", "layer")
    for order, activation in zip(ORDERS, ("relu", "tanh", "relu", "gelu", "relu", "sigmoid"), strict=True)
}
for kind, base in (("mlp", MLP), ("cnn", CNN)):
    CASES |= {f"{kind}-{name}": {**base, "model.activation": name} for name in ACTIVATIONS}
    CASES |= {f"{kind}-{name}": {**base, "dropout.kind": name} for name in ("vanilla", "unscaled", "batch_shared")}
    CASES |= {f"{kind}-{name}-pool": {**base, "model.pool": name} for name in ("max", "avg", "none") if kind == "cnn"}
    batch = {**base, "model.norm": "batch"}
    CASES |= {
        f"{kind}-ghost-5": {**batch, "model.norm_group": 5},
        f"{kind}-ghost-8": {**batch, "model.norm_group": 8, "model.order": "DNA"},
        f"{kind}-vanilla-everywhere": {
            **batch,
            "dropout.kind": "vanilla",
            "dropout.placement": ["all"],
            "model.order": "DNA",
        },
        f"{kind}-input": {**base, "dropout.placement": ["input"]},
        f"{kind}-input-apart": {**batch, "dropout.rate_at": {"input": 0.2}, "dropout.kind": "batch_shared"},
        f"{kind}-last": {**base, "dropout.placement": ["last"]},
        f"{kind}-hidden.1": {**batch, "dropout.placement": ["hidden.1"]},
    }
CASES |= {
    "cnn-conv": {
        **CNN,
        "dropout.placement": ["conv"],
        "model.norm": "batch",
        "model.order": "ADN",
        "model.pool": "avg",
    },
    "cnn-no-pool": {**CNN, "model.pool": "none", "model.norm": "layer", "model.kernel": 5, "model.order": "DNA"},
    "cnn-kernel-1": {**CNN, "model.kernel": 1, "dropout.placement": ["conv.2"]},
    "mlp-linear-model": {"model": {"hidden": []}, "dropout": {"placement": ["input"]}},
    "mlp-one-unit": {"model": {"hidden": [1, 2]}, "model.norm": "batch"},
    "cnn-one-channel": {**CNN, "model.channels": [1, 1], "model.norm": "batch"},
}
EACH_RUN = [  # what may differ inside a pack: the first two share a seed's masks, the last has its own
    (0, {"dropout.rate": 0.0, "training.lr": 0.05, "training.momentum": 0.9}),
    (1, {"dropout.rate": 0.3, "training.lr": 0.02, "training.momentum": 0.5, "data.label_noise": 0.3}),
    (0, {"dropout.rate": 0.6, "training.lr": 0.01, "training.momentum": 0.2, "data.label_noise": 0.1}),
]
SIZES = {"data.test_size": 15, "data.val_size": 10, "training.batch_size": 17, "training.steps_per_epoch": 3}
OPTIMISERS = {
    "sgd": {},
    "nesterov": {"training.nesterov": True},
    "sgd-decay": {"training.weight_decay": (0.01, 0.1, 0.5)},
    "sgd-l1": {"training.l1": (0.001, 0.01, 0.05)},
    "sgd-max-norm": {"training.max_norm": (0.5, 1.0, 2.0)},
    "adam": {"training.optimizer": "adam"},
    "adam-decay": {"training.optimizer": "adam", "training.weight_decay": (0.01, 0.1, 0.5)},
    "adamw": {"training.optimizer": "adamw", "training.weight_decay": (0.01, 0.1, 0.5)},
    "adamw-all": {
        "training.optimizer": "adamw",
        "training.weight_decay": (0.01, 0.1, 0.5),
        "training.l1": (0.001, 0.01, 0.05),
        "training.max_norm": (0.5, 1.0, 2.0),
    },
    "nesterov-all": {
        "training.nesterov": True,
        "training.weight_decay": (0.01, 0.1, 0.5),
        "training.l1": (0.001, 0.01, 0.05),
        "training.max_norm": (0.5, 1.0, 2.0),
    },
}


def make_runs(make_run, case, which, extra=()):
    """Make the runs at positions `which` of EACH_RUN; a tuple in `extra` holds a value for each of them.

    A run without dropout stands beside the others but where it would have other parameters, a bias less before its norm.
    """
    runs = []
    for i in which:
        seed, own = EACH_RUN[i]
        chosen = {path: value[i] if isinstance(value, tuple) else value for path, value in dict(extra).items()}
        runs.append(make_run(seed, **{**case, **SIZES, **own, **chosen}))
        if biased(runs[-1].config) == frozenset():
            runs[-1] = make_run(seed, **{**case, **SIZES, **own, "dropout.rate": own["dropout.rate"] or 0.1, **chosen})
    assert len({pack_key(run.config) for run in runs}) == 1
    return runs


def make_network(runs, dataset, dtype=torch.float64):
    shapes = layout(runs[0].config, dataset.example, len(dataset.classes))
    return Network(shapes, [r.config for r in runs], [r.seed for r in runs], dtype)


def make_noise(runs, network, epoch=1):
    seeds = list(dict.fromkeys(r.seed for r in runs))
    return Noise(network.sites, seeds, torch.tensor([seeds.index(r.seed) for r in runs]), epoch)


def factors_of(noise, batch, runs):
    """Draw one step's factors and hand them out: a dict by place for each run."""
    drawn = {name: noise.mask(name, batch)[0] for name in noise.sites}
    return [{name: factor[r] for name, factor in drawn.items()} for r in range(len(runs))]


ALONE = ("mlp-none-NAD-relu", "mlp-batch-NAD-relu", "mlp-one-unit", "cnn-batch-ADN-gelu", "cnn-one-channel")
EACH_CASE = pytest.mark.parametrize(  # a run alone has the bytes it has in a pack, as test_equivalence.py says
    "case, which",
    [(case, (0, 1, 2)) for case in CASES.values()] + [(CASES[name], (1,)) for name in ALONE],
    ids=[*CASES, *(f"{name}-alone" for name in ALONE)],
)


@EACH_CASE
def test_loss_outputs_and_every_gradient(make_run, images, case, which):
    runs = make_runs(make_run, case, which)
    network = make_network(runs, images)
    generator = torch.Generator().manual_seed(1)
    for tensor in [*network.parameters.values(), *network.statistics.values()]:  # no bias 0, no scale 1
        tensor.add_(torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype) * 0.5)
    plain = as_torch(runs, network, images)
    network.require_grad()
    x, labels = next(iter(Feed(images, runs, torch.float64, torch.device("cpu")).batches(1)))
    drawn = factors_of(make_noise(runs, network), x.shape[1], runs)

    for r, ours in enumerate(network(x, noise=None, norm="running")):
        torch.testing.assert_close(ours, plain[r].eval()(x[r]), **AGREE)
    for r, ours in enumerate(network(x, noise=make_noise(runs, network), norm="running")):
        torch.testing.assert_close(ours, plain[r].eval()(x[r], drawn[r]), **AGREE)

    logits = network(x, noise=make_noise(runs, network), norm="batch")
    loss_RB = losses(logits, labels)
    loss_RB.mean(1).sum().backward()
    for r, reference in enumerate(plain):
        loss = F.cross_entropy(reference.train()(x[r], drawn[r]), labels[r])
        loss.backward()
        torch.testing.assert_close(loss_RB[r].mean(), loss, **AGREE)
        for name, tensor, transposed in reference.tensors():
            learnt = name in network.parameters
            ours = network.parameters[name].grad[r] if learnt else network.statistics[name][r]
            expected = tensor.grad if learnt else tensor
            torch.testing.assert_close(laid_out(ours, tensor, transposed), expected, **AGREE, msg=name)
    for r, ours in enumerate(network(x, noise=None, norm="batch")):
        plain[r].train().dropouts.eval()
        expected = plain[r](x[r])
        torch.testing.assert_close(ours, expected, **AGREE)


def agree_after_two_epochs(runs, dataset):
    """Train a pack in the loop, and each run alone with torch.optim; compare all that two epochs leave."""
    feed = Feed(dataset, runs, torch.float64, torch.device("cpu"))
    network = make_network(runs, dataset)
    plain = as_torch(runs, network, dataset)
    steppers = [Stepper(reference, run.config.training) for reference, run in zip(plain, runs, strict=True)]
    for number in (1, 2):
        noise, seen = make_noise(runs, network, number), [[] for _ in runs]
        batches = list(feed.batches(number))
        assert len(batches) == 3  # of passes of two: the second epoch begins in the middle of one
        for x, labels in batches:
            drawn = factors_of(noise, x.shape[1], runs)
            for r, reference in enumerate(plain):
                loss_B = F.cross_entropy(reference.train()(x[r], drawn[r]), labels[r], reduction="none")
                loss_B.mean().backward()
                steppers[r].step()
                seen[r].append(loss_B.detach())

    loop = train(runs, Feed(dataset, runs, torch.float64, torch.device("cpu")), network.layout)
    next(loop)
    epoch = loop.send(range(len(runs)))
    ours = epoch.network.parameters | epoch.network.statistics
    ends = np.cumsum([0, *feed.set_sizes])
    for r, reference in enumerate(plain):
        for name, tensor, transposed in reference.tensors():
            found = laid_out(ours[name][r].detach(), tensor, transposed)
            torch.testing.assert_close(found, tensor.detach(), **AGREE, msg=name)
        assert epoch.noisy_loss[r] == pytest.approx(torch.cat(seen[r]).mean().item(), rel=1e-6)
        x = torch.cat([x[r] for _, x, _ in feed.chunks()])
        labels = torch.cat([labels[r] for _, _, labels in feed.chunks()])
        with torch.no_grad():
            logits = reference.eval()(x)
        for i, part in enumerate(("train", "val", "test")):
            chosen = slice(ends[i], ends[i + 1])
            loss = F.cross_entropy(logits[chosen], labels[chosen]).item()
            right = (logits[chosen].argmax(1) == labels[chosen]).double().mean().item()
            assert getattr(epoch.scores[r], f"{part}_loss") == pytest.approx(loss, rel=1e-6)
            assert getattr(epoch.scores[r], f"{part}_accuracy") == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize(  # every fifth in the fast suite, whose gradients are those of all
    "case", [pytest.param(c, id=n, marks=[pytest.mark.slow] * (i % 5 > 0)) for i, (n, c) in enumerate(CASES.items())]
)
def test_two_epochs_of_every_network(make_run, images, case):
    agree_after_two_epochs(make_runs(make_run, case, (0, 1, 2)), images)


@pytest.mark.parametrize("name", ALONE)
def test_two_epochs_of_a_run_alone(make_run, images, name):
    agree_after_two_epochs(make_runs(make_run, CASES[name], (1,)), images)


@pytest.mark.parametrize(  # an optimiser sees parameters and not layers: one of each kind with convolutions
    "base, optimiser",
    [
        pytest.param(
            base, optimiser, id=f"{kind}-{name}", marks=[pytest.mark.slow] * (kind == "cnn" and "-all" not in name)
        )
        for kind, base in (("mlp", MLP), ("cnn", CNN))
        for name, optimiser in OPTIMISERS.items()
    ],
)
def test_two_epochs_of_every_optimiser(make_run, images, base, optimiser):
    agree_after_two_epochs(make_runs(make_run, {**base, "model.norm": "batch"}, (0, 1, 2), optimiser), images)


ONE = {"model": {"kind": "mlp", "hidden": [13]}, "model.norm": "batch"}
RATES = (0.3, 0.45, 0.6)  # of masks before a norm: a batch in which no example drops a unit has no gradient of its bias
UNDER_ADAM = {
    "mlp": {**MLP, "model.norm": "batch"},
    "cnn": {**CNN, "model.norm": "batch", "model.activation": "tanh"},
    "linear": {**ONE, "model.order": "AND", "model.activation": "linear"},
    "masked-before-norm": {**MLP, "model.norm": "batch", "model.order": "DNA", "dropout.rate": RATES},
    "one-of-two-masked": {
        **MLP, "model.norm": "batch", "model.order": "DNA", "dropout.placement": ["hidden.1"], "dropout.rate": RATES,
    },
    "one-mask-a-batch": {**ONE, "model.order": "DNA", "dropout.kind": "batch_shared"},
}  # fmt: skip


@pytest.mark.parametrize(
    "case, dtype",
    [
        *(
            pytest.param(UNDER_ADAM[n], torch.float32, id=n, marks=[pytest.mark.slow] * (n == "linear"))
            for n in UNDER_ADAM
        ),
        pytest.param(UNDER_ADAM["mlp"], torch.float64, id="mlp-float64", marks=pytest.mark.slow),
    ],
)
def test_implementations_under_adam_with_batch_norm_agree_in_float32(make_run, images, case, dtype):
    """Adam steps at full speed along what is only rounding: a parameter without a gradient goes another way in each."""
    adam = {"training.optimizer": "adam", "training.lr": 0.01, "training.steps_per_epoch": 40}
    runs = make_runs(make_run, {}, (0, 1, 2), {**case, **adam})
    feed = Feed(images, runs, torch.float32, torch.device("cpu"))
    network = make_network(runs, images, torch.float32)
    plain = [module.to(dtype).train() for module in as_torch(runs, network, images)]
    optims = [torch.optim.Adam(module.parameters(), lr=0.01) for module in plain]
    noise = make_noise(runs, network)
    for x, labels in feed.batches(1):
        drawn = factors_of(noise, x.shape[1], runs)
        for r, (module, optim) in enumerate(zip(plain, optims, strict=True)):
            factors = {name: factor.to(dtype) for name, factor in drawn[r].items()}
            optim.zero_grad()
            F.cross_entropy(module(x[r].to(dtype), factors), labels[r]).backward()
            optim.step()
    epoch = next(train(runs, feed, network.layout))
    ours = epoch.network.parameters | epoch.network.statistics
    for r, module in enumerate(plain):
        for name, tensor, transposed in module.tensors():
            found = laid_out(ours[name][r].detach(), tensor, transposed)
            torch.testing.assert_close(found, tensor.detach().float(), rtol=1e-3, atol=1e-3, msg=f"{name} of run {r}")


def plain_digits(seed, rate):
    """Test accuracy of one hidden layer on digits as a plain script trains it, with seeds of its own."""
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(1000 + seed)
    torch.manual_seed(1000 + seed)
    images, labels = load_digits(return_X_y=True)
    order = rng.permutation(len(images))
    test, rest = order[:539], order[539:1039]
    x = torch.tensor((images - images[rest].mean()) / images[rest].std(), dtype=torch.float32)
    y = torch.tensor(labels)
    network = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Dropout(rate), nn.Linear(512, 10))
    nn.init.kaiming_normal_(network[0].weight, nonlinearity="relu")
    nn.init.xavier_uniform_(network[3].weight)
    nn.init.zeros_(network[0].bias)
    nn.init.zeros_(network[3].bias)
    optim = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    for _ in range(60):
        shuffled = rng.permutation(rest)
        for begin in range(0, 500, 64):
            rows = shuffled[begin : begin + 64]
            optim.zero_grad()
            F.cross_entropy(network(x[rows]), y[rows]).backward()
            optim.step()
    with torch.no_grad():
        return (network.eval()(x[test]).argmax(1) == y[test]).double().mean().item()


@pytest.mark.slow
def test_a_plain_script_on_digits_finds_the_same(make_run, tmp_path):
    rates, seeds = (0.0, 0.5), range(10)
    sizes = {"data.train_size": 500, "data.val_size": 200}
    runs = [make_run(seed, **{**sizes, "dropout.rate": rate}) for rate in rates for seed in seeds]
    rows = train_pack(Work(tuple(runs), "digits"), load(runs[0].config.data, folder=tmp_path)).runs
    for i, rate in enumerate(rates):
        ours = [row.test_accuracy for row in rows[i * len(seeds) : (i + 1) * len(seeds)]]
        plain = [plain_digits(seed, rate) for seed in seeds]
        interval = stats.ttest_ind(ours, plain, equal_var=False).confidence_interval(0.95)
        print(f"rate {rate}: dropexp {np.mean(ours):.4f}, plain torch {np.mean(plain):.4f}, difference in", interval)
        assert interval.low <= 0.0 <= interval.high
        assert min(ours + plain) > 0.9
