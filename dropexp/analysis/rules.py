"""The rules of claims: how intervals at certain levels make a claim supported, refuted or undecided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dropexp.experiment.claims import DOWNWARD, ORDERED
from dropexp.experiment.levels import ALPHA, LEVEL

TOST = 0.9  # two one-sided tests at 5% each (Schuirmann 1987)
SUPPORTED, REFUTED, UNDECIDED = "supported", "refuted", "undecided"
SMALL = "there, but smaller than what counts"
MAYBE_SMALL = "there, but may be smaller than what counts"
ALONE = "refuted by itself, but not when corrected for the number of parts"
NEAR = "it differs from 0, but lies within the margin by the rule of equal"

At = Callable[[float], tuple[float, float]]  # a level -> the interval of a difference, NaN where there is none


@dataclass(frozen=True)
class Evidence:
    """What a rule looks at.

    `whole` is the difference that a claim is about, compare minus against or the rise along an axis. `rises` are the
    differences between every two values of an axis, the later minus the earlier, by their names. `gains` are, for either
    end of an axis by its name, what each interior value has over it in the metric's better direction.
    """

    whole: At
    rises: Mapping[str, At] = field(default_factory=dict)
    gains: Mapping[str, Sequence[At]] = field(default_factory=dict)


def ruled(expect: str, margin: float, found: Evidence, alpha: float = ALPHA) -> tuple[str, str]:
    """Return what the rule of an expectation says, and what a reader should know beside the interval, '' if nothing.

    With [l, u] the 95% interval in the claimed direction: `lower` and `higher` are supported if l > 0 and u >= margin,
    unless `equal` would be; `at_least` if l > margin. All are refuted if u < margin. `equal` is supported if the 90%
    interval lies within ±margin, refuted if the 95% interval lies outside. `interaction` is supported if the interval
    excludes 0 and reaches beyond ±margin, unless `equal` would be; refuted if it lies within. `increasing` must in
    addition exclude, for every two values, a reversal beyond the margin, and is refuted too if two values are reversed
    beyond doubt. `interior_best`: see `_interior`. `alpha` is the error allowed to refute; a claim of k parts divides
    0.05 by k. To support all parts needs no correction (intersection-union, Berger 1982).
    """
    verdict, why = _at(expect, margin, found, ALPHA)
    if verdict != REFUTED or alpha == ALPHA:
        return verdict, why
    corrected = _at(expect, margin, found, alpha)
    return corrected if corrected[0] == REFUTED else (UNDECIDED, ALONE)


def _at(expect: str, margin: float, found: Evidence, alpha: float) -> tuple[str, str]:
    """Return the verdict; a refutation may err with probability `alpha`."""
    if expect == "interior_best":
        return _interior(margin, found, alpha)
    sign = -1 if expect in DOWNWARD else 1
    at = _turned(found.whole, sign)
    (low, high), (far_low, far_high) = at(LEVEL), at(1 - alpha)
    equal = _within(at(TOST), margin)
    if expect == "equal":
        outside = far_low > margin or far_high < -margin
        return (SUPPORTED if equal else REFUTED if outside else UNDECIDED), ""
    if expect == "interaction":
        there = low > 0 or high < 0
        if _within((far_low, far_high), margin):
            return REFUTED, SMALL if there else ""
        if not there or equal or _within((low, high), margin):
            return UNDECIDED, NEAR if there else ""
        return SUPPORTED, "" if min(abs(low), abs(high)) >= margin else MAYBE_SMALL
    if far_high < margin:
        return REFUTED, SMALL if low > 0 else ""
    if expect in ORDERED and (pair := _reversed(found, sign, alpha)):
        return REFUTED, f"from {pair} it goes the other way beyond doubt"
    if expect.endswith("at_least"):
        return (SUPPORTED if low > margin else UNDECIDED), ""
    if not low > 0 or high < margin or equal:
        return UNDECIDED, NEAR if low > 0 else ""
    if expect in ORDERED and (pair := _may_reverse(found, sign, margin)):
        return UNDECIDED, f"from {pair} it may go the other way by more than the margin"
    return SUPPORTED, "" if low >= margin else MAYBE_SMALL


def _turned(at: At, sign: int) -> At:
    def turned(level: float) -> tuple[float, float]:
        low, high = at(level)
        return (low, high) if sign > 0 else (-high, -low)

    return turned


def _within(interval: tuple[float, float], margin: float) -> bool:
    return -margin < interval[0] and interval[1] < margin


def _reversed(found: Evidence, sign: int, alpha: float) -> str:
    """Return two values that are reversed at a level corrected for all pairs (Bonferroni)."""
    level = 1 - alpha / max(len(found.rises), 1)
    return next((name for name, at in found.rises.items() if _turned(at, sign)(level)[1] < 0), "")


def _may_reverse(found: Evidence, sign: int, margin: float) -> str:
    """Return two values whose reversal beyond the margin is not excluded, the widest such interval's."""
    lows = {name: _turned(at, sign)(LEVEL)[0] for name, at in found.rises.items()}
    open_ = {name: low for name, low in lows.items() if not low > -margin}
    return min(open_, key=lambda name: open_[name]) if open_ else ""


def _interior(margin: float, found: Evidence, alpha: float) -> tuple[str, str]:
    """Judge whether some interior value of an axis is better than either end.

    Supported if at each end some interior value is better, one-sided at 5% over their number (Bonferroni), which errs
    in 5% at most where one of the ends is best. Refuted if at some end no interior value can be better by the margin: the
    interval of each stays below it.
    """
    for end, gains in found.gains.items():
        if all(at(1 - alpha)[1] < margin for at in gains):
            return REFUTED, f"no value between is better than {end} by what counts"
    lows = [max((_shown(at, len(gains)) for at in gains), default=0.0) for gains in found.gains.values()]
    if not lows or not min(lows) > 0:
        return UNDECIDED, ""
    return SUPPORTED, "" if min(lows) >= margin else MAYBE_SMALL


def _shown(at: At, values: int) -> float:
    """Return the lower end of a one-sided interval at 5% over the number of interior values."""
    low = at(1 - 2 * ALPHA / values)[0]
    return low if low == low else float("-inf")  # without an interval nothing is shown
