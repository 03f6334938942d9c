"""skorch: an estimator with a callback that scores both sets; runs spread over two processes by joblib."""

from __future__ import annotations

import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import nn

from benchmarks.peers.plain import network
from benchmarks.workloads import Row, Workload, arrays, main


class Scores(Callback):
    """Loss and accuracy of both sets after each epoch, dropout off."""

    def __init__(self, x_train, y_train, x_test, y_test):  # type: ignore[no-untyped-def]
        self.sets = ((x_train, y_train), (x_test, y_test))

    def initialize(self) -> Callback:
        self.found: list[tuple[float, ...]] = []
        return self

    def on_epoch_end(self, net: NeuralNetClassifier, **_: object) -> None:
        numbers: list[float] = []
        for x, y in self.sets:
            logits, labels = net.forward(x), torch.from_numpy(y)
            numbers.append(nn.functional.cross_entropy(logits, labels).item())
            numbers.append((logits.argmax(1) == labels).float().mean().item())
        self.found.append(tuple(numbers))


def train_one(work: Workload, rate: float, seed: int) -> list[Row]:
    """Train one run; return its rows."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    x_train, y_train, x_test, y_test = arrays(work, seed)
    net = NeuralNetClassifier(
        network(work, rate, x_train[0].size), criterion=nn.CrossEntropyLoss, optimizer=torch.optim.SGD, lr=work.lr,
        optimizer__momentum=work.momentum, batch_size=work.batch, max_epochs=work.epochs, train_split=None,
        iterator_train__shuffle=True, iterator_valid__batch_size=1000, verbose=0,
        callbacks=[("scores", Scores(x_train, y_train, x_test, y_test))],
    )  # fmt: skip
    net.fit(x_train, y_train)
    found = dict(net.callbacks_)["scores"].found
    return [(rate, seed, epoch, *scores) for epoch, scores in enumerate(found, 1)]


if __name__ == "__main__":
    main(train_one)
