"""How far the numbers reach: test sampling and other splits of the pool."""

from __future__ import annotations

from math import isnan, sqrt

from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import ON_THIS_DATA, Judged, Verdict
from dropexp.wording.labels import percent
from dropexp.wording.power import power_line

__all__ = ["power_line", "scope"]


def scope(tidy: Tidy, found: tuple[Verdict, ...]) -> list[str]:
    """Return what stands beside the intervals over seeds: other test examples, and other splits of the pool."""
    judged = [(v, j) for v in found for j in (v.test, v.gap) if j]
    lines = []
    tests = [(j.reach.test, v) for v, j in judged if not isnan(j.reach.test)]
    if tests:
        size, verdict = max(tests, key=lambda pair: pair[0])
        count = int(tidy.facts(verdict.arm).test)
        line = f"other test examples alone may move a difference by up to ± {percent(size)} ({count} test examples)"
        if wider := _wider(tidy, judged):
            line += f"; over other splits of the pool ± is {wider} times as wide (Nadeau & Bengio)"
        lines.append(line)
    if any(j.local for _, j in judged):
        lines.append(f"{ON_THIS_DATA}: it stands over seeds, for this pool and this test set, and no further is shown")
    return lines


def _wider(tidy: Tidy, judged: list[tuple[Verdict, Judged]]) -> str:
    """Return by how much intervals over redrawn splits are wider: sqrt(1 + n n_test / n_train)."""
    factors = []
    for verdict, j in judged:
        facts = tidy.facts(verdict.arm)
        if not isnan(j.reach.low):
            factors.append(sqrt(1 + j.difference.n * facts.test / facts.train))
    if not factors:
        return ""
    low, high = f"{min(factors):.1f}", f"{max(factors):.1f}"
    return low if low == high else f"{low} to {high}"
