"""The schema: every field of a run's configuration, with its default, limits, meaning and when it applies."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from dropexp.experiment.fields import Condition, Places, Rate, RateAt, Section, Widths, Words, declared, shape, value
from dropexp.experiment.kinds import KINDS, kinds_with
from dropexp.experiment.rate_shapes import SHAPES
from dropexp.experiment.sources import SOURCES
from dropexp.metrics import MONITORS
from dropexp.quoting import any_of

STEPS = {"N": "norm", "A": "activation", "D": "dropout"}
if TYPE_CHECKING:
    KindName = str
    Order = str
    RateShape = str
else:  # words that stand in a table are taken from it, which a type checker cannot follow
    KindName = Literal[tuple(KINDS)]
    Order = Literal[tuple("-".join(steps) for steps in permutations(STEPS.values()))]
    RateShape = Literal[tuple(SHAPES)]
Activation = Literal["relu", "tanh", "sigmoid", "selu", "gelu", "leaky_relu", "linear"]
ModelKind = Literal["mlp", "cnn", "lstm"]
Blanks = Literal["refuse", "drop", "mean", "median"]

# What several fields need in order to apply; what one field needs stands on it alone.
STOPPING = (Condition("early_stopping.patience", "is set"),)
SGD = (Condition("training.optimizer", "is", ("sgd",)),)
LR_STEPS = (Condition("training.schedule.shape", "is", ("step",)),)
LINEAR = (Condition("dropout.schedule.shape", "is", ("linear",)),)
TABLE = (Condition("data.source", "ends in", ".csv"),)


def _only(kind: str, default: Any, means: str) -> Any:
    """Return a field that one kind of model has, with its default there; null in the other kinds."""
    return shape(None, means, needs=(Condition("model.kind", "is", (kind,)),), by_kind={kind: default})


def _spelt_out(given: Any) -> Any:
    """Return the full order for its three letters, such as NAD; anything else as it is."""
    if isinstance(given, str) and sorted(given.upper()) == ["A", "D", "N"]:
        return "-".join(STEPS[letter] for letter in given.upper())
    return given


def _one_line(given: str) -> str:
    """Refuse what no cell of a CSV file can hold on one line."""
    if any(c < " " or "\x7f" <= c <= "\x9f" or c in "\u2028\u2029" for c in given):
        raise ValueError("a line break or another control character is not allowed; rename it")
    return given


def _column(given: str) -> str:
    """Refuse the name of a column that a cell of runs.csv could not give back: names are joined by + there."""
    if given == "none" or "+" in given or given != given.strip():
        raise ValueError(
            "this name would be ambiguous in runs.csv; rename the column, without '+' and without spaces at either end"
        )
    return _one_line(given)


def _as_set(given: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return columns in one order, each once; no column is as none said."""
    return tuple(sorted(set(given or ()))) or None


Columns = Annotated[
    Annotated[tuple[Annotated[str, Field(min_length=1), AfterValidator(_column)], ...], Words], AfterValidator(_as_set)
]


class Data(Section):
    """The data set, how its examples are divided, and how many labels are made wrong."""

    source: Annotated[str, AfterValidator(_one_line)] = shape(
        "digits", any_of([*SOURCES, "a path to your own"]), min_length=1
    )
    sha256: str | None = shape(
        None, "the SHA-256 of your own data; filled in automatically, and checked if given", pattern="^[0-9a-f]{64}$"
    )
    label: Annotated[str, AfterValidator(_one_line)] | None = shape(
        None,
        "the column of a .csv that holds the label",
        needs=TABLE,
        min_length=1,
    )
    ignore: Columns | None = shape(None, "the columns of a .csv to leave out", needs=TABLE)
    blanks: Blanks = shape(
        "refuse",
        "what happens to blank cells of a .csv: refuse the file, drop their lines, or fill them in with the "
        "mean or median of the training examples",
        needs=TABLE,
    )
    test_size: Annotated[int | float | None, Field(gt=0)] = shape(
        None, "a number of examples, a fraction below 1, or null for the official test set, or 30% if there is none"
    )
    val_size: Annotated[int | float, Field(ge=0)] = shape(
        0.1, "a number of examples, or a fraction below 1 of the examples outside the test set"
    )
    train_size: Annotated[int | None, Field(ge=1)] = shape(
        None, "the number of training examples, or null for all remaining examples"
    )
    label_noise: Rate = value(0.0, "the fraction of training labels that are made wrong", called="wrong labels")
    noisy_validation: bool = value(
        False, "whether the validation labels are made wrong too", needs=(Condition("data.label_noise", "is above", 0),)
    )

    @property
    def as_read(self) -> str:
        """What tells one data set in memory from another: the source, and whatever decides which of its cells are read."""
        said = {name: getattr(self, name) for name in READ_BY}
        changed = [f"{name}={of}" for name, of in said.items() if of != type(self).model_fields[name].default]
        return "\n".join([self.source, *changed])


