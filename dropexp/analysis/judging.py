"""Claims judged by rule: supported, refuted or undecided, from paired intervals over the seeds that the study lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from typing import Any

from dropexp.analysis.contrasts import Comparison, Pair, Unjudged, compared, sides
from dropexp.analysis.dose import best
from dropexp.analysis.number_format import signed
from dropexp.analysis.sampling import resampled, test_sampling
from dropexp.analysis.stats import LEVEL, NO_DIFFERENCE, Difference, contrast
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import FEWEST, ON_THIS_DATA, SAME, identical
from dropexp.experiment.claims import ALL, ALONG, Claim, Part
from dropexp.experiment.leaves import LISTS, MAPPINGS, shown
from dropexp.metrics import RUNS

SUPPORTED, REFUTED, UNDECIDED, WAITING = "supported", "refuted", "undecided", "waiting"
SMALL = "there, but smaller than counts"
TOST = 0.9  # two one-sided tests at 5% each (Schuirmann 1987)


@dataclass(frozen=True)
class ClaimVerdict:
    """A claim and what its runs say of it.

    `key` names the claim by what it says, in numbers. `estimate` is the difference as the claim puts it, compare
    minus against (of `increasing` and `decreasing` the rise along a straight line from the first value to the last),
    with its 95% interval over seeds. `local` is whether the verdict holds for this pool of examples and this test set
    only. `look` counts how often the claim was judged on a new set of seeds. A claim of several parts has no numbers
    of its own.
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
    local: bool = False
    look: int = 1
    parts: tuple[ClaimVerdict, ...] = ()


def judge(tidy: Tidy) -> tuple[ClaimVerdict, ...]:
    """Return one verdict per claim, in the order of the file.

    With [l, u] the 95% paired interval in the claimed direction, a claim is supported if l > 0 and u >= margin,
    refuted if u < margin, else undecided; `equal` is supported if the 90% interval lies within ±margin, refuted if the
    95% interval lies wholly outside. Fewer than three seeds, or none of one arm, decide nothing. A claim of several
    parts is supported if all are, refuted if one is; no correction is made for them.
    """
    return tuple(_looked(tidy, _claim(tidy, claim)) for claim in tidy.study.claims)


def _claim(tidy: Tidy, claim: Claim) -> ClaimVerdict:
    found = tuple(_part(tidy, claim.says, part) for part in claim.parts)
    if len(found) == 1:
        return found[0]
    words = [f.verdict for f in found]
    word = next((w for w in (WAITING, REFUTED) if w in words), SUPPORTED if set(words) == {SUPPORTED} else UNDECIDED)
    counts = ", ".join(f"{words.count(w)} {w}" for w in (SUPPORTED, REFUTED, UNDECIDED, WAITING) if w in words)
    local = word in (SUPPORTED, REFUTED) and any(f.local for f in found if f.verdict == word)
    sentence = f"{len(found)} parts: {counts}" + (f"; {ON_THIS_DATA}" if local else "")
    says, key = claim.says or " and ".join(f.says for f in found), " and ".join(f.key for f in found)
    return ClaimVerdict(says, key, word, sentence, seeds=found[0].seeds, local=local, parts=found)


def _part(tidy: Tidy, says: str, part: Part) -> ClaimVerdict:
    seeds = tidy.study.asked or tidy.study.seeds

    def found(verdict: str, sentence: str, notes: Sequence[str] = (), d: Difference = NO_DIFFERENCE,
              diverged: int = 0, local: bool = False) -> ClaimVerdict:  # fmt: skip
        key = f"{_says(part)}, margin {part.margin:g}"
        return ClaimVerdict(
            says or _says(part), key, verdict, sentence, tuple(notes), part.metric, part.expect, part.margin, d, seeds,
            diverged, local,
        )  # fmt: skip

    if unmade := sum(tidy.study.unmade_at(side) for side in sides(part)):
        return found(WAITING, f"{unmade:,} arm{'s' * (unmade != 1)} without a run")
    try:
        what = compared(tidy, part, seeds)
    except Unjudged as error:
        return found(UNDECIDED, f"not judged: {error}")
    if len(what.complete) < len(seeds):
        return found(WAITING, f"{len(what.complete)} of {len(seeds)} seeds")
    if part.expect == "interior_best":
        verdict, sentence, notes = _interior(what, part)
        again = _interior(what.with_chance(), part)[0]
        d = NO_DIFFERENCE
        local = verdict in (SUPPORTED, REFUTED)
    else:
        d, notes = what.difference(), []
        same = all(
            len(p.a.arms) == len(p.b.arms) == 1 and identical(tidy, p.a.arms[0], p.b.arms[0]) for p in what.pairs
        )
        verdict, why = (SUPPORTED if part.expect == "equal" else REFUTED, SAME) if same else _decide(what, part, d)
        other = what.with_chance()
        again = verdict if same else _decide(other, part, other.difference())[0]
        local = not same and verdict in (SUPPORTED, REFUTED) and not _survives(what, part, d, verdict)
        sentence = _sentence(part, d, why, len(what.pairs))
    if what.diverged:
        runs = f"{what.diverged} diverged run{'s' * (what.diverged != 1)}"
        notes = [*notes, f"{runs}: left out {verdict}, with chance in their place {again}"]
        verdict, local = (verdict, local) if again == verdict else (UNDECIDED, False)
    if local:
        sentence += f"; {ON_THIS_DATA}"
    return found(verdict, sentence, notes, d, what.diverged, local)


