"""SOURCES: what is known of each built-in data set before a byte of it is read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One row: shape of an example (C, H, W), and how many examples of each class are in the pool and the official test set.

    `in_test` is None where there is no official test set; `origin` says whose data it is.
    """

    title: str
    example: tuple[int, int, int]
    in_pool: tuple[int, ...]
    in_test: tuple[int, ...] | None
    origin: str

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.in_pool)

    @property
    def pool(self) -> int:
        """The number of examples outside the official test set."""
        return sum(self.in_pool)

    @property
    def test(self) -> int | None:
        """The number of examples in the official test set, None without one."""
        return None if self.in_test is None else sum(self.in_test)


DIGITS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
MNIST = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
MNIST_TEST = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
SOURCES: dict[str, Source] = {
    "digits": Source("UCI optical digits", (1, 8, 8), DIGITS, None, "Alpaydin & Kaynak 1998, in scikit-learn"),
    "mnist": Source("MNIST", (1, 28, 28), MNIST, MNIST_TEST, "LeCun, Cortes & Burges 1998"),
    "fashion-mnist": Source("Fashion-MNIST", (1, 28, 28), (6000,) * 10, (1000,) * 10, "Xiao, Rasul & Vollgraf 2017"),
    "cifar10": Source("CIFAR-10", (3, 32, 32), (5000,) * 10, (1000,) * 10, "Krizhevsky 2009"),
    "cifar100": Source("CIFAR-100", (3, 32, 32), (500,) * 100, (100,) * 100, "Krizhevsky 2009"),
}
