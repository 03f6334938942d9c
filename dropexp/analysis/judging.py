"""Claims judged by rule: supported, refuted or undecided, from paired intervals over the seeds that the study lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan, nan

from dropexp.analysis.best import best
from dropexp.analysis.claim_words import interval, number, says, sentence, spoken
from dropexp.analysis.contrasts import Comparison, Unjudged, compared, sides
from dropexp.analysis.family import level_of_one
from dropexp.analysis.inference import SAME, SEEDS, UNREACHED, looks
from dropexp.analysis.rules import REFUTED, SMALL, SUPPORTED, UNDECIDED, ruled
from dropexp.analysis.stats import NO_DIFFERENCE, Difference
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.claims import Claim, Part
from dropexp.experiment.leaves import shown
from dropexp.experiment.levels import ALPHA, FEWEST, LEVEL
from dropexp.metrics import RUNS

__all__ = ["REFUTED", "SMALL", "SUPPORTED", "UNDECIDED", "WAITING", "ClaimVerdict", "judge"]

WAITING = "waiting"
HIDDEN = "the mean hides a reversal"
ON_TEST = ("test_accuracy", "gap", "clean_gap")  # what the kept answers to each test example are of
ON_TRAINING = ("train", "clean_train")  # sets of examples beside which there is no test example


@dataclass(frozen=True)
class ClaimVerdict:
    """A claim and what its runs say of it.

    `key` names the claim by what it says, in numbers; `says` is its text in claims.csv, `words` the text for readers if
    that differs. `estimate` is the difference that the claim is about, compare minus against (for `increasing` and
    `decreasing` the rise along a straight line from the first value to the last), with its 95% interval over seeds.
    `reach` is how far a verdict goes beyond the test examples: '' if it holds for new ones, `for these test examples` if
    it does not, `reach unknown` if that cannot be told. `reversal` is whether the mean over places hides two that
    contradict each other. `why` is what a reader should know besides the interval. `look` counts how often the claim was
    judged on a new set of seeds; `after` is whether it got its present form, margins included, when results that it is
    about were stored. `errors` is the share of its error that an interval keeps, below 1 in a study that grows. A claim of
    several parts has no numbers of its own.
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
    after: bool = False
    errors: float = 1.0
    parts: tuple[ClaimVerdict, ...] = ()
    words: str = ""

    @property
    def spoken(self) -> str:
        """The text for readers: for a part, what that part says by itself."""
        return self.words or self.says


def judge(tidy: Tidy) -> tuple[ClaimVerdict, ...]:
    """Return one verdict per claim, in the order of the file; the rules are in `rules.py`.

    A claim is undecided with fewer than three seeds, with no seed of one arm, and if leaving a diverged run out and
    counting it as chance lead to different verdicts. A claim of several parts is supported if all parts are, and refuted
    if one part is, each at 5% divided by their number. Verdicts are computed once per study.
    """
    if "claims" not in tidy.kept:
        tidy.kept["claims"] = tuple(
            _dated(tidy, claim, _looked(tidy, _claim(tidy, claim))) for claim in tidy.study.claims
        )
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
    aloud = claim.says or " and ".join(f.spoken for f in found)
    reversal = any(f.reversal for f in found)
    return ClaimVerdict(
        whole, key, word, said, seeds=found[0].seeds, reach=reach, reversal=reversal, parts=found, words=aloud
    )


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
        words or says(part),
        key,
        UNDECIDED,
        "",
        (),
        part.metric,
        part.expect,
        part.margin,
        seeds=seeds,
        words=spoken(part) if parts > 1 else words or spoken(part),
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
    errors = level_of_one(looks(tidy)) / ALPHA if tidy.study.grow else 1.0
    verdict, why = _decided(what, part, alpha, errors)
    notes, d = [], what.difference()
    if tidy.study.grow and not interior and not d.why:
        d = d.within(*d.at(1 - ALPHA * errors))
        notes.append(
            f"the interval holds whenever the study stops, from {tidy.study.grow.start} to {tidy.study.grow.grow_to} seeds"
        )
    if what.diverged:
        other = _decided(what.with_chance(), part, alpha, errors)[0]
        runs = f"{what.diverged} diverged run{'s' * (what.diverged != 1)}"
        notes.append(f"{runs}: {verdict} if left out, {other} if counted as chance")
        verdict = verdict if other == verdict else UNDECIDED
    reversal = "" if interior else _reversal(what, part, errors)
    if reversal:
        notes.append(reversal)
    reach = _reach(what, part, verdict, alpha, errors)
    said = _best(what, part, len(looks(tidy))) if interior else sentence(part, d, len(what.places), errors)
    if not interior and what.same:
        said = f"{part.metric.replace('_', ' ')}: {SAME}, bit by bit"
    said = "; ".join(filter(None, [said, why, HIDDEN if reversal else "", reach]))
    return replace(
        blank, verdict=verdict, sentence=said, notes=tuple(notes), estimate=NO_DIFFERENCE if interior else d,
        diverged=what.diverged, reach=reach, reversal=bool(reversal), why=why, errors=errors,
    )  # fmt: skip


