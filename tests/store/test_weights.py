"""Weights in a study's folder: the same bytes each time, read back as they were, and nothing believed that a file claims."""

import io
import json
import zipfile

import numpy as np
import pytest

from dropexp.errors import StoreError
from dropexp.records import EpochRow, Outcome, RunRow
from dropexp.store import weights
from dropexp.store.folder import Store
from dropexp.store.stored_arrays import from_npz, from_safetensors, to_safetensors
from dropexp.store.writer import Writer
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text

STUDY = parse(read_text("study: s\nseeds: 1\ntraining: {epochs: 3}\nsweep: {dropout.rate: [0, 0.5]}\n", "s.yaml"))
ARRAYS = {
    "b": np.arange(6, dtype="f4").reshape(2, 3).T, "a": np.float64(3), "c": np.arange(3), "none": np.zeros((0, 2), "f4"),
}  # fmt: skip


def header(tensors, body=b""):
    text = json.dumps(tensors).encode()
    return len(text).to_bytes(8, "little") + text + body


def test_the_same_arrays_and_facts_make_the_same_bytes_and_come_back():
    facts = {"run_id": "x", "config": {"data.source": "\u00e9\n", "b": "2"}}
    content = to_safetensors(ARRAYS, facts)
    for _ in range(20):  # a table of Rust's would have another order now and then
        again = dict(reversed(facts.items())) | {"config": dict(reversed(facts["config"].items()))}
        assert to_safetensors(dict(reversed(ARRAYS.items())), again) == content
    arrays, found = from_safetensors(content)
    assert found == facts
    assert {name: (a.dtype, a.tolist()) for name, a in arrays.items()} == {
        name: (np.asarray(a).dtype, np.asarray(a).tolist()) for name, a in ARRAYS.items()
    }


HUGE = 1 << 40
FORGED = {
    "empty": b"", "short": b"\x05", "no header": HUGE.to_bytes(8, "little") + b"{}", "no json": header("x")[:8] + b"{{{",
    "no table": header([]), "beyond its bytes": header({"a": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4 * HUGE]}}),
    "another size": header({"a": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4]}}, b"1234"),
    "a product past 64 bits": header({"a": {"dtype": "F32", "shape": [HUGE, HUGE], "data_offsets": [0, 0]}}),
    "bytes of nothing": header({}, b"1234"), "an unknown type": header({"a": {"dtype": "X9", "shape": [], "data_offsets": [0, 0]}}),
    "8-bit floats": header({"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}, b"1234"),
    "complex numbers": header({"a": {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}}, b"12345678"),
    "facts that are no json": header({"__metadata__": {"dropexp": "{"}}),
    "deep facts": header({"__metadata__": {"dropexp": "[" * 100_000}}),
    "a torn file": to_safetensors(ARRAYS, {})[:-1],
}  # fmt: skip


@pytest.mark.parametrize("content", FORGED.values(), ids=FORGED)
def test_what_a_file_claims_is_held_against_its_bytes(content, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"w\.safetensors: (is damaged|holds an array of type)"):
        weights.read(path)


def test_facts_of_others_are_none():
    for metadata in ({}, {"__metadata__": {"format": "pt"}}, {"__metadata__": {"dropexp": "[1]"}}):
        assert from_safetensors(header(metadata)) == ({}, {})


def test_no_more_is_read_than_was_asked_for(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(to_safetensors(ARRAYS, {}))
    with pytest.raises(StoreError, match="more than the 10 that are read"):
        weights.read(path, 10)


def npz(compress=False, **arrays):
    content = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(content, **arrays)
    return content.getvalue()


def test_an_npz_of_an_older_version_is_read_and_a_forged_one_refused(tmp_path):
    assert from_npz(npz(a=np.arange(3.0)))["a"].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="holds compressed arrays"):
        from_npz(npz(compress=True, a=np.zeros(10_000)))
    with pytest.raises(ValueError, match="holds an array of type"):
        from_npz(npz(a=np.array(["x"])))
    claims = io.BytesIO()
    with zipfile.ZipFile(claims, "w") as archive:
        raw = io.BytesIO()
        np.lib.format.write_array_header_1_0(raw, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)})
        archive.writestr("a.npy", raw.getvalue())
    with pytest.raises(ValueError, match="is damaged"):
        from_npz(claims.getvalue())


