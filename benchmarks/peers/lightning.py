"""Lightning: a module, a trainer, two validation loaders; runs spread over two processes by joblib."""

from __future__ import annotations

import logging
import warnings

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers.plain import network
from benchmarks.workloads import Row, Workload, arrays, main


class Classifier(lightning.LightningModule):
    """The network with its loss, optimiser and the scores of both sets after each epoch."""

    def __init__(self, work: Workload, rate: float, features: int):
        super().__init__()
        self.work, self.model = work, network(work, rate, features)
        self.seen: dict[int, list[tuple[float, int, int]]] = {0: [], 1: []}
        self.scores: list[tuple[float, ...]] = []

    def training_step(self, batch: list[torch.Tensor], at: int) -> torch.Tensor:
        x, y = batch
        return nn.functional.cross_entropy(self.model(x), y)

    def validation_step(self, batch: list[torch.Tensor], at: int, dataloader_idx: int = 0) -> None:
        x, y = batch
        logits = self.model(x)
        loss = nn.functional.cross_entropy(logits, y, reduction="sum").item()
        self.seen[dataloader_idx].append((loss, (logits.argmax(1) == y).sum().item(), len(y)))

    def on_validation_epoch_end(self) -> None:
        numbers: list[float] = []
        for which in (0, 1):
            losses, right, counts = zip(*self.seen[which], strict=True)
            numbers += [sum(losses) / sum(counts), sum(right) / sum(counts)]
            self.seen[which].clear()
        self.scores.append(tuple(numbers))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.work.lr, momentum=self.work.momentum)


def train_one(work: Workload, rate: float, seed: int) -> list[Row]:
    """Train one run; return its rows."""
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    lightning.seed_everything(seed, verbose=False)
    x_train, y_train, x_test, y_test = map(torch.from_numpy, arrays(work, seed))
    training, test = TensorDataset(x_train, y_train), TensorDataset(x_test, y_test)
    module = Classifier(work, rate, x_train[0].numel())
    trainer = lightning.Trainer(
        max_epochs=work.epochs, accelerator="cpu", logger=False, enable_checkpointing=False, num_sanity_val_steps=0,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(
        module,
        DataLoader(training, batch_size=work.batch, shuffle=True),
        [DataLoader(training, batch_size=1000), DataLoader(test, batch_size=1000)],
    )
    return [(rate, seed, epoch, *scores) for epoch, scores in enumerate(module.scores, 1)]


if __name__ == "__main__":
    main(train_one)
