"""The places of arms in a figure: the horizontal axis, the panels side by side, and what is left out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import log10
from typing import Any

from matplotlib.axes import Axes

from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import called, headings, label, value
from dropexp.figures.sheet import TEXT, inches
from dropexp.figures.text_size import apart, width

PANELS = 12
FRACTIONS = ("dropout.rate", "data.label_noise")
EXPLAINED = {  # what stands in brackets behind an axis's name, where it runs across a figure
    "dropout.rate": "probability that a unit is dropped",
    "data.label_noise": "fraction of the training labels",
    "early_stopping.patience": "epochs without improvement",
    "training.batch_size": "examples per step",
    "model.order": "in a block",
    "model.hidden": "units per layer",
}
LONGER = {  # words that a table has no room for
    "dropout.rate": "dropout rate",
    "data.train_size": "training examples",
    "dropout.kind": "kind of dropout",
    "training.lr": "learning rate",
}
UNITS = {
    path: LONGER.get(path, called(path)) + (f" ({EXPLAINED[path]})" if path in EXPLAINED else "")
    for path in (*EXPLAINED, *LONGER)
}


@dataclass(frozen=True)
class Across:
    """The horizontal axis of a figure: numbers at their value, on a log scale if they span a factor of 10, or else words."""

    path: str
    label: str
    numeric: bool
    log: bool
    places: dict[str, float]

    @property
    def name(self) -> str:
        """The label without its explanation, for a narrow panel."""
        return self.label.split(" (")[0]

    def at(self, arm: Arm) -> float:
        return self.places[self.word(arm)]

    def word(self, arm: Arm) -> str:
        return value(arm, self.path) if self.path else ""

    def step(self, wide: float) -> float:
        """Return the inches between the two nearest values in a panel `wide` inches wide."""
        spots = sorted(self._linear(x) for x in self.places.values())
        nearest = min((b - a for a, b in pairwise(spots)), default=1.0)
        return wide * nearest / ((spots[-1] - spots[0]) or 1.0)

    def moved(self, x: float, share: float) -> float:
        """Return a place next to x, moved by a share of the whole axis."""
        spots = [self._linear(x) for x in self.places.values()]
        to = self._linear(x) + share * ((max(spots) - min(spots)) or 1.0)
        return float(10**to if self.log else to)

    def _linear(self, x: float) -> float:
        return log10(x) if self.log else x

    def dress(self, axes: Axes, left: float = 0.3, right: float = 0.3, labelled: bool = True) -> None:
        """Set scale, ticks and limits, with `left` and `right` inches free; labels that would touch are thinned out."""
        names, spots = list(self.places), [self._linear(x) for x in self.places.values()]
        wide, low, span = inches(axes)[0], min(spots), (max(spots) - min(spots)) or 1.0
        unit = span / (wide - left - right)
        ends = low - left * unit, max(spots) + right * unit
        if self.log:
            axes.set_xscale("log")
        axes.set_xlim(*((10.0**end if self.log else end) for end in ends))
        kept = apart([x / unit for x in spots], [width(name, TEXT) for name in names])
        words = [names[i] if labelled else "" for i in kept]
        axes.set_xticks([self.places[names[i]] for i in kept], words)
        axes.minorticks_off()


def number(found: Any) -> float | None:
    """Return a value on an axis as a number, also from a list of one; None for words, truth values and null."""
    if isinstance(found, tuple | list) and len(found) == 1:
        found = found[0]
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def is_number(tidy: Tidy, path: str) -> bool:
    """Whether all arms have a number on an axis."""
    return all(number(arm.value(path)) is not None for arm in tidy.arms)


def main_axis(tidy: Tidy) -> str:
    """Return the horizontal axis: the rate, unless it has only two values and another numeric axis has more."""
    numbers = [path for path in tidy.axes if is_number(tidy, path)]
    if not numbers:
        return tidy.axes[0] if tidy.axes else ""
    count = {path: len({arm.value(path) for arm in tidy.arms}) for path in numbers}
    if count.get("dropout.rate", 0) > 2:
        return "dropout.rate"
    return max(numbers, key=lambda path: (count[path], path == "dropout.rate"))


def across(tidy: Tidy, path: str) -> Across:
    """Return the places of all values of an axis; with path '' the only arm is at 0."""
    if not path:
        return Across("", "", False, False, {"": 0.0})
    values = {value(arm, path): arm.value(path) for arm in tidy.arms}
    heading = UNITS.get(path, headings(tidy.axes)[path])
    if not is_number(tidy, path):
        return Across(path, heading, False, False, {name: float(i) for i, name in enumerate(values)})
    numbers = [number(v) or 0.0 for v in values.values()]
    log = path not in FRACTIONS and min(numbers) > 0 and max(numbers) / min(numbers) >= 10
    return Across(path, heading, True, log, dict(zip(values, numbers, strict=True)))


def panels(tidy: Tidy, path: str, limit: int = PANELS) -> tuple[list[tuple[str, list[Arm]]], int]:
    """Return (name, arms) for each combination of the other axes, up to `limit`, and how many are left out.

    A baseline without dropout belongs to every combination of dropout's other axes that lacks one.
    """
    others = tuple(p for p in tidy.axes if p != path)
    found: dict[str, list[Arm]] = {}
    bases: dict[str, list[Arm]] = {}
    for arm, base in zip(tidy.arms, tidy.baselines, strict=True):
        name = label(arm, others) if others else ""
        found.setdefault(name, []).append(arm)
        if base is not None and not base.masked:
            bases.setdefault(name, []).append(base)
    if path == "dropout.rate":
        for name, arms in found.items():
            if all(arm.masked for arm in arms) and name in bases:
                arms.insert(0, bases[name][0])
        found = {name: arms for name, arms in found.items() if len(arms) > 1 or len(found) == 1} or found
    same: dict[tuple[str, ...], list[str]] = {}
    for name, arms in found.items():
        same.setdefault(tuple(arm.arm_id for arm in arms), []).append(name)
    kept = [(_joined(names), found[names[0]]) for names in same.values()]
    return kept[:limit], max(len(kept) - limit, 0)


def _joined(names: list[str]) -> str:
    if len(names) < 3:
        return " =\n".join(names)
    return f"{names[0]}\n= {len(names) - 1} more, the same function"