def trained(run, epochs=3, which="all", diverged=False, scale=1.0):
    """What a pack leaves of one run; the weights of epoch n are n times `scale`."""
    name, last = (run.run_id, run.arm_id, run.seed), epochs - diverged
    every = tuple((f"{run.run_id}/epoch-{n:05d}", {"w": np.full(2, n * scale)}) for n in range(1, epochs + 1))
    kept = {
        "all": every,
        "last": every[last - 1 : last] if last else (),
        "selected": ((run.run_id, {"w": np.ones(2)}),),
    }
    rows = tuple(EpochRow(*name, n, train_loss=float(n)) for n in range(1, epochs + 1))
    return Outcome(
        (RunRow(*name, epochs, "diverged" if diverged else "max_epochs", last or None),), rows, weights=kept[which]
    )


def stored(folder, run, which, **how):
    with Writer(folder) as writer:
        writer.append([run], trained(run, which=which, **how), save_weights=which)
    return Store(folder)


def names(folder, run):
    return [p.name for p in weights.files_of(folder, run.run_id)["weights_all"]]


@pytest.mark.parametrize("diverged", [False, True])
def test_the_last_epoch_is_one_of_all_and_all_are_more_than_the_last(diverged, tmp_path):
    run = STUDY.runs()[0]
    last = 3 - diverged
    store = stored(tmp_path, run, "last", diverged=diverged)
    assert names(tmp_path, run) == [f"epoch-{last:05d}.safetensors"]
    assert store.done((), "last") == store.done() == {run.run_id}
    assert (
        store.lacking((), "all")
        == store.lacking((), "selected")
        == {run.run_id: "was trained without saving these weights"}
    )
    store = stored(tmp_path, run, "all", diverged=diverged)
    assert len(names(tmp_path, run)) == 3
    assert not store.lacking((), "last") | store.lacking((), "all")
    facts = weights.read(weights.files_of(tmp_path, run.run_id)["weights_all"][1])[1]
    assert (facts["run_id"], facts["epoch"], facts["seed"]) == (run.run_id, 2, 0)
    assert facts["config"]["training.epochs"] == "3"


def test_a_run_that_diverged_at_once_lacks_no_last_epoch(tmp_path):
    run = STUDY.runs()[0]
    assert not stored(tmp_path, run, "last", epochs=1, diverged=True).lacking((), "last")


def test_weights_of_every_epoch_outlive_a_training_that_keeps_the_last(tmp_path):
    run, other = STUDY.runs()
    for own in (run, other):
        stored(tmp_path, own, "all")
    store = stored(tmp_path, run, "last")
    assert len(names(tmp_path, run)) == 3
    store = stored(tmp_path, other, "last", scale=2.0)  # which went another way
    assert names(tmp_path, other) == ["epoch-00003.safetensors"]
    assert not store.lacking((), "last")
    assert weights.read(weights.files_of(tmp_path, run.run_id)["weights_all"][2])[0]["w"].tolist() == [3, 3]


@pytest.fixture
def of_0_4_0(monkeypatch):
    """Weights are written as 0.4.0 wrote them."""
    with monkeypatch.context() as older:
        older.setattr(weights, "SAFETENSORS", ".npz")
        older.setattr(weights, "to_safetensors", lambda arrays, facts: npz(**arrays))
        yield older


def test_a_folder_of_0_4_0_lacks_nothing_and_goes_on(of_0_4_0, tmp_path):
    runs = STUDY.runs()
    for run in runs:
        stored(tmp_path, run, "all")
        stored(tmp_path, run, "selected")
    of_0_4_0.undo()
    store = Store(tmp_path)
    assert names(tmp_path, runs[0])[0] == "epoch-00001.npz"
    assert not store.lacking((), "all") | store.lacking((), "selected") | store.lacking((), "last")
    assert weights.read(weights.files_of(tmp_path, runs[0].run_id)["weights_selected"][0])[0]["w"].tolist() == [1, 1]
    store = stored(tmp_path, runs[0], "last")  # trained again, as for a new probe: no epoch is lost
    assert names(tmp_path, runs[0]) == ["epoch-00001.npz", "epoch-00002.npz", "epoch-00003.safetensors"]
    store = stored(tmp_path, runs[0], "all")
    assert names(tmp_path, runs[0]) == [f"epoch-0000{n}.safetensors" for n in (1, 2, 3)]
    store = stored(tmp_path, runs[0], "selected")
    assert [p.suffix for p in weights.files_of(tmp_path, runs[0].run_id)["weights_selected"]] == [".safetensors"]
    assert not store.lacking((), "all") | store.lacking((), "selected")
    path = tmp_path / "weights" / f"{runs[1].run_id}.npz"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert store.lacking((), "selected") == {
        runs[1].run_id: f"weights/{runs[1].run_id}.npz: differs from what was stored (weights_selected)"
    }
