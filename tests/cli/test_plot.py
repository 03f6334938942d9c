"""plot to order: what is written where, what is printed, and that the figures of the study stay as they are."""

import json

import pytest

from dropexp import read
from dropexp.cli import main

TEXT = "training: {epochs: 4}\nseeds: 3\nsweep: {dropout.rate: [0, 0.5]}"


@pytest.fixture(scope="module")
def place(tmp_path_factory, store_study):
    folder = tmp_path_factory.mktemp("plots")
    store_study(folder / "results" / "s", TEXT)
    return folder


@pytest.fixture
def here(place, monkeypatch):
    monkeypatch.chdir(place)
    return place


def test_a_paper_gets_its_figures_and_their_captions(here, capsys):
    order = ["--only", "gap", "curves", "--format", "pdf", "--size", "3.25x2.2", "--metric", "loss", "--out", "paper"]
    assert main(["plot", "results/s", *order]) == 0
    shown = capsys.readouterr()
    assert sorted(p.name for p in (here / "paper").iterdir()) == ["curves-loss.pdf", "gap.pdf"]
    assert shown.out.startswith("paper/gap.pdf\n  ")
    assert "paper/curves-loss.pdf\n  Mean test loss is lowest at epoch" in shown.out
    assert "−" not in shown.out, "a terminal's minus is a hyphen"
    assert not (here / "results" / "s" / "figures").exists()


def test_without_a_folder_they_stay_beside_the_figures(here, capsys):
    assert main(["plot", "results/s", "--only", "gap", "heat", "--format", "svg", "--json"]) == 0
    shown = capsys.readouterr()
    (fact,) = json.loads(shown.out)
    assert fact["figures"] == ["results/s/plots/gap.svg"]
    assert fact["left_out"] == ["heat: does not apply to this study"]
    assert "heat: does not apply to this study" in shown.err
    assert [p.name for p in read("results/s").plot(only="gap", formats=["pdf"], size=(3.5, 2.5))] == ["gap.pdf"]
    assert sorted(p.name for p in (here / "results" / "s" / "plots").iterdir()) == ["gap.pdf", "gap.svg"]


@pytest.mark.parametrize("words", [["--only", "heat"], ["--only", "gap", "--size", "1x1"]])
def test_nothing_drawn_is_2(here, capsys, words):
    assert main(["plot", "results/s", *words]) == 2
    assert capsys.readouterr().out == ""
