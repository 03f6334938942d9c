"""claims.png shades what the rules accept: a 95% interval in the shade whose 90% reaches its line is supported, no other."""

from __future__ import annotations

import numpy as np
import pytest

from dropexp.analysis.judging import ClaimVerdict
from dropexp.analysis.rules import SUPPORTED, TOST, Evidence, ruled
from dropexp.figures.claims import _inner, _rule

KINDS = ("lower", "higher", "at_least", "lower_at_least", "equal", "interaction", "increasing", "decreasing")


@pytest.mark.parametrize("expect", KINDS)
def test_the_shade_is_the_rule(expect):
    rng, accepted = np.random.default_rng(1), 0
    margin = 0.01
    wide = {TOST: 0.84, 0.95: 1.0}
    claim = ClaimVerdict("", "", "", "", expect=expect, margin=margin)
    assert _inner(claim) == (expect not in ("at_least", "lower_at_least"))
    regions, reached = _rule(claim)
    for mean, half in zip(rng.uniform(-0.04, 0.04, 2000), rng.uniform(0.0005, 0.03, 2000), strict=True):
        found = Evidence(lambda level, m=mean, h=half: (m - h * wide[round(level, 9)], m + h * wide[round(level, 9)]))
        low, high = (100 * end for end in found.whole(TOST if expect == "equal" else 0.95))
        inside = any(a < low and high < b for a, b in regions)
        near, far = (100 * end for end in found.whole(TOST))  # the 90% interval is to reach the line
        reaches = not reached or any(
            near <= x <= far or (abs(x) < min(abs(near), abs(far)) and x * near > 0) for x in reached
        )
        verdict, _ = ruled(expect, margin, found)
        assert (verdict == SUPPORTED) == (inside and reaches), (mean, half, verdict)
        accepted += verdict == SUPPORTED
    assert accepted > 50
