"""Mutated data files and results: an array, rows or a sentence, never more memory than the file has a claim to."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from dropexp.data import load
from dropexp.data.idx import read_idx
from dropexp.experiment.config import Data
from dropexp.records import EpochRow, Outcome, ProbeRow, Provenance, RunRow
from dropexp.rows import COLUMNS
from dropexp.store.folder import Store
from dropexp.store.writer import Writer
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text


@pytest.fixture
def csv_case(tmp_path, mutated, table):
    path = tmp_path / "d.csv"
    draw = np.random.default_rng(0)
    rows = [["a", "b", "label"], *([f"{u:.3f}", str(k), "xyz"[k % 3]] for k, u in enumerate(draw.normal(size=20)))]

    def check(rng):
        raw = table(rng, rows)
        if rng.random() < 0.3:
            raw = raw.replace(b",", rng.choice((b";", b"\t"))).replace(b".", rng.choice((b".", b",")))
        path.write_bytes(mutated(rng, raw) if rng.random() < 0.2 else raw)
        found = load(
            Data(
                source="d.csv",
                label=rng.choice(("label", "label", "label", "a", "b", "c")),
                ignore=rng.choice((None, None, ("a",), ("b", "column 3"))),
                blanks=rng.choice(("refuse", "drop", "mean", "median")),
            ),
            folder=tmp_path,
        )
        assert len(found.x) == len(found.y)
        if found.has_blanks:
            assert not np.isinf(found.x).any()
            assert any("filled in with the" in note for note in found.notes)
        else:
            assert np.isfinite(found.x).all()

    return check


STUDY = parse(read_text("sweep: {dropout.rate: [0, 0.5]}\nseeds: 2", "s.yaml"))


@pytest.fixture
def results_case(tmp_path, mutated, table, monkeypatch):
    """Change one file of a study's folder, then open it for writing, as the next command does, and read it."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    folder = tmp_path / "s"
    runs = STUDY.runs()
    with Writer(folder) as writer:
        writer.append(
            runs,
            Outcome(
                tuple(RunRow(r.run_id, r.arm_id, r.seed, 2, "max_epochs", 2, gap=0.1) for r in runs),
                tuple(EpochRow(r.run_id, r.arm_id, r.seed, e, gap=1 / 3) for r in runs for e in (1, 2)),
                tuple(
                    ProbeRow(r.run_id, 1, "gradient_norms", layer, "", 0.5)
                    for r in runs
                    for layer in ("hidden.1", "output")
                ),
                tuple(Provenance(r.run_id, 0.5, "h", "cpu", 1, 2, "0", "3", "2", "2", "", "", "t", "t") for r in runs),
            ),
        )
    whole = {name: (folder / name).read_bytes() for name in COLUMNS if (folder / name).exists()}

    def check(rng):
        for name, raw in whole.items():
            (folder / name).write_bytes(raw)
        name = rng.choice((*whole, "runs.csv"))
        raw = table(rng, [line.split(",") for line in whole[name].decode().splitlines()])
        raw = raw if rng.random() < 0.7 else mutated(rng, whole[name])
        (folder / name).write_bytes(raw)
        try:
            with Writer(folder):
                pass
            for known in COLUMNS:
                Store(folder).frame(known)
            done = Store(folder).done()
            assert done <= {run.run_id for run in runs}, "a run that never was"
        except Exception:
            assert (folder / name).read_bytes() == raw, "an edited file was written over"
            raise

    return check


@pytest.fixture
def idx_case(tmp_path, mutated):
    path = tmp_path / "values"
    plain = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 4) + bytes(24)

    def check(rng):
        raw = mutated(rng, plain)
        if rng.random() < 0.5:
            raw = gzip.compress(raw, 1)
            raw = mutated(rng, raw) if rng.random() < 0.5 else raw
        path.write_bytes(raw)
        assert read_idx(path).nbytes <= 1032 * len(raw)

    return check


