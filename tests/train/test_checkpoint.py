"""Checkpoints: a pack left at any epoch goes on to the same bytes, in other packs too; a bad file starts anew."""

import dataclasses
import errno
import io
import json
import os
import zipfile

import numpy as np
import pytest

from dropexp.cli import main
from dropexp.records import EpochRow
from dropexp.train import checkpoint as module
from dropexp.train.checkpoint import Checkpoint, Timer, Unusable, begun, circumstances, load, remove, save, tidy
from dropexp.train.checkpoint_content import arrays_and_notes
from dropexp.train.pack import Work, train_pack

SIZES = {"data": {"test_size": 30, "val_size": 20}, "training": {"epochs": 5, "batch_size": 16}}
MLP = {"model": {"hidden": [13, 9], "norm": "batch"}}
CNN = {"model": {"kind": "cnn", "channels": [3], "hidden": [7], "norm": "batch"}, "dropout": {"placement": ["all"]}}
LSTM = {"model": {"kind": "lstm", "units": 7, "layers": 2}, "dropout": {"placement": ["all"]}}
SWEEPS = {
    "mlp": ({**MLP, "training": {"momentum": 0.9, "nesterov": True, "max_norm": 1.0}}, "vectors"),
    "adam": ({**MLP, "training": {"optimizer": "adam", "lr": 0.01, "steps_per_epoch": 3}}, "vectors"),
    "adamw": ({"model": {"hidden": [13], "norm": "layer"}, "training": {"optimizer": "adamw", "lr": 0.01}}, "vectors"),
    "schedules": (
        {"model": {"hidden": [13]}, "dropout": {"schedule": {"shape": "linear", "epochs": 4}},
         "training": {"schedule": {"shape": "cosine"}}}, "vectors"),
    "noise": ({"model": {"hidden": [13]}, "data": {"label_noise": 0.3}}, "vectors"),
    "weights": ({"model": {"hidden": [8]}, "dropout": {"kind": "dropconnect"}}, "vectors"),
    "stopped": ({"model": {"hidden": [13]}, "early_stopping": {"patience": 1, "min_delta": 0.05}}, "vectors"),
    "cnn": (CNN, "images"),
    "lstm": (LSTM, "images"),
}  # fmt: skip


def runs_of(make_run, sections):
    merged = {name: {**SIZES.get(name, {}), **sections.get(name, {})} for name in {*SIZES, *sections}}
    return [
        make_run(seed, **{**merged, "dropout": {**merged.get("dropout", {}), "rate": rate}})
        for seed, rate in ((0, 0.5), (1, 0.2), (0, 0.1 if "kind" in merged.get("dropout", {}) else 0.0), (2, 0.5))
    ]


def rows(outcomes):
    """Return every row of every run, spelt, and every array that was kept."""
    found = {}
    for outcome in outcomes:
        assert outcome.error is None
        assert not outcome.paused
        for row in outcome.runs:
            own = [repr(r) for r in (*outcome.epochs, *outcome.probes) if r.run_id == row.run_id]
            kept = [
                (name, {k: a.tobytes() for k, a in arrays.items()})
                for name, arrays in outcome.weights
                if name.partition("/")[0] == row.run_id
            ]
            kept += [
                (a.predicted.tobytes(), np.asarray(a.probabilities).tobytes())
                for a in outcome.answers
                if a.run_id == row.run_id
            ]
            found[row.run_id] = (repr(row), own, kept)
    return found


def packs(runs, sizes):
    found, at = [], 0
    for size in sizes:
        found.append(tuple(runs[at : at + size]))
        at += size
    return found


DIVIDED = ("mlp", "adam", "lstm")  # which one pack leaves to single runs too


