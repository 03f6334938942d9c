"""What a study asks, in a sentence: its claims in their own words, else its axes with their values."""

from __future__ import annotations

from collections.abc import Sequence

from dropexp.analysis.judging import ClaimVerdict
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.naming import headings, value
from dropexp.figures.axis import UNITS

VALUES = 8
CLAIMS = 3


def question(tidy: Tidy, judged: Sequence[ClaimVerdict]) -> str:
    """Return the question: up to three claims as stated, else how the metrics depend on what was swept."""
    says = [claim.spoken for claim in judged]
    if says:
        more = f"; and {len(says) - CLAIMS} more claims" if len(says) > CLAIMS else ""
        return f"Is it so that {'; that '.join(f'“{text}”' for text in says[:CLAIMS])}{more}?"
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
