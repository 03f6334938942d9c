"""Renders pages from their templates: everything is escaped, and a policy in the page forbids loading anything."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import dropexp
from dropexp.analysis.judging import judge
from dropexp.analysis.number_format import typeset
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import verdicts
from dropexp.page.answer import answer, headline
from dropexp.page.arms import arms_grid, axes_grid, notes
from dropexp.page.claims import claimed, differing, verdicts_in_a_sentence
from dropexp.page.grid import Cell, Column, Grid
from dropexp.page.origin import (
    Beside,
    date,
    diverged_grid,
    earlier,
    failures_grid,
    installs,
    provenance_grid,
    seconds,
    shown_places,
)  # fmt: skip
from dropexp.page.overfitting import overfitting
from dropexp.page.pictures import pictures
from dropexp.page.question import question
from dropexp.page.runs import HEIGHT, WIDTH, anchors, arm_runs
from dropexp.quoting import visible
from dropexp.wording.glossary import TERMS, meaning
from dropexp.wording.labels import OVER, epoch_rule, seeds

STAMP = "dropexp-stamp"
SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (  # id, name, and what there must be some of
    ("claims", "Claims", ("claims",)),
    ("answer", "Answer", ()),
    ("figures", "Figures", ("pictures",)),
    ("arms", "Arms", ()),
    ("overfitting", "Overfitting", ("overfitting",)),
    ("runs", "Runs", ()),
    ("failures", "Failures", ("failures", "diverged")),
    ("configuration", "Configuration", ()),
    ("provenance", "Provenance", ()),
    ("reproduce", "Reproduce", ()),
)


@dataclass(frozen=True)
class Sums:
    """A study as a row of the index: its answer in one sentence, n, the number of runs, and the day of the last one."""

    name: str
    answer: str
    n: str
    runs: int
    date: str


@cache
def _templates() -> Environment:
    folder = Path(__file__).parent
    made = Environment(
        loader=FileSystemLoader(folder, encoding="utf-8"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,  # no page of HTML may hold a control
    )  # fmt: skip
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    made.filters |= {"typeset": typeset, "meaning": meaning}
    made.globals |= {
        "style": Markup(style),
        "script": Markup(script),
        "policy": _policy(style, script),
        "version": dropexp.__version__,
        "stamp_name": STAMP,
        "glossary": TERMS,
    }
    return made


def _policy(style: str, script: str) -> str:
    """Return a content security policy that allows this style, this script and pictures in the page, and nothing else."""
    hashes = [base64.b64encode(sha256(text.encode()).digest()).decode("ascii") for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def sums(tidy: Tidy, beside: Beside) -> Sums:
    """Return what the index says about a study."""
    n = seeds(tidy).removeprefix("n = ")
    judged = judge(tidy)
    said = verdicts_in_a_sentence(judged) if judged else headline(tidy, verdicts(tidy))
    return Sums(tidy.study.name, said, n, len(tidy.runs), date(shown_places(tidy, beside)))


def study_page(tidy: Tidy, beside: Beside, stamp: str = "") -> str:
    """Return the page of a study as HTML; its bytes depend only on the rows, the files beside them and the versions."""
    found, judged, places = verdicts(tidy), judge(tidy), shown_places(tidy, beside)
    tables, lines = overfitting(tidy)
    arms = list(arm_runs(tidy, places))
    some = any(len(tidy.finished(arm)) for arm in tidy.arms)
    content: dict[str, Any] = {
        "study": tidy.study,
        "question": question(tidy, judged),
        "answer": answer(tidy, found),
        "facts": _facts(tidy, places),
        "lines": (beside.note or "").splitlines(),
        "claims": claimed(judged),
        "claims_differ": differing(tidy, judged),
        "pictures": list(pictures(tidy)) if some else [],
        "overfitting": tables,
        "overfitting_notes": lines,
        "grid": arms_grid(tidy, found, anchors(tidy)),
        "axes": axes_grid(tidy),
        "notes": notes(tidy, found),
        "arms": arms,
        "curve": (WIDTH, HEIGHT),
        "curves": next((run.curve.words for arm in arms for run in arm.runs if run.curve), ""),
        "beside": beside,
        "provenance": provenance_grid(places),
        "seconds": seconds(places),
        "installs": installs(places),
        "seed": tidy.study.seeds[0],
        "earlier": len(earlier(tidy)),
        "own_sources": getattr(tidy.study, "own_sources", ()),
        "failures": failures_grid(tidy, beside),
        "diverged": diverged_grid(tidy),
        "over": OVER,
        "epoch_rule": epoch_rule(tidy),
        "stamp": stamp,
    }
    content["sections"] = [
        (ident, name) for ident, name, needed in SECTIONS if not needed or any(map(content.get, needed))
    ]
    return _templates().get_template("study.html.j2").render(content)


def _facts(tidy: Tidy, places: Any) -> list[tuple[str, str]]:
    facts = [
        ("data", tidy.study.data),
        ("seeds", seeds(tidy).removeprefix("n = ")),
        ("arms", str(len({arm.arm_id for arm in tidy.arms}))),
        ("runs", f"{len(tidy.runs):,}"),
    ]
    return [*facts, ("last run", day)] if (day := date(places)) else facts


def index_page(title: str, rows: Sequence[tuple[str, Sums]]) -> str:
    """Return the index of several studies: `rows` has the address of each page and what the index says about it."""
    columns = (
        Column("study", "name", tuple(Cell(s.name, link=address) for address, s in rows)),
        Column("answer", "long", tuple(Cell(s.answer) for _, s in rows)),
        Column("n", "number", tuple(Cell(s.n) for _, s in rows)),
        Column("runs", "number", tuple(Cell(f"{s.runs:,}", s.runs) for _, s in rows)),
        Column("last run", "number", tuple(Cell(s.date) for _, s in rows)),
    )
    grid = Grid("studies-table", "Every study with its answer", columns, sortable=True)
    return _templates().get_template("index.html.j2").render(title=title, grid=grid, stamp="", over=OVER)
