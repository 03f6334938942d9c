"""The page as a document: valid, escaped, self-contained, the same bytes again, and complete without its script."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import html5lib
import numpy as np
import pandas as pd
import pytest
from made_up_studies import CASES

import dropexp.page
from dropexp.analysis.judging import ClaimVerdict
from dropexp.analysis.tidy import tidy as tidied
from dropexp.page import render
from dropexp.page.arms import arms_grid
from dropexp.page.claims import verdicts_in_a_sentence
from dropexp.page.grid import Cell, ranked
from dropexp.page.origin import Beside
from dropexp.page.render import index_page, study_page, typeset
from dropexp.wording.glossary import TERMS

NASTY = '</script><script>alert("1")</script><img src=x onerror=alert(1)>&\'"'
HTML = "{http://www.w3.org/1999/xhtml}"
FOLDER = Path(dropexp.page.__file__).parent


def parsed(page: str):
    """Return the document; raises where the page is not valid HTML."""
    return html5lib.HTMLParser(strict=True).parse(page)


def texts(root, tag: str) -> list[str]:
    return [" ".join("".join(e.itertext()).split()) for e in root.iter(HTML + tag)]


def check(page: str) -> None:
    """What holds of every page."""
    root = parsed(page)
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    for link in root.iter(HTML + "a"):
        address = link.get("href")
        assert not re.match(r"\w+:|//", address), f"{address} leads out of this page's folder"
        assert not address.startswith("#") or address[1:] in ids
    for e in root.iter():
        assert not [name for name in e.attrib if str(name).lower().startswith("on")]
        assert "style" not in e.attrib, "the policy of the page refuses it"
        for source in ("src", "href"):
            assert e.tag == HTML + "a" or e.get(source, "data:").startswith("data:")
        for name in ("aria-labelledby",):
            assert e.get(name) is None or e.get(name) in ids
    for table in root.iter(HTML + "table"):
        assert table.find(HTML + "caption") is not None
        assert all(head.get("scope") in ("col", "row") for head in table.iter(HTML + "th"))
    assert not {e.tag for e in root.iter()} & {HTML + t for t in ("button", "input", "select")}, "a dead control"
    assert [e.tag for e in root.iter(HTML + "h1")] == [HTML + "h1"]
    assert len(list(root.iter(HTML + "main"))) == 1
    for picture in root.iter(HTML + "img"):
        assert picture.get("alt")


FAST = ("rates", "one-seed", "one-arm-one-seed", "broken", "constant", "empty", "noise", "orders")


@pytest.mark.parametrize("name", FAST)
def test_every_study_is_a_valid_page(cases, no_pictures, name):
    check(study_page(cases[name](), Beside("study: x\n")))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_case_with_its_figures(cases, name):
    case = cases[name]()
    page = study_page(case, Beside("study: x\n"))
    check(page)
    assert ("<figure>" in page) == any(len(case.finished(arm)) for arm in case.arms)
    assert len(page) < 3_000_000


def test_the_policy_allows_this_style_and_script_and_nothing_else(cases, no_pictures):
    root = parsed(study_page(cases["rates"](), Beside()))
    policy = next(m for m in root.iter(HTML + "meta") if m.get("http-equiv") == "Content-Security-Policy")
    allowed = dict(part.split(" ", 1) for part in policy.get("content").split("; "))
    assert allowed["default-src"] == allowed["base-uri"] == allowed["form-action"] == "'none'"
    assert allowed["img-src"] == "data:"
    for tag in ("style", "script"):
        (element,) = root.iter(HTML + tag)
        digest = base64.b64encode(sha256(element.text.encode()).digest()).decode()
        assert allowed[f"{tag}-src"] == f"'sha256-{digest}'"


def test_what_is_stored_is_text_and_never_markup(cases, no_pictures, monkeypatch):
    tidy = cases["noise"]()
    places = pd.DataFrame(
        [dict.fromkeys(Beside().provenance.columns, NASTY) | {"run_id": tidy.runs["run_id"].iloc[0], "seconds": "1"}]
    )
    failures = pd.DataFrame(
        [{"run_id": NASTY, "arm_id": tidy.arms[0].arm_id, "seed": NASTY, "error": NASTY, "ended": ""}]
    )
    tidy = replace(tidy, study=replace(tidy.study, name=NASTY))
    part = ClaimVerdict(NASTY, NASTY, "refuted", NASTY)
    monkeypatch.setattr(
        render, "judge", lambda tidy: (ClaimVerdict(NASTY, NASTY, "undecided", NASTY, (NASTY,), parts=(part,)),)
    )
    page = study_page(tidy, Beside(f"study: {NASTY}", places, failures, NASTY))
    root = parsed(page)
    check(page)
    assert "alert(" in "".join(root.itertext())
    (script,) = root.iter(HTML + "script")
    assert script.text == (FOLDER / "page.js").read_text(encoding="utf-8"), "no data inside the script"
    assert not [e for e in root.iter(HTML + "img") if not e.get("src").startswith("data:")]
    assert texts(root, "h1") == [" ".join(NASTY.split())]


def test_the_same_rows_give_the_same_bytes(cases, no_pictures):
    tidy = cases["one-seed"]()
    again = tidied(tidy.study, tidy.runs.sample(frac=1, random_state=1), tidy.epochs.sample(frac=1, random_state=2))
    assert study_page(tidy, Beside()) == study_page(again, Beside())


def test_the_table_holds_the_numbers_of_the_rows(cases, no_pictures):
    tidy = cases["rates"]()
    root = parsed(study_page(tidy, Beside()))
    table = next(t for t in root.iter(HTML + "table") if t.get("id") == "arms-table")
    assert [h.strip() for h in texts(table.find(HTML + "thead"), "th")] == (
        [
            "rate",
            "n",
            "train",
            "test",
            "gap",
            "test vs 0",
            "test verdict",
            "test p",
            "gap vs 0",
            "gap verdict",
            "gap p",
            "runs",
        ]
    )
    rows = list(table.find(HTML + "tbody").iter(HTML + "tr"))
    assert len(rows) == 3
    mean = tidy.values(tidy.arms[2], "test_accuracy").mean()
    cell = rows[2][3]
    assert "".join(cell.itertext()).startswith(f"{100 * mean:.1f}\N{NO-BREAK SPACE}±")
    assert float(cell.get("data-sort")) == mean
    assert rows[0][5].get("data-sort") == "", "a baseline has no difference, and sorts last"


def test_every_run_stands_behind_a_disclosure(cases, no_pictures):
    tidy = cases["broken"]()
    root = parsed(study_page(tidy, Beside()))
    runs = [e for e in root.iter(HTML + "details") if "run" in e.get("class", "").split()]
    assert len(runs) == len(tidy.runs) == 20
    words = [" ".join("".join(e.itertext()).split()) for e in runs]
    assert all(any(run_id in text for text in words) for run_id in tidy.runs["run_id"])
    assert sum("diverged" in e.get("class") or "bad" in e.get("class").split() for e in runs) == 5
    assert not any(e.get("open") is not None for e in runs)


def test_a_curve_is_drawn_to_scale(hand, no_pictures):
    page = study_page(hand({0.0: [0.9, 0.95], 0.5: [0.9, 0.95]}), Beside())
    # from 90 to 100 percent over 72 units: 0.95 stands at 36, 0.9 at the foot, 1.0 at the top
    assert page.count('class="test" d="M0 36h1"') == 2
    assert page.count('class="test" d="M0 72h1"') == 2
    assert page.count('class="train" d="M0 0h1"') == 4


def test_long_curves_keep_few_points_and_the_selected_epoch(cases, no_pictures):
    tidy = cases["one-arm-one-seed"]()
    epochs = tidy.epochs.iloc[np.arange(3000) % len(tidy.epochs)].assign(epoch=np.arange(1, 3001))
    tidy = replace(tidy, runs=tidy.runs.assign(selected_epoch=1234.0), epochs=epochs)
    root = parsed(study_page(tidy, Beside()))
    path = next(e.get("d") for e in root.iter() if e.get("class") == "test" and e.get("d"))
    assert 40 < len(re.findall("[ML]", path)) <= 50
    assert re.search(rf"L{round(240 * 1233 / 2999)} ", path)


def test_failures_and_diverged_runs_are_shown(cases, no_pictures):
    tidy = cases["broken"]()
    there, gone = tidy.runs["run_id"].iloc[0], tidy.arms[1]
    rows = [
        {"run_id": there, "arm_id": tidy.arms[0].arm_id, "seed": "0", "error": "out of memory", "ended": "2030-01-01"},
        {"run_id": "lost", "arm_id": gone.arm_id, "seed": "3", "error": "disk full", "ended": "2030-01-02"},
    ]
    root = parsed(study_page(tidy, Beside(failures=pd.DataFrame(rows))))
    cells = texts(root, "td")
    assert cells[cells.index("disk full") + 2] == "missing"
    assert cells[cells.index("out of memory") + 2] == "trained since"
    text = " ".join(texts(root, "section"))
    assert "5 diverged runs, left out of n and means" in text
    assert "20 of 30 runs are stored" in text


def test_provenance_is_a_row_a_way(cases, no_pictures):
    tidy = cases["one-seed"]()
    row = dict.fromkeys(Beside().provenance.columns, "")
    ways = [("cpu", "1", 1.5), ("cpu", "1", 2.0), ("cuda", "1", 0.25)]
    rows = [
        row | {"run_id": r, "device": d, "threads": t, "seconds": str(s), "ended": "2030-05-06T01:02:03", "data_sha256": "ab"}
        | {"dropexp": "1.2", "torch": "2.9.1+cpu"}
        for r, (d, t, s) in zip(tidy.runs["run_id"], ways, strict=True)
    ]  # fmt: skip
    rows.append(row | {"run_id": "another study's", "seconds": "99"})
    page = study_page(tidy, Beside("x", pd.DataFrame(rows)))
    root = parsed(page)
    table = next(t for t in root.iter(HTML + "table") if t.get("id") == "provenance-table")
    found = [[" ".join("".join(c.itertext()).split()) for c in r] for r in table.iter(HTML + "tr")]
    assert found[0] == ["runs", "device", "threads", "dropexp", "torch", "data sha256", "seconds"]
    assert found[1:] == [
        ["2", "cpu", "1", "1.2", "2.9.1+cpu", "ab", "3.5"],
        ["1", "cuda", "1", "1.2", "2.9.1+cpu", "ab", "0.2"],
    ]
    assert "2030-05-06" in texts(root, "dd")
    assert "source code\npip install SOURCE torch==2.9.1\ndropexp run study.yaml" in page
    assert "SOURCE is the folder of dropexp 1.2" in page
    assert "dropexp==" not in page, "no index has it"


def test_claims_come_with_verdict_numbers_notes_and_parts(cases, no_pictures, monkeypatch):
    part = ClaimVerdict("a part", "key", "refuted", "+0.1 points")
    judged = ClaimVerdict(
        "both hold", "key", "supported", "gap -0.8 points [-1.2, -0.4], n = 10", ("a second look",), parts=(part,)
    )
    monkeypatch.setattr(render, "judge", lambda tidy: (judged,))
    page = study_page(cases["rates"](), Beside())
    root = parsed(page)
    (section,) = (s for s in root.iter(HTML + "section") if s.get("id") == "claims")
    text = " ".join("".join(section.itertext()).split())
    assert text.startswith("Claims supported both hold gap −0.8 points [−1.2, −0.4], n = 10 a second look")
    assert "refuted a part" in text
    assert page.index('id="claims"') < page.index('id="answer"'), "shown first"
    assert "Is this true: “both hold”?" in page
    assert render.sums(cases["rates"](), Beside()).answer == (
        "Supported: both hold (gap -0.8 points [-1.2, -0.4], n = 10)"
    )


def test_many_claims_are_counted():
    judged = [ClaimVerdict("x", "x", word, "") for word in ("undecided", "supported", "undecided")]
    assert verdicts_in_a_sentence(judged) == "3 claims: 1 supported, 2 undecided"


def test_overfitting_is_measured_an_arm_a_row(cases, no_pictures):
    tidy = cases["rates"]()
    root = parsed(study_page(tidy, Beside()))
    table = next(t for t in root.iter(HTML + "table") if t.get("id") == "overfitting-table")
    rows = [[" ".join("".join(c.itertext()).split()) for c in r] for r in table.iter(HTML + "tr")]
    assert rows[0][:3] == ["rate", "n", "gap"]
    gap = tidy.values(tidy.arms[0], "gap").mean()
    assert rows[1][:2] == ["0", "10"]
    assert rows[1][2].startswith(f"{100 * gap:.1f} ±")


def test_an_arm_sorts_by_its_value():
    cells = ranked([None, 0.5, 10, 2, "x"], ["off", "0.5", "10", "2", "x"])
    assert sorted(cells, key=lambda c: c.key) == [cells[0], cells[1], cells[3], cells[2], cells[4]]
    assert (Cell("a").sort, Cell("-", float("nan")).sort, Cell("1", 1).sort) == (None, "", "1.0")


@pytest.mark.parametrize(  # every sixth in the fast suite
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (i % 6 > 0)) for i, name in enumerate(CASES)]
)
def test_the_columns_of_the_table_have_a_cell_a_row(cases, name):
    from dropexp.analysis.verdicts import verdicts

    case = cases[name]()
    grid = arms_grid(case, verdicts(case), {})
    assert {len(column.cells) for column in grid.columns} == {len(case.arms)}


@pytest.mark.parametrize(
    "text,expected",
    [
        ("-0.4 ± 0.3 points", "−0.4\u00a0±\u00a00.3 points"),
        ("n = 10, p < 0.001", "n\u00a0=\u00a010, p\u00a0<\u00a00.001"),
        ("± <0.1", "±\u00a0<0.1"),
        ("norm-activation-dropout", "norm-activation-dropout"),
        ("1e-05 and 2026-11-21", "1e-05 and 2026-11-21"),
    ],
)
def test_typeset(text, expected):
    assert typeset(text) == expected


def test_the_index_names_every_study():
    sums = render.Sums("one", "Dropout narrows the gap, n = 5", "5", 10, "2030-01-02")
    page = index_page("results", [("one/report.html", sums), ("b%20c/report.html", replace(sums, name="<b>"))])
    check(page)
    root = parsed(page)
    assert [a.get("href") for a in root.iter(HTML + "a")][1:-1] == ["one/report.html", "b%20c/report.html"]
    assert texts(root, "th")[5:] == ["one", "<b>"]
    assert texts(root, "td")[:4] == ["Dropout narrows the gap, n = 5", "5", "10", "2030-01-02"]


def test_every_page_explains_its_words(cases, no_pictures):
    for page in (study_page(cases["noise"](), Beside()), index_page("results", [])):
        root = parsed(page)
        terms = next(e for e in root.iter(HTML + "details") if e.get("id") == "glossary")
        assert set(texts(terms, "dt")) == {term.title for term in TERMS}
        assert "#glossary" in [a.get("href") for a in root.iter(HTML + "a")]
    root = parsed(study_page(cases["noise"](), Beside()))
    titles = {
        " ".join("".join(e.itertext()).split()): e.get("title")
        for e in root.iter(HTML + "th")
        if e.get("scope") == "col"
    }
    unexplained = [heading for heading, title in titles.items() if not title]
    assert titles["memorised"].startswith("The percentage of wrong training labels")
    assert not {"n", "test", "clean gap", "test p", "gap verdict"} & set(unexplained)


def test_every_cell_knows_the_heading_of_its_column(cases, no_pictures):
    """On a phone a row is a block, and each number stands beneath the name of its column."""
    root = parsed(study_page(cases["rates"](), Beside("study: x\n")))
    for table in root.iter(HTML + "table"):
        heads = [" ".join("".join(e.itertext()).split()) for e in table.iter(HTML + "th") if e.get("scope") == "col"]
        for row in table.find(HTML + "tbody"):
            assert [cell.get("data-label") for cell in row] == heads
