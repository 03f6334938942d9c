"""Removing: runs go aside as a whole and come back, what was seen stays seen, and a kill at any moment loses nothing."""

import errno
import json
import os
import shutil

import pytest
from stored import stored

from dropexp.cli import main
from dropexp.errors import StoreError, UsageError
from dropexp.experiment.registration import REMOVAL, faults
from dropexp.store import removal
from dropexp.store.folder import Store
from dropexp.store.lock import Holder
from dropexp.store.writer import Writer
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.workflow import removing
from dropexp.workflow.reading import reading
from dropexp.workflow.registering import entries, history, register
from dropexp.workflow.removing import remove_arms, remove_study, restore
from dropexp.workflow.running import summarise
from dropexp.workflow.verifying import verify

STUDY = "study: s\nseeds: 3\ntraining: {epochs: 4}\nsweep: {dropout.rate: [0, 0.2, 0.5]}\n"
FILES = ("runs.csv", "epochs.csv", "provenance.csv", "failures.csv", "predictions.bin", "summary.csv")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study that was registered, of three arms and three seeds; one run of rate 0.5 failed, one has weights."""
    folder = tmp_path_factory.mktemp("made") / "s"
    study = parse(read_text(STUDY, "s.yaml"))
    with Writer(folder) as writer:
        register(writer, study)
    stored(folder, STUDY, failed={(2, 2)}, answers=True)
    with Writer(folder) as writer:
        summarise(writer)
    (folder / "weights").mkdir()
    run = next(run for run in study.runs() if run.config.dropout.rate == 0.5)
    (folder / "weights" / f"{run.run_id}.npz").write_bytes(b"weights")
    (folder / ".checkpoints").mkdir()
    unfinished = [r for r in study.runs() if r.config.dropout.rate == 0.5][2]
    (folder / ".checkpoints" / f"{unfinished.run_id}.checkpoint").write_bytes(b"begun")
    return folder


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made, tmp_path / "s")
    return tmp_path / "s"


def content(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def faulty(folder):
    """Return what verify finds in a folder but the numbers that were made up."""
    made_up = ("final_", "runs.csv", "epochs.csv")
    found = verify(folder, 0).mismatches
    return [
        m for m in found if m.column == "rows_digest" or (not m.file.startswith(made_up) and m.column != "predictions")
    ]


def runs(folder):
    return {row["run_id"] for row in Store(folder).cells()}


def test_runs_go_aside_with_all_that_was_kept_of_them_and_come_back_byte_for_byte(folder):
    before = content(folder)
    gone = remove_arms(folder, [["rate=0.5"]])
    assert (gone.runs, gone.unfinished, gone.failed, gone.arms) == (2, 1, 1, ("rate 0.5",))
    here, there = content(folder), content(gone.aside)
    for name in ("runs.csv", "epochs.csv", "provenance.csv", "failures.csv"):
        lines = [line for held in (here, there) for line in held[name].splitlines()[1:]]
        assert sorted(lines) == sorted(before[name].splitlines()[1:]), name
        assert b"bernoulli-0.5" not in here[name]
    extra = [name for name in before if name.startswith(("weights/", ".checkpoints/"))]
    assert len(extra) == 2
    for name in extra:
        assert name not in here
        assert there[name] == before[name]
    assert not any("lost" in name or "removing" in name for name in here)
    assert len(Store(gone.aside).predictions(thorough=True).digests) == 2
    assert not Store(folder).doubts()
    assert not Store(gone.aside).doubts()

    assert restore(folder, gone.aside) == (2, 1)
    after = content(folder)
    for name in (*FILES, *extra):
        assert after[name] == before[name], name
    assert content(gone.aside) | {".lock": b""} == there | {".lock": b""}  # left as it is


def test_the_study_is_then_as_if_the_runs_had_never_been_trained(folder):
    remove_arms(folder, [["rate=0.5"], ["rate=0.2"]])
    shown, _ = reading(folder)
    assert [len(shown.finished(arm)) for arm in shown.arms] == [3, 0, 0]
    assert not faulty(folder)
    remove_arms(folder, [[]])  # every arm
    assert not runs(folder)
    with Writer(folder):  # which refuses a folder whose runs have got lost
        pass


def test_tables_that_tell_of_removed_runs_go_too(folder):
    for name in ("stopping.csv", "ensemble.csv"):
        (folder / name).write_text("arm_id\n", encoding="utf-8")
    remove_arms(folder, [["rate=0.5"]])
    assert not {"stopping.csv", "ensemble.csv"} & set(content(folder))


def test_verify_and_summary_agree_after_all_runs_were_removed(folder):
    remove_arms(folder, [["rate=0"], ["rate=0.2"], ["rate=0.5"]])
    assert (folder / "summary.csv").read_text().count("\n") == 4
    assert not faulty(folder)


def test_what_was_seen_stays_seen(folder):
    """A claim that is first made when results were seen comes after the fact, whether they still stand there or not."""
    claimed = STUDY + (
        "claims:\n- {says: x, metric: gap, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}, expect: lower}\n"
    )
    study = parse(read_text(claimed, "s.yaml"))
    for remove in (lambda: remove_arms(folder, [[]]), lambda: remove_study(folder)):
        remove()
        with Writer(folder) as writer:
            register(writer, study)
            said = entries(folder)
            assert [entry.kind for entry in said] == ["design", REMOVAL, "design"]
            assert not list(faults(said))
            assert said[-1].runs_stored == "8"
            seen, doubt = history(folder, study)
            assert doubt is None
            assert seen.claim_after(study.claims[0])
        shutil.rmtree(folder)
        shutil.move(folder.with_name("s.old-1"), folder)


def test_removing_twice_counts_each_run_once(folder):
    gone = remove_arms(folder, [["rate=0.5"]])
    restore(folder, gone.aside)
    remove_arms(folder, [["rate=0.5"]])
    assert [entry.runs_stored for entry in entries(folder)] == ["0", "8", "8"]


def test_another_study_in_an_emptied_folder_begins_its_own_history(folder):
    remove_study(folder)
    other = parse(read_text(STUDY.replace("epochs: 4", "epochs: 5"), "s.yaml"))
    with Writer(folder) as writer:
        register(writer, other)
    assert [(entry.kind, entry.runs_stored) for entry in entries(folder)] == [("design", "0")]


def test_a_whole_study_goes_aside_and_comes_back(folder):
    before = content(folder)
    gone = remove_study(folder)
    assert gone.whole
    assert gone.runs == 8
    assert set(content(folder)) == {"design.csv"}
    assert {name: text for name, text in content(gone.aside).items() if name in FILES} == {n: before[n] for n in FILES}
    restore(folder, gone.aside)
    assert {name: text for name, text in content(folder).items() if name in FILES} == {n: before[n] for n in FILES}


class Killed(BaseException):
    pass


EVERY = range(60)  # more steps than a removal takes
SOME = (0, 8, 20, 24, 28, 32)


@pytest.mark.parametrize("ended", ["killed", "interrupted"])
@pytest.mark.parametrize("at", [n if n in SOME else pytest.param(n, marks=pytest.mark.slow) for n in EVERY])
def test_an_end_at_any_moment_loses_nothing_and_the_next_command_goes_on(folder, monkeypatch, at, ended):
    """A kill runs no code afterwards; Ctrl-C leaves the folder in order on its way out."""
    before, calls = content(folder), []

    def dying(act):
        def call(*args, **named):
            calls.append(act)
            if len(calls) == at + 1:
                raise Killed
            return act(*args, **named)

        return call

    with monkeypatch.context() as patched:
        for name in ("write_aside", "write_parts_aside", "remove"):
            patched.setattr(removal.files, name, dying(getattr(removal.files, name)))
        if ended == "killed":
            patched.setattr(Writer, "__exit__", lambda writer, *_: writer._holder.release())
        patched.setattr(removing, "summarise", lambda writer: None)
        try:
            remove_arms(folder, [["rate=0.5"]])
        except Killed:
            pass
        else:
            assert len(calls) <= at, "the kill was swallowed"
            pytest.skip("the removal takes fewer steps")
    wholes = [folder, *(p for p in folder.parent.glob("s.old-*") if not p.name.endswith(removal.PART))]
    held = set().union(*(content(p).get("runs.csv", b"").splitlines() for p in wholes))
    assert held >= set(before["runs.csv"].splitlines())
    with Writer(folder) as writer:
        assert not writer.notes
    assert not (folder / "lost+found.csv").exists()
    assert not (folder / removal.JOURNAL).exists()
    assert len(runs(folder)) in (6, 8)
    for place in wholes:
        assert not Store(place).doubts()
    if len(runs(folder)) == 8:
        with monkeypatch.context() as patched:
            patched.setattr(removing, "summarise", lambda writer: None)
            remove_arms(folder, [["rate=0.5"]])
    assert len(runs(folder)) == 6


def test_the_folder_one_is_in_and_runs_moved_aside_can_be_named(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(["remove", ".", "--arm", "rate=0.5"]) == 0
    aside = folder.with_name("s.old-1")
    assert (
        f"to get them back: dropexp remove {folder.as_posix()} --restore {aside.as_posix()}" in capsys.readouterr().out
    )
    assert main(["show", str(aside)]) == 0
    assert "2 of 9 runs are stored" in capsys.readouterr().out
    assert main(["show", str(folder.parent), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["studies"][0]["runs"] == 6, "a list holds none that was moved aside"


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_study_that_the_user_reaches_by_a_link_is_no_strangers(folder):
    before, link = content(folder), folder.with_name("linked")
    link.symlink_to(folder)
    gone = remove_arms(link, [["rate=0.5"]])
    assert gone.aside.name == "linked.old-1"
    restore(link, gone.aside)
    assert {name: text for name, text in content(folder).items() if name in FILES} == {n: before[n] for n in FILES}


def test_a_copy_that_cannot_be_written_removes_nothing(folder, monkeypatch):
    before = content(folder)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(removal, "_copy_predictions", full)
        with pytest.raises(StoreError, match="nothing was removed; make room"):
            remove_arms(folder, [["rate=0.5"]])
    assert {name: text for name, text in content(folder).items() if name in before} == before
    assert not list(folder.parent.glob("*.old-*"))


def test_a_dry_run_writes_nothing(folder, capsys):
    before = content(folder)
    assert main(["remove", str(folder), "--arm", "rate=0.5", "--dry-run"]) == 0
    assert "would move 2 runs and 1 unfinished run and 1 failed run of" in capsys.readouterr().out
    assert main(["remove", str(folder), "--study", "--dry-run"]) == 0
    assert content(folder) == before
    assert not list(folder.parent.glob("*.old-*"))


def test_what_cannot_be_removed_is_refused_in_a_sentence(folder, tmp_path, capsys):
    remove_arms(folder, [["rate=0.5"]])
    for words, said in (
        (["--arm", "rate=0.5"], "there is nothing to remove"),
        (["--arm", "rate=0.9"], "no arm of s has this; its values of rate are 0, 0.2, 0.5"),
        ([], "--arm PATH=VALUE"),
        (["--arm", "rate=0.2", "--study"], "--arm PATH=VALUE"),
        (["--restore", str(tmp_path)], "contains no runs that were moved aside"),
    ):
        assert main(["remove", str(folder), *words]) == 2, words
        err = capsys.readouterr().err
        assert said in err
        assert err.count("\n") == 1
    assert main(["remove", str(tmp_path / "nothing"), "--study"]) == 2
    assert not (tmp_path / "nothing").exists()


def test_a_folder_in_use_is_left_alone(folder):
    before = content(folder)
    holder = Holder(folder)
    try:
        for remove in (lambda: remove_arms(folder, [["rate=0.5"]]), lambda: remove_study(folder)):
            with pytest.raises(StoreError, match="in use"):
                remove()
    finally:
        holder.release()
    assert {name: text for name, text in content(folder).items() if name in before} == before


def test_tables_of_others_are_moved_as_a_whole_only(tmp_path):
    folder = tmp_path / "t"
    folder.mkdir()
    (folder / "epochs.csv").write_text("run_id,seed,epoch,train_accuracy,test_accuracy\na,0,1,0.9,0.8\n")
    with pytest.raises(UsageError, match="in the program that wrote it"):
        remove_arms(folder, [["rate=0"]])
    gone = remove_study(folder)
    assert gone.by_hand
    assert not folder.exists()
    assert (gone.aside / "epochs.csv").exists()


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
@pytest.mark.parametrize("name", ["weights", ".checkpoints"])
def test_nothing_is_removed_or_written_through_a_link(folder, tmp_path, name):
    mine = (folder / name).rename(tmp_path / "mine")
    (folder / name).symlink_to(mine)
    before = content(mine)
    gone = remove_arms(folder, [["rate=0.5"]])
    assert content(mine) == before
    assert not (gone.aside / name).exists()
    (gone.aside / name).mkdir()
    (gone.aside / name / next(iter(before))).write_bytes(b"other")
    for path in mine.iterdir():
        path.unlink()
    with pytest.raises(StoreError, match="symbolic link"):
        restore(folder, gone.aside)
    assert not list(mine.iterdir())


def test_a_journal_that_leads_out_of_the_folder_is_not_followed(folder, tmp_path):
    other = tmp_path / "mine.txt"
    other.write_text("mine")
    (folder / removal.JOURNAL).write_text('[[], ["../mine.txt"]]')
    with pytest.raises(StoreError, match="not as it was written"), Writer(folder):
        pass
    assert other.exists()
