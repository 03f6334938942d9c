"""Flipped bits and cut ends of every stored file: named in a sentence or trained again to the same bytes, never shown."""

import random
import shutil

import pytest

from dropexp.errors import DropexpError
from dropexp.rows import COLUMNS
from dropexp.store.folder import Store
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.train.checkpoint import INTERVAL
from dropexp.workflow.planning import Options
from dropexp.workflow.reading import reading
from dropexp.workflow.running import Listener, run
from dropexp.workflow.verifying import verify

TEXT = """
data: {train_size: 60, val_size: 20, test_size: 40}
model: {hidden: [6]}
training: {epochs: 3}
seeds: 2
probes: [gradient_norms]
save_weights: selected
sweep: {dropout.rate: [0, 0.5]}
"""
FILES = ("runs.csv", "epochs.csv", "probes.csv", "provenance.csv", "weights", "predictions.bin", ".checkpoints")
COUNT = 1  # of each file in the fast suite, and many times as many in the slow


def train(results):
    said = []
    run(parse(read_text(TEXT, "s.yaml"), name="s"), Options(results=results, jobs=1), Listener(warned=said.append))
    return "\n".join(said)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A study that was trained, and one that was left at a checkpoint of every run."""
    whole, begun = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("begun")
    train(whole)

    def stop(pack, epoch, left, accuracy):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(INTERVAL, "0")
        run(parse(read_text(TEXT, "s.yaml"), name="s"), Options(results=begun, jobs=1), Listener(heard=stop))
    assert len(list((begun / "s" / ".checkpoints").iterdir())) == 4
    return whole, begun


def spoilt(path, rng):
    """Flip one bit of a file, or cut its end off; say what was done."""
    content = bytearray(path.read_bytes())
    if rng.random() < 0.75:
        at, bit = rng.randrange(len(content)), rng.randrange(8)
        content[at] ^= 1 << bit
        path.write_bytes(content)
        return f"{path.name}: bit {bit} of byte {at}"
    end = rng.choice([0, rng.randrange(len(content)), len(content) - 1])
    path.write_bytes(content[:end])
    return f"{path.name}: cut at {end} of {len(content)} bytes"


def shown(folder):
    """The numbers that every command sees, by run and column."""
    tidy, _ = reading(folder)
    epochs = {tuple(row) for row in tidy.epochs.astype(str).itertuples(index=False)}
    runs = {tuple(row) for row in tidy.runs.astype(str).itertuples(index=False)}
    probes = {tuple(row) for row in tidy.probes.astype(str).itertuples(index=False)}
    provenance = {tuple(row) for row in Store(folder).frame("provenance.csv").astype(str).itertuples(index=False)}
    return runs, epochs, probes, provenance


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 60))])
def test_a_study_that_was_changed_is_named(seed, stored, tmp_path):
    """Its axes and claims say what is shown and judged, and its numbers stand nowhere else."""
    folder = shutil.copytree(stored[0] / "s", tmp_path / "s")
    what = spoilt(folder / "study.yaml", random.Random(seed))
    seen, refused = attempt(reading, folder)
    assert f"{folder / 'study.yaml'}:" in (refused or seen[1] or ""), what
    assert not verify(folder, 0).fine, what


def attempt(act, *given):
    """What an act returns, and the sentence that refuses it."""
    try:
        return act(*given), None
    except DropexpError as error:
        return None, str(error)


def check(name, seed, stored, place, study_files):
    rng = random.Random(f"{name} {seed}")
    whole, begun = stored
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(begun if name == ".checkpoints" else whole, place)
    folder = place / "s"
    path = rng.choice(sorted((folder / name).iterdir())) if (folder / name).is_dir() else folder / name
    what = spoilt(path, rng)
    if name in COLUMNS:
        seen, refused = attempt(shown, folder)
        assert str(path) in (refused or str(path)), what
        for got, right in zip(seen or (), shown(whole / "s"), strict=seen is not None):
            assert got <= right, f"{what}: shown though it differs from what was stored"
    said, refused = attempt(train, place)
    if refused is not None:
        assert str(path) in refused, what
        assert "\n" not in refused
        return
    found, left = study_files(folder)
    right = study_files(whole / "s")[0]
    assert found == right, what
    quiet = name == "provenance.csv" or "cut at" in what  # a torn end is what any kill leaves
    assert quiet or path.name in said or "runs.csv:" in said or path.stem in said, f"{what}: nothing was said"
    assert set(left) <= {"lost+found.csv"}


@pytest.mark.parametrize("name", FILES)
def test_no_flip_and_no_cut_is_silent(name, stored, tmp_path, study_files):
    for seed in range(COUNT):
        check(name, seed, stored, tmp_path / "s", study_files)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_no_flip_and_no_cut_is_silent_of_many(name, stored, tmp_path, study_files):
    for seed in range(COUNT, COUNT + 40):
        check(name, seed, stored, tmp_path / "s", study_files)


def test_without_its_seal_a_flip_is_shown(stored, tmp_path, monkeypatch):
    """The harness sees what it looks for: without digests a changed digit is a number like any other."""
    monkeypatch.setattr("dropexp.store.intact.rows_fault", lambda row, epochs, probes: None)
    folder = shutil.copytree(stored[0] / "s", tmp_path / "s")
    path = folder / "epochs.csv"
    text = path.read_text()
    at = text.rindex("0.")
    path.write_text(f"{text[: at + 2]}{(int(text[at + 2]) + 1) % 10}{text[at + 3 :]}")
    assert not shown(folder)[1] <= shown(stored[0] / "s")[1]


@pytest.mark.parametrize("name", ["epochs.csv", "probes.csv", "weights", "predictions.bin", "study.yaml"])
def test_what_is_gone_is_named_by_verify_and_made_again(name, stored, tmp_path, study_files):
    """0.2.0 passed a study whose probes.csv was deleted, and `run` never noticed that epochs were missing."""
    shutil.copytree(stored[0], tmp_path / "results")
    folder = tmp_path / "results" / "s"
    (folder / name).rename(tmp_path / "gone")
    assert not verify(folder, 0).fine
    said = train(tmp_path / "results")
    assert (
        "rows; moved to lost+found.csv" in said
        or "is missing (weights_selected); trained again" in said
        or "has lost its predictions (predictions.bin" in said
        or name == "study.yaml"
    )
    assert study_files(folder) == study_files(stored[0] / "s")
