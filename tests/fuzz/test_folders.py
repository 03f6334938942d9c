"""Mutated folders of results: each file that a study leaves, and tables of others, before everything that reads them."""

import csv
import json

import numpy as np
import pytest

from dropexp.analysis.replay import replay, stopping
from dropexp.errors import StoreError
from dropexp.export.formats import export
from dropexp.rows import COLUMNS
from dropexp.stopping import Setting
from dropexp.store.folder import Store
from dropexp.store.predictions import NAME as PREDICTIONS
from dropexp.store.writer import Writer
from dropexp.tables.arms import table as results_table
from dropexp.tables.comparison import comparison
from dropexp.tables.overfit import overfit_table
from dropexp.train.checkpoint import FOLDER, Checkpoint, _digest, begun, circumstances, load, save
from dropexp.workflow.comparing import compare
from dropexp.workflow.drawing import stamp_of
from dropexp.workflow.reading import reading
from dropexp.workflow.replaying import replay_rules
from dropexp.workflow.running import summarise
from dropexp.workflow.together import together
from dropexp.workflow.verifying import verify

STUDY = """
sweep: {dropout.rate: [0, 0.5]}
training: {epochs: 4}
seeds: 3
claims:
- {says: it helps, metric: gap, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}, expect: lower, margin: 0.005}
- {says: it does no harm, metric: test_accuracy, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}, expect: equal,
   margin: 0.01}
"""
RULES = [Setting("patience", 1, 0.0), Setting("patience", 2, 0.01)]


def write_again(folder):
    with Writer(folder) as writer:
        summarise(writer)


def read_again(folder):
    shown, _ = reading(folder, everything=True)
    results_table(shown)
    overfit_table(shown)
    stopping(shown, replay(shown, RULES))


def compare_again(folder):
    comparison(*compare([folder, folder.parent / "other"]))


def export_again(folder):
    for to in ("latex", "markdown", "csv"):
        export(reading(folder)[0], to)


def join_again(folder):
    together([folder, folder.parent / "other"], folder.parent / "joined")


READERS = {
    "write": write_again, "read": read_again, "compare": compare_again, "export": export_again, "join": join_again,
    "verify": lambda folder: verify(folder, 0),
    "stamp": lambda folder: stamp_of(folder, [*COLUMNS, "study.yaml", "claims.csv"], False, ()),
}  # fmt: skip


@pytest.fixture
def study_case(tmp_path, mutated, table, store_study, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)
    folder = tmp_path / "s"
    for name in ("s", "other"):
        store_study(tmp_path / name, STUDY, failed=[(1, 2)])
        write_again(tmp_path / name)
        replay_rules(tmp_path / name, RULES, "val_loss")
    whole = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".yaml")}
    assert {"claims.csv", "overfit.csv", "stopping.csv", "summary.csv", "failures.csv", "study.yaml"} <= set(whole)

    def check(rng):
        for name, raw in whole.items():
            (folder / name).write_bytes(raw)
        for _ in range(rng.choice((1, 1, 2))):
            name = rng.choice(list(whole))
            rows = list(csv.reader(whole[name].decode().splitlines()))
            raw = table(rng, rows) if name.endswith(".csv") and rng.random() < 0.7 else mutated(rng, whole[name])
            (folder / name).write_bytes(raw)
        if rng.random() < 0.05:
            (folder / name).unlink()
        READERS[rng.choice(list(READERS))](folder)

    return check


