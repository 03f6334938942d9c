"""Synonyms of keys and values: what they are called elsewhere, and which name a misspelt word was meant to be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from dropexp.quoting import LONGEST

# what a value is called elsewhere -> its names here, best first; a row counts where one of them is allowed
VALUE_WORDS: dict[str, tuple[str, ...]] = {
    "fc": ("hidden",),
    "dense": ("hidden", "mlp"),
    "linear": ("hidden",),
    "convolution": ("conv", "cnn"),
    "conv2d": ("conv",),
    "everywhere": ("all",),
    "bn": ("batch",),
    "batchnorm": ("batch",),
    "batch_norm": ("batch",),
    "ln": ("layer",),
    "layernorm": ("layer",),
    "layer_norm": ("layer",),
    "off": ("none", "constant"),
    "no": ("none",),
    "maxpool": ("max",),
    "avgpool": ("avg",),
    "average": ("avg",),
    "mean": ("avg",),
    "convnet": ("cnn",),
    "perceptron": ("mlp",),
    "fully_connected": ("mlp", "hidden"),
    "logistic": ("sigmoid",),
    "identity": ("linear",),
    "lrelu": ("leaky_relu",),
    "leaky": ("leaky_relu",),
    "kaiming": ("he",),
    "xavier": ("glorot",),
    "standard": ("bernoulli",),
    "dropout": ("bernoulli",),
    "inverted": ("bernoulli",),
    "hinton": ("vanilla",),
    "cifar": ("cifar10",),
    "fmnist": ("fashion-mnist",),
    "fashion": ("fashion-mnist",),
    "accuracy": ("val_accuracy",),
    "val_acc": ("val_accuracy",),
    "loss": ("val_loss",),
    "cosine_annealing": ("cosine",),
}

# one word -> the path that it stands for wherever a path is written, though other paths may end in it
SHORT_NAMES: dict[str, str] = {
    "data": "data.source",
    "model": "model.kind",
    "kinds": "dropout.kind",
    "order": "model.order",
    "init": "model.init",
    "lr": "training.lr",
    "epochs": "training.epochs",
}

# what a key is called elsewhere -> the path it has here
KEY_WORDS: dict[str, str] = {
    "p": "dropout.rate",
    "dropout_rate": "dropout.rate",
    "dropout_p": "dropout.rate",
    "drop": "dropout.rate",
    "drop_rate": "dropout.rate",
    "keep_prob": "dropout.rate",
    "keep": "dropout.rate",
    "keep_rate": "dropout.rate",
    "place": "dropout.placement",
    "places": "dropout.placement",
    "learning_rate": "training.lr",
    "batch": "training.batch_size",
    "bs": "training.batch_size",
    "batchsize": "training.batch_size",
    "n_epochs": "training.epochs",
    "num_epochs": "training.epochs",
    "max_epochs": "training.epochs",
    "epoch": "training.epochs",
    "optim": "training.optimizer",
    "optimiser": "training.optimizer",
    "l2": "training.weight_decay",
    "wd": "training.weight_decay",
    "maxnorm": "training.max_norm",
    "scheduler": "training.schedule",
    "lr_schedule": "training.schedule",
    "layers": "model.hidden",
    "layer_sizes": "model.hidden",
    "units": "model.hidden",
    "neurons": "model.hidden",
    "nodes": "model.hidden",
    "width": "model.hidden",
    "hidden_size": "model.hidden",
    "hidden_dim": "model.hidden",
    "hidden_layers": "model.hidden",
    "hidden_units": "model.hidden",
    "hidden_sizes": "model.hidden",
    "fc": "model.hidden",
    "dense": "model.hidden",
    "linear": "model.hidden",
    "act": "model.activation",
    "nonlinearity": "model.activation",
    "normalization": "model.norm",
    "normalisation": "model.norm",
    "batch_norm": "model.norm",
    "batchnorm": "model.norm",
    "bn": "model.norm",
    "pooling": "model.pool",
    "kernel_size": "model.kernel",
    "filters": "model.channels",
    "dataset": "data.source",
    "noise": "data.label_noise",
    "validation_size": "data.val_size",
    "n_train": "data.train_size",
    "early_stop": "early_stopping",
    "earlystopping": "early_stopping",
    "optimization": "training",
    "train": "training",
    "network": "model",
    "net": "model",
    "seed": "seeds",
    "grid": "sweep",
    "name": "study",
}


def keep_as_rate(keep: Any) -> Any:
    """Return 1 - keep in decimal, or None where `keep` is no probability of staying."""
    if not _number(keep) or not 0 < keep <= 1:
        return None
    return _plain_number(1 - Decimal(repr(keep)))


def percent_as_fraction(given: Any) -> Any:
    """Return a percentage from 2 up to 100 (not included) as a fraction, else None; 1.5 is no percentage."""
    return _plain_number(Decimal(repr(given)) / 100) if _number(given) and 2 <= given < 100 else None


def as_list(given: Any) -> Any:
    """Return one number as a list of one, a list as it is, and None for anything else."""
    return [given] if _number(given) else given if isinstance(given, list | tuple) else None


def as_widths(given: Any) -> Any:
    """Return a number of layers as widths, 64 units each; what is a list already as it is, and None for anything else."""
    return f"64*{given}" if _number(given) and 0 < given < 100 and given == int(given) else as_list(given)


def _norm_or_none(given: Any) -> Any:
    return {True: "batch", False: "none"}.get(given) if isinstance(given, bool) else None


# keys whose value means something else than the value of the key that is meant here
KEY_VALUES = {
    "keep_prob": keep_as_rate,
    "keep": keep_as_rate,
    "keep_rate": keep_as_rate,
    "batch_norm": _norm_or_none,
    "batchnorm": _norm_or_none,
    "bn": _norm_or_none,
    "seed": as_list,
    "layers": as_widths,
    "hidden_layers": as_widths,
    **dict.fromkeys(("units", "neurons", "nodes", "width", "hidden_size", "hidden_dim", "hidden_units"), as_list),
}

# keys for which a study file has no place: how to run is an option of a command
OPTION_WORDS = ("device", "jobs", "threads", "pack", "executor", "results")

# what a section that is given as one value was meant to say, by what the value is (see `sort_of`)
SHORTHANDS: dict[tuple[str, str], str] = {
    ("data", "word"): "data: {{source: {}}}",
    ("dropout", "list"): "dropout: {{placement: {}}}",
    ("dropout", "number"): "dropout: {{rate: {}}}",
    ("dropout", "numbers"): "sweep: {{dropout.rate: {}}}",
    ("dropout", "on"): "dropout: {{rate: 0.5}}",
    ("dropout", "off"): "dropout: {{rate: 0}}",
    ("dropout", "word"): "dropout: {{kind: {}}}",
    ("early_stopping", "number"): "early_stopping: {{patience: {}}}",
    ("early_stopping", "numbers"): "sweep: {{early_stopping.patience: {}}}",
    ("early_stopping", "off"): "early_stopping: {{patience: null}}",
    ("early_stopping", "on"): "early_stopping: {{}}",
    ("early_stopping", "word"): "early_stopping: {{monitor: {}}}",
    ("model", "number"): "model: {{hidden: [{}]}}",
    ("model", "numbers"): "model: {{hidden: {}}}",
    ("model", "word"): "model: {{kind: {}}}",
    ("schedule", "off"): "schedule: {{shape: constant}}",
    ("schedule", "word"): "schedule: {{shape: {}}}",
    ("training", "number"): "training: {{epochs: {}}}",
    ("training", "word"): "training: {{optimizer: {}}}",
}

BOOLEAN_WORDS = {"on": True, "yes": True, "y": True, "off": False, "no": False, "n": False, 1: True, 0: False}


def sort_of(given: Any) -> str:
    """Return on, off, nothing, number, numbers, word, list or other."""
    if given is None:
        return "nothing"
    if isinstance(given, bool | str) and (switch := BOOLEAN_WORDS.get(given, given)) in (True, False, "none"):
        return "on" if switch is True else "off"
    if _number(given) or isinstance(given, str):
        return "word" if isinstance(given, str) else "number"
    if isinstance(given, list | tuple):
        return "numbers" if given and all(_number(item) for item in given) else "list"
    return "other"


def _number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _plain_number(number: Decimal) -> int | float:
    return int(number) if number == int(number) else float(number)


def read_as_number(word: str) -> int | float | None:
    """Return the number that a word was meant to be (`1_000`, `50%`, `0,5`, `'0.5'`), or None."""
    match = re.fullmatch(r"\s*([-+]?[0-9][0-9_]{0,15}(?:[.,][0-9]{1,15})?(?:[eE][-+]?[0-9]{1,2})?)\s*(%?)\s*", word)
    if not match:
        return None
    number = Decimal(match[1].replace("_", "").replace(",", "."))
    return _plain_number(number / 100 if match[2] else number)


def near(word: Any, candidates: Iterable[str]) -> str | None:
    """Return the candidate that a word was likely meant to be: by the field's words, then by spelling."""
    if word is None or word is False:
        word = "none"
    if not isinstance(word, str) or len(word) > LONGEST:
        return None
    allowed = {str(candidate).casefold(): candidate for candidate in candidates}
    plain = word.strip().casefold().replace(" ", "_")
    for form in (plain, plain.replace("-", "_"), plain.replace("_", "-")):
        for target in (form, *VALUE_WORDS.get(form, ()), KEY_WORDS.get(form, "")):
            if target in allowed:
                return allowed[target]
    found = difflib.get_close_matches(plain, allowed, n=1, cutoff=0.65) if len(plain) > 2 else []
    return allowed[found[0]] if found else None


def meant(word: Any, known: Iterable[str], otherwise: str = "") -> str:
    """Return `; did you mean 'x'?` for the known word nearest to one that is none, else `otherwise`."""
    guess = near(word, known)
    return f"; did you mean {guess!r}?" if guess else otherwise and f"; {otherwise}"
