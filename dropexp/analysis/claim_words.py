"""Claims in words: what each says, what would support or refute it, and the numbers behind a verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dropexp.analysis.number_format import signed
from dropexp.experiment.claims import ALL, ALONG, DOWNWARD, ORDERED, Claim, Part
from dropexp.experiment.leaves import LISTS, MAPPINGS, folded, shown
from dropexp.experiment.levels import ALPHA
from dropexp.experiment.naming import called
from dropexp.metrics import RUNS

if TYPE_CHECKING:
    from dropexp.analysis.stats import Difference

JOINT = {"lower": "is lower than at", "higher": "is higher than at", "equal": "equals that at"}


def says(
    part: Part, word: Callable[[str], str] = str, spelt: Callable[[str, Any], str] = shown, along: bool = False
) -> str:
    """Return a claim without a text of its own as a sentence, which identifies it in claims.csv: axes by their paths.

    `word` names axes, `spelt` writes values; `along` leaves out that all values are meant.
    """

    def arms(side: dict[str, Any]) -> str:
        whole = "" if along else f" {ALL}"
        return ", ".join(
            word(path) + (whole if value == ALL else f" {_values(path, value, spelt)}") for path, value in side.items()
        )

    tuned = f", tuned over {' and '.join(map(word, part.tuned_over))}" if part.tuned_over else ""
    metric = part.metric.replace("_", " ")
    if part.expect in ALONG:
        shape = "has its best value inside" if part.expect == "interior_best" else f"is {part.expect}"
        return f"{metric} {shape} along {arms(part.compare)}{tuned}"
    joint = JOINT | {
        "at_least": f"is at least {margin(part)} above that at",
        "lower_at_least": f"is at least {margin(part)} below that at",
    }
    return f"{metric} at {arms(part.compare)} {joint.get(part.expect, 'interacts with')} {arms(part.against)}{tuned}"


def spoken(part: Part) -> str:
    """Return a claim without a text of its own as people read it: `gap at rate 0.5 is lower than at rate 0`."""
    return says(part, called, folded, along=True).replace(" 1 points ", " 1 point ")


def _values(path: str, value: Any, spelt: Callable[[str, Any], str]) -> str:
    several = isinstance(value, tuple) and path not in LISTS and path not in MAPPINGS
    return " ".join(spelt(path, v) for v in value) if several else spelt(path, value)


def margin(part: Part) -> str:
    """Return a margin with its unit: `0.5 points`, `0.01 nats`."""
    measured = RUNS[part.metric].metric
    number, unit = (100 * part.margin, "points") if measured.fraction else (part.margin, measured.unit)
    return f"{number:g} {unit}".rstrip()


def criteria(part: Part, parts: int = 1) -> tuple[str, str]:
    """Return what would support a part of a claim, and what would refute it, as `check` prints them.

    `parts` is how many parts the claim has: a refutation is corrected for their number, as one part can refute the claim.
    """
    m, far = margin(part), f"{100 * (1 - ALPHA / parts):g}%"
    if part.expect == "equal":
        return (
            f"the 90% interval of the difference is within ±{m}",
            f"its {far} interval is entirely outside ±{m}",
        )
    apart = f"its 90% interval is not within ±{m}"
    if part.expect == "interaction":
        return (
            f"the 95% interval of the interaction excludes 0 and reaches ±{m}, and {apart}",
            f"its {far} interval is within ±{m}",
        )
    if part.expect == "interior_best":
        return (
            "a value in between is better than the first and one is better than the last, each in a one-sided test at 5% "
            "divided by the number of values in between",
            f"no value in between can be better than the first by {m}, or none can be better than the last: the {far} "
            f"interval of each ends below {m}",
        )
    down = part.expect in DOWNWARD
    side, other, least = ("below", "above", f"-{m}") if down else ("above", "below", f"+{m}")
    refuted = f"its {far} interval ends {other} {least}"
    if part.expect in ("at_least", "lower_at_least"):
        return f"the 95% interval of the difference is {side} {least}", refuted
    if part.expect in ORDERED:
        turned = "higher" if down else "lower"
        return (
            f"the 95% interval of the rise from the first value to the last is {side} 0 and reaches {least}, {apart}, and "
            f"no value can be {turned} than an earlier one by {m} (95%)",
            f"{refuted}, or a value is {turned} than an earlier one ({100 * ALPHA / parts:g}%, corrected for all pairs)",
        )
    return f"the 95% interval of the difference is {side} 0 and reaches {least}, and {apart}", refuted


def promised(claim: Claim) -> list[dict[str, str]]:
    """Return for each part of a claim what it says, with what would support and refute it, as plain data."""
    found = []
    for part in claim.parts:
        supports, refutes = criteria(part, len(claim.parts))
        found.append({"says": spoken(part), "supported_if": supports, "refuted_if": refutes})
    return found


def number(part: Part, x: float) -> str:
    """Return a difference as people read it, without a unit."""
    return signed(x) if RUNS[part.metric].metric.fraction else f"{x:+.3f}"


def interval(part: Part, ends: tuple[float, float]) -> str:
    """Return an interval without a unit: `[-1.2, -0.4]`."""
    return "[{}, {}]".format(*(number(part, x) for x in ends))


def sentence(part: Part, d: Difference, places: int, errors: float = 1.0) -> str:
    """Return the numbers in words: `gap -0.8 points [-1.2, -0.4], n = 10, margin 0.5`.

    `errors` is the share of its error that each interval keeps, below 1 in a study that grows.
    """
    measured = RUNS[part.metric].metric
    unit = " points" if measured.fraction else f" {measured.unit}".rstrip()
    between = "" if d.why else f" {interval(part, (d.low, d.high))}"
    if part.expect == "equal" and not d.why:
        between += f" (90%: {interval(part, d.at(1 - 0.1 * errors))})"
    mean = f", mean over {places} places" if places > 1 else ""
    what = "interaction in " if part.expect == "interaction" else "rise in " if part.expect in ORDERED else ""
    least = f"{100 * part.margin:g}" if measured.fraction else margin(part)
    metric = part.metric.replace("_", " ")
    return f"{what}{metric} {number(part, d.mean)}{unit}{between}, n = {d.n}{mean}, margin {least}"
