"""What arms are called in tables, figures and progress: by what varies, in the field's words, never by id."""

from __future__ import annotations

from dropexp.experiment.design import Arm
from dropexp.experiment.leaves import declarations
from dropexp.quoting import visible

PLAIN = str.maketrans({"±": "+/-", "−": "-", "–": "-", "×": "x", "→": "->", "≥": ">=", "≤": "<="})

WORDS = {
    "dropout.kind": "dropout",
    "model.kind": "model",
    "dropout.schedule.shape": "schedule",
    "training.schedule.shape": "lr schedule",
}


def short(path: str) -> str:
    """Return the word for a path in names of files and conditions: its last part, but for a few."""
    return WORDS.get(path, path.rpartition(".")[2])


def called(path: str) -> str:
    """Return what sentences, tables and figures call a path: what its field says, else its short word with blanks."""
    field = declarations().get(path)
    return (field and field.called) or short(path).replace("_", " ")


def keys(axes: tuple[str, ...]) -> dict[str, str]:
    """Return the short word for each axis, with the part before it where two would be alike."""
    return _apart({path: visible(short(path), "\n") for path in axes})


def headings(axes: tuple[str, ...]) -> dict[str, str]:
    """Return what each axis is called, its last two parts where two would read alike."""
    return _apart({path: visible(called(path), "\n") for path in axes})


def _apart(words: dict[str, str]) -> dict[str, str]:
    there = list(words.values())
    return {p: word if there.count(word) == 1 else ".".join(p.split(".")[-2:]) for p, word in words.items()}


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
