"""Answers from training to tables: kept at the selected epoch, verified, joined, absent where an older version trained."""

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest

from dropexp.errors import StoreError
from dropexp.rows import COLUMNS, SEAL, cells_of, headers, line_of
from dropexp.store import prediction_records as records
from dropexp.store import seals
from dropexp.store.folder import Store
from dropexp.store.new_predictions import Added
from dropexp.store.predictions import NAME
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.workflow.planning import Options
from dropexp.workflow.reading import reading
from dropexp.workflow.running import Listener, run
from dropexp.workflow.together import together
from dropexp.workflow.verifying import verify

TEXT = """
data: {train_size: 60, val_size: 20, test_size: 40}
model: {hidden: [6]}
training: {epochs: 4, lr: 0.3}
early_stopping: {patience: 1}
seeds: SEEDS
sweep: {dropout.rate: [0, 0.5]}
"""


def train(results, seeds="2", rest="", **options):
    said, text = [], TEXT.replace("SEEDS", seeds) + rest
    study = parse(read_text(text, "s.yaml"), name="s")
    done = run(study, Options(results=results, jobs=1, **options), Listener(warned=said.append))
    return done.trained, "\n".join(said)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    results = tmp_path_factory.mktemp("stored")
    assert train(results) == (4, "")
    return results


@pytest.fixture
def folder(stored, tmp_path):
    return shutil.copytree(stored, tmp_path / "results") / "s"


def test_outcomes_are_those_that_the_rows_count(stored):
    shown, note = reading(stored / "s")
    assert note is None
    for arm in shown.arms:
        found = shown.outcomes_of(arm)
        assert list(found) == [0, 1]
        for seed, outcome in found.items():
            row = shown.finished(arm).loc[seed]
            assert outcome.right.mean() == row["test_accuracy"]
            assert (outcome.place.dtype, len(outcome.place), outcome.probabilities) == (np.int64, 40, None)
            assert (np.diff(outcome.place) > 0).all()
    one, other = (shown.outcomes_of(arm)[0] for arm in shown.arms)
    np.testing.assert_array_equal(one.place, other.place)
    np.testing.assert_array_equal(one.label, other.label)
    assert (one.predicted != other.predicted).any()


def test_the_labels_are_those_of_the_data(stored):
    from dropexp.data import load
    from dropexp.experiment.config import Data

    digits = load(Data(), folder=stored)
    shown, _ = reading(stored / "s")
    for outcome in shown.outcomes_of(shown.arms[0]).values():
        np.testing.assert_array_equal(outcome.label, digits.y[outcome.place])


def test_probabilities_are_kept_where_they_are_asked_for_and_stay(folder):
    trained, said = train(folder.parent, rest="save_predictions: probabilities\n")
    assert trained == 4
    assert said.count("was trained without saving probabilities; trained again") == 4
    shown, _ = reading(folder)
    plain = {(arm.arm_id, seed): o for arm in shown.arms for seed, o in shown.outcomes_of(arm).items()}
    for outcome in plain.values():
        np.testing.assert_allclose(outcome.probabilities.sum(1), 1, rtol=1e-6)
        np.testing.assert_array_equal(outcome.probabilities.argmax(1), outcome.predicted)
    assert verify(folder, 0).mismatches == ()
    assert train(folder.parent) == (0, ""), "a study that asks for classes has them"
    trained, said = train(folder.parent, rest="probes: [gradient_norms]\n")
    assert trained == 4
    assert Store(folder).predictions().get(shown.runs["run_id"][0]).probabilities is not None
    assert verify(folder, None).fine


def test_verify_says_which_runs_lack_probabilities(folder):
    text = (folder / "study.yaml").read_text().partition("# digest")[0]
    (folder / "study.yaml").write_text(
        seals.signed(text.replace("save_predictions: classes", "save_predictions: probabilities"))
    )
    found = verify(folder, 0).mismatches
    assert ["has no probabilities in predictions.bin, study.yaml asks for it" in m.why for m in found] == [True] * 4


