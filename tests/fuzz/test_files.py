"""Mutated data files, archives and results: an array, rows or a sentence, never more memory than the file has a claim to."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from dropexp.data import load
from dropexp.data.cache import SIDECAR, listed
from dropexp.data.cifar import read_batch
from dropexp.data.download import unpack
from dropexp.data.idx import read_idx
from dropexp.data.pickles import plain_pickle
from dropexp.errors import DataError
from dropexp.experiment.config import Data
from dropexp.records import EpochRow, Outcome, ProbeRow, Provenance, RunRow
from dropexp.rows import COLUMNS
from dropexp.store.folder import Store
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text


@pytest.fixture
def csv_case(tmp_path, mutated, table):
    path = tmp_path / "d.csv"
    draw = np.random.default_rng(0)
    rows = [["a", "b", "label"], *([f"{u:.3f}", str(k), "xyz"[k % 3]] for k, u in enumerate(draw.normal(size=20)))]

    def check(rng):
        raw = table(rng, rows)
        path.write_bytes(mutated(rng, raw) if rng.random() < 0.2 else raw)
        found = load(
            Data(source="d.csv", label=rng.choice(("label", "label", "label", "a", "b", "c"))), folder=tmp_path
        )
        assert np.isfinite(found.x).all()
        assert len(found.x) == len(found.y)

    return check


STUDY = parse(read_text("sweep: {dropout.rate: [0, 0.5]}\nseeds: 2", "s.yaml"))


@pytest.fixture
def results_case(tmp_path, mutated, table, monkeypatch):
    """Change one file of a study's folder, then open it for writing, as the next command does, and read it."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    folder = tmp_path / "s"
    runs = STUDY.runs()
    with Store(folder).writing() as writer:
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
            with Store(folder).writing():
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


OPCODES = [
    *(b"r\xff\xff\xff\x7f", b"p999999999999\n", b"j\xff\xff\xff\xff", b"\x8d" + b"\xff" * 8, b"\x96" + b"\xff" * 7 + b"\x0f"),
    *(b"cos\nsystem\n", b"(S'ls'\ntR", b"}", b"]", b"(", b")", b"t", b"\x85", b"\x86", b"\x87", b"R", b"b", b"0", b"1", b"2", b"a"),
    *(b"e", b"s", b"u", b"N", b"d", b".", b"\x88", b"K\x01", b"I9999999999\n", b"L" + b"9" * 5000 + b"L\n", b"F1e999\n", b"h\x00"),
    *(b"q\x00", b"U\xff", b"X\xff\xff\xff\x7f"),
    *(b"\x80\x05", b"\x95" + b"\xff" * 8, b"\x94", b"\x93", b"\x81", b"\x82\x01", b"P1\n", b"Q", b"\x8f", b"\x91", b"\x97"),
    *(b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"cnumpy.core.multiarray\n_reconstruct\n"),
    b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR", b"(" + b"K\x00" * 2000 + b"l", b"(" * 3000, b")" + b"\x85" * 3000,
    b"\x86".join([b"h\x00"] * 99),
]  # fmt: skip


@pytest.fixture
def pickle_case(tmp_path, mutated):
    path = tmp_path / "batch"
    value = {
        b"data": np.zeros((3, 3072), np.uint8),
        b"labels": [0, 1, 2],
        "more": [1.5, None, (True, "é"), {1: b"\xff"}],
    }
    held = [pickle.dumps(value, protocol).replace(b"\0" * 9216, bytes(9216)) for protocol in range(5)]

    def check(rng):
        raw = rng.choice(held)
        for _ in range(rng.randint(0, 3)):
            at = rng.choice(
                (rng.randrange(len(raw)), rng.randrange(min(len(raw), 150)), len(raw) - rng.randint(1, 120))
            )
            raw = raw[:at] + rng.choice(OPCODES) + raw[at + rng.choice((0, 0, 1, 2)) :]
        path.write_bytes(mutated(rng, raw) if rng.random() < 0.6 else raw)
        plain_pickle(path)
        x, y = read_batch(path)
        assert len(x) == len(y)

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


@pytest.fixture
def archive_case(tmp_path, mutated):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("wanted", "../out", "/abs", "other"):
            member = tarfile.TarInfo(name)
            member.size = 300
            archive.addfile(member, io.BytesIO(bytes(300)))
    plain, folder = stream.getvalue(), tmp_path / "in" / "cache"
    folder.mkdir(parents=True)

    def check(rng):
        raw = gzip.compress(mutated(rng, plain), 1)
        (tmp_path / "a.tar.gz").write_bytes(mutated(rng, raw) if rng.random() < 0.3 else raw)
        unpack(tmp_path / "a.tar.gz", folder, {"wanted", "other"})
        assert {p.name for p in folder.iterdir()} <= {"wanted", "other"}
        assert {p.name for p in tmp_path.rglob("*") if p.is_file()} <= {"a.tar.gz", "wanted", "other"}
        if rng.random() < 0.01:
            raise DataError("so that the harness sees both")

    return check


@pytest.fixture
def sidecar_case(tmp_path, mutated):
    folder = tmp_path / "mnist"
    folder.mkdir()
    name = "train-labels-idx1-ubyte.gz"
    (folder / name).write_bytes(b"damaged")
    whole = b'{"%s": [7, 1700000000000000000, "d41d8cd98f00b204e9800998ecf8427e"]}' % name.encode()

    def check(rng):
        (folder / SIDECAR).write_bytes(rng.choice((mutated(rng, whole), b"[" * 100_000, b"[]", b"null", b'{"a": {}}')))
        assert listed("mnist", tmp_path).state == "damaged"
        if rng.random() < 0.1:
            raise DataError("so that the harness sees both")

    return check


CASES = {
    "csv_case": 200, "results_case": 200, "idx_case": 300, "npz_case": 200, "pickle_case": 300, "image_case": 150,
    "archive_case": 100, "sidecar_case": 50,
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_mutated_files(name, request, fuzz):
    fuzz(request.getfixturevalue(name), CASES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_many_mutated_files(name, request, fuzz, many):
    fuzz(request.getfixturevalue(name), many(10_000))
