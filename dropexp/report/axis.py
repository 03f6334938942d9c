"""Where arms stand in a figure: the axis across, the panels beside each other, and what is left out."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes

from dropexp.analysis.tidy import Tidy
from dropexp.spec.naming import headings, label, value
from dropexp.spec.study import Arm

PANELS = 12
FRACTIONS = ("dropout.rate", "data.label_noise")
LETTER = 0.095  # inches
UNITS = {
    "dropout.rate": "dropout rate (probability that a unit is dropped)",
    "data.train_size": "training examples",
    "data.label_noise": "label noise (fraction of the training labels that is wrong)",
    "early_stopping.patience": "patience (epochs without improvement)",
    "training.lr": "learning rate",
    "training.epochs": "epochs",
    "training.batch_size": "batch size (examples a step)",
    "training.weight_decay": "weight decay",
    "model.order": "order in a block",
    "dropout.placement": "placement of the masks",
    "dropout.kind": "kind of dropout",
    "model.hidden": "units of the hidden layers",
}


@dataclass(frozen=True)
class Across:
    """The axis that runs across a figure: numbers at their value, log where they span 10 or more, else words."""

    path: str
    label: str
    numeric: bool
    log: bool
    places: dict[str, float]

    @property
    def name(self) -> str:
        """The label without what it explains, for a narrow panel."""
        return self.label.split(" (")[0]

    def at(self, arm: Arm) -> float:
        return self.places[self.word(arm)]

    def word(self, arm: Arm) -> str:
        return value(arm, self.path) if self.path else ""

    def dress(self, axes: Axes, margin: float = 0.06) -> None:
        """Set scale, ticks and limits so that every arm has its place; ticks that would meet are thinned."""
        names, spots = list(self.places), list(self.places.values())
        if self.log:
            axes.set_xscale("log")
        if self.numeric and len(spots) > 1:
            low, high = min(spots), max(spots)
            room = (high / low) ** margin if self.log else margin * (high - low)
            axes.set_xlim(*((low / room, high * room) if self.log else (low - room, high + room)))
            kept = apart(axes, spots, LETTER * max(map(len, names)) + 0.1)
            axes.set_xticks([spots[i] for i in kept], [names[i] for i in kept])
        else:
            axes.set_xlim(min(spots) - 0.6, max(spots) + 0.6)
            need = LETTER * max(len(line) for name in names for line in broken(name).split("\n"))
            if len(apart(axes, spots, need)) == len(spots):
                axes.set_xticks(spots, [broken(name) for name in names])
            else:
                axes.set_xticks(spots, names, rotation=45, ha="right", rotation_mode="anchor")
        axes.minorticks_off()


def apart(axes: Axes, spots: list[float], inches: float) -> list[int]:
    """Return which of the spots to write at, from left to right, so that words of that width do not meet."""
    if not spots:
        return []
    figure, place = axes.get_figure(root=True), axes.get_subplotspec()
    assert figure is not None
    assert place is not None
    width = figure.get_size_inches()[0] / place.get_gridspec().ncols - 0.9
    shares = axes.transAxes.inverted().transform(axes.transData.transform([(x, 0.0) for x in spots]))[:, 0]
    kept: list[int] = []
    for i in sorted(range(len(spots)), key=lambda i: shares[i]):
        if not kept or (shares[i] - shares[kept[-1]]) * width >= inches:
            kept.append(i)
    return kept


def broken(name: str) -> str:
    """Return a name on several lines, so that neighbours do not meet."""
    return name.replace(" > ", " >\n").replace("+", "+\n")


def is_number(tidy: Tidy, path: str) -> bool:
    """Whether all arms have a number on an axis; a truth value or null is none."""
    values = [arm.value(path) for arm in tidy.arms]
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def main_axis(tidy: Tidy) -> str:
    """Return the axis to run across: the rate, unless it has two values and another number more."""
    numbers = [path for path in tidy.axes if is_number(tidy, path)]
    if not numbers:
        return tidy.axes[0] if tidy.axes else ""
    count = {path: len({arm.value(path) for arm in tidy.arms}) for path in numbers}
    if count.get("dropout.rate", 0) > 2:
        return "dropout.rate"
    return max(numbers, key=lambda path: (count[path], path == "dropout.rate"))


def across(tidy: Tidy, path: str) -> Across:
    """Return the places of all values of an axis; with path '' the one arm stands at 0."""
    if not path:
        return Across("", "", False, False, {"": 0.0})
    values = {value(arm, path): arm.value(path) for arm in tidy.arms}
    heading = UNITS.get(path, headings(tidy.axes)[path].replace("_", " "))
    if not is_number(tidy, path):
        return Across(path, heading, False, False, {name: float(i) for i, name in enumerate(values)})
    numbers = [float(v) for v in values.values()]
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