def test_none_keeps_nothing_and_changes_no_other_byte(stored, tmp_path):
    assert train(tmp_path, rest="save_predictions: none\n")[0] == 4
    assert not (tmp_path / "s" / NAME).exists()
    ours, theirs = ([cells_of(line) for line in Store(x / "s").lines("runs.csv")] for x in (stored, tmp_path))
    plain = [i for i, column in enumerate(COLUMNS["runs.csv"]) if column not in ("predictions", "rows_digest")]
    assert [[row[i] for i in plain] for row in ours] == [[row[i] for i in plain] for row in theirs]
    assert (stored / "s" / "epochs.csv").read_bytes() == (tmp_path / "s" / "epochs.csv").read_bytes()


def test_a_run_that_diverges_at_once_has_none_and_is_done(tmp_path):
    text = TEXT.replace("lr: 0.3", "lr: 1.0e+30").replace("SEEDS", "1")
    study = parse(read_text(text + "save_predictions: probabilities\n", "s.yaml"), name="s")
    run(study, Options(results=tmp_path, jobs=1))
    rows = Store(tmp_path / "s").cells()
    assert {(row["stop_reason"], row["selected_epoch"], row["predictions"]) for row in rows} == {("diverged", "", "")}
    assert run(study, Options(results=tmp_path, jobs=1)).trained == 0
    assert verify(tmp_path / "s", None).fine


def older(folder):
    """Make a folder what 0.3.0 wrote."""
    (folder / NAME).unlink()
    rows = [seals.row_of(line) | {"predictions": ""} for line in Store(folder).lines("runs.csv")]
    for row in rows:
        row["rows_digest"] = seals.rows_digest(
            row, *(_own(folder, name, row["run_id"]) for name in ("epochs.csv", "probes.csv"))
        )
    columns = next(header for header in headers("runs.csv") if "predictions" not in header)
    text = line_of(columns) + "".join(line_of(row[column] for column in columns) for row in rows)
    (folder / "runs.csv").write_text(text)
    summed = pd.read_csv(folder / "summary.csv", dtype=str, keep_default_na=False)
    summed = summed[[c for c in summed if not c.endswith(("_examples_low", "_examples_high", "_word", "_reach"))]]
    names = {c: c.replace("diff_p_family", "diff_p_holm") for c in summed}
    summed.rename(columns=names).to_csv(folder / "summary.csv", index=False, lineterminator="\n")
    body = (folder / "study.yaml").read_text().partition("save_predictions")[0]
    (folder / "study.yaml").write_text(seals.signed(body))


def _own(folder, name, run_id):
    return [line for line in Store(folder).lines(name) if line.startswith(f"{run_id},")]


def test_a_folder_of_an_older_version_reads_and_goes_on(folder):
    older(folder)
    shown, note = reading(folder)
    assert note is None
    assert [shown.outcomes_of(arm) for arm in shown.arms] == [{}, {}]
    assert verify(folder, None).fine
    assert train(folder.parent) == (0, "")
    assert train(folder.parent, "3") == (2, "")
    shown, _ = reading(folder)
    assert [list(shown.outcomes_of(arm)) for arm in shown.arms] == [[2], [2]]
    assert verify(folder, None).fine


def resealed(folder, change):
    """Change the answers of the first run as someone would who seals anew what was changed."""
    lines, stored = Store(folder).lines("runs.csv"), Store(folder).predictions()
    every = [stored.get(line.partition(",")[0]) for line in lines]
    every[0] = change(every[0])
    added = Added(set())
    digests = [added.add(answers, None) for answers in every]
    (folder / NAME).write_bytes(bytes(added.content))
    text = line_of(COLUMNS["runs.csv"])
    for line, digest in zip(lines, digests, strict=True):
        row = seals.row_of(line) | {"predictions": digest}
        own = (_own(folder, name, row["run_id"]) for name in ("epochs.csv", "probes.csv"))
        text += line_of((row | {"rows_digest": seals.rows_digest(row, *own)}).values())
    (folder / "runs.csv").write_text(text)


def swapped(answers):
    """As many right answers, and others."""
    right = answers.predicted == answers.label
    at, predicted = [np.flatnonzero(right)[0], np.flatnonzero(~right)[0]], answers.predicted.copy()
    predicted[at] = [(answers.label[at[0]] + 1) % 10, answers.label[at[1]]]
    return dataclasses.replace(answers, predicted=predicted)


def with_place(at, place):
    def change(answers):
        places = answers.place.copy()
        places[at] = place if place is not None else places[at - 1]
        return dataclasses.replace(answers, place=places)

    return change


