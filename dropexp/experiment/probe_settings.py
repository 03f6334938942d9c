"""The settings that a probe may have: a section of a study file, with defaults, limits and meanings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from dropexp.experiment.fields import Section, Shares, Widths


class Settings(Section):
    """Settings of a probe; this one has none."""


class EveryEpoch(Settings):
    """Settings of a probe that is measured after epochs."""

    every: int = Field(1, description="how many epochs lie between two measurements", ge=1, le=1_000_000)


@dataclass(frozen=True)
class Earlier:
    """Which value of a setting stands for what versions measured that did not have the setting yet."""

    before: Any

    def __call__(self, schema: dict[str, Any]) -> None:
        """Add nothing to a JSON schema, which speaks of this version."""


def added(default: Any, means: str, *, before: Any, **limits: Any) -> Any:
    """Return a setting that came to a probe later than the probe; with `before` it measures what it did before that."""
    return Field(default, description=means, json_schema_extra=Earlier(before), **limits)


def earlier(kind: type[Settings]) -> dict[str, Any]:
    """Return the settings that came later, with the value that stands for what was measured before."""
    found = {name: field.json_schema_extra for name, field in kind.model_fields.items()}
    return {name: extra.before for name, extra in found.items() if isinstance(extra, Earlier)}


class Units(EveryEpoch):
    """Settings of activations."""

    every: int = Field(10, description="how many epochs lie between two measurements", ge=1, le=1_000_000)
    examples: int = Field(1000, description="test examples looked at, the first ones", ge=2, le=10_000_000)


class Smoothness(EveryEpoch):
    """Settings of weights."""

    examples: int = Field(1000, description="training and test examples looked at, the first ones", ge=1, le=10_000_000)
    radius: float = Field(
        0.05, description="length of a step away from the weights, relative to their norm", gt=0, le=10
    )
    directions: int = Field(5, description="random directions", ge=1, le=10_000)
    images: int = Field(
        8, description="units of the first layer whose weights are written out as images", ge=0, le=10_000
    )


class Parts(Settings):
    """Settings of co_adaptation."""

    shares: Shares = Field(
        (0.1, 0.25, 0.5, 0.75, 0.9),
        description="shares of units and of weights that are removed, and standard deviations of noise on inputs",
        min_length=1,
        max_length=50,
    )
    draws: int = Field(3, description="random choices of what is removed or added", ge=1, le=10_000)
    examples: int = Field(2000, description="test examples looked at, the first ones", ge=2, le=10_000_000)


class Examples(Settings):
    """Settings of memorisation."""

    examples: int = Field(
        1000, description="training examples whose own epochs are written, the first ones", ge=0, le=10_000_000
    )


class Masks(EveryEpoch):
    """Settings of gradient_norms."""

    masks: int = added(100, "masks that gradients are averaged over; 1 for none", before=1, ge=1, le=10_000)
    masks_every: int = added(10, "epochs from one average over masks to the next", before=10, ge=1, le=1_000_000)


class Noise(Settings):
    """Settings of gradient_noise."""

    sizes: Widths = Field(
        (1, 64), description="examples per mini-batch, one size or several", min_length=1, max_length=20
    )
    batches: int = Field(10, description="mini-batches of each size, no example in two of them", ge=2, le=10_000)
    masks: int = Field(5, description="masks of each mini-batch", ge=2, le=10_000)


class Repair(EveryEpoch):
    """Settings of variance_shift."""

    repair: bool = added(
        True,
        "whether to estimate batch norm's statistics again at the selected epoch and measure accuracy with them",
        before=False,
    )


class Bins(Settings):
    """Settings of calibration."""

    bins: int = Field(15, description="bins of equally many test examples, by confidence", ge=1, le=1000)
    draws: int = Field(1000, description="simulations of perfect calibration", ge=20, le=100_000)


class Passes(Settings):
    """Settings of mc_dropout."""

    passes: int = Field(100, description="passes with dropout on, each with masks of its own", ge=1, le=100_000)
    exact_units: int = Field(
        10, description="largest number of masked units for which all 2^units masks are averaged", ge=0, le=16
    )
    rotate: int = Field(
        30, description="degrees from one rotation of images to the next, up to 180; 0 for none", ge=0, le=180
    )
    rotated: int = Field(100, description="test examples that are rotated, the first ones", ge=1, le=1_000_000)
