"""show: the table that run printed, the same numbers as a document, and a folder's studies as a list."""

import json

import pandas as pd
import pytest
from stored import stored

from dropexp.analysis.verdicts import verdicts
from dropexp.cli import main
from dropexp.console.screen import fits
from dropexp.metrics import averaged
from dropexp.store.writer import Writer
from dropexp.tables.arms import table
from dropexp.workflow.reading import reading
from dropexp.workflow.running import summarise
from dropexp.workflow.showing import size

TEXT = (
    "study: one\nseeds: 4\ntraining: {epochs: 4}\nsweep: {dropout.rate: [0, 0.2, 0.5]}\nclaims:\n"
    "- {says: it narrows, metric: gap, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}, expect: lower}\n"
)
OTHERS = "rate,seed,epoch,train_accuracy,test_accuracy\n" + "".join(
    f"{rate},{seed},1,0.9,{0.8 + rate / 10 + seed / 100}\n" for rate in (0, 0.5) for seed in range(3)
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    stored(home / "results" / "one", TEXT, diverged={(2, 3)})
    with Writer(home / "results" / "one") as writer:
        summarise(writer)
    (home / "results" / "two").mkdir()
    (home / "results" / "two" / "epochs.csv").write_text(OTHERS)
    return home


@pytest.fixture(autouse=True)
def here(home, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.delenv("COLUMNS", raising=False)


def test_a_studys_table_and_claims_are_printed_again(capsys, home):
    assert main(["show", "results/one"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(fits(table(reading(home / "results/one")[0]), capsys._capture.out.tmpfile) + "\n")
    assert "it narrows" in out
    assert main(["show", "results/two"]) == 0
    assert "test vs 0" in capsys.readouterr().out


def test_another_baseline_is_another_table(capsys):
    assert main(["show", "results/one", "--baseline", "rate=0.2"]) == 0
    assert "test vs 0.2" in capsys.readouterr().out


def test_the_document_has_the_numbers_of_the_summary_and_the_words_of_the_study(capsys, home):
    assert main(["show", "results/one", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    shown, _ = reading(home / "results/one")
    sums = pd.read_csv(home / "results/one/summary.csv", keep_default_na=False)
    assert [arm["arm_id"] for arm in made["arms"]] == list(sums["arm_id"])
    for arm, (_, row), verdict in zip(made["arms"], sums.iterrows(), verdicts(shown), strict=True):
        assert (arm["n"], arm["diverged"], arm["baseline"] or "") == (row["n"], row["n_diverged"], row["baseline_arm"])
        for metric in averaged(False):
            for part in ("mean", "sd", "low", "high"):
                stated = row[f"{metric}_{part}"]
                assert arm["metrics"][metric][part] == (
                    None if stated == "" else pytest.approx(float(stated), abs=1e-12)
                )
        versus = arm["versus_baseline"]
        assert (versus is None) == (verdict.gap is None)
        if versus:
            assert versus["gap"]["word"] == row["gap_diff_word"] == verdict.gap.word
            assert versus["gap"]["difference"] == pytest.approx(float(row["gap_diff"]))
            assert versus["test"]["low"] == pytest.approx(float(row["test_accuracy_diff_low"]))
    assert made["axes"] == ["dropout.rate"]
    assert [arm["axes"]["dropout.rate"] for arm in made["arms"]] == ["0", "0.2", "0.5"]
    assert made["headline"]
    assert [claim["says"] for claim in made["claims"]] == ["it narrows"]
    assert made["last_run"] == "2030-01-02"
    assert made["bytes"] == size(home / "results/one")


def test_a_folder_of_studies_is_a_list(capsys, home):
    assert main(["show", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)["studies"]
    assert [(one["study"], one["runs"]) for one in made] == [("one", 12), ("two", 6)]
    assert main(["show", "results"]) == 0
    out = capsys.readouterr().out
    for one in made:
        assert one["headline"] in " ".join(out.split())
    assert "results/one: 12 runs, last run 2030-01-02, " in out
    assert "results/two: 6 runs, " in out


def test_what_cannot_be_shown_is_a_sentence(capsys):
    for words, said in (
        (["results/absent"], "no such folder"),
        (["results", "--all"], "--all: works only for one study, but results holds 2"),
        (["results", "--baseline", "rate=0"], "--baseline: works only for one study"),
    ):
        assert main(["show", *words]) == 2
        assert said in capsys.readouterr().err


def test_a_study_without_a_run_says_so(tmp_path, capsys):
    stored(tmp_path / "none", TEXT, missing={(arm, seed) for arm in range(3) for seed in range(4)})
    assert main(["show", str(tmp_path / "none")]) == 0
    assert "no finished run yet" in capsys.readouterr().out
