"""dropexp ensemble as a user gives it: what is printed, what is refused in one line, and what lies in the folder."""

from __future__ import annotations

import json

import pytest

from dropexp.cli import main

TEXT = """
data: {train_size: 60, val_size: 20, test_size: 101}
model: {hidden: [8]}
training: {epochs: 3}
STREAMS
save_predictions: probabilities
seeds: 5
sweep: {dropout.rate: [0, 0.5]}
"""


def trained(folder, name, **changes):
    text = TEXT.replace("STREAMS", "streams: {split: 0}")
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    config = folder / f"{name}.yaml"
    config.write_text(text, encoding="utf-8")
    assert main(["run", str(config), "--results", str(folder / "results"), "--no-plot"]) == 0
    return folder / "results" / name


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("ensemble"), "shared")


def test_prints_what_averages_and_votes_reach_and_leaves_a_table_and_a_picture(study, capsys):
    capsys.readouterr()
    assert main(["ensemble", str(study), "--members", "2"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    for words in ("mean of 2 vs one", "vote of 2", "one vs mean of 2 at 0", "1 seed beyond", "ensemble.csv"):
        assert words in " ".join(shown.out.split())
    assert max(map(len, shown.out.splitlines()[:-1])) <= 100
    heading, *lines = (study / "ensemble.csv").read_text(encoding="utf-8").splitlines()
    assert heading.startswith("arm_id,rule,members,n,accuracy_mean,accuracy_sd,accuracy_low,accuracy_high,diff_mean")
    assert len(lines) == 2 * 2 * 2
    assert (study / "figures" / "ensemble.png").stat().st_size > 0
    assert main(["ensemble", str(study), "--members", "2", "--json"]) == 0
    (fact,) = json.loads(capsys.readouterr().out)
    assert fact["members"] == 2
    assert [row["n"] for row in fact["ensembles"]] == [2] * 8
    assert len(fact["comparisons"]) == 6
    ones = [row["accuracy_mean"] for row in fact["ensembles"] if row["members"] == 1]
    assert ones[0] == ones[1], "one network votes as it answers"


REFUSED = {
    "split": (("streams: {split: 0}", ""), "streams.split is not pinned, so each seed has training and test examples"),
    "init": (("{split: 0}", "{split: 0, init: 1}"), "streams.init is pinned to 1, so all seeds have the same initial"),
    "classes": (
        ("save_predictions: probabilities\n", ""),
        "no run has stored its probabilities; write save_predictions:",
    ),
    "few": (
        ("seeds: 5", "seeds: 3"),
        "3 seeds, fewer than the 5 members of one ensemble; run the study with --seeds 10",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_study_without_ensembles_is_refused_in_one_line_that_says_why(tmp_path, capsys, name):
    change, says = REFUSED[name]
    folder = trained(tmp_path, name, change=change)
    capsys.readouterr()
    assert main(["ensemble", str(folder)]) == 2
    shown = capsys.readouterr()
    (line,) = shown.err.splitlines()
    assert line.startswith(f"{folder}: {says}")
    assert shown.out.strip() == ""
    assert not (folder / "ensemble.csv").exists()


@pytest.mark.parametrize(("members", "says"), [("1", "--members: '1' is not"), ("1001", "--members: '1001' is not")])
def test_members_are_two_or_more(study, capsys, members, says):
    assert main(["ensemble", str(study), "--members", members]) == 2
    assert capsys.readouterr().err.startswith(says)


def test_python_has_the_same_table_frame_and_mistakes(study, capsys):
    import dropexp

    made = dropexp.read(study).ensemble(2)
    assert main(["ensemble", str(study), "--members", "2"]) == 0
    assert capsys.readouterr().out.startswith(repr(made))
    assert made.frame["arm"].unique().tolist() == ["rate 0", "rate 0.5"]
    assert made.files[0] == study / "ensemble.csv"
    assert "<pre>" in made._repr_html_()
    for members in (1, True, 2.0):
        with pytest.raises(dropexp.UsageError, match=f"members: '{members}' is not a whole number from 2"):
            dropexp.read(study).ensemble(members)


def test_runs_that_others_trained_have_no_predictions(tmp_path, capsys):
    rows = [f"{rate},{seed},{e},0.9,0.8" for rate in (0, 0.5) for seed in (0, 1) for e in (1, 2)]
    (tmp_path / "epochs.csv").write_text("\n".join(["rate,seed,epoch,train_accuracy,test_accuracy", *rows]))
    assert main(["ensemble", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path}: dropexp did not train these runs and has no predictions to combine\n"
    )


def test_its_table_fits_the_terminal(study, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["ensemble", str(study), "--members", "2"]) == 0
    table = capsys.readouterr().out.partition("written:")[0]  # a path is never cut
    assert "vote of 2" in table
    assert max(map(len, table.splitlines())) <= 60
