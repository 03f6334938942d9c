"""The keys of a study file beside its sections: name, seeds, claims, probes and weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from dropexp.spec.cells import roles
from dropexp.spec.mistakes import near, sentences
from dropexp.spec.study import CLAIM_METRICS, Claim
from dropexp.spec.words import clean, spelt

LARGEST_SEED = 2**53  # above it, spreadsheets and data frames merge neighbours
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³")}
WEIGHTS = ("none", "selected", "all")


class Blame(Protocol):
    """Notes a mistake at a path of the file, or, with `option`, at an option of the command line."""

    def __call__(self, loc: Sequence[str | int], text: str, key: bool = False, option: str | None = None) -> None: ...


def seeds_of(content: dict[str, Any], given: Sequence[Any] | None, blame: Blame) -> tuple[int, ...]:
    """Return the seeds: `given` is what --seeds was given, else the file's `seeds`, a count or a list."""
    raw: Any = content.get("seeds", 5)
    option = None
    if given is not None:
        raw, option = (given[0] if len(given) == 1 else list(given)), "--seeds"

    def where(text: str) -> None:
        blame(("seeds",), f"seeds: {text}", option=option)

    if isinstance(raw, bool) or not isinstance(raw, int | list):
        where(f"{spelt(raw)} is neither a count nor a list of seeds; write 5 for seeds 0 to 4, or [7] for seed 7")
        return (0,)
    if isinstance(raw, int):
        if not 1 <= raw <= 100_000:
            where(f"{spelt(raw)} is not a count from 1 to 100,000; write [{spelt(max(raw, 0))}] for that one seed")
            return (0,)
        return tuple(range(raw))
    bad = [s for s in raw if isinstance(s, bool) or not isinstance(s, int) or not 0 <= s < LARGEST_SEED]
    if bad:
        where(f"{spelt(bad[0])} is not a seed, a whole number from 0 to 2^53")
    elif not raw or len(set(raw)) < len(raw):
        where("the list is empty" if not raw else f"{spelt(raw)} names a seed twice; each seed is one run of every arm")
    else:
        return tuple(raw)
    return (0,)


def _no_folder(name: Any) -> str | None:
    """Return why a name could not be a folder's on some system, None where it can."""
    if not isinstance(name, str) or not name or not all(c.isalnum() or c in "-_." for c in name) or name[0] == ".":
        return "letters, digits, '-', '_' and '.' only, not beginning with '.'"
    if len(name.encode()) > 100:
        return "it takes more than 100 bytes"
    if name.endswith("."):
        return "Windows drops a full stop at the end"
    if name.partition(".")[0].lower() in DEVICES:
        return "Windows keeps that name for a device"
    if ".old-" in name:
        return "names with '.old-' are those of folders that --fresh moved aside"
    return None


def name_of(content: dict[str, Any], path: str, given: str | None, blame: Blame) -> str:
    """Return the study's name, one folder name: `given` by --study, else the file's `study`, else the file's own."""
    stem = Path(path).stem
    name = given if given is not None else content.get("study", stem)
    if why := _no_folder(name):
        text = f"study: {spelt(name)} is not the name of one folder: {why}"
        if given is None and "study" not in content:
            text += "; add 'study: NAME' to the file"
        blame(("study",), text, option="--study" if given is not None else None)
        return "study"
    return name


def claims_of(content: dict[str, Any], blame: Blame) -> tuple[Claim, ...]:
    """Return the claims, each checked."""
    raw = content.get("claims") or []
    if not isinstance(raw, list):
        blame(("claims",), "claims: a list of claims, each with metric, compare, against and expect")
        return ()
    found = []
    for i, item in enumerate(raw):
        try:
            claim = Claim.model_validate(item)
        except ValidationError as error:
            for loc, text in sentences(error, Claim, ("claims", i), item):
                blame(loc, text, key="unknown key" in text)
            continue
        for side in ("compare", "against"):
            for path in getattr(claim, side):
                if path not in roles():
                    blame(("claims", i, side, path), f"claims[{i}].{side}: {no_path(path)}", key=True)
        if claim.metric not in CLAIM_METRICS:
            guess = near(claim.metric, CLAIM_METRICS)
            hint = f"; did you mean {guess!r}?" if guess else f"; they are {', '.join(CLAIM_METRICS)}"
            blame(("claims", i, "metric"), f"claims[{i}].metric: {spelt(claim.metric)} is no metric of runs.csv{hint}")
        if claim.margin >= 0.5 and not claim.metric.endswith("loss"):
            blame(
                ("claims", i, "margin"),
                f"claims[{i}].margin: {claim.margin:g} is {claim.margin:.0%} of an accuracy; "
                "accuracies are fractions: half a point is 0.005",
            )
        found.append(claim)
    return tuple(found)


def words_of(content: dict[str, Any], key: str, known: Sequence[str], blame: Blame) -> tuple[str, ...]:
    """Return the words of a list that may be written `all`, in the order in which they are known."""
    raw = content.get(key) or []
    if raw == "all":
        return tuple(known)
    words = raw if isinstance(raw, list) else [raw]
    for i, word in enumerate(words):
        if word not in known:
            blame((key, i), f"{key}: {spelt(word)} is not one of {', '.join(known)}, or all")
    return tuple(w for w in known if w in words)


def no_path(path: str) -> str:
    """Return the sentence for a path that is no field's, with the nearest that is."""
    guess = near(str(path), list(roles())) or next((p for p in roles() if p.endswith(f".{path}")), None)
    return f"{clean(str(path))} is not a YAML path of a field" + (
        f"; did you mean {guess!r}?" if guess else ", as dropout.rate is"
    )