def npy(array):
    held = io.BytesIO()
    np.lib.format.write_array(held, array, allow_pickle=True)
    return held.getvalue()


HEADERS = [
    *(b"(20,)", b"(2**60,)", b"(1152921504606846976,)", b"(-1,)", b"(9999999999, 0)", b"()", b"(20, 3, 1)", b"(1000000, 1000000)"),
    *(b"'<f8'", b"'|u1'", b"'|O'", b"'<U999999999'", b"'|V2147483647'", b"'<U0'", b"'<M8[s]'", b"'<c16'", b"[('a', '<f8')]"),
    *(b"True", b"False", b"None", b"1e999", b"(" * 300, b"-" * 9000, b"{'a': 1}", b"__import__('os')", b"'\\N{DIGIT ONE}'", b"\\"),
]  # fmt: skip


@pytest.fixture
def npz_case(tmp_path, mutated):
    """Archives with sound checksums whose arrays are mutated, and archives mutated as a whole."""
    path = tmp_path / "d.npz"
    draw = np.random.default_rng(0)
    arrays = [draw.normal(size=(20, 3)), draw.integers(0, 9, (20, 4, 4, 3), dtype=np.uint8), np.zeros((20, 2), object)]
    labels = [np.arange(20) % 3, np.array(["a", "b"] * 10), np.array([b"a", b"b"] * 10), np.arange(20) % 2 == 0]
    names = [("x", "y"), ("x", "y"), ("x_train", "y_train"), ("x_test", "y_test"), ("x", "x"), ("é", "")]

    def member(rng, array):
        raw = npy(array)
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            end = 10 + struct.unpack("<H", raw[8:10])[0]
            header = raw[10:end]
            if rng.random() < 0.6:
                old = rng.choice([b"(20, 3)", b"(20,)", b"'<f8'", b"'<i8'", b"False", b"'|u1'"])
                header = header.replace(old, rng.choice(HEADERS))
            else:
                header = mutated(rng, header)
            header = header[:65000]
            raw = raw[:8] + struct.pack("<H", len(header)) + header + raw[end:]
        return mutated(rng, raw) if rng.random() < 0.2 else raw

    def check(rng):
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
            x, y = rng.choice(names)
            archive.writestr(f"{x}.npy", member(rng, rng.choice(arrays[:2] if rng.random() < 0.9 else arrays)))
            if y != x:
                archive.writestr(f"{y}.npy", member(rng, rng.choice(labels)))
        raw = held.getvalue()
        path.write_bytes(mutated(rng, raw) if rng.random() < 0.2 else raw)
        found = load(Data(source="d.npz"), folder=tmp_path)
        assert len(found.x) == len(found.y)

    return check


@pytest.fixture
def image_case(tmp_path, mutated):
    held = {}
    for suffix in ("png", "jpg", "bmp", "gif", "tif", "webp", "ppm"):
        stream = io.BytesIO()
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (6, 7, 3), dtype=np.uint8)).save(
            stream, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix)
        )
        held[suffix] = stream.getvalue()
    held["eps"] = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 7 6\n%%EndComments\nshowpage\n"
    for name in "ab":
        (tmp_path / "d" / name).mkdir(parents=True)
        (tmp_path / "d" / name / "whole.png").write_bytes(held["png"])

    def check(rng):
        suffix = rng.choice(list(held))
        (tmp_path / "d" / "a" / "1.png").write_bytes(mutated(rng, held[suffix]))
        load(Data(source="d"), folder=tmp_path)

    return check


CASES = {
    "csv_case": 70, "results_case": 70, "idx_case": 100, "npz_case": 70, "image_case": 50,
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_mutated_files(name, request, fuzz):
    fuzz(request.getfixturevalue(name), CASES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_many_mutated_files(name, request, fuzz, many):
    fuzz(request.getfixturevalue(name), many(10_000))
