"""A user's own .csv from check to verify: columns left out, blanks, and several readings of one file in one study."""

import csv
import json

import numpy as np
import pytest

from dropexp.cli import main
from dropexp.study_files.from_dict import read_mapping
from dropexp.study_files.parse import parse

STUDY = """
data: {source: own.csv, label: kind, ignore: [id, name], blanks: mean, val_size: 0}
model: {hidden: [6]}
training: {epochs: 2}
seeds: 2
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    lines = ["id;name;a;b;c;kind"]
    for i, (a, b, c) in enumerate(rng.normal(size=(60, 3)).round(3).tolist()):
        b = "" if i % 7 == 0 else b
        lines.append(f"{i};n{i};{a};{b};{c};{'uv'[a > 0]}".replace(".", ","))
    (tmp_path / "own.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    (tmp_path / "s.yaml").write_text(STUDY)
    return tmp_path


def rows(folder):
    with (folder / "results/s/runs.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_check_and_run_say_what_was_recognised(folder, capsys):
    assert main(["check", "s.yaml"]) == 0
    shown = capsys.readouterr().out
    for line in (
        "  cells are separated by semicolons",
        "  numbers have decimal commas, as ",
        "  9 cells in 9 of 60 lines are blank (b 9): filled in with the mean of the training examples of each split",
        "  examples per class: u: ",
    ):
        assert line in shown
    assert main(["run", "s.yaml", "--no-plot", "--jobs", "1"]) == 0
    told = capsys.readouterr().err
    assert "\ndata: own.csv\n  read as vectors (N, F) of 3 features\n" in told
    assert "\n  cells are separated by semicolons\n  numbers have decimal commas" in told
    found = rows(folder)
    assert {(row["data.ignore"], row["data.blanks"]) for row in found} == {("id+name", "mean")}
    assert all(float(row["train_loss"]) > 0 for row in found), "no blank cell reaches the network"
    assert main(["verify", "results/s", "--all"]) == 0


def test_balance_is_a_fact_of_check(folder, capsys):
    assert main(["check", "s.yaml", "--json"]) == 0
    (data,) = json.loads(capsys.readouterr().out)["data"]
    assert data["source"] == "own.csv"
    assert sum(data["classes"].values()) == 60
    assert data["guessed"] == max(data["classes"].values()) / 60


def test_columns_left_out_may_be_swept_and_each_reading_is_verified(folder, capsys):
    (folder / "s.yaml").write_text(STUDY + "sweep: {data.ignore: [[id, name], [id, name, a]]}\n")
    assert main(["run", "s.yaml", "--no-plot", "--jobs", "1"]) == 0
    assert "data.ignore" not in capsys.readouterr().err
    found = {row["data.ignore"]: row["parameters"] for row in rows(folder)}
    assert list(found) == ["a+id+name", "id+name"]
    assert int(found["id+name"]) - int(found["a+id+name"]) == 6
    assert main(["verify", "results/s", "--all"]) == 0
    assert "equal to the byte: 4" in capsys.readouterr().out
    (folder / "s.yaml").write_text(STUDY)  # the other arm's runs stay in the folder, and still can be verified
    assert main(["run", "s.yaml", "--no-plot", "--jobs", "1"]) == 0
    capsys.readouterr()
    assert main(["verify", "results/s", "--all"]) == 0
    assert "equal to the byte: 4" in capsys.readouterr().out


SWEPT = """
sweep:
- {data.label: [size], data.ignore: [[id, name, kind]]}
- {data.label: [kind], data.ignore: [[id, name, size]]}
"""


def test_labels_may_be_swept(folder):
    """Each arm learns the column that it names: one file gives several data sets."""
    lines = (folder / "own.csv").read_text(encoding="utf-8-sig").splitlines()
    (folder / "own.csv").write_text("\n".join(f"{line};{i % 3 if i else 'size'}" for i, line in enumerate(lines)))
    (folder / "s.yaml").write_text(STUDY + SWEPT)
    assert main(["run", "s.yaml", "--no-plot", "--jobs", "1"]) == 0
    assert {row["data.label"]: row["classes"] for row in rows(folder)} == {"size": "3", "kind": "2"}


def test_arms_with_other_examples_are_not_paired():
    def population(**fields):
        data = {"source": "own.csv", "label": "kind", **fields}
        return parse(read_mapping({"data": data}), name="s").arms[0].population

    assert population(ignore=["a"], blanks="mean") != population(ignore=["a"], blanks="drop"), "other lines"
    assert population(ignore=["a"], blanks="drop") != population(ignore=["b"], blanks="drop"), "other lines"
    assert population(ignore=["a"], blanks="mean") == population(ignore=["b"], blanks="mean")
    assert population() != population(label="size")


def test_a_column_without_a_training_value_fails_that_run_with_a_sentence(folder, capsys):
    lines = ["a,b,y", *(f"{i},{'' if i else 3},{i % 2}" for i in range(40))]
    (folder / "own.csv").write_text("\n".join(lines))
    text = "data: {source: own.csv, label: y, blanks: median}\nmodel: {hidden: [4]}\ntraining: {epochs: 1}\nseeds: 4\n"
    (folder / "s.yaml").write_text(text)
    assert main(["run", "s.yaml", "--no-plot", "--jobs", "1"]) == 1
    told = capsys.readouterr().err
    assert "data.blanks: no training example has a number in input 2 of 2 of own.csv, so there is no median" in told
    assert 0 < len(rows(folder)) < 4, "the other seeds are trained"
