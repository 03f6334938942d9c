"""Rate schedules: what a dropout rate is multiplied by in an epoch, a pure function of the epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # which reads SHAPES
    from dropexp.experiment.config import RateSchedule


def rate_factor(schedule: RateSchedule, epoch: int) -> float:
    """Return what the dropout rate is multiplied by in an epoch, counted from 1.

    constant: 1. early: 1 up to and with epoch `epochs`, then 0 (Liu et al. 2023). late: 0 up to and with `epochs`, then 1.
    linear: from `begin` in epoch 1 to `end` in epoch `epochs`, then `end`.
    """
    return SHAPES[schedule.shape](schedule, epoch)


def _linear(schedule: RateSchedule, epoch: int) -> float:
    done = min(1.0, (epoch - 1) / (schedule.epochs - 1)) if schedule.epochs > 1 else 1.0
    return schedule.begin + (schedule.end - schedule.begin) * done


SHAPES: dict[str, Callable[[RateSchedule, int], float]] = {
    "constant": lambda schedule, epoch: 1.0,
    "early": lambda schedule, epoch: float(epoch <= schedule.epochs),
    "late": lambda schedule, epoch: float(epoch > schedule.epochs),
    "linear": _linear,
}
