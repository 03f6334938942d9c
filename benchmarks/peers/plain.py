"""Plain torch: a loop over tensors that lie in memory, runs spread over two processes by joblib."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.workloads import Row, Workload, arrays, main


def network(work: Workload, rate: float, features: int) -> nn.Sequential:
    """Return the network of a workload as anybody would write it, dropout behind each hidden layer.

    Initial weights by the law that dropexp takes, without which the highest rates do not train alike.
    """
    layers: list[nn.Module] = []
    depth = 1
    for channels in work.channels:
        layers += [nn.Conv2d(depth, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        depth = channels
    layers.append(nn.Flatten())
    width = features if not work.channels else depth * (28 // 2 ** len(work.channels)) ** 2
    for units in work.hidden:
        layers += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(rate)]
        width = units
    model = nn.Sequential(*layers, nn.Linear(width, 10))
    for layer in model:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    nn.init.xavier_uniform_(model[-1].weight)
    return model


@torch.no_grad()
def score(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Return mean loss and accuracy with dropout off."""
    model.eval()
    total, right = 0.0, 0
    for begin in range(0, len(x), 1000):
        logits, labels = model(x[begin : begin + 1000]), y[begin : begin + 1000]
        total += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        right += (logits.argmax(1) == labels).sum().item()
    return total / len(x), right / len(x)


def train_one(work: Workload, rate: float, seed: int) -> list[Row]:
    """Train one run; return its rows."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    x_train, y_train, x_test, y_test = map(torch.from_numpy, arrays(work, seed))
    model = network(work, rate, x_train[0].numel())
    optimiser = torch.optim.SGD(model.parameters(), lr=work.lr, momentum=work.momentum)
    rows = []
    for epoch in range(1, work.epochs + 1):
        model.train()
        for at in torch.randperm(len(x_train)).split(work.batch):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x_train[at]), y_train[at]).backward()
            optimiser.step()
        rows.append((rate, seed, epoch, *score(model, x_train, y_train), *score(model, x_test, y_test)))
    return rows


if __name__ == "__main__":
    main(train_one)
