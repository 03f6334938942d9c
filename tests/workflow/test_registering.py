"""What is declared is on the disk before anything is trained, is added to where it changes, and verified afterwards."""

import csv
import os
import shutil
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from dropexp.cli import main
from dropexp.errors import StoreError
from dropexp.experiment.registration import faults, recorded, written
from dropexp.store.writer import Writer
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.workflow.reading import reading
from dropexp.workflow.registering import NAME, register
from dropexp.workflow.request import Options, Request
from dropexp.workflow.running import Listener, run
from dropexp.workflow.verifying import verify

ROOT = Path(__file__).parents[2]
BASE = "study: said\ntraining: {epochs: 1}\nmodel: {hidden: [4]}\ndata: {train_size: 60}\n"
GRID = "sweep: {dropout.rate: [0, 0.5]}\n"
WIDER = "sweep: {dropout.rate: [0, 0.2, 0.5]}\n"
CLAIM = "claims: [{metric: gap, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}, margin: %s}]\n"


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Return a folder of a study that nothing was trained before, trained once for all that begin with it."""

    @cache
    def begun(text, seeds):
        made = parse(read_text(BASE + text, "s.yaml"), seeds=[seeds])
        return run(made, Options(results=tmp_path_factory.mktemp("begun"), executor="inline")).folder

    return begun


@pytest.fixture
def trained(tmp_path, begun):
    def trained(text=GRID, seeds=3, **more):
        if not (tmp_path / "said").exists():
            return shutil.copytree(begun(text, seeds), tmp_path / "said")
        made = parse(read_text(BASE + text, "s.yaml"), seeds=[seeds])
        return run(made, Options(results=tmp_path, executor="inline", **more)).folder

    return trained


def rows(folder):
    return recorded((folder / NAME).read_text())


def test_the_design_is_there_before_anything_is_trained_and_its_hash_is_said(tmp_path):
    made, heard = parse(read_text(BASE + GRID + CLAIM % 0.01, "s.yaml"), seeds=[3]), []

    def started(plan):
        heard.append(rows(tmp_path / "said")[0])
        assert not (tmp_path / "said" / "runs.csv").exists()

    run(made, Options(results=tmp_path, executor="inline"), Listener(started=started, registered=heard.append))
    said, entry = heard
    assert said == f"design registered: {entry.sha256[:16]}… (1 claim, 2 arms, 3 seeds)"
    assert (entry.kind, entry.runs_stored, entry.arms_stored) == ("design", "0", "")


def test_continuing_adds_no_row_and_each_change_adds_one(trained, tmp_path):
    folder = trained()
    first = (folder / NAME).read_bytes()
    trained()
    assert (folder / NAME).read_bytes() == first
    trained(GRID + CLAIM % 0.01)
    trained(WIDER + CLAIM % 0.01)
    trained(WIDER + CLAIM % 0.01 + "margins: {gap: 0.02}\n")
    trained(WIDER + CLAIM % 0.01 + "margins: {gap: 0.02}\n", seeds=4)
    found = rows(folder)
    assert (folder / NAME).read_bytes().startswith(first)
    told = [(entry.kind, entry.runs_stored) for entry in found]
    assert told == [
        ("design", "0"), ("look", "6"),
        ("design", "6"),
        ("design", "6"), ("look", "9"),
        ("design", "9"),
        ("design", "9"), ("look", "12"),
    ]  # fmt: skip
    assert list(faults(found)) == []
    shown, _ = reading(folder)
    said = shown.history
    assert said.known
    assert said.claim_after(shown.study.claims[0])
    assert [said.arm_after(arm.arm_id) for arm in shown.arms] == [False, True, False]
    assert [said.margins_after(metric) for metric in ("gap", "test_accuracy")] == [True, False]
    assert said.looks(shown.study.seeds) == 2


def test_a_claim_made_first_is_not_after(trained):
    shown, _ = reading(trained(GRID + CLAIM % 0.01))
    assert not shown.history.claim_after(shown.study.claims[0])
    assert shown.history.looks(shown.study.seeds) == 1


def test_a_fifth_digit_of_a_margin_begins_no_count_of_looks_anew(trained):
    trained(GRID + CLAIM % 0.01)
    folder = trained(GRID + CLAIM % 0.0100001, seeds=4)
    with (folder / "claims.csv").open() as file:
        assert {row["look"]: row["seeds"] for row in csv.DictReader(file)} == {"1": "0 1 2", "2": "0 1 2 3"}
    shown, _ = reading(folder)
    assert shown.history.claim_after(shown.study.claims[0])


def test_two_seeds_are_no_look(trained):
    assert [entry.kind for entry in rows(trained(seeds=2))] == ["design"]


def test_a_fresh_folder_begins_anew(trained):
    trained()
    folder = trained(GRID + CLAIM % 0.01, fresh=True)
    shown, _ = reading(folder)
    assert [entry.entry for entry in rows(folder)] == ["1", "2"]
    assert not shown.history.claim_after(shown.study.claims[0])


def test_the_baseline_that_was_asked_for_is_part_of_it(tmp_path):
    config = {"study": "said", "training": {"epochs": 1}, "sweep": {"dropout.rate": [0, 0.5]}}
    made = Request(config, baseline=("rate=0.5",)).study()
    with Writer(tmp_path / "said") as writer:
        assert register(writer, made) is not None
        assert register(writer, made) is None
    assert rows(tmp_path / "said")[0].said["baseline"] == {"dropout.rate": "0.5"}


def test_folders_of_earlier_versions_are_not_known(trained):
    folder = trained()
    (folder / NAME).unlink()
    assert not reading(folder)[0].history.known
    trained(GRID + CLAIM % 0.01)
    shown, _ = reading(folder)
    assert not shown.history.known
    assert not shown.history.claim_after(shown.study.claims[0])


def test_verify_sees_a_row_that_was_changed_or_put_in(trained):
    folder = trained(GRID + CLAIM % 0.01)
    trained(GRID + CLAIM % 0.02)
    whole = rows(folder)
    fine = [m for m in verify(folder, 0).mismatches if m.file == NAME]
    assert fine == []
    (folder / NAME).write_text(written(whole).replace("0.02", "0.03"))
    found = [m for m in verify(folder, 0).mismatches if m.file == NAME]
    assert [(m.line, m.column) for m in found] == [(4, "sha256")]
    (folder / NAME).write_text(written([whole[0], whole[2]]))
    found = [m for m in verify(folder, 0).mismatches if m.file == NAME]
    assert [(m.line, m.column) for m in found] == [(3, "entry"), (3, "sha256")]
    assert "it is not known what was declared before training" in (reading(folder)[1] or "")


@pytest.mark.parametrize("text", ["a,b\n", "\0", '"', "\xff"])
def test_damage_is_a_sentence_before_training(text, trained):
    folder = trained()
    (folder / NAME).write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreError, match=r"design\.csv: cannot be read .* restore it, or move it away"):
        trained()
    assert [m.file for m in verify(folder, 0).mismatches if m.file == NAME] == [NAME]


@pytest.mark.skipif(os.name == "nt", reason="needs links")
def test_a_link_is_not_followed(trained, tmp_path):
    folder = trained()
    (folder / NAME).rename(tmp_path / "elsewhere.csv")
    (folder / NAME).symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(StoreError, match="symbolic link"):
        trained()


KILLED = """
import os, signal, sys
from pathlib import Path
import dropexp.workflow.running as running
from dropexp.cli import main
running.outcomes = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
main(["run", sys.argv[1], "--results", sys.argv[2], "--no-plot", "--executor", "inline"])
"""


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_killed_command_leaves_its_design_and_going_on_adds_none(tmp_path):
    config = tmp_path / "s.yaml"
    config.write_text(BASE + GRID + "seeds: 3\n" + CLAIM % 0.01)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED, str(config), str(tmp_path)], env=env, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    before = rows(tmp_path / "said")
    assert [(entry.kind, entry.runs_stored) for entry in before] == [("design", "0")]
    assert list(faults(before)) == []
    assert main(["run", str(config), "--results", str(tmp_path), "--no-plot", "--executor", "inline"]) == 0
    after = rows(tmp_path / "said")
    assert after[:1] == before
    assert [entry.kind for entry in after] == ["design", "look"]


def test_a_missing_or_emptied_design_is_named(trained):
    folder = trained()
    assert verify(folder, 0).fine
    text = (folder / NAME).read_bytes()
    for damage in (lambda path: path.unlink(), lambda path: path.write_bytes(b"")):
        damage(folder / NAME)
        (wrong,) = verify(folder, 0).mismatches
        assert (wrong.file, "is missing or empty" in wrong.why) == (NAME, True)
        (folder / NAME).write_bytes(text)


def test_a_joined_folder_claims_nothing_was_said_before_its_runs(trained, tmp_path):
    from dropexp.workflow.together import together

    joined = together([trained()], tmp_path / "joined").folder
    assert not reading(joined)[0].history.known
    assert verify(joined, 0).fine


def test_an_edited_verdict_is_named(trained):
    folder = trained(GRID + CLAIM % 0.01)
    text = (folder / "claims.csv").read_text()
    word = next(w for w in ("supported", "refuted", "undecided") if f",{w}," in text)
    (folder / "claims.csv").write_text(text.replace(f",{word},", ",banana,", 1))
    (wrong,) = verify(folder, 0).mismatches
    assert (wrong.file, wrong.column, wrong.stored, wrong.expected) == ("claims.csv", "verdict", "banana", word)


def test_other_seeds_are_one_more_look_and_not_two(tmp_path):
    for seeds in ([0, 1, 2], [10, 11, 12, 13]):
        made = parse(read_text(BASE + GRID, "s.yaml"), seeds=seeds)
        folder = run(made, Options(results=tmp_path, executor="inline")).folder
    shown, _ = reading(folder)
    assert shown.history.looks((10, 11, 12, 13)) == shown.history.looks((0, 1, 2, 10, 11, 12, 13)) == 2
