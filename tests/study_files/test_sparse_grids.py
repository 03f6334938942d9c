"""Reading a folder costs what is stored and not what its study.yaml names, and says of both what making all arms says."""

from __future__ import annotations

import random

import pytest

from dropexp.analysis.judging import judge
from dropexp.experiment import study as studies
from dropexp.rows import config_cells
from dropexp.store.writer import Writer
from dropexp.study_files import sparse_grids
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.tables.arms import table
from dropexp.wording.labels import footnote
from dropexp.workflow.reading import reading
from dropexp.workflow.running import summarise
from dropexp.workflow.verifying import verify

TWINS = """
model: {kind: mlp, hidden: [8, 4]}
sweep:
  dropout.rate: [0.5, 0, 0.2]
  model.norm: [none, batch]
  dropout.kind: [bernoulli, gaussian]
  dropout.placement: [[input], [hidden], [hidden.1, hidden.2], [input, hidden]]
  model.order: [NAD, NDA, DAN]
  early_stopping.patience: [null, 3]
  early_stopping.monitor: [val_loss, val_accuracy]
"""
OVERLAP = """
sweep:
  - {dropout.rate: [0, 0.2, 0.5, 0.50], training.lr: [0.1, 0.05, 0.2], model.norm: [none, batch]}
  - {dropout.rate: [0.5, 0.9], training.momentum: [0.9, 0.8], model.order: [NAD, DAN], model.norm: [batch, none]}
  - {model.kind: [cnn, mlp], dropout.rate: [0, 0.5]}
"""
HUGE = "study: huge\nseeds: 2\nsweep:\n" + "".join(
    f"  {path}: [{', '.join(f'{first + i / 100:g}' for i in range(40))}]\n"
    for path, first in (("dropout.rate", 0), ("training.lr", 0.01), ("training.momentum", 0), ("training.l1", 0))
)  # 2,560,000 arms
SMALL = "study: huge\nseeds: 2\nsweep:\n  dropout.rate: [0, 0.1]\n  training.lr: [0.01, 0.05, 0.08]\n"
SMALL += "training: {momentum: 0.2, l1: 0.1}\n"


@pytest.fixture
def huge(tmp_path, store_study):
    """A folder of twelve runs whose study.yaml has come to name millions of arms."""
    store_study(tmp_path, SMALL)
    (tmp_path / "study.yaml").write_text(HUGE)
    return tmp_path


@pytest.mark.parametrize("text", [TWINS, OVERLAP])
@pytest.mark.parametrize("stored", [1, 4, 9])
def test_the_arms_with_rows_and_the_number_of_the_others_are_those_of_the_whole_grid(text, stored, monkeypatch):
    whole = parse(read_text(text, "s.yaml"))
    trained = {arm.arm_id: arm.trained for arm in whole.arms}
    kept = random.Random(stored).sample(sorted(trained), stored)
    paths = list(dict.fromkeys(path for grid in whole.grids for path, _ in grid))
    columns = parse(read_text("{}", "s.yaml")).arms[0].cells
    rows = {name: dict(zip(columns, config_cells(trained[name]), strict=True)) for name in kept}
    monkeypatch.setattr(sparse_grids, "SMALL", 0)
    monkeypatch.setattr(sparse_grids, "TIMES", 0)
    part = parse(read_text(text, "s.yaml"), stored=True, rows=rows)
    own = [arm for arm in whole.arms if arm.arm_id in kept]
    bare = {tuple(0.0 if p == "dropout.rate" else arm.value(p) for p in paths) for arm in own}
    expected = [a for a in whole.arms if a in own or tuple(map(a.value, paths)) in bare]
    assert sorted(map(str, part.configs)) == sorted(str(arm.config) for arm in expected)
    assert part.unmade == len(whole.arms) - len(expected)


def test_millions_of_arms_are_counted_and_not_made(huge, monkeypatch):
    made, canonical = [], studies.canonical
    for module in (studies, sparse_grids):
        monkeypatch.setattr(module, "canonical", lambda config: made.append(config) or canonical(config))
    shown, _ = reading(huge)
    assert len(shown.runs) == 12
    assert len(shown.arms) == 6
    assert shown.study.unmade == 40**4 - 6
    assert len(made) < 6 * (4 * 40 + 10)  # each stored arm against each value that study.yaml lists, and no product
    assert "2,559,994 arms without a finished run" in footnote(shown, "bars")
    assert "not shown: 2,559,994 more arms without a run" in table(shown)


