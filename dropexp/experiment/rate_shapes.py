"""SHAPES: each shape of a dropout rate's schedule, one row per shape, as what the rate is multiplied by in an epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # config.py reads the names of the shapes from here
    from dropexp.experiment.config import RateSchedule


def _linear(schedule: RateSchedule, epoch: int) -> float:
    done = min(1.0, (epoch - 1) / (schedule.epochs - 1)) if schedule.epochs > 1 else 1.0
    return schedule.begin + (schedule.end - schedule.begin) * done


# name -> the factor, at least 0, in an epoch counted from 1
SHAPES: dict[str, Callable[[RateSchedule, int], float]] = {
    "constant": lambda schedule, epoch: 1.0,
    "early": lambda schedule, epoch: float(epoch <= schedule.epochs),  # Liu et al. 2023
    "late": lambda schedule, epoch: float(epoch > schedule.epochs),
    "linear": _linear,  # from `begin` in epoch 1 to `end` in epoch `epochs`, then `end`
}
