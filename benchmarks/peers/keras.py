"""Keras on torch: compile, fit, and a callback that evaluates both sets; runs spread over two processes by joblib."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import torch

from benchmarks.workloads import Row, Workload, arrays, main


def network(work: Workload, rate: float, example: tuple[int, ...]) -> keras.Sequential:
    """Return the network of a workload, dropout behind each hidden layer; images are channels last."""
    layers: list[keras.Layer] = [keras.Input(example)]
    for channels in work.channels:
        conv = keras.layers.Conv2D(channels, 3, padding="same", activation="relu", kernel_initializer="he_normal")
        layers += [conv, keras.layers.MaxPooling2D(2)]
    layers.append(keras.layers.Flatten())
    for units in work.hidden:
        dense = keras.layers.Dense(units, activation="relu", kernel_initializer="he_normal")
        layers += [dense, keras.layers.Dropout(rate)]
    return keras.Sequential([*layers, keras.layers.Dense(10)])


class Scores(keras.callbacks.Callback):
    """Loss and accuracy of both sets after each epoch, dropout off."""

    def __init__(self, *sets):  # type: ignore[no-untyped-def]
        super().__init__()
        self.sets, self.found = sets, []

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.found.append([n for x, y in self.sets for n in self.model.evaluate(x, y, batch_size=1000, verbose=0)])


def train_one(work: Workload, rate: float, seed: int) -> list[Row]:
    """Train one run; return its rows."""
    torch.set_num_threads(1)
    keras.utils.set_random_seed(seed)
    x_train, y_train, x_test, y_test = arrays(work, seed)
    if x_train.ndim == 4:
        x_train, x_test = x_train.transpose(0, 2, 3, 1), x_test.transpose(0, 2, 3, 1)
    model = network(work, rate, x_train.shape[1:])
    model.compile(
        keras.optimizers.SGD(work.lr, momentum=work.momentum),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    scores = Scores((x_train, y_train), (x_test, y_test))
    model.fit(x_train, y_train, batch_size=work.batch, epochs=work.epochs, verbose=0, callbacks=[scores])
    return [(rate, seed, epoch, *found) for epoch, found in enumerate(scores.found, 1)]


if __name__ == "__main__":
    main(train_one)