CHANGES = {
    "right": (lambda a: dataclasses.replace(a, predicted=a.label), "40 of 40 answers are right"),
    "others": (swapped, "trained again, its record in predictions.bin"),
    "twice": (with_place(3, None), "the same example appears twice"),
    "beyond": (with_place(-1, 1797), "example 1797 is not one of the 1797 of digits"),
    "official": (lambda a: dataclasses.replace(a, official=True), "not those of the test set pool"),
    "fewer": (
        lambda a: dataclasses.replace(a, **{n: np.repeat(getattr(a, n), 2) for n in ("place", "label", "predicted")}),
        "holds 80 answers of 10 classes, but its row has 40 of 10",
    ),
    "unchanged": (lambda a: a, None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_verify_finds_answers_that_are_not_those_of_the_run(name, folder):
    change, why = CHANGES[name]
    resealed(folder, change)
    found = verify(folder, None)
    assert found.fine == (why is None)
    assert why is None or any(why in m.why and m.column == "predictions" for m in found.mismatches), found.mismatches


def flipped(folder, at):
    content = bytearray((folder / NAME).read_bytes())
    content[at] ^= 1
    (folder / NAME).write_bytes(content)


def foreign(folder):
    place = np.arange(3)
    added = Added(set())
    added.add(records.Answers("another-s0", False, 10, place, place, place), None)
    with (folder / NAME).open("ab") as file:
        file.write(added.content)


DAMAGES = {
    "cut": lambda folder: (folder / NAME).write_bytes((folder / NAME).read_bytes()[:-5]),
    "answer": lambda folder: flipped(folder, -20),
    "digest": lambda folder: flipped(folder, -1),
    "examples": lambda folder: flipped(folder, 30),
    "foreign": foreign,
    "gone": lambda folder: (folder / NAME).unlink(),
    "empty": lambda folder: (folder / NAME).write_bytes(b""),
    "zeros": lambda folder: (folder / NAME).write_bytes((folder / NAME).read_bytes() + bytes(500)),
    "text": lambda folder: (folder / NAME).write_bytes(b"something else"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_named_and_mended(name, folder, stored):
    whole = {path.name: path.read_bytes() for path in (stored / "s").iterdir() if path.suffix in (".csv", ".bin")}
    DAMAGES[name](folder)
    found = verify(folder, 0)
    assert any(NAME in f"{m.file} {m.why}" for m in found.mismatches)
    shown, note = reading(folder)
    said = note or ""
    for arm in shown.arms:
        try:
            shown.outcomes_of(arm)
        except StoreError as error:
            said += str(error)
    assert NAME in said or name in ("foreign", "zeros")
    trained, said = train(folder.parent)
    assert (trained, said) == (0, "") if name in ("foreign", "zeros") else NAME in said
    again = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".bin")}
    lost = again.pop("lost+found.csv", b"").decode()
    assert ("another-s0" in lost or NAME in lost) == (name not in ("gone", "empty", "cut", "zeros"))
    again["provenance.csv"] = whole["provenance.csv"]
    assert again == whole


def test_folders_are_joined_with_their_answers(stored, tmp_path):
    train(tmp_path / "more", "[1, 2]")
    joined = together([stored / "s", tmp_path / "more" / "s"], tmp_path / "both")
    assert joined.runs == 6
    assert verify(tmp_path / "both", 0).mismatches == ()
    shown, note = reading(tmp_path / "both")
    assert note is None
    assert [list(shown.outcomes_of(arm)) for arm in shown.arms] == [[0, 1, 2]] * 2
    again = together([tmp_path / "both", tmp_path / "more" / "s"], tmp_path / "both")
    assert again.runs == 6
    train(tmp_path / "direct", "3")
    assert (tmp_path / "direct" / "s" / NAME).read_bytes() == (tmp_path / "both" / NAME).read_bytes()


def test_the_seal_speaks_of_the_answers(folder):
    assert "predictions" in SEAL
    text = (folder / "runs.csv").read_text()
    digest = Store(folder).cells()[0]["predictions"]
    (folder / "runs.csv").write_text(text.replace(digest, digest[::-1]))
    assert "differs from what was stored (rows_digest)" in (reading(folder)[1] or "")
