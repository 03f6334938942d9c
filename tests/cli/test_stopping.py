"""dropexp stopping as a user gives it: what is printed, what is refused in one line, and what lies in the folder."""

from __future__ import annotations

import json

import pytest

from dropexp.cli import main

SMALL = [
    "--set",
    "training.epochs=25",
    "training.lr=0.3",
    "model.hidden=20",
    "data.train_size=100",
    "--no-plot",
    "--seeds",
    "3",
]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder of results with one study, trained to the end."""
    folder = tmp_path_factory.mktemp("stopping")
    assert main(["sweep", "--rates", "0", "0.5", "--results", str(folder), "--study", "quickstart", *SMALL]) == 0
    return folder / "quickstart"


def test_prints_where_overfitting_begins_and_the_rules(study, capsys):
    rules = ["--patiences", "1", "2", "--min-deltas", "0", "0.01", "--criteria", "patience", "up", "--strips", "1"]
    assert main(["stopping", str(study), *rules]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    for words in (
        "onset, epoch",
        "rate 0.5, n = 3",
        "to the end",
        "patience 2, min_delta 0.01",
        "UP 1",
        "stopping.csv",
    ):
        assert words in shown.out
    assert "GL" not in shown.out
    lines = (study / "stopping.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 2 * (1 + 4 + 1)
    assert (study / "figures" / "stopping-heat.png").stat().st_size > 0
    assert (study / "overfit.csv").read_text(encoding="utf-8").count("\n") == 3


def test_takes_a_folder_of_studies_and_prints_json(study, capsys):
    assert main(["stopping", str(study.parent), "--criteria", "gl", "--alphas", "1:3", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert (found["study"], found["monitor"], found["left_out"]) == (str(study), "val_loss", {})
    assert [row["threshold"] for row in found["rules"]] == [None, 1, 2, 3] * 2
    assert [row["n"] for row in found["overfitting"]] == [3, 3]
    words = [row["vs_end_word"] for row in found["rules"]]
    assert words[0] is words[4] is None
    assert {*words[1:4], *words[5:]} <= {"better", "worse", "undecided", "the same function"}
    for row in found["rules"]:
        if row["vs_end_low"] is not None:
            outside = row["vs_end_low"] > 0 or row["vs_end_high"] < 0
            assert outside == (row["vs_end_word"] in ("better", "worse"))


@pytest.mark.parametrize(
    "words, message",
    [
        (["--patiences", "0"], "--patiences: 0 is not a whole number from 1"),
        (["--patiences", "1.5"], "--patiences: 1.5 is not a whole number from 1"),
        (
            ["--patiences", "none"],
            "--patiences: none is not a whole number from 1 to 1,000,000; training to the end is",
        ),
        (
            ["--patiences", "3", "results/x"],
            "results/x is not a whole number from 1 to 1,000,000; put the folder before",
        ),
        (["--patiences", "5:1"], "--patiences 5:1: 5:1 has -3 values"),
        (["--patiences", ","], "--patiences: no value; list at least one"),
        (["--min-deltas", "-1"], "--min-deltas: -1 is not a number of at least 0"),
        (["--min-deltas", ".inf"], "--min-deltas: inf is not a number of at least 0"),
        (["--alphas", "0"], "--alphas: 0 is not a number above 0"),
        (["--strips", "0.5"], "--strips: 0.5 is not a whole number from 1"),
        (["--criteria", "glx"], "--criteria: no criterion is called 'glx'; did you mean 'gl'?"),
        (["--criteria", "gl", "--strips", "2"], "--strips: --criteria gl does not use it; add up"),
        (["--criteria", "up", "--min-deltas", "0.1"], "--min-deltas: --criteria up does not use it; add patience"),
        (["--monitor", "valloss"], "--monitor: 'valloss' is not one of val_loss, "),
    ],
)
def test_bad_words_are_one_line(study, capsys, words, message):
    assert main(["stopping", str(study), *words]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""


def test_a_folder_that_is_none_is_one_line(tmp_path, capsys):
    assert main(["stopping", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_studies_that_cannot_be_replayed_are_warned_of_beside_those_that_can(study, tmp_path, capsys):
    results = tmp_path / "r"
    for name, more in (("whole", []), ("bare", ["data.val_size=0"]), ("early", ["early_stopping.patience=1"])):
        words = ["--results", str(results), "--study", name, "--rates", "0", *SMALL]
        assert main(["sweep", *words, "--set", *more] if more else ["sweep", *words]) == 0
    capsys.readouterr()
    assert main(["stopping", str(results), "--criteria", "up"]) == 0
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 2
    assert "bare: --monitor val_loss: no epoch has it" in shown.err
    assert "early: nothing to replay; not replayed: 3 runs trained with early stopping" in shown.err
    assert "whole" in shown.out
    assert main(["stopping", str(results / "bare"), "--monitor", "test_loss", "--criteria", "patience"]) == 0
    assert "oracle: test_loss selects the epoch on the test set itself" in capsys.readouterr().out


def test_check_lists_the_seeds_of_each_arm(study, capsys):
    words = ["check", "configs/quickstart.yaml", "--pilot", str(study), "--detect", "0.02", *SMALL[:5]]
    assert main([*words, "--rates", "0", "0.5"]) == 0
    shown = capsys.readouterr().out
    assert "with 3 seeds you would detect a true 2-point difference in test accuracy" in shown
    assert shown.count("  rate 0.5  ") == 2
    assert main([*words, "--rates", "0", "0.1", "0.5", "--seeds", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(e["metric"], e["arm"], e["n"]) for e in found["detect"]] == [
        ("test_accuracy", "rate 0.5", 3),
        ("gap", "rate 0.5", 3),
    ]
    assert {e["level"] for e in found["detect"]} == {0.05 / 4}  # the study makes four comparisons, the pilot two
    assert found["outlook"]["comparisons"] == 4
    assert found["outlook"]["critical_t"] == pytest.approx(8.86, abs=0.01)


def test_a_hopeless_design_is_warned_of_by_check_and_before_training(tmp_path, capsys):
    rates = ["--rates", *(str(i / 10) for i in range(9)), "--seeds", "3", "--results", str(tmp_path)]
    tiny = ["--set", "training.epochs=1", "model.hidden=2", "data.train_size=20"]
    assert main(["check", "configs/quickstart.yaml", *rates, *tiny]) == 0
    words = "16 comparisons x 3 seeds: a word needs |t| > 18; with 6 seeds |t| > 5.3, with 10 seeds |t| > 4.0"
    assert words in capsys.readouterr().out
    assert main(["run", "configs/quickstart.yaml", *rates, *tiny, "--no-plot"]) == 0
    assert words in capsys.readouterr().err
    assert main(["run", "configs/quickstart.yaml", *rates, *tiny, "--no-plot"]) == 0
    assert words not in capsys.readouterr().err  # nothing is trained
    assert main(["check", "configs/quickstart.yaml"]) == 0
    assert "comparisons" not in capsys.readouterr().out