READ_BY = ("label", "ignore", "blanks")  # the fields of Data, beside the source, that a reader goes by


class Model(Section):
    """The network: its kind, its layers and what follows each affine map. What a file leaves out goes by the kind."""

    kind: ModelKind = shape("mlp", "the kind of network")
    hidden: Widths = shape(
        (512,), "units of each hidden layer", called="hidden layers", by_kind={"cnn": (128,), "lstm": ()}
    )
    channels: Widths | None = _only("cnn", (32, 64), "channels of each convolution block")
    kernel: Annotated[int | None, Field(ge=1, le=31)] = _only(
        "cnn", 3, "the height and width of a convolution, an odd number"
    )
    pool: Literal["max", "avg", "none"] | None = _only("cnn", "max", "2 x 2 pooling at the end of a convolution block")
    units: Annotated[int | None, Field(ge=1, le=100_000)] = _only("lstm", 64, "units of each LSTM layer")
    layers: Annotated[int | None, Field(ge=1, le=100)] = _only("lstm", 1, "the number of LSTM layers")
    bidirectional: bool | None = _only("lstm", False, "whether an LSTM reads the sequence in both directions")
    activation: Activation = shape("relu", "the activation function, applied after each affine map")
    norm: Literal["none", "batch", "layer"] = shape("none", "the normalisation in each block")
    norm_group: Annotated[int | None, Field(ge=2)] = shape(
        None, "how many examples share one batch statistic", needs=(Condition("model.norm", "is", ("batch",)),)
    )
    order: Annotated[Order, BeforeValidator(_spelt_out)] = shape(
        "norm-activation-dropout", "the order of norm, activation and dropout in a block"
    )
    init: Literal["auto", "he", "glorot", "lecun"] = shape(
        "auto", "how weights are initialised; auto depends on the activation"
    )

    @model_validator(mode="after")
    def _defaults_of_kind(self) -> Self:
        # past pydantic: a section is frozen, and `model_fields_set` must go on naming only what was given
        self.__dict__.update({n: v for n, v in MODEL_DEFAULTS[self.kind].items() if n not in self.model_fields_set})
        return self


def _defaults(kind: str) -> dict[str, Any]:
    fields = {name: (field, declared(Model, name)) for name, field in Model.model_fields.items()}
    return {n: own.by_kind.get(kind, field.default) for n, (field, own) in fields.items() if own and own.by_kind}


# kind of model -> the defaults of those fields whose default goes by the kind
MODEL_DEFAULTS = {kind: _defaults(kind) for kind in get_args(ModelKind)}


class RateSchedule(Section):
    """How the dropout rates change over the epochs; rate_shapes.py holds the shapes."""

    shape: RateShape = value("constant", "how the rate changes over the epochs")
    epochs: int = value(
        10,
        "early: dropout is on up to this epoch; late: off up to it; linear: the rate stays constant after it",
        needs=(Condition("dropout.schedule.shape", "is", tuple(s for s in SHAPES if s != "constant")),),
        ge=1,
    )
    begin: float = value(0.0, "linear: the multiple of the rate at the first epoch", needs=LINEAR, ge=0, le=1)
    end: float = value(1.0, "linear: the multiple of the rate from the schedule's last epoch", needs=LINEAR, ge=0, le=1)