def _sign(part: Part) -> int:
    return -1 if part.expect in ("lower", "decreasing") else 1


def _decide(what: Comparison, part: Part, d: Difference) -> tuple[str, str]:
    """Return the verdict over seeds and, where the interval does not say why, the reason."""
    if d.why:
        return UNDECIDED, f"{d.why}, no interval"
    if d.n < FEWEST:
        return UNDECIDED, f"{d.n} seeds show an interval, {FEWEST} or more decide"
    verdict = ruled(part, (d.low, d.high), d.at(TOST))
    if verdict == SUPPORTED and (turned := _reversed(what, part)):
        return UNDECIDED if turned == "may be" else REFUTED, f"an adjacent pair {turned} reversed beyond the margin"
    low = min(_sign(part) * d.low, _sign(part) * d.high)
    small = verdict == REFUTED and part.expect in ("lower", "higher", "increasing", "decreasing") and low > 0
    return verdict, SMALL if small else ""


def ruled(part: Part, interval: tuple[float, float], narrow: tuple[float, float]) -> str:
    """Return what the rule says of an interval at 95%, and of one at 90%, which `equal` is supported by."""
    low, high = sorted(_sign(part) * end for end in interval)
    if part.expect == "equal":
        if max(map(abs, narrow)) < part.margin:
            return SUPPORTED
        return REFUTED if low > part.margin or high < -part.margin else UNDECIDED
    if part.expect == "interaction":
        if low > 0 or high < 0:
            return SUPPORTED if max(abs(low), abs(high)) >= part.margin else REFUTED
        return REFUTED if -part.margin < low and high < part.margin else UNDECIDED
    if low > 0 and high >= part.margin:
        return SUPPORTED
    return REFUTED if high < part.margin else UNDECIDED


def _reversed(what: Comparison, part: Part) -> str:
    """Return whether a step of an ordered claim goes the other way beyond the margin: `is`, `may be` or ''."""
    if part.expect not in ("increasing", "decreasing") or len(what.pairs) < 2:
        return ""
    found = ""
    for pair in what.steps:
        d = contrast([(-_sign(part), pair.a.values), (_sign(part), pair.b.values)])
        if d.mean > part.margin:
            sure = not d.why and d.low > 0
            found = "is" if sure else found or "may be"
    return found


def _survives(what: Comparison, part: Part, d: Difference, verdict: str) -> bool:
    """Return whether a verdict stands over other test examples, or over other splits of the pool."""
    facts = what.pairs[0].a.facts
    if isnan(facts.test):
        return False
    if _on_test(part.metric):
        half95 = sum(abs(p.weight) * _over_tests(p) for p in what.pairs)
        half90 = half95 * 1.645 / 1.96
        if ruled(part, (d.mean - half95, d.mean + half95), (d.mean - half90, d.mean + half90)) == verdict:
            return True
    if not facts.redrawn:
        return False
    wide, narrow = (resampled(d, facts.train, facts.test, level) for level in (LEVEL, TOST))
    return not isnan(wide[0]) and ruled(part, wide, narrow) == verdict


def _on_test(metric: str) -> bool:
    """Whether a metric counts test examples, so that other ones would move it as the binomial law says."""
    column = RUNS[metric]
    return column.metric.counts and (column.on == "test" or column.of is not None)


