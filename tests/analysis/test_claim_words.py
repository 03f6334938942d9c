"""Claims in words: what each says, and what would support and refute it."""

from __future__ import annotations

from typing import get_args

import pytest

from dropexp.analysis.claim_words import criteria, promised, says
from dropexp.experiment.claims import ALONG, Claim, Expectation, Part


def part(expect: str, metric: str = "test_accuracy", **more) -> Part:
    if expect in ALONG:
        return Part(metric=metric, expect=expect, compare={"dropout.rate": "all"}, **more)
    norm = {"model.norm": "batch"} if expect == "interaction" else {}
    other = {"model.norm": "none"} if norm else {}
    compare, against = norm | {"dropout.rate": 0.5}, other | {"dropout.rate": 0.0}
    return Part(metric=metric, expect=expect, compare=compare, against=against, **more)


@pytest.mark.parametrize("expect", get_args(Expectation))
def test_each_kind_says_what_it_is_and_what_decides_it(expect):
    supports, refutes = criteria(part(expect, margin=0.007))
    assert "0.7 points" in supports + refutes
    assert "95%" in refutes
    assert "97.5%" not in refutes
    assert "97.5%" in criteria(part(expect), parts=2)[1], "refuted at 5% over the number of parts"
    assert criteria(part(expect), parts=2)[0] == criteria(part(expect))[0], "to support needs no correction"
    others = [one for one in get_args(Expectation) if one != expect]
    assert says(part(expect)) not in [says(part(one)) for one in others]
    assert criteria(part(expect)) not in [criteria(part(one)) for one in others]


@pytest.mark.parametrize(
    "given,supports,refutes",
    [
        (part("at_least"), "the 95% interval of the difference is above +0.5 points", "its 95% interval ends below +0.5 points"),
        (part("lower_at_least"), "is below -0.5 points", "its 95% interval ends above -0.5 points"),
        (part("lower", "test_loss", margin=0.01), "is below 0 and reaches -0.01 nats", "ends above -0.01 nats"),
        (part("decreasing"), "can be higher than an earlier one by 0.5 points", "a value is higher than an earlier one (5%,"),
        (part("increasing"), "can be lower than an earlier one by 0.5 points", "a value is lower than an earlier one (5%,"),
        (part("equal"), "the 90% interval of the difference is within ±0.5", "is entirely outside ±0.5 points"),
    ],
)  # fmt: skip
def test_words_of_a_criterion(given, supports, refutes):
    found = criteria(given)
    assert supports in found[0]
    assert refutes in found[1]


def test_a_conjunction_promises_for_each_part():
    found = promised(Claim(says="both", all=(part("lower", "gap"), part("higher"))))
    assert [one["says"][:13] for one in found] == ["gap at rate 0", "test accuracy"]
    assert all("97.5%" in one["refuted_if"] for one in found)
