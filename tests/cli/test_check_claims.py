"""check prints what would support each claim of a study, and what would refute it, before anything is trained."""

from __future__ import annotations

import json

import pytest

from dropexp.cli import main

TEXT = """seeds: 3
training: {epochs: 1}
sweep: {dropout.rate: [0, 0.5]}
claims:
  - says: dropout narrows the gap
    compare: {dropout.rate: 0.5}
    against: {dropout.rate: 0}
    expect: lower
    margin: 0.012
  - all:
      - {metric: gap, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}}
      - {metric: test_accuracy, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}, expect: at_least}
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "claims.yaml").write_text(TEXT, encoding="utf-8")
    return "claims.yaml"


def test_in_words(config, capsys):
    assert main(["check", config]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "claims: 2, judged when all 3 seeds are trained dropout narrows the gap gap at rate 0.5 is" in shown
    assert "supported if the 95% interval of the difference is below 0 and reaches -1.2 points" in shown
    assert "refuted if its 95% interval ends above -1.2 points; otherwise undecided" in shown
    assert "(2 parts, all required)" in shown
    assert "refuted if its 97.5% interval ends below +0.5 points" in shown


def test_as_data(config, capsys):
    assert main(["check", "--json", config]) == 0
    first, second = json.loads(capsys.readouterr().out)["claims"]
    assert first["says"] == "dropout narrows the gap"
    assert [set(part) for part in first["parts"]] == [{"says", "supported_if", "refuted_if"}]
    assert len(second["parts"]) == 2
