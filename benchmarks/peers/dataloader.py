"""Torch with a DataLoader, as its tutorials write it; runs spread over two processes by joblib."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers.plain import network
from benchmarks.workloads import Row, Workload, arrays, main


@torch.no_grad()
def score(model: nn.Module, loader: DataLoader) -> tuple[float, float]:
    """Return mean loss and accuracy with dropout off."""
    model.eval()
    total, right, count = 0.0, 0, 0
    for x, y in loader:
        logits = model(x)
        total += nn.functional.cross_entropy(logits, y, reduction="sum").item()
        right += (logits.argmax(1) == y).sum().item()
        count += len(y)
    return total / count, right / count


def train_one(work: Workload, rate: float, seed: int) -> list[Row]:
    """Train one run; return its rows."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    x_train, y_train, x_test, y_test = map(torch.from_numpy, arrays(work, seed))
    training, test = TensorDataset(x_train, y_train), TensorDataset(x_test, y_test)
    batches = DataLoader(training, batch_size=work.batch, shuffle=True)
    train_loader, test_loader = DataLoader(training, batch_size=1000), DataLoader(test, batch_size=1000)
    model = network(work, rate, x_train[0].numel())
    optimiser = torch.optim.SGD(model.parameters(), lr=work.lr, momentum=work.momentum)
    rows = []
    for epoch in range(1, work.epochs + 1):
        model.train()
        for x, y in batches:
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimiser.step()
        rows.append((rate, seed, epoch, *score(model, train_loader), *score(model, test_loader)))
    return rows


if __name__ == "__main__":
    main(train_one)
