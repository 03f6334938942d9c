"""SOURCES: what is known of each built-in data set before a byte of it is read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One row: shape of an example (C, H, W), number of classes, sizes of the pool and of the official test set.

    `test` is None where there is no official test set; `origin` says whose data it is.
    """

    title: str
    example: tuple[int, int, int]
    classes: int
    pool: int
    test: int | None
    origin: str


SOURCES: dict[str, Source] = {
    "digits": Source("UCI optical digits", (1, 8, 8), 10, 1797, None, "Alpaydin & Kaynak 1998, in scikit-learn"),
    "mnist": Source("MNIST", (1, 28, 28), 10, 60_000, 10_000, "LeCun, Cortes & Burges 1998"),
    "fashion-mnist": Source("Fashion-MNIST", (1, 28, 28), 10, 60_000, 10_000, "Xiao, Rasul & Vollgraf 2017"),
    "cifar10": Source("CIFAR-10", (3, 32, 32), 10, 50_000, 10_000, "Krizhevsky 2009"),
    "cifar100": Source("CIFAR-100", (3, 32, 32), 100, 50_000, 10_000, "Krizhevsky 2009"),
}
