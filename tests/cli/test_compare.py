"""compare as a user gives it: words in any order, tables and JSON, and folders read as one study."""

import csv
import json

import pytest

from dropexp.cli import main


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two folders of four rows an arm: b is 0.01, 0.02, 0.03 above a in test accuracy at rate 0."""
    monkeypatch.chdir(tmp_path)
    for name, lift in (("a", 0.0), ("b", 0.01)):
        (tmp_path / name).mkdir()
        rows = [
            [rate, seed, 1, 1.0, round(0.9 + rate / 10 + 0.01 * seed + lift * (seed + 1), 4)]
            for rate in (0, 0.5)
            for seed in (0, 1, 2)
        ]
        with (tmp_path / name / "epochs.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["rate", "seed", "epoch", "train_accuracy", "test_accuracy"], *rows])
    return tmp_path


def test_two_folders(folders, capsys):
    assert main(["compare", "b", "a"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [" A: b", " B: a"]
    assert sum("+2.0 ± 2.5 undecided" in line for line in lines) == 2


@pytest.mark.parametrize(
    "argv",
    [
        ["compare", "a", "--arm", "rate=0.5", "--arm", "rate=0"],
        ["compare", "--arm", "rate=0.5", "--arm=rate=0", "a"],
        ["compare", "--arm", "dropout.rate=0.5", "--arm", "dropout.rate=0", "a", "--json"],
    ],
)
def test_two_arms_of_one_folder(folders, capsys, argv):
    assert main(argv) == 0
    shown = capsys.readouterr().out
    if "--json" in argv:
        found = json.loads(shown)
        test = found["pairs"][0]["metrics"]["test"]
        assert (test["difference"], test["n"], test["paired"]) == (pytest.approx(0.05), 3, True)
        assert (test["low"], test["p"], test["word"]) == (None, None, "undecided"), "the same in every seed"
        assert found["a"] == "a, rate 0.5"
    else:
        assert "+5.0 undecided" in shown
        assert "variance 0" in shown


def test_an_arm_of_each(folders, capsys):
    assert main(["compare", "b", "a", "--arm", "rate=0.5"]) == 0
    assert "A: b, rate 0.5" in capsys.readouterr().out
    assert main(["compare", "b", "a", "--arm", "rate=0.5", "--arm", "rate=0"]) == 0
    assert "+7.0 ± 2.5 better" in capsys.readouterr().out


def test_together_makes_a_folder_that_others_read(folders, capsys):
    with (folders / "b" / "epochs.csv").open() as file:
        rows = [row.replace(",0,1,", ",10,1,").replace(",1,1,", ",11,1,").replace(",2,1,", ",12,1,") for row in file]
    (folders / "b" / "epochs.csv").write_text("".join(rows))
    assert main(["compare", "a", "b", "--together", "--out", "class"]) == 0
    shown = capsys.readouterr()
    assert "12 runs in 2 folders, 12 of them distinct" in shown.err
    assert " 0.5    6 " in shown.out
    assert main(["compare", "a", "b", "--together", "--out", "class", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 12
    assert main(["plot", "a", "b", "--together", "--out", "pictures"]) == 0
    assert (folders / "pictures" / "figures" / "gap.png").exists()
    capsys.readouterr()
    assert main(["plot", "class", "a", "--json"]) == 0
    assert [made["study"] for made in json.loads(capsys.readouterr().out)] == ["class", "a"]


@pytest.mark.parametrize(
    "argv, says",
    [
        (["compare", "a"], "name a second one, or two of its arms"),
        (["compare", "a", "--arm", "rate=0"], "name a second one, or two of its arms"),
        (
            ["compare", "a", "b", "--arm", "rate=0", "--arm", "rate=0", "--arm", "rate=0.5"],
            "a comparison has two sides",
        ),
        (["compare", "."], None),
        (["compare", "a", "b", "nowhere"], "nowhere: no such folder"),
        (["compare", "a", "b", "--out", "x"], "works only with --together"),
        (["compare", "a", "b", "--together"], "name the folder of the joined study"),
        (["compare", "a", "b", "--together", "--out", "x", "--arm", "rate=0"], "compare its arms afterwards"),
        (["compare", "a", "b", "--together", "--out", "x"], "--prefer"),
        (["plot", "a", "b", "--prefer", "a"], "works only with --together"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(folders, capsys, argv, says):
    if says is None:
        assert main(argv) == 0, "a folder of two studies names both"
        return
    assert main(argv) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert "Traceback" not in shown.err
    assert not (folders / "x").exists()


def test_three_studies_are_too_many_unless_together(folders, capsys):
    (folders / "c").mkdir()
    (folders / "c" / "epochs.csv").write_text((folders / "a" / "epochs.csv").read_text())
    assert main(["compare", "."]) == 2
    assert "3 studies" in capsys.readouterr().err


TWO = "sweep: {dropout.rate: [0, 0.5]}\nseeds: 2"


def test_no_seed_that_is_finished_on_both_sides_is_a_sentence(tmp_path, store_study, capsys):
    store_study(tmp_path / "a", TWO, missing=[(0, 0), (1, 0)])
    store_study(tmp_path / "b", TWO, missing=[(0, 1), (1, 1)])
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "no seed has a finished run both in" in capsys.readouterr().err


def test_a_run_with_an_edited_epoch_is_named_and_left_out_where_folders_are_joined(tmp_path, store_study, capsys):
    for name in "ab":
        store_study(tmp_path / name, TWO)
    epochs = tmp_path / "a" / "epochs.csv"
    epochs.write_text(epochs.read_text().replace(",0,1,", ",0,one,", 1))
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--together", "--out", str(tmp_path / "c")]) == 0
    said = capsys.readouterr().err
    assert "runs.csv:2: " in said
    assert "7 runs in 2 folders, 4 of them distinct" in said


def test_a_header_with_a_carriage_return_in_it_is_a_difference_that_verify_names(tmp_path, store_study, capsys):
    store_study(tmp_path / "a", TWO)
    probes = tmp_path / "a" / "provenance.csv"
    probes.write_bytes(probes.read_bytes().replace(b",", b",\r", 1))
    assert main(["verify", str(tmp_path / "a"), "--sample", "0"]) == 1
    assert "provenance.csv:1" in capsys.readouterr().out
