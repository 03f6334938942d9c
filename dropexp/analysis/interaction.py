"""Interactions: whether one axis changes the effect of another, a - b - c + d per seed, all of a study in one family."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from dropexp.analysis.family import family
from dropexp.analysis.inference import looks
from dropexp.analysis.stats import Difference, contrast
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.levels import FEWEST, TOGETHER


@dataclass(frozen=True)
class Interaction:
    """Two axes at two values each, all else equal.

    `cells[i][j]` is the arm at value i of `first` and j of `second`; `difference` is the mean over seeds of
    cells[1][1] - cells[1][0] - cells[0][1] + cells[0][0]: how much more `second` does at the later value of `first`. Its
    interval holds together with those of all interactions of the study in test accuracy and gap.
    """

    first: str
    second: str
    cells: tuple[tuple[Arm, Arm], tuple[Arm, Arm]]
    difference: Difference
    p_family: float

    @property
    def established(self) -> bool:
        """Whether the interval excludes 0, over at least three seeds."""
        return self.difference.n >= FEWEST and self.difference.side != 0


def interactions(tidy: Tidy, metric: str) -> tuple[Interaction, ...]:
    """Return the 2 x 2 interactions in `test` or `gap` of every pair of axes, each later value against the axis's first.

    Only those are returned whose four arms exist and are four different functions.
    """
    if "interactions" not in tidy.kept:
        squares = _squares(tidy)
        differences = [_difference(tidy, str(getattr(tidy.lead, m)), cells) for m in TOGETHER for *_, cells in squares]
        whole = family(differences, looks(tidy))
        held = [whole.interval(d, p) for d, p in zip(differences, whole.adjusted, strict=True)]
        made = [Interaction(*square, *pair) for square, pair in zip(squares * len(TOGETHER), held, strict=True)]
        tidy.kept["interactions"] = {m: tuple(made[i * len(squares) :][: len(squares)]) for i, m in enumerate(TOGETHER)}
    found: tuple[Interaction, ...] = tidy.kept["interactions"][metric]
    return found


Square = tuple[str, str, tuple[tuple[Arm, Arm], tuple[Arm, Arm]]]


def _squares(tidy: Tidy) -> list[Square]:
    found: list[Square] = []
    by_cell = {tuple(arm.value(p) for p in tidy.axes): arm for arm in tidy.arms}
    values = {p: list(dict.fromkeys(arm.value(p) for arm in tidy.arms)) for p in tidy.axes}
    for first, second in combinations(tidy.axes, 2):
        i, j = tidy.axes.index(first), tidy.axes.index(second)
        for corner, arm in by_cell.items():
            if corner[i] == values[first][0] or corner[j] == values[second][0]:
                continue
            square = tuple(
                tuple(by_cell.get(_moved(corner, {i: u, j: v})) for v in (values[second][0], corner[j]))
                for u in (values[first][0], corner[i])
            )
            arms = [a for row in square for a in row if a is not None]
            if len(arms) == 4 and len({a.arm_id for a in arms}) == 4 and arm in arms:
                found.append((first, second, square))  # type: ignore[arg-type]
    return found


def _moved(cell: tuple[object, ...], to: dict[int, object]) -> tuple[object, ...]:
    return tuple(to.get(i, value) for i, value in enumerate(cell))


def _difference(tidy: Tidy, metric: str, cells: tuple[tuple[Arm, Arm], tuple[Arm, Arm]]) -> Difference:
    (a, b), (c, d) = cells
    terms = ((1.0, d), (-1.0, c), (-1.0, b), (1.0, a))
    return contrast([(weight, tidy.values(arm, metric)) for weight, arm in terms])