@pytest.mark.parametrize("name", SWEEPS)
def test_a_pack_left_at_an_epoch_goes_on_to_the_same_bytes(name, make_run, request, tmp_path):
    sections, data = SWEEPS[name]
    dataset, runs = request.getfixturevalue(data), runs_of(make_run, sections)
    probes, heard = ("gradient_norms",), []
    whole = rows([train_pack(Work(tuple(runs), data, probes, "selected", "probabilities"), dataset)])
    for before, after in (((1, 3), (2, 2)), ((4,), (1, 1, 1, 1)))[: 2 if name in DIVIDED else 1]:
        folder = tmp_path / str(len(before))
        for pack in packs(runs, before):
            work = Work(pack, data, probes, "selected", "probabilities", checkpoints=folder)
            assert train_pack(work, dataset, lambda epoch, left, _: heard.append(epoch) or epoch == 2).paused
        assert set(heard) == {1, 2}
        heard.clear()
        outcomes = []
        for pack in packs(runs, after):
            work = Work(pack, data, probes, "selected", "probabilities", checkpoints=folder)
            outcomes.append(train_pack(work, dataset, lambda epoch, *_: heard.append(epoch)))
        assert rows(outcomes) == whole
        assert min(heard, default=3) == 3, "it went on, instead of starting anew"
        heard.clear()


@pytest.mark.parametrize("which", ["none", "selected", "all"])
def test_left_after_every_epoch_it_ends_in_the_same_weights(which, make_run, vectors, tmp_path):
    runs = tuple(runs_of(make_run, {**MLP, "early_stopping": {"patience": 2, "min_delta": 0.03}}))
    whole = rows([train_pack(Work(runs, "vectors", save_weights=which), vectors)])
    work = Work(runs, "vectors", save_weights=which, checkpoints=tmp_path)
    for _ in range(20):
        outcome = train_pack(work, vectors, lambda *_: True)
        if not outcome.paused:
            break
    assert rows([outcome]) == whole


def test_a_diverged_neighbour_and_one_that_ended_are_remembered(make_run, vectors, tmp_path):
    """Four runs that end at different epochs, one of them diverged: only those that train need a state."""
    ends = ((1e30, 5), (0.05, 2), (0.05, 5), (0.01, 4))
    runs = tuple(
        make_run(0, data=SIZES["data"], model={"hidden": [13]}, training={"lr": lr, "epochs": epochs})
        for lr, epochs in ends
    )
    whole = rows([train_pack(Work(runs, "vectors", save_weights="selected"), vectors)])
    work = Work(runs, "vectors", save_weights="selected", checkpoints=tmp_path)
    assert train_pack(work, vectors, lambda epoch, *_: epoch == 3).paused
    assert [load(tmp_path, r.run_id, work.circumstances).reason for r in runs] == ["diverged", "max_epochs", None, None]
    outcomes = [train_pack(Work((r,), "vectors", save_weights="selected", checkpoints=tmp_path), vectors) for r in runs]
    assert rows(outcomes) == whole


def paused(make_run, vectors, folder):
    run = make_run(0, **SIZES, model={"hidden": [13]})
    work = Work((run,), "vectors", checkpoints=folder)
    assert train_pack(work, vectors, lambda epoch, *_: epoch == 2).paused
    return run, work, folder / f"{run.run_id}.checkpoint"


def head_with(path, **changes):
    head, _, body = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps({**json.loads(head), **changes}).encode() + b"\n" + body)


SPOILT = {
    "torn": (lambda path: path.write_bytes(path.read_bytes()[:-100]), "is torn"),
    "a bit": (lambda path: path.write_bytes(path.read_bytes()[:-9] + b"!" + path.read_bytes()[-8:]), "is torn"),
    "empty": (lambda path: path.write_bytes(b""), "incomplete or not a checkpoint"),
    "noise": (lambda path: path.write_bytes(bytes(range(256)) * 9), "incomplete or not a checkpoint"),
    "a list": (lambda path: path.write_bytes(b"[1]\n"), "incomplete or not a checkpoint"),
    "schema": (lambda path: head_with(path, schema=99), "version 99"),
    "another epoch": (lambda path: head_with(path, epoch=1), "is torn"),
    "an endless epoch": (lambda path: head_with(path, epoch=1e999), "incomplete or not a checkpoint"),
    "depth": (lambda path: path.write_bytes(b"[" * 100_000 + b"\n"), "incomplete or not a checkpoint"),
    "foreign": (lambda path: head_with(path, run_id="another"), "another run"),
    "version": (lambda path: head_with(path, made={**circumstances(), "torch": "1.0"}), "made with torch '1.0'"),
    "threads": (lambda path: head_with(path, made={**circumstances(), "threads": 4}), "made with threads 4"),
}


