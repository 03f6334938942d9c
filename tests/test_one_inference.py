"""One inference a study: random studies, of which no two outputs disagree in a word or an interval."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up_studies import study as grid_of

from dropexp.analysis.axis_differences import axis_differences
from dropexp.analysis.compare import Side, compare
from dropexp.analysis.dose import doses
from dropexp.analysis.inference import EQUAL, OPEN, SAME, margin_of
from dropexp.analysis.summary import summary
from dropexp.analysis.tidy import Tidy, tidy
from dropexp.analysis.verdicts import Verdict, along_axes, everything, verdicts
from dropexp.experiment.naming import label, value
from dropexp.export.formats import export
from dropexp.figures.differences import _title as differences_title
from dropexp.metrics import averaged
from dropexp.notebook import Results
from dropexp.page.answer import answer, headline
from dropexp.page.arms import arms_grid
from dropexp.tables.arms import columns, table
from dropexp.tables.columns import difference
from dropexp.wording.along import against, by_axis
from dropexp.wording.finding import finding
from dropexp.wording.labels import half, signed, starred

GRIDS = (
    {"dropout.rate": [0.0, 0.5]},
    {"dropout.rate": [0.0, 0.2, 0.5, 0.8]},
    {"dropout.rate": [0.0, 0.3], "model.norm": ["none", "batch"]},
    {"dropout.placement": [["hidden"], ["input"]], "dropout.rate": [0.0, 0.5]},
    {"dropout.kind": ["bernoulli", "gaussian"]},
    {"early_stopping.patience": [None, 5], "dropout.rate": [0.0, 0.2, 0.5]},
    {"model.hidden": [(16,), (64,), (256,)]},
    {"model.norm": ["none", "batch"], "model.hidden": [(16,), (64,), (256,)]},
)


def random_study(number: int) -> Tidy:
    """Return made-up results: effects from none to large, runs that are missing or diverged, training that saturates."""
    rng = np.random.default_rng(number)
    made = grid_of(GRIDS[number % len(GRIDS)], seeds=int(rng.integers(1, 12)))
    tests, saturated = int(rng.choice([50, 539, 10_000])), rng.random() < 0.4
    common, rows = rng.normal(0, 0.01, len(made.seeds)), []
    for arm in {a.arm_id: a for a in made.arms}.values():
        effect, fall = rng.choice([0.0, 0.002, 0.01, -0.02]), 0.0 if saturated else rng.choice([0.0, 0.03])
        for seed in made.seeds:
            if rng.random() < 0.03:
                continue
            test = np.round((0.93 + effect + common[seed] + rng.normal(0, 0.003)) * tests) / tests
            train = 1.0 if saturated else np.round((0.99 - fall + rng.normal(0, 0.002)) * 500) / 500
            lost = rng.random() < 0.04
            row = {"run_id": f"{arm.arm_id}-{seed}", "arm_id": arm.arm_id, "seed": seed, "selected_epoch": 1}
            row |= {"stop_reason": "diverged" if lost else "max_epochs", "train_accuracy": train, "test_accuracy": test}
            row |= {"gap": train - test, "train_loss": 1 - train, "test_loss": rng.random(), "val_loss": rng.random()}
            rows.append(row | {"train_examples": 500, "test_examples": tests, "classes": 10, "test_set": "official"})
    return tidy(made, pd.DataFrame(rows), pd.DataFrame())


def agree(shown: Tidy) -> None:
    found = verdicts(shown)
    told = {
        (v.arm.arm_id, v.baseline.arm_id, what): getattr(v, what)
        for v in everything(shown) if v.baseline for what in ("test", "gap")
    }  # fmt: skip
    assert len({frozenset(key) for key in told}) == len(told)  # nothing is asked twice, nor the other way round
    for (_, _, what), j in told.items():
        excludes = j.difference.low > 0 or j.difference.high < 0
        if j.with_chance or j.difference.n < 3 or j.word == SAME:
            assert j.word in (*OPEN, SAME)
        elif j.word == EQUAL:
            assert not excludes
            assert max(-j.difference.low, j.difference.high) < margin_of(shown, what)
        else:
            assert excludes is (j.word not in OPEN), (j.word, j.difference)
            assert excludes is (j.p_family < 0.05)
    _tables(shown, found)
    _frames(shown, told)
    _page(shown, found, told)
    _titles(shown, found)
    _headline(shown)
    _pairs(shown, everything(shown))
    for dose in (dose for path in shown.axes for dose in doses(shown, "test", path)):
        kept, there = {arm.arm_id for arm in dose.best}, {arm.arm_id for arm in dose.arms}
        for (arm, other, what), j in told.items():
            if what == "test" and {arm, other} <= there:
                assert j.word != "worse" or arm not in kept
                assert j.word != "better" or other not in kept
        for a, b in combinations(dose.arms[:3], 2):
            (pair,) = compare([Side(shown, a)], [Side(shown, b)], [])
            for word in (c.judged.word for c in pair.contrasts if c.metric == "test"):
                assert word != "worse" or a.arm_id not in kept  # what compare calls worse is not among the best
                assert word != "better" or b.arm_id not in kept


def _tables(shown: Tidy, found: tuple[Verdict, ...]) -> None:
    *_, versus = columns(shown, found)
    for column, what in zip(versus, ("test", "gap"), strict=False):
        for (number, rest), v in zip(column.cells, found, strict=True):
            j = getattr(v, what)
            if j and j.word != SAME:
                d = j.difference
                assert (number, rest) == (signed(d.mean), f"{half(d.half)} {starred(j)}".strip())
    for line in export(shown, "markdown", None).splitlines():
        assert "Holm" not in line
    lines = table(shown).splitlines()
    for v in along_axes(shown):
        cells = [" ".join(difference(j)).strip() for j in (v.test, v.gap)]
        pairs = zip(lines, [*lines[1:], ""], strict=True)  # a wide table has the name of a comparison above its numbers
        own = [f"{a} {b}" for a, b in pairs if value(v.arm, v.axis) in a.replace(",", "").split()]
        assert any(all(cell in line for cell in cells) for line in own), (cells, lines)


def _frames(shown: Tidy, told: dict) -> None:
    for row in summary(shown).to_dict("records"):
        for metric, what in ((shown.lead.test, "test"), (shown.lead.gap, "gap")):
            if j := told.get((row["arm_id"], row["baseline_arm"], what)):
                ends = np.array([row[f"{metric}_diff_low"], row[f"{metric}_diff_high"], row[f"{metric}_diff_p_family"]])
                np.testing.assert_array_equal(ends, [j.difference.low, j.difference.high, j.p_family])
                assert row[f"{metric}_diff_word"] == j.word
    along, names = axis_differences(shown), {"test": shown.lead.test, "gap": shown.lead.gap}
    for v in along_axes(shown):
        for what, metric in names.items():
            own = along[(along["arm_id"] == v.arm.arm_id) & (along["against_arm"] == v.baseline.arm_id)]
            (row,) = own[own["metric"] == metric].to_dict("records")
            j = getattr(v, what)
            np.testing.assert_array_equal([row["low"], row["high"]], [j.difference.low, j.difference.high])
            assert (row["word"], row["axis"]) == (j.word, v.axis)
    assert len(along) == len(along_axes(shown)) * len(averaged(shown.noisy))
    frame = Results(Path(), shown).verdicts
    for v in verdicts(shown):
        for what in ("test", "gap"):
            if j := getattr(v, what):
                own = frame[(frame["arm"] == label(v.arm, shown.axes)) & (frame["metric"] == what)]
                assert set(own["word"]) == {j.word}


def _page(shown: Tidy, found: tuple[Verdict, ...], told: dict) -> None:
    grid = arms_grid(shown, found, {})
    for column in grid.columns:
        if column.heading.endswith("verdict"):
            what = "gap" if "gap" in column.heading else "test"
            for cell, v in zip(column.cells, found, strict=True):
                if j := getattr(v, what):
                    assert cell.text == j.said
    said = answer(shown, found)
    for facts, is_open in ((said.established, False), (said.undecided, True)):
        for fact in facts:
            word = fact.word.split(",")[0].removesuffix(" for these test examples")
            assert (word in OPEN) is is_open
    for line in said.open:  # what is undecided, counted: no more than there is
        (count,) = re.findall(r"undecided in (\d+)", line) or ["0"]
        assert int(count) <= sum(j.word == "undecided" for j in told.values())
    words = {j.said for j in told.values()}
    assert {f.word for f in (*said.established, *said.undecided) if f.of.startswith(("test", "gap"))} <= words | {SAME}


def _titles(shown: Tidy, found: tuple[Verdict, ...]) -> None:
    title, gaps = finding(shown), [v.gap.word for v in found if v.gap]
    assert ("narrows" in title) <= bool({"smaller", "underfitting"} & set(gaps)), title
    assert ("widens" in title) <= ("larger" in gaps), title
    once = [v for v in {v.arm.arm_id: v for v in reversed(found)}.values() if v.test and v.test.difference.n][::-1]
    if len(once) > 1:
        title, counts = differences_title(shown, once), Counter(v.test.word for v in once)
        for word, count in re.findall(r"(better|worse|undecided) in (\d+)", title):
            assert counts[word] == int(count), title


def _headline(shown: Tidy) -> None:
    text = headline(shown, verdicts(shown))
    for path, found in by_axis(shown).items():
        tests = [v.test.word for v in found]
        if len(shown.axes) == 1:
            assert ("test accuracy rises" in text) <= ("better" in tests), text
            assert ("test accuracy falls" in text) <= ("worse" in tests), text
            continue
        (clause,) = re.findall(
            rf"Against {re.escape(against(shown, path))}: test accuracy ([^;.]*) of {len(found)}\b", text
        )
        counts = Counter(tests)
        clause = clause.split(" of ")[0]  # the gap's counts follow
        for word in ("better", "worse", "undecided"):
            assert re.findall(rf"\b{word} in (\d+)", clause) == [str(counts[word])] * bool(counts[word]), text


def _pairs(shown: Tidy, found: tuple[Verdict, ...]) -> None:
    for v in found:
        if v.baseline is None:
            continue
        pair = compare([Side(shown, v.arm)], [Side(shown, v.baseline)], [])
        for c in pair[0].contrasts if pair else ():
            if c.metric in ("test", "gap"):
                j = getattr(v, c.metric)
                assert (c.judged.difference.low, c.judged.difference.high) == pytest.approx(
                    (j.difference.low, j.difference.high), nan_ok=True
                )
                assert c.judged.word == j.word


@pytest.mark.parametrize("number", [*range(6), *(pytest.param(n, marks=pytest.mark.slow) for n in range(6, 12))])
def test_no_output_disagrees_with_another(number):
    agree(random_study(number))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_no_output_of_500_random_studies_disagrees_with_another(block):
    for number in range(100 + 50 * block, 150 + 50 * block):
        agree(random_study(number))
