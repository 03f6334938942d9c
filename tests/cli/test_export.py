"""export as a user gives it: what is printed, what is written, and one sentence for the rest."""

import json

import pytest

from dropexp.cli import main

TABLE = "rate,seed,epoch,train_accuracy,test_accuracy\n" + "".join(
    f"{rate},{seed},1,1,{0.9 + rate / 10 + seed / 100}\n" for rate in (0, 0.5) for seed in (0, 1)
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / "epochs.csv").write_text(TABLE)
    return tmp_path


def test_texts_are_printed_or_written(folder, capsys):
    assert main(["export", "results/a", "--to", "latex"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("% needs")
    assert main(["export", "results/a", "--to", "latex", "--out", "table.tex"]) == 0
    assert capsys.readouterr().out == "table.tex\n"
    assert (folder / "table.tex").read_text(encoding="utf-8") == printed
    assert main(["export", "results", "--to", "markdown"]) == 0
    assert capsys.readouterr().out.count("| dropout rate |") == 2
    assert main(["export", "results/a", "--to", "csv", "--json"]) == 0
    (made,) = json.loads(capsys.readouterr().out)
    assert made["text"].splitlines()[0].startswith("run_id,arm_id,seed,epoch,dropout.rate,selected")


def test_files_of_other_programs(folder, capsys):
    assert main(["export", "results/a", "--to", "parquet", "--out", "x.parquet"]) == 0
    assert main(["export", "results/a", "--to", "tensorboard", "--out", "tb"]) == 0
    assert (folder / "x.parquet").read_bytes()[:4] == b"PAR1"
    assert len(list((folder / "tb").iterdir())) == 4


@pytest.mark.parametrize(
    "argv, says",
    [
        (["results", "--to", "csv"], "2 studies"),
        (["results", "--to", "latex", "--out", "x.tex"], "2 studies"),
        (["results/a", "--to", "parquet"], "add --out a.parquet"),
        (["results/a", "--to", "word"], "they are latex, markdown, csv, parquet, tensorboard"),
        (["results/a", "--to", "csv", "--out", "results/a/epochs.csv"], "a file of the study itself"),
        (["nowhere", "--to", "csv"], "no such folder"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(folder, capsys, argv, says):
    assert main(["export", *argv]) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert shown.err.count("\n") == 1
    assert (folder / "results" / "a" / "epochs.csv").read_text() == TABLE