@pytest.fixture(scope="module")
def left(make_run, vectors, tmp_path_factory):
    """A run, its rows, and the bytes of its checkpoint at epoch 2."""
    run, _, path = paused(make_run, vectors, tmp_path_factory.mktemp("left"))
    return run, rows([train_pack(Work((run,), "vectors"), vectors)]), path.read_bytes()


@pytest.mark.parametrize("how", SPOILT)
def test_a_file_that_cannot_be_used_is_one_line_and_the_run_starts_anew(how, left, vectors, tmp_path):
    spoil, why = SPOILT[how]
    run, whole, content = left
    work, path = Work((run,), "vectors", checkpoints=tmp_path), tmp_path / f"{run.run_id}.checkpoint"
    path.write_bytes(content)
    spoil(path)
    found, lines = begun(tmp_path, [run.run_id, "another-run"], work.circumstances)
    assert found == {}
    [line] = lines
    assert line.startswith(f"{path}: ")
    assert why in line
    assert line.endswith("the run starts over")
    assert rows([train_pack(work, vectors)]) == whole


def test_no_pickle_is_read(tmp_path):
    made = circumstances()
    save(tmp_path, Checkpoint("r", 1, None, {"state/x": np.array([{}], dtype=object)}, {}), made)
    with pytest.raises(Unusable, match="an array of type object"):
        load(tmp_path, "r", made)


def with_row(notes, at=-1, **changes):
    row = dict(zip((f.name for f in dataclasses.fields(EpochRow)), notes["rows"][at], strict=True)) | changes
    notes["rows"][at] = list(row.values())


def npy(shape, dtype="<f4"):
    """Return an array of four bytes whose header claims another shape."""
    body = io.BytesIO()
    np.lib.format.write_array_header_1_0(body, {"descr": dtype, "fortran_order": False, "shape": shape})
    return body.getvalue() + bytes(4)


FORGED = {  # how a checkpoint that names this run and has a right checksum lies
    "another shape": lambda arrays, notes: arrays.update({"state/network.output.bias": np.zeros(3, np.float32)}),
    "another type": lambda arrays, notes: arrays.update({"state/network.output.bias": np.zeros(4, np.float64)}),
    "no state": lambda arrays, notes: [arrays.pop(name) for name in list(arrays)],
    "an array less": lambda arrays, notes: arrays.pop("state/network.output.bias"),
    "an array of nobody's": lambda arrays, notes: arrays.update({"state/x": np.zeros(1)}),
    "weights elsewhere": lambda arrays, notes: arrays.update({"../../elsewhere/x": np.zeros(1)}),
    "words": lambda arrays, notes: arrays.update({"state/network.output.bias": np.array(["x"])}),
    "a huge array": lambda arrays, notes: arrays.update({"state/network.output.bias": npy((2**40,))}),
    "a shape that overflows": lambda arrays, notes: arrays.update({"state/network.output.bias": npy((2**62, 2**62))}),
    "no rows": lambda arrays, notes: notes.pop("rows"),
    "a row less": lambda arrays, notes: notes["rows"].pop(),
    "rows of words": lambda arrays, notes: with_row(notes, train_loss="much"),
    "a row too short": lambda arrays, notes: notes["rows"][0].pop(),
    "a row of another run": lambda arrays, notes: with_row(notes, run_id="another"),
    "a row of another epoch": lambda arrays, notes: with_row(notes, epoch=9),
    "a number of 300 digits": lambda arrays, notes: with_row(notes, train_loss=10**300),
    "more epochs than the run has": lambda arrays, notes: notes["rows"].extend(
        [*notes["rows"][0][:3], n, *notes["rows"][0][4:]] for n in range(3, 10)
    ),
    "a rule that ended before": lambda arrays, notes: [with_row(notes, n, val_loss=float(n)) for n in range(2)],
    "a probe of nobody's": lambda arrays, notes: notes["probes"].append([notes["rows"][0][0], 1, "x", "", "", 1.0]),
    "a probe of two lines": lambda arrays, notes: notes["probes"].append(
        [notes["rows"][0][0], 1, "audit_unused", "a\nb", "", 1.0]
    ),
    "seconds": lambda arrays, notes: notes.update(seconds="long"),
    "began": lambda arrays, notes: notes.update(began="once"),
    "no masks": lambda arrays, notes: notes.update(masks=[1]),
    "masks of words": lambda arrays, notes: notes.update(masks={"hidden.1": {"first": 3}}),
    "more fired than there are": lambda arrays, notes: next(iter(notes["masks"].values())).update(fired=2, units=1),
    "deep notes": lambda arrays, notes: arrays.update(notes=np.frombuffer(b"[" * 100_000, np.uint8)),
}


