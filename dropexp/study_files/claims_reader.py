"""The claims of a study file: each read, checked and typed, every mistake with its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from pydantic import ValidationError

from dropexp.experiment.claims import ALL, ALONG, Claim, Part
from dropexp.experiment.leaves import LISTS, roles, shown
from dropexp.experiment.vocabulary import near
from dropexp.metrics import RUNS
from dropexp.quoting import spelt
from dropexp.study_files.margins import too_wide
from dropexp.study_files.mistakes import sentences
from dropexp.study_files.path_values import no_path


class Blame(Protocol):
    """Notes a mistake at a path of the file, or, with `option`, at an option of the command line."""

    def __call__(self, loc: Sequence[str | int], text: str, key: bool = False, option: str | None = None) -> None: ...


Typed = Callable[[str, Any], Any]  # a path and a value as written -> as a configuration holds it, or raises ValueError
Loc = tuple[str | int, ...]


def claims_of(content: dict[str, Any], blame: Blame, typed: Typed) -> tuple[Claim, ...]:
    """Return the claims, each checked, the values that they name as configurations hold them."""
    raw = content.get("claims") or []
    if not isinstance(raw, list):
        blame(("claims",), "claims: write a list of claims, each with metric, compare, against and expect")
        return ()
    found = []
    for i, item in enumerate(raw):
        try:
            claim = Claim.model_validate(item)
        except ValidationError as error:
            for loc, text in sentences(error, Claim, ("claims", i), item):
                blame(loc, text, key="unknown key" in text)
            continue
        if claim.all and claim.model_fields_set - {"says", "all"}:
            other = sorted(claim.model_fields_set - {"says", "all"})[0]
            blame(("claims", i, other), f"claims[{i}].{other}: a claim with 'all' has this in each of its parts")
        changes: dict[str, Any] = {}
        if claim.all:
            parts = [_part(part, ("claims", i, "all", k), blame, typed) for k, part in enumerate(claim.all)]
            changes["all"] = tuple(parts)
        else:
            part = _part(claim, ("claims", i), blame, typed)
            changes |= {"compare": part.compare, "against": part.against}
        found.append(claim.model_copy(update=changes))
    return tuple(found)


def _part(part: Part, loc: Loc, blame: Blame, typed: Typed) -> Part:
    name = "claims" + "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in loc[1:])

    def say(key: str, text: str, *inner: str, at_key: bool = False) -> None:
        blame((*loc, key, *inner), f"{name}.{key}: {text}", key=at_key)

    if part.metric not in RUNS:
        guess = near(part.metric, RUNS)
        hint = f"; did you mean {guess!r}?" if guess else f"; they are {', '.join(RUNS)}"
        say("metric", f"{spelt(part.metric)} is not a metric of runs.csv{hint}")
    if why := too_wide(part.metric, part.margin):
        say("margin", why)
    for path in part.tuned_over:
        if path not in roles():
            say("tuned_over", no_path(path))
        elif path in part.compare or path in part.against:
            say("tuned_over", f"{path} is compared and cannot be tuned over; name another axis, such as training.lr")
    sides = {side: _typed(part, side, say, typed) for side in ("compare", "against")}
    _shape(part, sides, say)
    return part.model_copy(update=sides)


def _typed(part: Part, side: str, say: Callable[..., None], typed: Typed) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, value in getattr(part, side).items():
        if path not in roles():
            say(side, no_path(path), path, at_key=True)
            continue
        several = part.expect in ALONG and isinstance(value, list | tuple) and path not in LISTS
        try:
            if part.expect in ALONG and value == ALL:
                found[path] = ALL
            else:
                found[path] = tuple(typed(path, v) for v in value) if several else typed(path, value)
        except ValueError as error:
            say(side, str(error), path)
    return found


def _shape(part: Part, sides: dict[str, dict[str, Any]], say: Callable[..., None]) -> None:
    """Check that a part names as many arms as its expectation is about."""
    compare, against = sides["compare"], sides["against"]
    if part.expect in ALONG:
        several = [p for p, v in compare.items() if v == ALL or (isinstance(v, tuple) and p not in LISTS)]
        least = 3 if part.expect == "interior_best" else 2
        if len(several) != 1 or (compare[several[0]] != ALL and len(set(compare[several[0]])) < least):
            say(
                "compare",
                f"expect {part.expect} needs {least} or more values of one axis; write "
                "{dropout.rate: [0, 0.2, 0.5]}, or {dropout.rate: all}",
            )
        elif compare[several[0]] != ALL and not all(_number(v) for v in compare[several[0]]):
            say("compare", f"expect {part.expect} needs numbers; {several[0]} has words")
        if against:
            say("against", f"expect {part.expect} is along one axis; leave 'against' out")
    elif part.expect == "interaction":
        if len(compare) != 2 or set(compare) != set(against) or any(compare[p] == against[p] for p in compare):
            say(
                "compare",
                "expect interaction is about two axes at two values each; write compare: {model.norm: batch, "
                "dropout.rate: 0.5} and against: {model.norm: none, dropout.rate: 0}",
            )
    elif not compare or not against:
        side = "against" if compare else "compare"
        say(side, f"expect {part.expect} compares two groups of arms; write {side}: {{dropout.rate: 0}}, for example")
    elif compare == against:
        say("against", "the same arms as in compare; name the arms that they are compared with")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def unmatched(claims: Sequence[Claim], values: dict[str, set[Any]]) -> list[tuple[Loc, str]]:
    """Return (place, sentence) for each value that a claim names and no arm of the grid has.

    `values` are those that the grid's arms have, by path.
    """
    found: list[tuple[Loc, str]] = []
    for i, claim in enumerate(claims):
        for k, part in enumerate(claim.parts):
            loc: Loc = ("claims", i, "all", k) if claim.all else ("claims", i)
            name = f"claims[{i}]" + (f".all[{k}]" if claim.all else "")
            for side in ("compare", "against"):
                for path, value in getattr(part, side).items():
                    several = part.expect in ALONG and isinstance(value, tuple) and path not in LISTS
                    wanted = () if value == ALL and part.expect in ALONG else value if several else (value,)
                    there = values.get(path, set())
                    found += [
                        (
                            (*loc, side, path),
                            f"{name}.{side}: no arm has {path} {shown(path, v)}; the grid has "
                            + ", ".join(sorted(shown(path, x) for x in there)),
                        )
                        for v in wanted
                        if v not in there
                    ]
    return found
