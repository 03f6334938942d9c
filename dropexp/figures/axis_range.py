"""The part of a scale that a figure shows, so that a few arms far from the others do not flatten the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dropexp.figures.sheet import inches

FEW = 0.3  # at most this share of the arms may stand off the scale
FLATTER = 4.0  # and only where the others then get so many times the room
PAD = 0.06
NAMED = 3  # arms off the scale that are named one by one
LEAST = 0.5  # points: less is rounding, and is not blown up to fill a panel


@dataclass(frozen=True)
class Scale:
    """The lowest and highest value shown, including a margin; values beyond are written with an arrow."""

    low: float
    high: float

    def off(self, value: float) -> int:
        """Return -1 for a value below the scale, 1 for one above it, else 0."""
        return (value > self.high) - (value < self.low)


def scale(
    arms: Sequence[tuple[Sequence[float], Sequence[float]]], cap: float | None = None, least: float = LEAST
) -> Scale:
    """Return the scale for arms, each given as its values (seeds, mean) and the ends of its intervals.

    Intervals of the arms that are shown count as far as they reach no further than all values do once more; `cap` is
    a value that nothing exceeds, `least` the smallest span.
    """
    found = [(min(kept), max(kept)) for arm, _ in arms if (kept := [v for v in arm if isfinite(v)])]
    if not found:
        return Scale(0.0, 100.0)
    low, high = _kept(found, least)
    span = max(high - low, least)
    shown = [ends for arm, ends in arms if all(low <= v <= high for v in arm if isfinite(v))]
    ends = [min(max(v, low - span), high + span) for ends in shown for v in ends if isfinite(v)]
    low, high = min([low, *ends]), max([high, *ends])
    pad = max(PAD * (high - low), (least - (high - low)) / 2)
    return Scale(low - pad, min(high, cap) + pad if cap is not None else high + pad)


def beyond(shown: Scale, arms: Sequence[tuple[str, str, Sequence[float], Sequence[float]]]) -> str:
    """Return what is off the scale and what is cut at its edge, in words for a note; '' if all is shown.

    Each of `arms` is its name, its means in words, its means and the ends of its intervals.
    """
    off = [(name, words) for name, words, means, _ in arms if any(shown.off(v) for v in means)]
    inside = [ends for _, _, means, ends in arms if not any(shown.off(v) for v in means)]
    cut = sum(any(shown.off(v) for v in ends if isfinite(v)) for ends in inside)
    parts = []
    if off:
        told = [f"{name} ({words})" if name else words for name, words in off[:NAMED]]
        more = f" and {len(off) - NAMED} more" if len(off) > NAMED else ""
        parts.append(f"off the scale: {', '.join(told)}{more}")
    if cut:
        parts.append(f"{cut} interval{'s are' if cut > 1 else ' is'} cut at the edge of the scale")
    return "; ".join(parts)


def _kept(found: list[tuple[float, float]], least: float) -> tuple[float, float]:
    lows, highs = sorted(low for low, _ in found), sorted(high for _, high in found)
    full = highs[-1] - lows[0]
    spare = min(int(FEW * len(found)), len(found) - 2)
    for gone in range(1, spare + 1):
        for below in range(gone, -1, -1):
            low, high = lows[below], highs[len(highs) - 1 - (gone - below)]
            inside = [arm for arm in found if arm[0] >= low and arm[1] <= high]
            if len(inside) == len(found) - gone and FLATTER * max(high - low, least) <= full:
                return low, high
    return lows[0], highs[-1]


def upright(axes: Axes, shown: Scale, cap: float | None = None, above: float = 0.0) -> None:
    """Set the y axis of a panel, with `above` inches free over the data and no tick beyond `cap`."""
    tall = inches(axes)[1]
    top = shown.high + (shown.high - shown.low) * above / max(tall - above, 0.1)
    axes.set_ylim(shown.low, top)
    ticks = MaxNLocator(nbins=max(int(tall / 0.42), 2), steps=[1, 2, 2.5, 5, 10]).tick_values(shown.low, shown.high)
    edge = shown.high if cap is None else min(cap, shown.high)
    axes.set_yticks([t for t in ticks if shown.low <= t <= edge + 1e-9])