@pytest.fixture(scope="module")
def left_with_a_rule(make_run, vectors, tmp_path_factory):
    """A run that stops early, its rows, and the bytes of its checkpoint at epoch 2."""
    folder = tmp_path_factory.mktemp("left")
    run = make_run(0, **SIZES, model={"hidden": [13]}, dropout={"rate": 0.5}, early_stopping={"patience": 1})
    work = Work((run,), "vectors", checkpoints=folder)
    assert train_pack(work, vectors, lambda epoch, *_: epoch == 2).paused
    content = (folder / f"{run.run_id}.checkpoint").read_bytes()
    return run, rows([train_pack(Work((run,), "vectors"), vectors)]), content


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_checkpoint_is_a_line_and_the_run_starts_anew(how, left_with_a_rule, vectors, tmp_path):
    run, whole, content = left_with_a_rule
    work = Work((run,), "vectors", checkpoints=tmp_path / "c")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / f"{run.run_id}.checkpoint").write_bytes(content)
    found = load(tmp_path / "c", run.run_id, work.circumstances)
    arrays, notes = dict(found.arrays), json.loads(json.dumps(found.notes))
    FORGED[how](arrays, notes)
    forge(tmp_path / "c" / f"{run.run_id}.checkpoint", arrays, notes)
    _, before = begun(tmp_path / "c", [run.run_id], work.circumstances)
    outcome = train_pack(work, vectors)
    assert rows([outcome]) == whole
    assert [line for line in [*before, *outcome.notes] if line.endswith("; the run starts over")]
    assert not (tmp_path / "elsewhere").exists()
    remove(tmp_path / "c", [run.run_id])
    tidy(tmp_path / "c")
    assert not (tmp_path / "c").exists()


def forge(path, arrays, notes):
    """Write a checkpoint of other content, its checksum made anew, as whoever knows the format can."""
    head = json.loads(path.read_bytes().partition(b"\n")[0])
    arrays.setdefault("notes", np.frombuffer(json.dumps(notes).encode(), np.uint8))
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, array in arrays.items():
            held = io.BytesIO()
            np.lib.format.write_array(held, array) if isinstance(array, np.ndarray) else held.write(array)
            archive.writestr(f"{name}.npy", held.getvalue())
    del head["sha256"]
    head["epoch"] = max(2, len(notes.get("rows", ())))
    head["sha256"] = module._digest(head, body.getvalue())
    path.write_bytes(json.dumps(head).encode() + b"\n" + body.getvalue())


def test_a_compressed_checkpoint_is_not_unpacked(tmp_path):
    body = io.BytesIO()
    np.savez_compressed(body, x=np.zeros(10**6))
    with pytest.raises(Unusable, match="compressed"):
        arrays_and_notes(body.getvalue())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX pipes")
def test_a_pipe_is_no_checkpoint_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "r.checkpoint")
    with pytest.raises(Unusable, match="a device or a pipe, not a plain file"):
        load(tmp_path, "r", circumstances())


