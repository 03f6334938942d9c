"""What a stored study says, again: its numbers as a document, and the studies of a folder with answer, runs, date and size."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropexp.store.folder import Store
from dropexp.store.frames import framed
from dropexp.workflow.reading import reading

if TYPE_CHECKING:
    from dropexp.analysis.inference import Judged
    from dropexp.analysis.judging import ClaimVerdict
    from dropexp.analysis.tidy import Tidy
    from dropexp.page.render import Sums


@dataclass(frozen=True)
class Listed:
    """A study in one row of a list; `size` is what its folder holds, in bytes."""

    folder: Path
    sums: Sums
    size: int
    note: str | None


def listed(folder: Path) -> Listed:
    """Return what a list says of a study; raises StoreError where it cannot be read."""
    shown, note = reading(folder)
    return Listed(folder, _sums(folder, shown, note), size(folder), note)


def _sums(folder: Path, shown: Tidy, note: str | None) -> Sums:
    from dropexp.page.origin import Beside
    from dropexp.page.render import sums

    own = (folder / "study.yaml").is_file()
    places = Store(folder).frame("provenance.csv") if own else framed(folder / "provenance.csv", [])
    return sums(shown, Beside(provenance=places, note=note))


def size(folder: Path) -> int:
    """Return the bytes of all files in a folder, links not followed."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # it may just have gone
                total += Path(parent, name).lstat().st_size
    return total


def summed(found: Listed) -> dict[str, Any]:
    """Return what a list says of a study as plain data."""
    return {
        "study": found.sums.name, "folder": found.folder.as_posix(), "headline": found.sums.answer, "n": found.sums.n,
        "runs": found.sums.runs, "last_run": found.sums.date, "bytes": found.size,
        "notes": (found.note or "").splitlines(),
    }  # fmt: skip


def document(folder: Path, shown: Tidy, note: str | None) -> dict[str, Any]:
    """Return a study's table as plain data: what a list says of it, then arms with their numbers and words, and claims.

    `lead` says which columns of runs.csv the words train, test and gap stand for.
    Accuracies are fractions, losses nats per example; what does not exist is null. All is of the study's one inference.
    """
    from dropexp.analysis.judging import judge
    from dropexp.analysis.verdicts import verdicts

    found = Listed(folder, _sums(folder, shown, note), size(folder), note)
    arms = [_arm(shown, verdict) for verdict in verdicts(shown)]
    claims = [_claim(claim) for claim in judge(shown)]
    return {**summed(found), "axes": list(shown.axes), "lead": asdict(shown.lead), "arms": arms, "claims": claims}


def _arm(shown: Tidy, verdict: Any) -> dict[str, Any]:
    from dropexp.analysis.stats import estimate
    from dropexp.experiment.naming import label
    from dropexp.metrics import averaged

    arm = verdict.arm
    metrics = {}
    for metric in averaged(shown.noisy):
        e = estimate(shown.values(arm, metric))
        metrics[metric] = _known({"mean": e.mean, "sd": e.sd, "low": e.low, "high": e.high}) | {"n": e.n}
    versus = {name: _judged(j) for name in ("train", "test", "gap") if (j := getattr(verdict, name)) is not None}
    return {
        "arm_id": arm.arm_id, "label": label(arm, shown.axes), "axes": {path: arm.cells.get(path, "") for path in shown.axes},
        "n": len(shown.finished(arm)), "diverged": shown.diverged(arm), "metrics": metrics,
        "baseline": verdict.baseline and verdict.baseline.arm_id, "versus_baseline": versus or None,
    }  # fmt: skip


def _judged(j: Judged) -> dict[str, Any]:
    d = j.difference
    numbers = _known({"difference": d.mean, "low": d.low, "high": d.high, "p": d.p, "p_family": j.p_family})
    examples = _known({"examples_low": j.examples[0], "examples_high": j.examples[1]})
    told = {"word": j.word, "reach": j.reach if j.told else "", "after_the_fact": j.told and j.after}
    return {**numbers, **examples, "n": d.n, "paired": d.paired, "family": j.family, **told}


def _claim(claim: ClaimVerdict) -> dict[str, Any]:
    d = claim.estimate
    numbers = _known({"estimate": d.mean, "low": d.low, "high": d.high})
    return {
        "says": claim.says, "verdict": claim.verdict, "sentence": claim.sentence, "notes": list(claim.notes),
        "metric": claim.metric or None, "expect": claim.expect or None, **numbers, "n": d.n,
        "parts": [_claim(part) for part in claim.parts],
    }  # fmt: skip


def _known(numbers: dict[str, float]) -> dict[str, float | None]:
    return {name: float(number) if isfinite(number) else None for name, number in numbers.items()}