class Dropout(Section):
    """Which units are masked, where, at which rate and how."""

    kind: KindName = shape("bernoulli", "the kind of dropout")
    rate: Rate = value(0.5, "the probability that a unit is dropped")
    placement: Places = value(("hidden",), "the places where masks act", min_length=1)
    rate_at: RateAt = value((), "other rates at single places")
    group_size: Annotated[int, Field(ge=1)] | Literal["batch"] | None = shape(
        None,
        "how many examples share a mask",
        needs=(
            Condition("dropout.kind", "is", kinds_with(lambda k: k.law == "bernoulli" and "batch" not in k.shared)),
        ),
    )
    block_size: int = shape(
        3,
        "the height and width of a dropblock block",
        needs=(Condition("dropout.kind", "is", kinds_with(lambda k: k.law == "dropblock")),),
        ge=1,
    )
    at_test: Literal["mean", "moments"] = shape(
        "mean",
        "what dropconnect does at test time",
        needs=(Condition("dropout.kind", "is", kinds_with(lambda k: k.acts_on == "weight")),),
    )
    recurrent: Literal["step", "sequence", "candidate"] = shape(
        "step",
        "how the recurrent place of an LSTM is masked",
        needs=(
            Condition("model.kind", "is", ("lstm",)),
            Condition("dropout.kind", "is not", kinds_with(lambda k: "time" in k.shared)),
        ),
    )
    schedule: RateSchedule = RateSchedule()


if TYPE_CHECKING:
    Monitor = str
else:
    Monitor = Literal[tuple(MONITORS)]


class EarlyStopping(Section):
    """When training stops before its last epoch. A section that is written, even as `{}`, means patience 10."""

    patience: Annotated[int | None, Field(ge=1)] = value(
        None, "epochs without improvement before training stops; null is off"
    )
    monitor: Monitor = value("val_loss", "the measure that must improve", needs=STOPPING)
    min_delta: float = value(0.0, "the smallest change that counts as an improvement", needs=STOPPING, ge=0)
    start_from_epoch: int = value(1, "epochs before this one are not candidates", needs=STOPPING, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _on_when_written(cls, given: Any) -> Any:
        return {"patience": 10, **given} if isinstance(given, dict) else given


class LrSchedule(Section):
    """How the learning rate changes over the epochs."""

    shape: Literal["constant", "cosine", "step"] = value("constant", "how the learning rate changes over the epochs")
    every: int = value(20, "the number of epochs between two steps, for shape step", needs=LR_STEPS, ge=1)
    factor: float = value(0.1, "the factor by which a step multiplies the learning rate", needs=LR_STEPS, gt=0, le=1)


class Training(Section):
    """The optimiser, its penalties, and how long it trains."""

    optimizer: Literal["sgd", "adam", "adamw"] = shape("sgd", "the update rule")
    lr: float = value(0.05, "the learning rate", gt=0)
    schedule: LrSchedule = LrSchedule()
    momentum: float = value(0.9, "the momentum of sgd", needs=SGD, ge=0, lt=1)
    nesterov: bool = shape(False, "whether sgd uses Nesterov momentum", needs=SGD)
    weight_decay: float = value(0.0, "the strength of L2 regularisation of the weights", ge=0)
    l1: float = value(0.0, "the strength of L1 regularisation of the weights", ge=0)
    max_norm: Annotated[float | None, Field(gt=0)] = value(None, "the largest norm of a unit's incoming weights")
    batch_size: int = shape(64, "the number of examples per step", ge=1)
    epochs: int = value(60, "passes over the training data", ge=1, le=1_000_000)
    steps_per_epoch: Annotated[int | None, Field(ge=1)] = shape(
        None, "the number of optimiser steps that count as one epoch"
    )
    precision: Literal["float32", "bfloat16"] = shape(
        "float32", "the precision of the factors of products; weights and sums stay float32"
    )


class Streams(Section):
    """Random streams that are pinned to one seed, whatever the seed of a run; null leaves a stream to the run's seed."""

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
