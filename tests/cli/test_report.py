"""dropexp report as it is typed: what it writes where, what it prints, and what it refuses."""

import json

import pytest

from dropexp.cli import main
from dropexp.page import render

TEXT = """
study: {}
data: {{train_size: 100}}
training: {{epochs: 4}}
seeds: 4
sweep:
  dropout.rate: [0, 0.5]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(render, "pictures", lambda tidy: iter(()))
    return tmp_path


@pytest.fixture
def results(folder, store_study):
    """Two studies below results/, one of them without a finished run."""
    store_study(folder / "results" / "one", TEXT.format("one"))
    store_study(folder / "results" / "two", TEXT.format("two"), missing=[(i, s) for i in (0, 1) for s in range(4)])
    return folder / "results"


def test_one_study(results, capsys):
    assert main(["report", "results/one"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("results/one/report.html: ")
    assert "n = 4" in shown.out
    assert not shown.err
    page = (results / "one" / "report.html").read_text(encoding="utf-8")
    assert "<h1>one</h1>" in page
    assert "train_size: 100" in page, "the configuration"
    assert "pip install SOURCE torch==2.9.1" in page
    assert "ab12" * 16 in page, "the data's sha256"
    assert "4 seconds of training in total" in page
    assert not (results / "index.html").exists()
    assert not list(results.rglob("*.new"))


def test_is_written_again_only_where_something_has_changed(results, store_study, capsys):
    page = results / "one" / "report.html"
    assert main(["report", "results/one"]) == 0
    first = page.read_bytes()
    page.write_bytes(first + b"<!-- mark -->")
    assert main(["report", "results/one"]) == 0
    assert "up to date; --fresh writes it again" in capsys.readouterr().out
    assert page.read_bytes() != first
    assert main(["report", "results/one", "--fresh"]) == 0
    assert page.read_bytes() == first, "the same bytes"
    assert main(["report", "results/one", "--all"]) == 0
    assert "up to date" not in capsys.readouterr().out
    failures = results / "one" / "failures.csv"
    failures.write_text("run_id,arm_id,seed,error,ended\nx,x,0,boom,\n")
    assert main(["report", "results/one", "--all"]) == 0
    assert "up to date" not in capsys.readouterr().out


def test_a_folder_of_studies_gets_an_index(results, capsys):
    assert main(["report", "results"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "results/index.html"
    index = (results / "index.html").read_text(encoding="utf-8")
    assert '<a href="one/report.html">one</a>' in index
    assert '<a href="two/report.html">two</a>' in index
    assert "No finished run" in index
    assert "2030-01-02" in index


def test_json(results, capsys):
    assert main(["report", "results", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["index"] == "results/index.html"
    one, two = found["studies"]
    assert (one["report"], one["written"], one["n"], one["runs"]) == ("results/one/report.html", True, "4", 8)
    assert (two["answer"], two["n"], two["last_run"]) == ("No finished run", "0", "")
    assert main(["report", "results/one", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["index"], again["studies"][0]["written"]) == (None, False)


def test_out(results, folder, capsys):
    assert main(["report", "results/one", "--out", "pages/mine.html"]) == 0
    assert (folder / "pages" / "mine.html").exists()
    assert not (results / "one" / "report.html").exists()
    assert main(["report", "results", "--out", "pages"]) == 0
    assert '<a href="one.html">' in (folder / "pages" / "index.html").read_text(encoding="utf-8")
    assert (folder / "pages" / "two.html").exists()


@pytest.mark.parametrize(
    "words,message",
    [
        (["nowhere"], "nowhere: no such folder"),
        (["results/one", "--out", "page.txt"], "--out page.txt: not the name of a page; end it in .html"),
        (["results", "--out", "page.html"], "--out page.html: several studies are written to a folder"),
        (["results", "--out", "file"], "--out file: several studies are written to a folder"),
        (["results/one", "--out", "dir.html"], "--out dir.html: a folder of that name is there"),
        (["results/one", "--out", "file/page.html"], "file/page.html: cannot be written"),
        (["results/one", "--out"], "requires an argument"),
    ],
)
def test_refuses(results, folder, capsys, words, message):
    (folder / "file").write_text("")
    (folder / "dir.html").mkdir()
    assert main(["report", *words]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_a_damaged_study_does_not_keep_the_others_from_their_pages(results, capsys):
    (results / "two" / "runs.csv").write_text("nonsense\n1\n")
    assert main(["report", "results"]) == 0
    shown = capsys.readouterr()
    assert "two" in shown.err
    assert (results / "one" / "report.html").exists()
    assert "one/report.html" in (results / "index.html").read_text(encoding="utf-8")


def test_arms_of_earlier_commands_are_said_to_be_no_part_of_the_configuration(folder, store_study):
    store_study(folder / "results" / "one", TEXT.format("one"))
    store_study(folder / "results" / "one", TEXT.format("one").replace("[0, 0.5]", "[0.2]"))
    assert main(["report", "results/one"]) == 0
    page = (folder / "results" / "one" / "report.html").read_text(encoding="utf-8")
    assert "dropout rate (0, 0.2, 0.5)" in page
    assert "2 of the arms shown were trained by earlier commands" in page


def test_failed_and_diverged_runs(folder, store_study):
    store_study(
        folder / "results" / "bad", TEXT.format("bad"), diverged=[(1, 0)], missing=[(0, 3)], failed=[(1, 2)], error="<b>\nboom"
    )  # fmt: skip
    assert main(["report", "results/bad"]) == 0
    page = (folder / "results" / "bad" / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt; boom" in page
    assert "seed 0: diverged" in page
    assert "6 of 8 runs are stored" in page


def test_the_configuration_on_the_page_trains_the_study_again(folder, store_study, capsys):
    import html
    import re

    text = """
study: odd
model: {hidden: [20], norm: batch}
seeds: [3, 5]
sweep:
  model.order: [NAD, DNA]
  dropout.placement: [[hidden], [input, hidden]]
  early_stopping.patience: [null, 5]
"""
    study = store_study(folder / "results" / "odd", text)
    assert main(["report", "results/odd"]) == 0
    page = (folder / "results" / "odd" / "report.html").read_text(encoding="utf-8")
    config = re.search(r'id="configuration".*?<code>(.*?)</code>', page, re.DOTALL).group(1)
    (folder / "study.yaml").write_text(html.unescape(config), encoding="utf-8")
    assert "dropexp run study.yaml --results again" in page
    assert "--seeds &#34;[3]&#34;" in page or '--seeds "[3]"' in page
    capsys.readouterr()
    for more, seeds in ([], [3, 5]), (["--seeds", "[3]"], [3]):
        assert main(["check", "study.yaml", "--results", "again", *more, "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert [arm["arm_id"] for arm in facts["arms"]] == [arm.arm_id for arm in study.arms]
        assert facts["seeds"] == seeds