def _over_tests(pair: Pair) -> float:
    return test_sampling(1 - pair.a.accuracy, 1 - pair.b.accuracy, pair.a.facts.test)


def _interior(what: Comparison, part: Part) -> tuple[str, str, list[str]]:
    """Judge whether the set of best values excludes both ends of the axis."""
    samples = [s.values for s in what.along]
    n = min(map(len, samples))
    kept = best(samples, higher=RUNS[part.metric].metric.higher)
    names = [shown(what.axis, what.positions[i]) for i in kept]
    sentence = f"best {what.axis} by {part.metric.replace('_', ' ')}: {{{', '.join(names)}}}, n = {n}"
    if n < FEWEST:
        return UNDECIDED, f"{sentence}; {FEWEST} or more seeds decide", []
    ends = {0, len(samples) - 1}
    verdict = SUPPORTED if not ends & set(kept) else REFUTED if set(kept) <= ends else UNDECIDED
    return verdict, f"{sentence}; the set that no other value beats (paired, one-sided, 5% together)", []


def _sentence(part: Part, d: Difference, why: str, pairs: int) -> str:
    """Return the numbers in words: `gap -0.8 points [-1.2, -0.4] over seeds, n = 10, margin 0.5`."""
    measured = RUNS[part.metric].metric

    def number(x: float) -> str:
        return signed(x) if measured.fraction else f"{x:+.3f}"

    unit = " points" if measured.fraction else f" {measured.unit}".rstrip()
    interval = f" [{number(d.low)}, {number(d.high)}]" if not d.why else ""
    margin = f"{100 * part.margin:g}" if measured.fraction else f"{part.margin:g}{unit}"
    mean = f", mean over {pairs} places" if pairs > 1 and part.expect not in (*ALONG, "interaction") else ""
    what = {"interaction": "interaction in ", "increasing": "rise in ", "decreasing": "rise in "}.get(part.expect, "")
    metric = part.metric.replace("_", " ")
    if part.expect == "equal" and not d.why:
        interval += " (90%: [{}, {}])".format(*map(number, d.at(TOST)))
    text = f"{what}{metric} {number(d.mean)}{unit}{interval}, n = {d.n}{mean}, margin {margin}"
    if why == SAME:
        return f"{metric}: {SAME}, bit by bit"
    return f"{text}; {why}" if why else text


def _says(part: Part) -> str:
    """Return a claim without words of its own as a sentence."""

    def arms(side: dict[str, Any]) -> str:
        return ", ".join(f"{path} {value if value == ALL else _values(path, value)}" for path, value in side.items())

    tuned = f", tuned over {' and '.join(part.tuned_over)}" if part.tuned_over else ""
    metric = part.metric.replace("_", " ")
    if part.expect in ALONG:
        shape = "has its best value inside" if part.expect == "interior_best" else f"is {part.expect}"
        return f"{metric} {shape} along {arms(part.compare)}{tuned}"
    joint = {"lower": "is lower than at", "higher": "is higher than at", "equal": "equals that at"}
    return f"{metric} at {arms(part.compare)} {joint.get(part.expect, 'interacts with')} {arms(part.against)}{tuned}"


def _values(path: str, value: Any) -> str:
    several = isinstance(value, tuple) and path not in LISTS and path not in MAPPINGS
    return " ".join(shown(path, v) for v in value) if several else shown(path, value)


def _looked(tidy: Tidy, verdict: ClaimVerdict) -> ClaimVerdict:
    """Mark a verdict on seeds that were added after an earlier one."""
    now = " ".join(map(str, verdict.seeds))
    others = [r for r in tidy.judged if r["claim"] == verdict.key and r["part"] == "0" and r["seeds"] != now]
    others = [r for r in others if r["verdict"] != WAITING]
    said, look = tidy.history, len({r["seeds"] for r in others}) + 1
    look = said.looks(verdict.seeds) if said.known else look  # by seeds alone: another margin does not begin anew
    if verdict.verdict == WAITING or look == 1:
        return verdict
    before = f"with {len(others[0]['seeds'].split())} seeds it was {others[0]['verdict']}; " if others else ""
    note = f"look {look}: {before}looking again makes errors likelier than 5%"
    return replace(verdict, look=look, notes=(*verdict.notes, note))
