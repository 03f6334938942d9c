"""SHAPES: each shape of a dropout rate's schedule, one row per shape, as what the rate is multiplied by in an epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # config.py reads the names of the shapes from here
    from dropexp.experiment.config import RateSchedule


def _linear(schedule: RateSchedule, epoch: int) -> float:
    done = min(1.0, (epoch - 1) / (schedule.epochs - 1)) if schedule.epochs > 1 else 1.0
    return schedule.begin + (schedule.end - schedule.begin) * done


@dataclass(frozen=True)
class Shape:
    """`factor` is what the rate is multiplied by, at least 0, in an epoch counted from 1; `means` says it of a schedule `s`."""

    factor: Callable[[RateSchedule, int], float]
    means: str


SHAPES: dict[str, Shape] = {
    "constant": Shape(lambda schedule, epoch: 1.0, ""),
    # Liu et al. 2023
    "early": Shape(lambda schedule, epoch: float(epoch <= schedule.epochs), "on up to epoch {s.epochs}, off after it"),
    "late": Shape(lambda schedule, epoch: float(epoch > schedule.epochs), "off up to epoch {s.epochs}, on after it"),
    "linear": Shape(
        _linear,
        "from {s.begin:g} to {s.end:g} times the rate over epochs 1 to {s.epochs}, then {s.end:g} times the rate",
    ),
}
