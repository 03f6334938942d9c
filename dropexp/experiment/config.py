"""The schema: what one run is made of, section by section, with every default, limit and meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from dropexp.experiment.fields import Places, Rate, RateAt, Section, Widths, shape, value
from dropexp.metrics import MONITORS

Activation = Literal["relu", "tanh", "sigmoid", "selu", "gelu", "leaky_relu", "linear"]
KindName = Literal[  # the rows of KINDS; a test compares
    "bernoulli",
    "vanilla",
    "unscaled",
    "batch_shared",
    "spatial",
    "dropblock",
    "gaussian",
    "uniform",
    "alpha",
    "dropconnect",
    "variational",
    "fixed_count",
]
STEPS = {"N": "norm", "A": "activation", "D": "dropout"}
Order = Literal[
    "norm-activation-dropout",
    "norm-dropout-activation",
    "activation-norm-dropout",
    "activation-dropout-norm",
    "dropout-norm-activation",
    "dropout-activation-norm",
]
MODEL_DEFAULTS: dict[str, dict[str, Any]] = {
    "mlp": {"hidden": (512,)},
    "cnn": {"hidden": (128,), "channels": (32, 64), "kernel": 3, "pool": "max"},
    "lstm": {"hidden": (), "units": 64, "layers": 1, "bidirectional": False},
}


def _spelt_out(given: Any) -> Any:
    """Read NAD and its five sisters as the full order."""
    if isinstance(given, str) and sorted(given.upper()) == ["A", "D", "N"]:
        return "-".join(STEPS[letter] for letter in given.upper())
    return given


def _one_line(given: str) -> str:
    """Refuse what no cell of a CSV file can hold on one line."""
    if any(c < " " or "\x7f" <= c <= "\x9f" or c in "\u2028\u2029" for c in given):
        raise ValueError("a line break or another control character is not allowed; rename it")
    return given


class Data(Section):
    source: Annotated[str, AfterValidator(_one_line)] = shape(
        "digits", "digits, mnist, fashion-mnist, cifar10, cifar100 or a path to your own", min_length=1
    )
    sha256: str | None = shape(
        None, "the content of your own data; filled in, and checked where given", pattern="^[0-9a-f]{64}$"
    )
    label: Annotated[str, AfterValidator(_one_line)] | None = shape(
        None, "the column of a .csv that holds the label", min_length=1
    )
    test_size: Annotated[int | float | None, Field(gt=0)] = shape(
        None, "a count, a fraction below 1, or null for the official test set, else 30%"
    )
    val_size: Annotated[int | float, Field(ge=0)] = shape(
        0.1, "a count, or a fraction below 1 of what the test set leaves"
    )
    train_size: Annotated[int | None, Field(ge=1)] = shape(None, "examples to train on, or null for all that is left")
    label_noise: Rate = value(0.0, "the fraction of training labels that is made wrong")
    noisy_validation: bool = value(False, "whether the validation labels are made wrong too")


class Model(Section):
    kind: Literal["mlp", "cnn", "lstm"] = shape("mlp", "mlp, cnn or lstm")
    hidden: Widths = shape((512,), "units of each hidden layer")
    channels: Widths | None = shape(None, "channels of each convolution block")
    kernel: Annotated[int | None, Field(ge=1, le=31)] = shape(None, "height and width of a convolution, odd")
    pool: Literal["max", "avg", "none"] | None = shape(None, "2 x 2 pooling at the end of a convolution block")
    units: Annotated[int | None, Field(ge=1, le=100_000)] = shape(None, "units of each LSTM layer")
    layers: Annotated[int | None, Field(ge=1, le=100)] = shape(None, "LSTM layers above each other")
    bidirectional: bool | None = shape(None, "whether an LSTM reads the sequence both ways")
    activation: Activation = shape("relu", "the function after each affine map")
    norm: Literal["none", "batch", "layer"] = shape("none", "the normalisation in each block")
    norm_group: Annotated[int | None, Field(ge=2)] = shape(None, "examples a batch statistic is taken over")
    order: Annotated[Order, BeforeValidator(_spelt_out)] = shape(
        "norm-activation-dropout", "how a block goes on after its affine map"
    )
    init: Literal["auto", "he", "glorot", "lecun"] = shape("auto", "initial weights; auto goes by the activation")

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_kind(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        kind = given.get("kind", "mlp")
        return {**(MODEL_DEFAULTS.get(kind, {}) if isinstance(kind, str) else {}), **given}


class RateSchedule(Section):
    shape: Literal["constant", "early", "late", "linear"] = value("constant", "how the rate goes over the epochs")
    epochs: int = value(10, "early: on until this epoch; late: off until it; linear: there from it on", ge=1)
    begin: float = value(0.0, "linear: the multiple of the rate at the first epoch", ge=0, le=1)
    end: float = value(1.0, "linear: the multiple from the last of its epochs on", ge=0, le=1)


class Dropout(Section):
    kind: KindName = shape("bernoulli", "a row of the table of kinds")
    rate: Rate = value(0.5, "the probability that a unit is dropped")
    placement: Places = value(("hidden",), "the places where masks act", min_length=1)
    rate_at: RateAt = value((), "rates that differ at single places")
    group_size: Annotated[int, Field(ge=1)] | Literal["batch"] | None = shape(None, "examples that share a mask")
    block_size: int = shape(3, "height and width of dropblock's blocks", ge=1)
    at_test: Literal["mean", "moments"] = shape("mean", "what dropconnect does at test time")
    recurrent: Literal["step", "sequence", "candidate"] = shape("step", "how the recurrent place of an LSTM is masked")
    schedule: RateSchedule = RateSchedule()


if TYPE_CHECKING:
    Monitor = str
else:
    Monitor = Literal[tuple(MONITORS)]


class EarlyStopping(Section):
    patience: Annotated[int | None, Field(ge=1)] = value(
        None, "epochs without improvement before training stops; null is off"
    )
    monitor: Monitor = value("val_loss", "the number that must improve")
    min_delta: float = value(0.0, "the smallest change that counts as an improvement", ge=0)
    start_from_epoch: int = value(1, "epochs before it are no candidates", ge=1)

    @model_validator(mode="before")
    @classmethod
    def _on_when_written(cls, given: Any) -> Any:
        return {"patience": 10, **given} if isinstance(given, dict) else given


class LrSchedule(Section):
    shape: Literal["constant", "cosine", "step"] = value("constant", "how the learning rate goes over the epochs")
    every: int = value(20, "epochs between two steps of shape step", ge=1)
    factor: float = value(0.1, "what a step multiplies the learning rate by", gt=0, le=1)


class Training(Section):
    optimizer: Literal["sgd", "adam", "adamw"] = shape("sgd", "the update rule")
    lr: float = value(0.05, "the learning rate", gt=0)
    schedule: LrSchedule = LrSchedule()
    momentum: float = value(0.9, "the momentum of sgd", ge=0, lt=1)
    nesterov: bool = shape(False, "whether sgd looks ahead")
    weight_decay: float = value(0.0, "the strength of L2 on the weights", ge=0)
    l1: float = value(0.0, "the strength of L1 on the weights", ge=0)
    max_norm: Annotated[float | None, Field(gt=0)] = value(None, "the largest norm of a unit's incoming weights")
    batch_size: int = shape(64, "examples a step", ge=1)
    epochs: int = value(60, "passes over the training data", ge=1, le=1_000_000)
    steps_per_epoch: Annotated[int | None, Field(ge=1)] = shape(None, "optimiser steps that count as an epoch")
    precision: Literal["float32", "bfloat16"] = shape(
        "float32", "what products multiply; weights and sums stay float32"
    )


class Streams(Section):
    init: Annotated[int | None, Field(ge=0)] = value(None, "pins the initial weights for all seeds")
    order: Annotated[int | None, Field(ge=0)] = value(None, "pins the order of the training examples")
    mask: Annotated[int | None, Field(ge=0)] = value(None, "pins the dropout masks")
    split: Annotated[int | None, Field(ge=0)] = value(None, "pins the test and validation sets")
    labels: Annotated[int | None, Field(ge=0)] = value(None, "pins the label noise")


class Config(Section):
    """Everything about a run but its seed: an arm."""

    data: Data = Data()
    model: Model = Model()
    dropout: Dropout = Dropout()
    early_stopping: EarlyStopping = EarlyStopping.model_construct()  # written out, `{}` would mean patience 10
    training: Training = Training()
    streams: Streams = Streams()
