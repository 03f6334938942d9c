"""A study that dropexp did not train: its arms are the further columns of a table of epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dropexp.experiment.design import RATE, Arm, Design
from dropexp.experiment.identity import digest, slug
from dropexp.experiment.leaves import shown, spell

NOISE = "data.label_noise"
PATHS = {"rate": RATE, "dropout": RATE, "dropout_rate": RATE, "dropout.rate": RATE, "p": RATE, "label_noise": NOISE}


@dataclass(frozen=True)
class ForeignArm(Arm):
    """One combination of the further columns: (path, value) of each, and what its runs are named after."""

    values: tuple[tuple[str, Any], ...]
    clean: bool = False  # whether accuracies on the labels left alone are there

    @cached_property
    def _values(self) -> dict[str, Any]:
        return dict(self.values)

    @cached_property
    def arm_id(self) -> str:  # type: ignore[override]
        return f"{self._slug}-{digest(self.cells)}"

    def run_id(self, seed: int) -> str:
        return f"{self._slug}-s{seed}-{digest({**self.cells, 'seed': str(seed)})}"

    @property
    def _slug(self) -> str:
        words = [
            f"{path.rpartition('.')[2]} {spell(value)}" for path, value in sorted(self.values, key=lambda pair: pair[0])
        ]
        return slug(" ".join(words)) or "arm"

    def value(self, path: str) -> Any:
        return self._values.get(path)

    def shown(self, path: str) -> str:
        return shown(path, self.value(path))

    @property
    def cells(self) -> dict[str, str]:
        return {path: spell(value) for path, value in self.values}

    @property
    def masked(self) -> bool:
        return self.value(RATE) != 0

    @property
    def label_noise(self) -> float:
        return float(self.value(NOISE) or 0) if self.clean else 0.0

    @property
    def monitor(self) -> None:
        return None

    @property
    def population(self) -> str:
        return "trained elsewhere"


@dataclass(frozen=True)
class Foreign(Design):
    """The arms, seeds and axes that a table of epochs holds; every run in it is one that was wanted."""

    name: str
    seeds: tuple[int, ...]
    arms: tuple[ForeignArm, ...]
    wanted: frozenset[tuple[str, int]] = frozenset()
    chosen: tuple[tuple[str, str], ...] = ()
    more_seeds = "a second seed"

    @cached_property
    def axes(self) -> tuple[str, ...]:
        paths = [path for path, _ in self.arms[0].values] if self.arms else []
        return tuple(p for p in paths if len({spell(arm.value(p)) for arm in self.arms}) > 1)

    @property
    def hint(self) -> str | None:
        known = any(arm.value(RATE) is not None for arm in self.arms)
        return "no arm without dropout; add rows with rate 0" if known and all(a.masked for a in self.arms) else None

    @property
    def data(self) -> str:
        return "as trained elsewhere"


def path_of(column: str, values: Sequence[Any]) -> str:
    """Return the path that a column stands for: a number under a name of the dropout rate is `dropout.rate`."""
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return PATHS.get(column.lower(), column) if numbers else column
