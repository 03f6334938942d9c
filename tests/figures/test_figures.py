"""The figures: which there are, what they say, and that their bytes are fixed."""

from __future__ import annotations

import matplotlib
import pytest
from made_up_studies import CASES
from matplotlib.figure import Figure
from matplotlib.text import Text

from dropexp.analysis.tidy import tidy as tidied
from dropexp.figures.all_figures import FIGURES, draw
from dropexp.wording.labels import percent

NAMES = {
    "one-arm-one-seed": ["curves", "curves-loss", "gap"],
    "constant": ["curves", "curves-loss", "differences", "dose-rate", "gap"],
    "broken": ["curves", "curves-loss", "differences", "gap"],
    "empty": ["gap"],
    "lost": ["gap"],
    "answered-one": ["curves", "curves-loss", "differences", "examples", "gap"],
    "answered-many": [
        "by-order",
        "curves",
        "curves-loss",
        "differences",
        "dose-rate",
        "examples",
        "gap",
        "heat-rate-order",
        "interaction",
    ],
    "parts-one": ["curves", "curves-loss", "gap", "gap-parts", "stopping-heat"],
    "orders": ["curves", "curves-loss", "differences", "gap"],
    "claimed": ["claims", "curves", "curves-loss", "differences", "dose-rate", "gap"],
    "lstm": ["curves", "curves-loss", "differences", "gap"],
    "rate-placement": [
        "by-placement",
        "curves",
        "curves-loss",
        "differences",
        "dose-rate",
        "gap",
        "heat-rate-placement",
    ],
    "widths": [
        "by-rate",
        "curves",
        "curves-loss",
        "differences",
        "dose-hidden",
        "gap",
        "heat-hidden-rate",
        "interaction",
    ],
}


AGAIN = ("answered-many", "constant", "orders", "rate-placement")  # whose kinds of figures the others have too


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in AGAIN)) for n in NAMES])
def test_draws_what_applies_under_fixed_names(drawn, name):
    assert sorted(stem for kind in FIGURES for stem, _ in drawn(name, kind)) == NAMES[name]


def test_writes_png_and_svg(cases, tmp_path):
    paths = draw(cases["one-arm-one-seed"](), tmp_path)
    expected = sorted(f"{name}.{suffix}" for name in NAMES["one-arm-one-seed"] for suffix in ("png", "svg"))
    assert sorted(p.name for p in paths) == sorted(p.name for p in tmp_path.iterdir()) == expected


def test_bytes_depend_on_the_rows_alone(cases, tmp_path):
    before = dict(matplotlib.rcParams)
    contents = []
    tidy = cases["two"]()
    again = tidied(tidy.study, tidy.runs.sample(frac=1, random_state=1), tidy.epochs.sample(frac=1, random_state=2))
    for folder, rows in (("one", tidy), ("two", again)):
        (tmp_path / folder).mkdir()
        contents.append({p.name: p.read_bytes() for p in draw(rows, tmp_path / folder)})
        matplotlib.rcParams["xtick.major.size"] = 30  # a setting of the user's
    matplotlib.rcParams["xtick.major.size"] = before["xtick.major.size"]
    assert contents[0] == contents[1]
    assert dict(matplotlib.rcParams) == before
    assert all(b"\r" not in c for name, c in contents[0].items() if name.endswith("svg"))
    assert not any(b"atplotlib v" in c or b"Matplotlib version" in c for c in contents[0].values())


def texts(figures: list[tuple[str, Figure]]) -> str:
    """Return all that is written in the first of some figures, in one line."""
    _, figure = figures[0]
    found = [t.get_text() for t in figure.findobj(Text)]
    return " | ".join(" ".join(t.split()) for t in found if t).replace("\u00a0", " ")


