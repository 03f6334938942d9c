"""axis_differences.csv: written where summary.csv is, held against the runs, and absent without blame from older folders."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from dropexp.analysis.summary import summary
from dropexp.store.writer import Writer
from dropexp.workflow.reading import reading
from dropexp.workflow.removing import remove_arms
from dropexp.workflow.running import summarise
from dropexp.workflow.verifying import verify

FILE = "axis_differences.csv"
TWO = "study: s\nseeds: 5\nsweep:\n  model.hidden: [[16], [64]]\n  dropout.rate: [0, 0.5]\n"
BARE = "study: s\nseeds: 5\ndropout: {rate: 0}\nsweep:\n  model.hidden: [[16], [64], [128]]\n"
RATES = "study: s\nseeds: 5\nsweep:\n  dropout.rate: [0, 0.2, 0.5]\n"


def stored(folder, store_study, text):
    store_study(folder, text)
    with Writer(folder) as writer:
        return summarise(writer)


def blamed(folder, name):
    return [m for m in verify(folder, 0).mismatches if m.file == name]


def older(folder):
    """Make the sums what 0.4.0 wrote."""
    shown, _ = reading(folder)
    text = summary(replace(shown, along_axes=False)).to_csv(index=False, lineterminator="\n")
    (folder / "summary.csv").write_text(text)
    (folder / FILE).unlink(missing_ok=True)


def test_it_has_a_row_for_each_comparison_and_metric(tmp_path, store_study):
    shown = stored(tmp_path, store_study, TWO)
    rows = pd.read_csv(tmp_path / FILE)
    assert set(rows["axis"]) == {"model.hidden"}
    assert set(rows["elsewhere"]) == {"rate 0", "rate 0.5"}
    assert len(rows) == 2 * 5  # two rates, five metrics
    assert set(rows["arm_id"]) == {a.arm_id for a in shown.arms if a.value("model.hidden") == (64,)}
    assert not blamed(tmp_path, FILE) + blamed(tmp_path, "summary.csv")


@pytest.mark.parametrize("text", [RATES, BARE])
def test_without_a_second_axis_there_is_none(tmp_path, store_study, text):
    stored(tmp_path, store_study, text)
    assert not (tmp_path / FILE).exists()
    assert not blamed(tmp_path, FILE) + blamed(tmp_path, "summary.csv")


def test_an_edited_cell_is_named(tmp_path, store_study):
    stored(tmp_path, store_study, TWO)
    rows = pd.read_csv(tmp_path / FILE, dtype=str, keep_default_na=False)
    rows.loc[3, "word"] = "better!"
    rows.to_csv(tmp_path / FILE, index=False, lineterminator="\n")
    (found,) = blamed(tmp_path, FILE)
    assert (found.line, found.column, found.stored) == (5, "word", "better!")


def test_a_row_too_few_is_named(tmp_path, store_study):
    stored(tmp_path, store_study, TWO)
    lines = (tmp_path / FILE).read_text().splitlines(keepends=True)
    (tmp_path / FILE).write_text("".join(lines[:-1]))
    assert "one row per comparison" in blamed(tmp_path, FILE)[0].why


def test_where_it_has_gone_that_is_said(tmp_path, store_study):
    stored(tmp_path, store_study, TWO)
    (tmp_path / FILE).unlink()
    (found,) = blamed(tmp_path, FILE)
    assert "is missing" in found.why
    with Writer(tmp_path) as writer:
        summarise(writer)
    assert not blamed(tmp_path, FILE)


@pytest.mark.parametrize("text", [TWO, BARE, RATES])
def test_older_folders_lack_it_without_blame(tmp_path, store_study, text):
    stored(tmp_path, store_study, text)
    now = (tmp_path / "summary.csv").read_bytes()
    older(tmp_path)
    assert ((tmp_path / "summary.csv").read_bytes() == now) == (text == RATES)  # the rate alone: the same family
    assert not blamed(tmp_path, FILE) + blamed(tmp_path, "summary.csv")
    summed = pd.read_csv(tmp_path / "summary.csv", dtype=str, keep_default_na=False)
    summed.loc[0, "gap_mean"] = "0.5"
    summed.to_csv(tmp_path / "summary.csv", index=False, lineterminator="\n")
    assert {m.column for m in blamed(tmp_path, "summary.csv")} >= {"gap_mean"}


def test_it_goes_with_summary_csv_where_runs_are_removed(tmp_path, store_study):
    stored(tmp_path / "s", store_study, TWO)
    before = (tmp_path / "s" / FILE).read_bytes()
    remove_arms(tmp_path / "s", [["hidden=64", "rate=0.5"]])
    assert (tmp_path / "s" / FILE).read_bytes() != before
    assert not blamed(tmp_path / "s", FILE)


def test_a_summary_from_before_fields_were_added_is_right_and_one_without_others_is_not(tmp_path, store_study):
    stored(tmp_path, store_study, RATES)
    summed = pd.read_csv(tmp_path / "summary.csv", dtype=str, keep_default_na=False)
    earlier = summed.drop(columns=["data.ignore", "data.blanks"])  # 0.4.0
    earlier.to_csv(tmp_path / "summary.csv", index=False, lineterminator="\n")
    assert not blamed(tmp_path, "summary.csv")
    earlier.assign(gap_mean="0.5").to_csv(tmp_path / "summary.csv", index=False, lineterminator="\n")
    assert {m.column for m in blamed(tmp_path, "summary.csv")} == {"gap_mean"}
    summed.drop(columns=["data.ignore"]).to_csv(tmp_path / "summary.csv", index=False, lineterminator="\n")
    assert blamed(tmp_path, "summary.csv")