def test_one_forged_checkpoint_costs_the_others_nothing(make_run, vectors, tmp_path):
    """The pack is given back in error, its good checkpoints in place; what plans it again trains two parts."""
    runs = tuple(runs_of(make_run, MLP))
    work = Work(runs, "vectors", checkpoints=tmp_path)
    assert train_pack(work, vectors, lambda epoch, *_: epoch == 2).paused
    found = load(tmp_path, runs[1].run_id, work.circumstances)
    arrays = {**found.arrays, "state/x": np.zeros(1)}
    forge(tmp_path / f"{runs[1].run_id}.checkpoint", arrays, dict(found.notes))
    outcome = train_pack(work, vectors)
    assert outcome.error
    assert len(outcome.notes) == 1
    left, lines = begun(tmp_path, [run.run_id for run in runs], work.circumstances)
    assert (set(left), lines) == ({run.run_id for run in runs} - {runs[1].run_id}, [])


@pytest.mark.parametrize("given", ["abc", "nan", "inf", "-1", "1e7", "\x1b[31m"])
def test_a_junk_interval_is_refused_before_anything_is_trained(given, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(module.INTERVAL, given)
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "--seeds", "1", "--set", "training.epochs=1"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"{module.INTERVAL}=")
    assert "\x1b" not in shown
    assert list(tmp_path.iterdir()) == []


def test_other_probes_need_rows_that_a_checkpoint_has_not(make_run, vectors, tmp_path):
    run, _, _ = paused(make_run, vectors, tmp_path)
    with pytest.raises(Unusable, match="probes"):
        load(tmp_path, run.run_id, circumstances(("gradient_norms",)))


def test_runs_at_different_epochs_in_one_pack_start_anew(make_run, vectors, tmp_path):
    runs = tuple(runs_of(make_run, MLP))
    whole = rows([train_pack(Work(runs, "vectors"), vectors)])
    for epoch, pack in ((2, runs[:2]), (3, runs[2:])):
        train_pack(Work(pack, "vectors", checkpoints=tmp_path), vectors, lambda e, *_, epoch=epoch: e == epoch)
    assert rows([train_pack(Work(runs, "vectors", checkpoints=tmp_path), vectors)]) == whole


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "mkdir"])
def test_a_full_disk_leaves_the_last_checkpoint_and_training_goes_on(call, make_run, vectors, tmp_path, monkeypatch):
    run, work, path = paused(make_run, vectors, tmp_path / "c")
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setenv(module.INTERVAL, "0")
    if call == "write":
        monkeypatch.setattr(module.json, "dumps", lambda *a, **k: full())
    else:
        monkeypatch.setattr(module.os, call, full)
    outcome = train_pack(work, vectors)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert "No space left" in outcome.notes[0]
    assert rows([outcome]) == rows([train_pack(Work((run,), "vectors"), vectors)])


def test_removed_when_done_and_swept_of_what_a_kill_left(make_run, vectors, tmp_path):
    run, _, path = paused(make_run, vectors, tmp_path / "c")
    left = path.with_name(f".{path.name}.77.new")
    left.write_bytes(b"half")
    tidy(tmp_path / "c")
    assert path.exists()
    assert not left.exists()
    remove(tmp_path / "c", [run.run_id, "another"])
    tidy(tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_the_first_after_twenty_seconds_then_never_a_minute_apart(monkeypatch):
    """By a clock of our own: epochs of 7 s, then one of 70."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    timer, written = Timer(), []
    for seconds in [7.0] * 20 + [70.0, 70.0]:
        now[0] += seconds
        if timer.due():
            written.append(now[0])
            timer.written()
    assert written == [14.0, 70.0, 126.0, 210.0, 280.0]


@pytest.mark.parametrize("seconds", [0.0, 1e-9])
def test_the_interval_can_be_none_at_all(seconds, monkeypatch):
    monkeypatch.setenv(module.INTERVAL, str(seconds))
    timer = Timer()
    for _ in range(3):
        now = module.time.monotonic()
        while module.time.monotonic() == now:
            pass
        assert timer.due()
        timer.written()