@pytest.mark.parametrize(
    "name,kind,words",
    [
        ("rates", "differences", "better in 2 of 2 arms, reach unknown, largest +0.9 ± 0.3 points (rate 0.5), n = 10"),
        (
            "two",
            "differences",
            "Rate 0.5 against rate 0: test accuracy +0.9 ± 0.2 points better, reach unknown, n = 10",
        ),
        ("few-tests", "differences", "better in 2 of 2 arms, reach unknown, largest +"),
        ("few-tests", "differences", "+0.9 ± 0.3 better** |"),
        ("one-seed", "differences", "one seed each, no interval"),
        ("collapsed", "differences", "worse in 1, undecided in"),
        ("lstm", "differences", "rate 0.3 in every row"),
        ("rates", "dose-AXIS", "Test accuracy: not ruled out as the best rate: 0.5, n = 10"),
        ("constant", "dose-AXIS", "Test accuracy: no rate is ruled out as the best, n = 5"),
        ("collapsed", "dose-AXIS", "↓ 9.7 | 0 |"),
        ("collapsed", "gap", "↓ 12.6 | ↓ 9.7"),
        ("collapsed", "curves", "Test accuracy at the last epoch: 9.7 percent (rate 0.9) to"),
        ("three", "curves", "9 more arms not shown"),
        ("three", "heat-AXIS-AXIS", "mean over train size"),
        ("noise", "gap", "training (correct labels only)"),
        (
            "answered-one",
            "examples",
            "Rate 0.5 against rate 0: 3.7 percent of the test examples are fixed, 3.5 broken, n = 5",
        ),
        (
            "answered",
            "examples",
            "Against rate 0: 3.6 to 3.7 percent of the test examples are fixed, 3.5 to 3.9 broken",
        ),
        ("answered-many", "examples", "the 12 classes with the most changes, 88 more not shown; 2 more arms not shown"),
        ("claimed", "claims", "7 claims: 3 supported, 3 refuted, 1 undecided"),
        ("claimed", "claims", "✓ supported**"),
        ("claimed", "claims", "** reach unknown: no predictions are stored"),
        (
            "claimed",
            "claims",
            "supported if the whole 95% interval is in here | and the 90% interval reaches this line, the margin",
        ),
        ("widths", "interaction", "of 3 interactions of hidden layers and rate is established, n = 4"),
        ("widths", "by-AXIS", "Mean test accuracy by rate: 95.5 percent (rate 0) to 96.5 (rate 0.5), n = 4"),
    ],
)
def test_says(drawn, name, kind, words):
    assert words in texts(drawn(name, kind))


@pytest.mark.parametrize("name,kind", [("rates", "heat-AXIS-AXIS"), ("rates", "claims"), ("kinds", "by-AXIS")])
def test_draws_nothing_where_there_is_nothing_to_draw(drawn, name, kind):
    """One axis makes no map, no claim is no picture, and lines that meet at rate 0 alone are rows elsewhere."""
    assert drawn(name, kind) == []


def test_the_baseline_stands_in_every_kind_of_a_map(cases, drawn):
    tidy = cases["kinds"]()
    base = next(arm for arm in tidy.arms if not arm.masked)
    words = texts(drawn("kinds", "heat-AXIS-AXIS"))
    assert f" | {words}".count(f"| {percent(tidy.values(base, 'test_accuracy').mean())} ±") == 3


def test_an_interaction_is_said_in_the_right_direction(drawn):
    """By hand: rate 0.5 brings 1 point at width 16, and 3 points and a tenth a seed at width 64."""
    words = texts(drawn("crossed", "interaction"))
    assert (
        "Rate 0.5 raises test accuracy by 2.2 ± 0.2 points more at hidden layers 64 than at hidden layers 16, n = 5"
        in words
    )


def test_figures_that_would_have_one_name_have_two(cases, tmp_path, monkeypatch):
    both = {"curves": lambda tidy: (*FIGURES["curves"](tidy), *FIGURES["curves"](tidy))}
    monkeypatch.setattr("dropexp.figures.all_figures.FIGURES", both)
    paths = draw(cases["one-arm-one-seed"](), tmp_path)
    assert len(paths) == len(set(paths)) == 4


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_case_is_drawn_without_a_warning(cases, name, tmp_path):
    paths = draw(cases[name](), tmp_path)
    assert tmp_path / "gap.png" in paths
    assert all(p.stat().st_size for p in paths)
