"""What arms are called in tables, figures and progress: by what varies, in the field's words, never by id."""

from __future__ import annotations

from dropexp.experiment.design import Arm
from dropexp.quoting import visible

PLAIN = str.maketrans({"±": "+/-", "−": "-", "–": "-", "×": "x", "→": "->", "≥": ">=", "≤": "<="})

WORDS = {
    "dropout.kind": "dropout",
    "model.kind": "model",
    "dropout.schedule.shape": "schedule",
    "training.schedule.shape": "lr schedule",
}


def short(path: str) -> str:
    """Return the word by which tables and figures call a path: its last part, but for a few."""
    return WORDS.get(path, path.rpartition(".")[2])


def headings(axes: tuple[str, ...]) -> dict[str, str]:
    """Return the word for each axis: its last part, with the part before it where two would read alike."""
    words = [visible(short(path), "\n") for path in axes]
    return {
        path: word if words.count(word) == 1 else ".".join(path.split(".")[-2:])
        for path, word in zip(axes, words, strict=True)
    }


def value(arm: Arm, path: str) -> str:
    """Return an arm's value on an axis as a person reads it, in one line; an order as its chain of functions."""
    return visible(arm.shown(path), "\n")


def label(arm: Arm, axes: tuple[str, ...]) -> str:
    """Return an arm named by what varies: `rate 0.5, placement input`."""
    words = headings(axes)
    return ", ".join(f"{words[path]} {value(arm, path)}" for path in axes) or "the one arm"


def plain(text: str) -> str:
    """Return the text for a console that has ASCII only."""
    return text.translate(PLAIN).encode("ascii", "replace").decode("ascii")
