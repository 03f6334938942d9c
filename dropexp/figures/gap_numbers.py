"""The numbers in gap.png: each gap between its two lines, or in a strip above them if they are too close."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from matplotlib.axes import Axes

from dropexp.analysis.stats import Estimate
from dropexp.figures.axis_range import Scale
from dropexp.figures.sheet import HEAD, NOTE, TEXT, inches
from dropexp.figures.text_size import apart, height, width

ESTABLISHED = ("smaller", "larger", "underfitting")
PAD = 0.05  # inches


@dataclass(frozen=True)
class Spot:
    """An arm in a panel: its place, both accuracies in percent with their seeds, its gap and the verdict on it."""

    x: float
    train: Estimate
    test: Estimate
    train_seeds: tuple[float, ...]
    test_seeds: tuple[float, ...]
    gap: str
    word: str


def established(spot: Spot) -> bool:
    """Whether the gap is known to differ from the baseline's."""
    return spot.word.rstrip("*") in ESTABLISHED


def between(spot: Spot) -> tuple[float, float]:
    """Return the upper end of all that is drawn for test and the lower end of that for training."""
    highs, lows = [*spot.test_seeds, spot.test.high], [*spot.train_seeds, spot.train.low]
    return max(v for v in highs if not isnan(v)), min(v for v in lows if not isnan(v))


def strip(panels: list[list[Spot]], view: Scale, tall: float, wordy: bool) -> float:
    """Return the inches to leave free over the data for the gaps; 0 where all stand between their lines."""
    need = _tall(wordy) + PAD
    rooms = [above - below for spots in panels for below, above in map(between, spots)]
    off = any(view.off(e.mean) for spots in panels for s in spots for e in (s.train, s.test))
    fits = not off and bool(rooms) and min(rooms) * tall / (view.high - view.low) >= need
    return 0.0 if fits else need + PAD


def _tall(wordy: bool) -> float:
    return height("x", HEAD) + height("x", NOTE) if wordy else height("x", TEXT)


def gaps(ax: Axes, spots: list[Spot], above: float, wordy: bool, heading: bool) -> None:
    """Write the gaps of one panel, with their verdicts where `wordy`; those that would meet are left out."""
    if not spots:
        return
    wide, tall = inches(ax)
    low, high = ax.get_ylim()
    texts = [f"{s.gap} points" if wordy else s.gap for s in spots]
    size = HEAD if wordy else TEXT
    wides = [
        max(width(text, size, bold=True), width(s.word, NOTE) * wordy) for text, s in zip(texts, spots, strict=True)
    ]
    middles = [float(x) * wide for x in _shares(ax, spots)]
    if not above and len(spots) > 1:  # the first and the last stand inside the area, too
        middles[0] += wides[0] / 2 + PAD
        middles[-1] -= wides[-1] / 2 + PAD
    middles = [min(max(x, w / 2 + PAD), wide - w / 2) for x, w in zip(middles, wides, strict=True)]
    for i in apart(middles, wides, PAD):
        s = spots[i]
        lines = height("x", size) + height("x", NOTE) * bool(wordy and s.word)
        middle = (sum(between(s)) / 2 - low) / (high - low) * tall
        top = tall - PAD if above else middle + lines / 2
        at = {"transform": ax.transAxes, "ha": "center", "va": "top", "zorder": 5}
        bold = "bold" if wordy or established(s) else "normal"
        ax.text(middles[i] / wide, top / tall, texts[i], fontsize=size, fontweight=bold, **at)
        if wordy:
            ax.text(middles[i] / wide, (top - height("x", size)) / tall, s.word, fontsize=NOTE, **at)
    if above and heading:
        at = {"transform": ax.transAxes, "ha": "right", "va": "top"}
        ax.text(-0.08 / wide, 1 - PAD / tall, "gap", fontsize=TEXT, fontweight="bold", **at)


def _shares(ax: Axes, spots: list[Spot]) -> list[float]:
    points = ax.transAxes.inverted().transform(ax.transData.transform([(s.x, 50.0) for s in spots]))
    return [float(x) for x in points[:, 0]]
