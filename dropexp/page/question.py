"""The question of a study in one sentence: its claims in their own words, or else its axes with their values."""

from __future__ import annotations

from collections.abc import Sequence

from dropexp.analysis.judging import ClaimVerdict
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.naming import headings, value
from dropexp.figures.axis import UNITS

VALUES = 8
CLAIMS = 3


def question(tidy: Tidy, judged: Sequence[ClaimVerdict]) -> str:
    """Return the question: up to three claims as stated, or else how the metrics depend on what was swept."""
    says = [claim.spoken for claim in judged]
    if says:
        left = len(says) - CLAIMS
        more = f"; and {left} more claim{'s' * (left != 1)}" if left > 0 else ""
        claims = "; ".join(f"“{text}”" for text in says[:CLAIMS])
        return f"{'Is this true' if len(says) == 1 else 'Are these true'}: {claims}{more}?"
    metrics = "training accuracy, test accuracy and the gap between them"
    if not tidy.axes:
        return f"What are {metrics}?"
    return f"How do {metrics} depend on {_listed([_axis(tidy, path) for path in tidy.axes])}?"


def _axis(tidy: Tidy, path: str) -> str:
    values = list(dict.fromkeys(value(arm, path) for arm in tidy.arms))
    shown = values if len(values) <= VALUES else [*values[: VALUES - 2], "…", values[-1]]
    name = UNITS.get(path, headings(tidy.axes)[path].replace("_", " ")).split(" (")[0]
    return f"{name} ({', '.join(shown)})"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
