"""The smallest differences that count: `margins` of a study file, by metric, and when a margin cannot be one."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from dropexp.experiment.design import MARGINS
from dropexp.experiment.vocabulary import near
from dropexp.metrics import AVERAGED, RUNS
from dropexp.quoting import clean, spelt

if TYPE_CHECKING:
    from dropexp.study_files.claims_reader import Blame

SUMMED_UP = tuple(column.name for column in AVERAGED)


def margins_of(content: dict[str, Any], blame: Blame) -> dict[str, float]:
    """Return every margin in force: those of the file, and the defaults of what it does not name."""
    found, raw = dict(MARGINS), content.get("margins")
    if raw is None:
        return found
    if not isinstance(raw, dict):
        text = f"{spelt(raw)} is not a mapping of metrics to differences; write {{test_accuracy: 0.005, gap: 0.005}}"
        blame(("margins",), f"margins: {text}")
        return found
    for metric, margin in raw.items():
        name, loc = f"margins.{clean(str(metric))}", ("margins", metric)
        if metric not in SUMMED_UP:
            guess = near(str(metric), SUMMED_UP)
            hint = f"; did you mean {guess!r}?" if guess else f"; they are {', '.join(SUMMED_UP)}"
            blame(loc, f"{name}: not a metric of summary.csv{hint}", key=True)
        elif isinstance(margin, bool) or not isinstance(margin, int | float):
            blame(loc, f"{name}: {spelt(margin)} is not a number; write a difference above 0, such as 0.005")
        elif not (isfinite(margin) and margin > 0):
            blame(loc, f"{name}: {spelt(margin)} is not above 0 (the smallest difference that counts)")
        elif why := too_wide(metric, margin):
            blame(loc, f"{name}: {why}")
        else:
            found[metric] = float(margin)
    return found


def too_wide(metric: str, margin: float) -> str | None:
    """Return why a margin was meant in points and not as a fraction, None where it may be meant as it stands."""
    if margin < 0.5 or metric not in RUNS or not RUNS[metric].metric.fraction:
        return None
    return f"{margin:g} is {margin:.0%} of an accuracy; accuracies are fractions: half a point is 0.005"
