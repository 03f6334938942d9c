"""Claims in words: what each says, what would support and what would refute it, and the numbers behind a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dropexp.analysis.number_format import signed
from dropexp.experiment.claims import ALL, ALONG, ORDERED, Claim, Part
from dropexp.experiment.leaves import LISTS, MAPPINGS, shown
from dropexp.metrics import RUNS

if TYPE_CHECKING:
    from dropexp.analysis.stats import Difference

JOINT = {"lower": "is lower than at", "higher": "is higher than at", "equal": "equals that at"}


def says(part: Part) -> str:
    """Return a claim without words of its own as a sentence."""

    def arms(side: dict[str, Any]) -> str:
        return ", ".join(f"{path} {value if value == ALL else _values(path, value)}" for path, value in side.items())

    tuned = f", tuned over {' and '.join(part.tuned_over)}" if part.tuned_over else ""
    metric = part.metric.replace("_", " ")
    if part.expect in ALONG:
        shape = "has its best value inside" if part.expect == "interior_best" else f"is {part.expect}"
        return f"{metric} {shape} along {arms(part.compare)}{tuned}"
    joint = JOINT | {
        "at_least": f"is at least {margin(part)} above that at",
        "lower_at_least": f"is at least {margin(part)} below that at",
    }
    return f"{metric} at {arms(part.compare)} {joint.get(part.expect, 'interacts with')} {arms(part.against)}{tuned}"


def _values(path: str, value: Any) -> str:
    several = isinstance(value, tuple) and path not in LISTS and path not in MAPPINGS
    return " ".join(shown(path, v) for v in value) if several else shown(path, value)


def margin(part: Part) -> str:
    """Return a margin with its unit: `0.5 points`, `0.01 nats`."""
    measured = RUNS[part.metric].metric
    number, unit = (100 * part.margin, "points") if measured.fraction else (part.margin, measured.unit)
    return f"{number:g} {unit}".rstrip()


def criteria(part: Part, parts: int = 1) -> tuple[str, str]:
    """Return what would support a part of a claim, and what would refute it, as `check` prints them.

    `parts` is how many parts the claim has, for which it is corrected where one is to refute it.
    """
    m, far = margin(part), f"{100 * (1 - 0.05 / parts):g}%"
    what = "rise" if part.expect in ORDERED else "interaction" if part.expect == "interaction" else "difference"
    way = "fall" if part.expect == "decreasing" else what
    side = {"lower": "below", "lower_at_least": "below"}.get(part.expect, "above")
    if part.expect == "equal":
        return (
            f"the 90% interval of the difference lies within ±{m}",
            f"its {far} interval lies wholly outside ±{m}",
        )
    if part.expect == "interaction":
        return (
            f"the 95% interval of the interaction excludes 0 and reaches beyond ±{m}, and its 90% interval does not lie "
            f"within ±{m}",
            f"its {far} interval lies within ±{m}",
        )
    if part.expect == "interior_best":
        return (
            "at either end of the axis some value between is better, at 5% corrected for the number of values between",
            f"at one end the {far} interval of what each value between has over it stays below {m}",
        )
    if part.expect in ORDERED:
        other = "rise" if part.expect == "decreasing" else "fall"
        return (
            f"the 95% interval of the {way} from the first value to the last is above 0 and reaches {m}, its 90% interval "
            f"does not lie within ±{m}, and between no two values a {other} of {m} or more is possible (95%)",
            f"the {far} interval of the {way} stays below {m}, or between two values there is a {other} beyond doubt "
            f"({100 * 0.05 / parts:g}%, corrected for all pairs)",
        )
    if part.expect in ("at_least", "lower_at_least"):
        return (
            f"the whole 95% interval of the difference is more than {m} {side} 0",
            f"its {far} interval stays nearer to 0 than {m}, or on the other side",
        )
    return (
        f"the 95% interval of the difference is {side} 0 and reaches {m} {side} it, and its 90% interval does not lie "
        f"within ±{m}",
        f"its {far} interval does not reach {m} {side} 0",
    )


def promised(claim: Claim) -> list[dict[str, str]]:
    """Return for each part of a claim what it says, with what would support and refute it, as plain data."""
    found = []
    for part in claim.parts:
        supports, refutes = criteria(part, len(claim.parts))
        found.append({"says": says(part), "supported_if": supports, "refuted_if": refutes})
    return found


def interval(part: Part, d: Difference) -> str:
    """Return a mean with its 95% interval, without a unit: `-0.8 [-1.2, -0.4]`."""

    def number(x: float) -> str:
        return signed(x) if RUNS[part.metric].metric.fraction else f"{x:+.3f}"

    return f"{number(d.mean)} [{number(d.low)}, {number(d.high)}]"


def sentence(part: Part, d: Difference, places: int) -> str:
    """Return the numbers in words: `gap -0.8 points [-1.2, -0.4], n = 10, margin 0.5`."""
    measured = RUNS[part.metric].metric

    def number(x: float) -> str:
        return signed(x) if measured.fraction else f"{x:+.3f}"

    unit = " points" if measured.fraction else f" {measured.unit}".rstrip()
    between = "" if d.why else f" [{number(d.low)}, {number(d.high)}]"
    if part.expect == "equal" and not d.why:
        between += " (90%: [{}, {}])".format(*map(number, d.at(0.9)))
    mean = f", mean over {places} places" if places > 1 else ""
    what = {"interaction": "interaction in ", "increasing": "rise in ", "decreasing": "rise in "}.get(part.expect, "")
    least = f"{100 * part.margin:g}" if measured.fraction else margin(part)
    return f"{what}{part.metric.replace('_', ' ')} {number(d.mean)}{unit}{between}, n = {d.n}{mean}, margin {least}"