@pytest.fixture
def checkpoint_case(tmp_path, mutated):
    """A checkpoint is one of this run whole, or a line that says why the run starts over."""
    folder, made = tmp_path / FOLDER, circumstances()
    rows = [["a-run", "an-arm", 0, epoch, *[0.5] * 9, None, None, None, 0.25] for epoch in (1, 2, 3)]
    notes = {"rows": rows, "probes": [], "seconds": 1.5, "began": "2026-01-01T00:00:00+00:00", "masks": {}}
    save(folder, Checkpoint("a-run", 3, None, {"state/w": np.arange(9.0)}, notes), made)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    head, _, body = whole.partition(b"\n")
    odd = [None, 1e999, -1, "x", [], {}, "9" * 5000, {"torch": "0"}, "a-run", 2, True]

    def check(rng):
        action = rng.randrange(5)
        if action == 4:  # a checksum that fits: what is in the file is all there is to be held against
            changed, other = json.loads(head), mutated(rng, body)
            del changed["sha256"]
            changed["sha256"] = _digest(changed, other)
            path.write_bytes(json.dumps(changed).encode() + b"\n" + other)
        elif action == 0:
            path.write_bytes(mutated(rng, whole))
        elif action == 1:
            changed = json.loads(head)
            changed[rng.choice(list(changed))] = rng.choice(odd)
            path.write_bytes(json.dumps(changed).encode() + b"\n" + body)
        elif action == 2:
            path.write_bytes(mutated(rng, head) + b"\n" + body)
        else:
            path.write_bytes(rng.choice((b"", b"\n", b"[" * 100_000 + b"\n", b"1\n" + body, b'{"schema": 1}\n', whole)))
        found, lines = begun(folder, ["a-run"], made)
        assert len(found) + len(lines) == 1
        for line in lines:
            raise StoreError(line)
        kept = load(folder, "a-run", made)
        if action == 4:
            return
        assert (kept.epoch, kept.reason) == (3, None)
        assert (kept.arrays["state/w"].tolist(), kept.notes) == (list(range(9)), notes)

    return check


@pytest.fixture
def foreign_case(tmp_path, mutated, table):
    header = ["rate", "kind", "seed", "epoch", "train_accuracy", "test_accuracy", "test_loss"]
    rows = [header] + [
        [str(rate), "ab"[seed % 2], str(seed), str(epoch), f"{0.8 + epoch / 20:.2f}", f"{0.7 + rate / 10:.2f}", "0.5"]
        for rate in (0, 0.5)
        for seed in range(4)
        for epoch in (1, 2)
    ]
    folder = tmp_path / "s"
    for name in ("s", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "epochs.csv").write_text("\n".join(map(",".join, rows)) + "\n")

    def check(rng):
        raw = table(rng, rows)
        (folder / "epochs.csv").write_bytes(mutated(rng, raw) if rng.random() < 0.2 else raw)
        reader = rng.choice((read_foreign_again, compare_again, export_again, join_again))
        reader(folder)

    return check


def read_foreign_again(folder):
    shown, _ = reading(folder)
    results_table(shown)
    overfit_table(shown)


@pytest.fixture
def predictions_case(tmp_path, mutated, store_study, monkeypatch):
    """What is read of a changed predictions.bin is what was stored; a command that writes leaves every record whole."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    for name in ("s", "other"):
        store_study(tmp_path / name, STUDY, answers=True)
    folder = tmp_path / "s"
    stored, path = Store(folder).predictions(), folder / PREDICTIONS
    whole, rows = path.read_bytes(), (folder / "runs.csv").read_bytes()
    right = {run_id: stored.get(run_id).predicted.tolist() for run_id in stored.digests}

    def check(rng):
        path.write_bytes(mutated(rng, whole))
        (folder / "runs.csv").write_bytes(rows)
        (folder / "lost+found.csv").unlink(missing_ok=True)
        shown, note = reading(folder)
        for run_id, predicted in right.items():
            found = shown.outcomes.get(run_id)
            assert found is None or found.predicted.tolist() == predicted
            assert found is not None or PREDICTIONS in note
        said = [m.why for m in verify(folder, 0).mismatches if PREDICTIONS in f"{m.file} {m.why}"]
        twice = len(path.read_bytes()) > len(whole)  # a record that stands there again is one that was stored
        assert path.read_bytes() == whole or twice or any("byte" in why or "record" in why for why in said)
        READERS[rng.choice(["write", "join", "read"])](folder)
        with Writer(folder):
            pass
        assert not Store(folder).scanned().gaps

    return check


CASES = {"study_case": 10, "checkpoint_case": 80, "foreign_case": 25, "predictions_case": 4}


@pytest.mark.parametrize("name", CASES)
def test_mutated_folders(name, request, fuzz):
    fuzz(request.getfixturevalue(name), CASES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_many_mutated_folders(name, request, fuzz, many):
    fuzz(request.getfixturevalue(name), many(10_000))