def _decided(what: Comparison, part: Part, alpha: float, errors: float) -> tuple[str, str]:
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
    return ruled(part.expect, part.margin, what.evidence(RUNS[part.metric].metric.higher, errors=errors), alpha)


def _reach(what: Comparison, part: Part, verdict: str, alpha: float, errors: float) -> str:
    """Return how far a verdict reaches: whether the rule says the same for intervals over new test examples too."""
    if verdict not in (SUPPORTED, REFUTED) or RUNS[part.metric].on in ON_TRAINING or what.same:
        return ""
    if part.metric not in ON_TEST or not what.answered:
        return UNREACHED
    wide = what.evidence(RUNS[part.metric].metric.higher, True, errors)
    return "" if ruled(part.expect, part.margin, wide, alpha)[0] == verdict else SEEDS


def _reversal(what: Comparison, part: Part, errors: float) -> str:
    """Return two places whose intervals, which hold together with 95% (Bonferroni), lie on either side of 0."""
    if len(what.places) < 2:
        return ""
    found = []
    for place in what.places:
        d = what.difference(place=place)
        low, high = d.at(1 - errors * (1 - LEVEL) / len(what.places))
        if d.n >= FEWEST and not isnan(low):
            found.append((place.name, d.within(low, high)))
    above, below = [f for f in found if f[1].low > 0], [f for f in found if f[1].high < 0]
    if not above or not below:
        return ""
    most, least = max(above, key=lambda f: f[1].mean), min(below, key=lambda f: f[1].mean)
    told = ", ".join(f"{number(part, d.mean)} {interval(part, (d.low, d.high))} at {name}" for name, d in (most, least))
    return f"reversal: {told}, 95% together over {len(what.places)} places"


def _best(what: Comparison, part: Part, times: int) -> str:
    """Return the values of an axis that are not ruled out as the best."""
    k = len(what.positions)
    columns = [what.difference(tuple(float(i == j) for j in range(k))) for i in range(k)]
    samples = [d.sample for d in columns if d.sample is not None]
    kept = best(samples, higher=RUNS[part.metric].metric.higher, looks=max(1, times))
    names = [shown(what.axis, what.positions[i]) for i in kept]
    metric, n = part.metric.replace("_", " "), min(d.n for d in columns)
    return f"not ruled out as the best {what.axis} by {metric}: {{{', '.join(names)}}}, n = {n}"


def _dated(tidy: Tidy, claim: Claim, verdict: ClaimVerdict) -> ClaimVerdict:
    """Mark a claim that got its present form when results that it is about were stored."""
    if not tidy.history.claim_after(claim):
        return verdict
    note = "after the fact: the claim was made or changed when results that it is about were already stored"
    return replace(verdict, after=True, sentence=f"{verdict.sentence}; after the fact", notes=(*verdict.notes, note))


def _looked(tidy: Tidy, verdict: ClaimVerdict) -> ClaimVerdict:
    """Mark a verdict on seeds that were added after an earlier one."""
    now = " ".join(map(str, verdict.seeds))
    others = [r for r in tidy.judged if r["claim"] == verdict.key and r["part"] == "0" and r["seeds"] != now]
    others = [r for r in others if r["verdict"] != WAITING]
    said, look = tidy.history, len({r["seeds"] for r in others}) + 1
    look = said.looks(verdict.seeds) if said.known else look  # by seeds alone: another margin does not begin anew
    if verdict.verdict == WAITING or look == 1:
        return verdict
    before = f"with {len(others[-1]['seeds'].split())} seeds it was {others[-1]['verdict']}; " if others else ""
    note = f"look {look}: {before}each further look raises the error rate above 5%"
    return replace(verdict, look=look, notes=(*verdict.notes, note))
