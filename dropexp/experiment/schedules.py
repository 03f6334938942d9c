"""The dropout rates in force in an epoch: a pure function of the configuration and the epoch."""

from __future__ import annotations

from dropexp.experiment.config import Dropout, Model, RateSchedule
from dropexp.experiment.layout import site_rates
from dropexp.experiment.rate_shapes import SHAPES


def rate_in_force(dropout: Dropout, epoch: int) -> float:
    """Return `dropout.rate` as its schedule has it in an epoch, counted from 1: the column `rate` of epochs.csv."""
    return dropout.rate * rate_factor(dropout.schedule, epoch)


def site_rates_in_force(dropout: Dropout, model: Model, epoch: int) -> dict[str, float]:
    """Return the rate of every mask site in an epoch; a site whose schedule is off has rate 0."""
    factor = rate_factor(dropout.schedule, epoch)
    return {site: rate * factor for site, rate in site_rates(dropout, model).items()}


def rate_factor(schedule: RateSchedule, epoch: int) -> float:
    """Return what the dropout rate is multiplied by in an epoch, counted from 1, by its row of SHAPES."""
    return SHAPES[schedule.shape].factor(schedule, epoch)
