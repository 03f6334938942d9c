"""claims.csv: every verdict that a study has reached, so that a look after more seeds is recognised as one."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from math import isnan

from dropexp.analysis.inference import UNREACHED
from dropexp.analysis.judging import WAITING, ClaimVerdict

COLUMNS = (
    "claim", "part", "says", "metric", "expect", "margin", "verdict", "reach", "difference", "low", "high", "p",
    "n", "diverged", "look", "after_the_fact", "seeds", "sentence",
)  # fmt: skip
OLDER = tuple("on_this_data" if c == "reach" else c for c in COLUMNS if c != "after_the_fact")  # until 0.3.0


def recorded(text: str) -> list[dict[str, str]]:
    """Return the rows of a claims.csv. Raises ValueError with a sentence if they are not as dropexp wrote them."""
    reader = csv.DictReader(io.StringIO(text), strict=True)
    if not text:
        return []
    if tuple(reader.fieldnames or ()) not in (COLUMNS, OLDER):
        raise ValueError("its columns are not those of claims.csv")
    rows = list(reader)
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise ValueError(f"row {number} has not {len(COLUMNS)} cells")
        if "on_this_data" in row:
            row["reach"] = UNREACHED if row.pop("on_this_data") == "true" else ""
            row["after_the_fact"] = ""
    return rows


def written(rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows as the text of claims.csv."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def entries(verdicts: Sequence[ClaimVerdict], earlier: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return the rows of claims.csv: those of earlier looks, then those of the verdicts.

    Part 0 is the claim as a whole. A claim that was removed from the study keeps its rows; a claim that is still waiting
    has a row that the next look replaces. Differences are fractions or nats.
    """
    now = [row for verdict in verdicts for row in _rows(verdict)]
    replaced = {(row["claim"], row["seeds"]) for row in now} | {
        (row["claim"], row["seeds"]) for row in earlier if row["verdict"] == WAITING and row["part"] == "0"
    }
    return [
        {c: row.get(c, "") for c in COLUMNS} for row in earlier if (row["claim"], row["seeds"]) not in replaced
    ] + now


def _rows(verdict: ClaimVerdict) -> list[dict[str, str]]:
    parts = verdict.parts
    return [_row(verdict, verdict, 0), *(_row(verdict, part, i) for i, part in enumerate(parts, 1))]


def _row(whole: ClaimVerdict, part: ClaimVerdict, number: int) -> dict[str, str]:
    d = part.estimate

    def cell(x: float) -> str:
        return "" if isnan(x) else repr(float(x))

    return {
        "claim": whole.key, "part": str(number), "says": whole.says, "metric": part.metric, "expect": part.expect,
        "margin": cell(part.margin), "verdict": part.verdict, "reach": part.reach,
        "difference": cell(d.mean), "low": cell(d.low), "high": cell(d.high), "p": cell(d.p), "n": str(d.n) if d.n else "",
        "diverged": str(part.diverged), "look": str(whole.look),
        "after_the_fact": str(whole.after).lower(), "seeds": " ".join(map(str, whole.seeds)),
        "sentence": part.sentence,
    }  # fmt: skip
