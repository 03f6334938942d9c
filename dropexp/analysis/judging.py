"""Claims judged by rule: supported, refuted or undecided, from paired intervals over the seeds that the study lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan, nan

from dropexp.analysis.claim_words import interval, number, says, sentence
from dropexp.analysis.contrasts import Comparison, Unjudged, compared, sides
from dropexp.analysis.dose import best
from dropexp.analysis.inference import SEEDS, UNREACHED
from dropexp.analysis.rules import REFUTED, SMALL, SUPPORTED, UNDECIDED, ruled
from dropexp.analysis.stats import ALPHA, LEVEL, NO_DIFFERENCE, Difference
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import FEWEST, SAME
from dropexp.experiment.claims import Claim, Part
from dropexp.experiment.leaves import shown
from dropexp.metrics import RUNS

__all__ = ["REFUTED", "SMALL", "SUPPORTED", "UNDECIDED", "WAITING", "ClaimVerdict", "judge"]

WAITING = "waiting"
HIDDEN = "the mean hides a reversal"
ON_TEST = ("test_accuracy", "gap", "clean_gap")  # what the kept answers to each test example are of
ON_TRAINING = ("train", "clean_train")  # sets of examples beside which there is no test example


@dataclass(frozen=True)
class ClaimVerdict:
    """A claim and what its runs say of it.

    `key` names the claim by what it says, in numbers. `estimate` is the difference as the claim puts it, compare
    minus against (of `increasing` and `decreasing` the rise along a straight line from the first value to the last),
    with its 95% interval over seeds. `reach` is how far a verdict goes beyond the test examples: '' where it stands
    over new ones, `for these test examples` where it does not, `reach unknown` where it cannot be told. `reversal` is
    whether the mean over places hides two that contradict each other. `why` is what a reader should know beside the
    interval. `look` counts how often the claim was judged on a new set of seeds. A claim of several parts has no
    numbers of its own.
    """

    says: str
    key: str
    verdict: str
    sentence: str
    notes: tuple[str, ...] = ()
    metric: str = ""
    expect: str = ""
    margin: float = nan
    estimate: Difference = NO_DIFFERENCE
    seeds: tuple[int, ...] = ()
    diverged: int = 0
    reach: str = ""
    reversal: bool = False
    why: str = ""
    look: int = 1
    parts: tuple[ClaimVerdict, ...] = ()


def judge(tidy: Tidy) -> tuple[ClaimVerdict, ...]:
    """Return one verdict per claim, in the order of the file; the rules stand in `rules.py`.

    Fewer than three seeds, or none of one arm, decide nothing, nor does a diverged run, where leaving it out and
    counting it as chance come to different verdicts. A claim of several parts is supported if all are, and refuted if
    one is, each being refuted at 5% over their number. Tables, figures and pages ask for the verdicts of one study many
    times; they are found once.
    """
    if "claims" not in tidy.kept:
        tidy.kept["claims"] = tuple(_looked(tidy, _claim(tidy, claim)) for claim in tidy.study.claims)
    found: tuple[ClaimVerdict, ...] = tidy.kept["claims"]
    return found


def _claim(tidy: Tidy, claim: Claim) -> ClaimVerdict:
    found = tuple(_part(tidy, claim.says, part, len(claim.parts)) for part in claim.parts)
    if len(found) == 1:
        return found[0]
    words = [f.verdict for f in found]
    word = next((w for w in (WAITING, REFUTED) if w in words), SUPPORTED if set(words) == {SUPPORTED} else UNDECIDED)
    counts = ", ".join(f"{words.count(w)} {w}" for w in (SUPPORTED, REFUTED, UNDECIDED, WAITING) if w in words)
    reach = _together([f.reach for f in found if f.verdict == word], word)
    said = f"{len(found)} parts: {counts}" + (f"; {reach}" if reach else "")
    whole, key = claim.says or " and ".join(f.says for f in found), " and ".join(f.key for f in found)
    reversal = any(f.reversal for f in found)
    return ClaimVerdict(whole, key, word, said, seeds=found[0].seeds, reach=reach, reversal=reversal, parts=found)


def _together(reaches: Sequence[str], word: str) -> str:
    """Return the reach of a conjunction: the nearest of all parts that support it, the farthest of those that refute it."""
    if word not in (SUPPORTED, REFUTED):
        return ""
    order = ["", UNREACHED, SEEDS]
    return (max if word == SUPPORTED else min)(reaches, key=order.index)


def _part(tidy: Tidy, words: str, part: Part, parts: int) -> ClaimVerdict:
    seeds = tidy.study.asked or tidy.study.seeds
    key = f"{says(part)}, margin {part.margin:g}"
    blank = ClaimVerdict(
        words or says(part), key, UNDECIDED, "", (), part.metric, part.expect, part.margin, seeds=seeds
    )
    if unmade := sum(tidy.study.unmade_at(side) for side in sides(part)):
        return replace(blank, verdict=WAITING, sentence=f"{unmade:,} arm{'s' * (unmade != 1)} without a run")
    try:
        what = compared(tidy, part, seeds)
    except Unjudged as error:
        return replace(blank, sentence=f"not judged: {error}")
    if len(what.complete) < len(seeds):
        return replace(blank, verdict=WAITING, sentence=f"{len(what.complete)} of {len(seeds)} seeds")
    alpha, interior = ALPHA / parts, part.expect == "interior_best"
    verdict, why = _decided(what, part, alpha)
    notes, d = [], what.difference()
    if what.diverged:
        other = _decided(what.with_chance(), part, alpha)[0]
        runs = f"{what.diverged} diverged run{'s' * (what.diverged != 1)}"
        notes.append(f"{runs}: left out {verdict}, with chance in their place {other}")
        verdict = verdict if other == verdict else UNDECIDED
    reversal = "" if interior else _reversal(what, part)
    if reversal:
        notes.append(reversal)
    reach = _reach(what, part, verdict, alpha)
    said = _best(what, part) if interior else sentence(part, d, len(what.places))
    if not interior and what.same:
        said = f"{part.metric.replace('_', ' ')}: {SAME}, bit by bit"
    said = "; ".join(filter(None, [said, why, HIDDEN if reversal else "", reach]))
    return replace(
        blank, verdict=verdict, sentence=said, notes=tuple(notes), estimate=NO_DIFFERENCE if interior else d,
        diverged=what.diverged, reach=reach, reversal=bool(reversal), why=why,
    )  # fmt: skip


def _decided(what: Comparison, part: Part, alpha: float) -> tuple[str, str]:
    """Return the verdict over seeds and, where the interval does not say why, the reason."""
    if part.expect == "interior_best":
        n = min(len(s.values) for s in what.samples)
        if n < FEWEST:
            return UNDECIDED, f"{FEWEST} or more seeds decide"
    elif what.same:
        return (SUPPORTED if part.expect == "equal" else REFUTED), ""
    else:
        d = what.difference()
        if d.why or isnan(d.low):
            return UNDECIDED, f"{d.why or 'no finite spread'}, no interval"
        if d.n < FEWEST:
            return UNDECIDED, f"{d.n} seeds show an interval, {FEWEST} or more decide"
    return ruled(part.expect, part.margin, what.evidence(RUNS[part.metric].metric.higher), alpha)


def _reach(what: Comparison, part: Part, verdict: str, alpha: float) -> str:
    """Return how far a verdict goes: whether the rule says the same of intervals over new test examples too."""
    if verdict not in (SUPPORTED, REFUTED) or RUNS[part.metric].on in ON_TRAINING or what.same:
        return ""
    if part.metric not in ON_TEST or not what.answered:
        return UNREACHED
    wide = what.evidence(RUNS[part.metric].metric.higher, examples=True)
    return "" if ruled(part.expect, part.margin, wide, alpha)[0] == verdict else SEEDS


def _reversal(what: Comparison, part: Part) -> str:
    """Return two places whose intervals, which hold together with 95% (Bonferroni), lie on either side of 0."""
    if len(what.places) < 2:
        return ""
    found = []
    for place in what.places:
        d = what.difference(place=place)
        low, high = d.at(1 - (1 - LEVEL) / len(what.places))
        if d.n >= FEWEST and not isnan(low):
            found.append((place.name, d.within(low, high)))
    above, below = [f for f in found if f[1].low > 0], [f for f in found if f[1].high < 0]
    if not above or not below:
        return ""
    most, least = max(above, key=lambda f: f[1].mean), min(below, key=lambda f: f[1].mean)
    told = ", ".join(f"{number(part, d.mean)} {interval(part, (d.low, d.high))} at {name}" for name, d in (most, least))
    return f"reversal: {told}, 95% together over {len(what.places)} places"


def _best(what: Comparison, part: Part) -> str:
    """Return the values of an axis that are not ruled out as the best."""
    k = len(what.positions)
    columns = [what.difference(tuple(float(i == j) for j in range(k))) for i in range(k)]
    samples = [d.sample for d in columns if d.sample is not None]
    kept = best(samples, higher=RUNS[part.metric].metric.higher)
    names = [shown(what.axis, what.positions[i]) for i in kept]
    metric, n = part.metric.replace("_", " "), min(d.n for d in columns)
    return f"not ruled out as the best {what.axis} by {metric}: {{{', '.join(names)}}}, n = {n}"


def _looked(tidy: Tidy, verdict: ClaimVerdict) -> ClaimVerdict:
    """Mark a verdict on seeds that were added after an earlier one."""
    now = " ".join(map(str, verdict.seeds))
    others = [r for r in tidy.judged if r["claim"] == verdict.key and r["part"] == "0" and r["seeds"] != now]
    others = [r for r in others if r["verdict"] != WAITING]
    if verdict.verdict == WAITING or not others:
        return verdict
    look, before = len({r["seeds"] for r in others}) + 1, len(others[0]["seeds"].split())
    note = (
        f"look {look}: with {before} seeds it was {others[0]['verdict']}; looking again makes errors likelier than 5%"
    )
    return replace(verdict, look=look, notes=(*verdict.notes, note))
