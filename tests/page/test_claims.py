"""Why a claim and the answer say different things of one difference: told once, with the levels that make it."""

import pytest
from made_up_studies import rows, study

from dropexp.analysis.inference import EQUAL, UNDECIDED
from dropexp.analysis.judging import judge
from dropexp.analysis.tidy import tidy
from dropexp.analysis.verdicts import verdicts
from dropexp.experiment.claims import Claim
from dropexp.page.claims import differing

RATES = (0.0, 0.1, 0.2, 0.3, 0.5)


def judged(effect, seeds, rate, metric="test_accuracy", expect="higher", margin=0.005):
    claim = Claim(
        metric=metric, compare={"dropout.rate": rate}, against={"dropout.rate": 0.0}, expect=expect, margin=margin
    )
    made = study({"dropout.rate": RATES}, seeds, claims=(claim,))
    found = tidy(made, *rows(made, effect=effect))
    word = next(v.test.word for v in verdicts(found) if v.test and v.arm.value("dropout.rate") == rate)
    return judge(found)[0].verdict, word, differing(found, judge(found))


def test_a_claim_by_itself_and_a_word_among_eight():
    verdict, word, why = judged(0.002, 6, 0.3)
    assert (verdict, word) == ("supported", UNDECIDED)
    assert why.startswith(
        "“test accuracy at rate 0.3 is higher than at rate 0” is supported here, but the answer below says “undecided”: "
    )
    assert "the answer is corrected for 8 comparisons, each at 99.4%" in why


@pytest.mark.parametrize("effect,seeds,rate,word", [(0.01, 6, 0.3, "better"), (0.002, 10, 0.5, EQUAL)])
def test_nothing_is_said_where_both_agree(effect, seeds, rate, word):
    expect = "higher" if word == "better" else "equal"
    verdict, found, why = judged(effect, seeds, rate, expect=expect)
    assert (verdict, found, why) == ("supported", word, "")