def test_a_study_of_which_nothing_is_stored_has_one_arm_to_show(huge):
    for name in ("runs.csv", "epochs.csv", "provenance.csv", "summary.csv"):
        (huge / name).unlink(missing_ok=True)
    shown, _ = reading(huge)
    assert (len(shown.arms), len(shown.runs), shown.study.unmade) == (1, 0, 40**4 - 1)


def test_what_arms_with_runs_are_compared_with_is_never_another_arm_for_want_of_rows(tmp_path, store_study):
    text = "study: s\nseeds: 2\nsweep:\n  dropout.rate: [0, 0.1]\n  training.lr: [0.01, 0.05, 0.08]\n"
    store_study(tmp_path, text, missing=[(i, s) for i in range(3) for s in range(2)])  # nothing at rate 0
    lrs = ", ".join(f"{i / 100:g}" for i in range(1, 101))
    (tmp_path / "study.yaml").write_text(text.replace("0.01, 0.05, 0.08", lrs))
    shown, _ = reading(tmp_path)
    bases = [base for base in shown.baselines if base is not None]
    assert [(base.masked, len(shown.finished(base))) for base in bases] == [(False, 0)] * 3
    assert shown.study.hint is None


@pytest.mark.parametrize(
    "claim, verdict",
    [
        ("{expect: lower, compare: {dropout.rate: 0.1}, against: {dropout.rate: 0}}", "waiting"),
        (
            "{expect: lower, compare: {dropout.rate: 0.1, training.lr: 0.01, training.momentum: 0.2, training.l1: 0.1},"
            " against: {dropout.rate: 0, training.lr: 0.01, training.momentum: 0.2, training.l1: 0.1}}",
            "judged",
        ),
        ("{expect: decreasing, compare: {dropout.rate: all, training.lr: 0.01}}", "waiting"),
        ("{expect: decreasing, compare: {dropout.rate: [0, 0.1], training.lr: 0.01}}", "waiting"),
        (
            "{expect: decreasing, compare: {dropout.rate: [0, 0.1], training.lr: 0.01, training.momentum: 0.2,"
            " training.l1: 0.1}}",
            "judged",
        ),
        (
            "{expect: interaction, compare: {dropout.rate: 0.1, training.lr: 0.08},"
            " against: {dropout.rate: 0, training.lr: 0.01}}",
            "waiting",
        ),
    ],
)
def test_a_claim_on_arms_that_were_not_made_waits_for_their_runs(huge, claim, verdict):
    (huge / "study.yaml").write_text(f"{HUGE}claims:\n  - {claim}\n")
    (found,) = judge(reading(huge)[0])
    assert (found.verdict == "waiting") is (verdict == "waiting"), found.sentence
    assert "not judged" not in found.sentence


def test_a_summary_with_a_row_for_each_arm_trained_or_not_still_verifies(tmp_path, store_study, monkeypatch):
    """Earlier versions wrote such a summary.csv for a large grid too."""
    text = "study: s\nseeds: 2\nsweep:\n  dropout.rate: [0, 0.1]\n  training.lr: [0.01, 0.02, 0.03]\n"
    store_study(tmp_path, text)
    lrs = ", ".join(f"{i / 100:g}" for i in range(1, 31))
    (tmp_path / "study.yaml").write_text(text.replace("0.01, 0.02, 0.03", lrs))
    with monkeypatch.context() as whole, Writer(tmp_path) as writer:
        whole.setattr(sparse_grids, "SMALL", 60)
        summarise(writer)
    summary = tmp_path / "summary.csv"
    assert len(summary.read_text().splitlines()) == 1 + 60
    assert not [m for m in verify(tmp_path, sample=0).mismatches if m.file == "summary.csv"]
    head, _, rest = summary.read_text().partition("\n")
    summary.write_text(f"{head}\n{rest.replace(',2,0,', ',3,0,', 1)}")
    assert [m.column for m in verify(tmp_path, sample=0).mismatches if m.file == "summary.csv"] == ["n"]
