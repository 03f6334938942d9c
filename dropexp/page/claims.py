"""Claims at a glance: each with its verdict, the numbers in words, and the parts of a claim that has several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from dropexp.analysis.inference import EQUAL, Judged
from dropexp.analysis.judging import REFUTED, SUPPORTED, UNDECIDED, WAITING, ClaimVerdict
from dropexp.analysis.stats import Difference
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import verdicts
from dropexp.experiment.levels import FLAT

PAIRED = ("lower", "higher", "at_least", "lower_at_least", "equal")  # claims about one difference
TONES = {SUPPORTED: "good", REFUTED: "bad", UNDECIDED: "open", WAITING: "open"}
NAMED = 2  # claims that one sentence can hold


@dataclass(frozen=True)
class Claimed:
    """A claim as the page shows it."""

    says: str
    verdict: str
    sentence: str
    notes: tuple[str, ...]
    parts: tuple[Claimed, ...]
    tone: str


def claimed(judged: Sequence[ClaimVerdict]) -> tuple[Claimed, ...]:
    """Return judged claims as the page shows them, in their order."""
    return tuple(Claimed(c.spoken, c.verdict, c.sentence, c.notes, claimed(c.parts), TONES[c.verdict]) for c in judged)


def differing(tidy: Tidy, judged: Sequence[ClaimVerdict]) -> str:
    """Return why a claim and the answer differ on one difference, explained for the first such claim; '' if none differs."""
    answers = {
        metric: [j for v in verdicts(tidy) if (j := getattr(v, what)) is not None]
        for what, metric in (("test", tidy.lead.test), ("gap", tidy.lead.gap))
    }
    found = []
    for claim in (part for whole in judged for part in (whole.parts or (whole,))):
        d = claim.estimate
        if claim.verdict in (SUPPORTED, REFUTED, UNDECIDED) and claim.expect in PAIRED and d.n and isfinite(d.low):
            same = [j for j in answers.get(claim.metric, ()) if _same(j.difference, d)]
            found += [why for j in same[:1] if (why := _why(claim, j))]
    more = f" The same holds for {len(found) - 1} more." if len(found) > 1 else ""
    return found[0] + more if found else ""


def _same(a: Difference, b: Difference) -> bool:
    if a.sample is None or b.sample is None or not a.sample.index.equals(b.sample.index):
        return False
    return min(float(abs(a.sample - b.sample).max()), float(abs(a.sample + b.sample).max())) <= FLAT


def _why(claim: ClaimVerdict, j: Judged) -> str:
    """Return why a claim's verdict is not that of the answer, '' if they agree."""
    told = j.told and j.word != EQUAL
    small = j.word == EQUAL
    agree = {SUPPORTED: small if claim.expect == "equal" else told, REFUTED: told or small, UNDECIDED: not j.told}
    if agree[claim.verdict]:
        return ""
    margin = f"{100 * claim.margin:g} point{'s' * (claim.margin != 0.01)}"
    head = f"“{claim.spoken}” is {claim.verdict} here, but the answer below says “{j.word}”: "
    if claim.verdict == UNDECIDED:
        return f"{head}a claim is also compared with its margin of {margin}, the answer only with 0."
    level = f"{100 * (1 - j.level):.3g}%"
    return (
        f"{head}a claim is judged by itself, at 95% and with its margin of {margin}; the answer is corrected for "
        f"{j.family} comparisons, each at {level}."
    )


def verdicts_in_a_sentence(judged: Sequence[ClaimVerdict]) -> str:
    """Return the verdicts on the claims: `Supported: dropout narrows the gap`, or counts if there are many."""
    if len(judged) > NAMED:
        words = Counter(c.verdict for c in judged)
        counts = ", ".join(f"{words[word]} {word}" for word in TONES if words[word])
        return f"{len(judged)} claims: {counts}"
    return "; ".join(
        f"{c.verdict if i else c.verdict.capitalize()}: {c.spoken} ({c.sentence})" for i, c in enumerate(judged)
    )
