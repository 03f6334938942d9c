"""export as a user gives it: what is printed, what is written, and one sentence for the rest."""

import csv
import io
import json
import re

import pytest

from dropexp.cli import main
from dropexp.quoting import CONTROLS
from dropexp.rows import is_number

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


FORMULAS = ("=cmd|'/c calc'!A1", "+1+cmd", "-2+3", "@SUM(A1)", "-0.5")


@pytest.fixture
def formulas(folder):
    header = "rule,=HYPERLINK(1),seed,epoch,train_accuracy,test_accuracy\n"
    rows = "".join(f'"{word}",{k},{seed},1,1,0.9\n' for k, word in enumerate(FORMULAS) for seed in (0, 1))
    (folder / "results" / "a" / "epochs.csv").write_text(header + rows)
    return folder


def test_no_cell_of_a_csv_is_a_formula(formulas, capsys):
    assert main(["export", "results/a", "--to", "csv"]) == 0
    header, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert "'=HYPERLINK(1)" in header
    rules = list(dict.fromkeys(row[header.index("rule")] for row in rows))
    assert rules == [*(f"'{word}" for word in FORMULAS[:4]), "-0.5"], "a number stays one"
    for row in (header, *rows):
        assert not [c for c in row if c[:1] in ("=", "+", "-", "@", "\t", "\r") and not is_number(c)]


@pytest.mark.parametrize("word", ["[red]x", "*x", "\x1b[31m", "a\nb", "$\\input{x}$"])
def test_a_word_is_only_a_word_in_latex(word, formulas, capsys):
    path = formulas / "results" / "a" / "epochs.csv"
    path.write_text(path.read_text().replace("-0.5", word))
    assert main(["export", "results/a", "--to", "latex"]) == 0
    out = capsys.readouterr().out
    assert not CONTROLS.search(out)
    body = out.partition("\\midrule")[2].partition("\\bottomrule")[0].split("\n")
    assert len(body) == 2 + len(FORMULAS), "a line break within a cell is none in the table"
    assert not [line for line in body if line.strip()[:1] in ("[", "*")], "it would be an argument of the row before it"
    assert not re.search(r"(?<!\\)\$[^$]*input", out)
