"""Bad input as a user gives it: a sentence with file, line and what to do, exit code 2, and nothing written."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dropexp.cli import main

ENV = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
FILES = {
    "unknown key": ("dropout: {placment: [hidden]}", "c.yaml:1:11: dropout.placment: unknown key", "'placement'"),
    "rate 1.5": ("dropout: {rate: 1.5}", "c.yaml:1:17: dropout.rate: 1.5 is not below 1", "probability that a unit is dropped"),
    "rate -0.1": ("dropout: {rate: -0.1}", "c.yaml:1:17: dropout.rate: -0.1", "0"),
    "rate 50": ("dropout: {rate: 50}", "c.yaml:1:17: dropout.rate: 50", "0.5"),
    "kind": ("dropout: {kind: bernouli}", "c.yaml:1:17: dropout.kind: 'bernouli'", "'bernoulli'"),
    "a word for a rate": ("dropout: {rate: on}", "c.yaml:1:17: dropout.rate: 'on' is not a number", ""),
    "dropout 0.5": ("dropout: 0.5", "c.yaml:1:10: dropout", "dropout: {rate: 0.5}"),
    "keep_prob": ("dropout: {keep_prob: 0.8}", "c.yaml:1:11: dropout.keep_prob", "rate: 0.2"),
    "duplicate key": ("model: {hidden: [5]}\nmodel: {hidden: [6]}", "c.yaml:2:1: model: written twice", "1:1"),
    "tab": ("model:\n\thidden: [5]", "c.yaml:2:1:", "spaces"),
    "empty": ("", "c.yaml: contains no settings", "{}"),
    "binary": (b"\x00\x01\x02\xff" * 20, "c.yaml", "binary"),
    "list": ("- a\n- b", "c.yaml:1:1: a list is not a study", "key: value"),
    "place": ("dropout: {placement: [conv]}", "c.yaml:1:22: dropout.placement: this mlp has no place 'conv'", "hidden"),
    "layer": ("dropout: {placement: [hidden.3]}", "c.yaml:1:22: dropout.placement: this mlp has no place", "hidden.1"),
    "patience 0": ("early_stopping: {patience: 0}", "c.yaml:1:28: early_stopping.patience: 0", "1"),
    "nothing to train on": ("data: {val_size: 1258}", "data.val_size", "train"),
    "sweep path": ("sweep: {dropout.rates: [0]}", "c.yaml:1:9: sweep: dropout.rates", "'dropout.rate'"),
    "sweep value": ("sweep: {dropout.rate: [0, 2]}", "c.yaml:1:2", "dropout.rate: 2"),
    "study name": ("study: ../../etc/x", "c.yaml:1:8: study: '../../etc/x' is not a valid folder name", "letters"),
    **{f"study name {name[:9]}": (f"study: {name}", f"c.yaml:1:8: study: '{name[:50]}", says) for name, says in {
        "con": "device", "NUL.txt": "device", "com1": "device", "LPT9.a.b": "device", "a.": "full stop", "..": "letters",
        "a b": "letters", "a/b": "letters", "a\\b": "letters", ".hidden": "letters", "a" * 101: "100 bytes",
        "\u00e9" * 60: "100 bytes", "q.old-1": "--fresh", "a:b": "letters",
    }.items()},
    "long words": (
        "seeds: X\nsave_weights: X\nprobes: [X]\nclaims: [{metric: X}]\nsweep: {X: [1]}\n".replace("X", "x" * 900),
        "c.yaml:1:8: seeds: 'xxx", "save_weights: 'xxx",
    ),
    "long places": (f"dropout: {{placement: [{'x' * 3000}]}}", "dropout.placement: this mlp has no place 'xxx", ""),
    "a source of two lines": ('data: {source: "a\\nb.npz"}', "c.yaml:1:16: data.source:", "line break"),
    "bomb": ("a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)
    ), "c.yaml:", "alias"),
    "epochs true": ("training: {epochs: true}", "c.yaml:1:20: training.epochs: true", "whole number"),
    "lr inf": ("training: {lr: .inf}", "c.yaml:1:16: training.lr", "inf"),
    "seeds": ("seeds: [0, 0]", "c.yaml:1:8: seeds: [0, 0] names a seed twice", ""),
    "batch of one": ("model: {norm: batch}\ntraining: {batch_size: 1}", "c.yaml:2:24: training.batch_size: 1", "layer"),
    "margin": ("claims: [{metric: gap, margin: 0.5}]", "c.yaml:1:32: claims[0].margin: 0.5 is 50%", "0.005"),
    "no validation": ("data: {val_size: 0}\nearly_stopping: {}", "early_stopping.monitor: val_loss", "val_size is 0"),
    "order without norm": ("sweep: {model.order: [NAD, DNA]}", "model.norm is none", "--set model.norm=batch"),
    "cnn keys": ("model: {pool: max}", "c.yaml:1:15: model.pool: pool belongs to a cnn", "leave it out"),
    "momentum": ("training: {optimizer: adam, momentum: 0.5}", "training.momentum has no effect", "sgd"),
    "ten million": (
        "seeds: 100\nsweep: {training.lr: [%s], training.l1: [%s]}" % ((", ".join(map(str, range(1, 318))),) * 2),
        "10,048,900 runs are more than 100,000", "--yes",
    ),
    "mnist pixels": ("model: {kind: cnn, channels: [4, 4, 4, 4]}", "model.channels: block 4", "pool none"),
}  # fmt: skip


def refused(argv, capsys, tmp_path) -> str:
    before = sorted(p for p in tmp_path.rglob("*"))
    assert main(argv) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    assert sorted(p for p in tmp_path.rglob("*")) == before, "something was written"
    return shown.err


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_a_sentence(case, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, begins, says = FILES[case]
    (tmp_path / "c.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    err = refused(["run", "c.yaml"], capsys, tmp_path)
    assert begins in err
    assert says in err
    assert all(len(line) < 400 for line in err.splitlines())


def test_every_mistake_is_reported_at_once(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(
        "dropout:\n  rate: 1.5\n  kind: bernouli\nmodel:\n  hiden: [5]\ntraining: {lr: abc}\n"
    )
    err = refused(["check", "c.yaml"], capsys, tmp_path)
    for begin in ("c.yaml:2:9:", "c.yaml:3:9:", "c.yaml:5:3:", "c.yaml:6:16:"):
        assert begin in err


WORDS = [
    (["sweep", "--rates", "0", "x"], "--rates 0 x", "'x' is not a number"),
    (["sweep", "--rates", "0", "1.5"], "--rates 0 1.5", "1.5 is not below 1"),
    (["sweep", "--rates", "0:1"], "--rates 0:1", "is not below 1"),
    (["sweep", "--rates", "1:0:0.1"], "--rates 1:0:0.1", "START:STOP:STEP"),
    (["sweep", "--kinds", "dropblok"], "--kinds dropblok", "bernoulli"),
    (["sweep", "--set", "trainig.lr=1"], "--set trainig.lr=1", "training.lr"),
    (["sweep", "--set", "lr"], "--set lr", "PATH=VALUE"),
    (["sweep", "--seeds", "0"], "--seeds", "number of seeds"),
    (["sweep", "--seeds", "3", "3"], "--seeds", "twice"),
    (["sweep", "--study", "../x"], "--study", "folder"),
    (["sweep", "--orders", "NAD", "DNA"], "--orders NAD DNA", "add --set model.norm=batch"),
    (["sweep", "--placements", "conv"], "--placements conv", "no place 'conv'"),
    (["sweep", "--device", "tpu"], "--device", "cpu"),
    (["sweep", "missing.yaml"], "missing.yaml", "no such file"),
    (["run"], "run needs a config", "dropexp init"),
    (["plot", "nowhere"], "nowhere", "no such folder"),
    (["init", "bn-ordr"], "bn-ordr", "bn-order"),
    (["data", "mnst"], "mnst", "mnist"),
    (["sweep", "--jobs", "0"], "--jobs", "greater than or equal to 1"),
    (["frobnicate"], "frobnicate", ""),
]


@pytest.mark.parametrize(("argv", "names", "says"), WORDS, ids=lambda w: " ".join(w) if isinstance(w, list) else None)
def test_a_bad_command_line_is_a_sentence(argv, names, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    err = refused(argv, capsys, tmp_path)
    assert names in err
    assert says in err


def npz(path: Path, **arrays) -> None:
    np.savez(path, **arrays)


def _object_arrays(folder):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array([{}, []], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(folder / "d.npz", "w") as archive:
        archive.writestr("x.npy", stream.getvalue())
        archive.writestr("y.npy", stream.getvalue())


X = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
DATA = {
    "object arrays": (_object_arrays, "", "object"),
    "flat vectors for a cnn": (
        lambda f: npz(f / "d.npz", x=X, y=np.arange(40) % 3),
        "model: {kind: cnn}",
        "needs images",
    ),
    "fractional labels": (lambda f: npz(f / "d.npz", x=X, y=np.linspace(0, 1, 40)), "", "label"),
    "one class": (lambda f: npz(f / "d.npz", x=X, y=np.zeros(40, int)), "", "class"),
    "no file": (lambda f: None, "", "no such file"),
}


@pytest.mark.parametrize("case", DATA)
def test_bad_data_is_a_sentence(case, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, more, says = DATA[case]
    make(tmp_path)
    (tmp_path / "c.yaml").write_text(f"data: {{source: d.npz}}\n{more}\n")
    err = refused(["run", "c.yaml"], capsys, tmp_path)
    assert says in err
    assert "d.npz" in err or case == "flat vectors for a cnn"


def test_no_network_and_no_file_names_the_command(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    import pooch
    import requests

    def refuse(*args, **kwargs):
        raise requests.ConnectionError("no network")

    monkeypatch.setattr(pooch, "retrieve", refuse)
    (tmp_path / "c.yaml").write_text("data: {source: mnist}\n")
    assert main(["run", "c.yaml", "--data-dir", "none-here"]) == 2
    assert "dropexp data mnist" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_results_folder_that_cannot_be_written(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "locked").mkdir(mode=0o500)
    assert main(["sweep", "--results", "locked"]) == 2
    assert "locked" in capsys.readouterr().err


def test_a_results_folder_that_is_a_file(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").write_text("a file")
    err = refused(["sweep"], capsys, tmp_path)
    assert "results" in err
    assert "--results" in err


def test_the_second_writer_is_told_who_holds_the_folder(capsys, tmp_path, monkeypatch):
    from dropexp.store.writer import Writer

    monkeypatch.chdir(tmp_path)
    with Writer(tmp_path / "results" / "quickstart"):
        script = "import sys; from dropexp.cli import main; sys.exit(main(['sweep', '--seeds', '1']))"
        out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, env=ENV)
    assert out.returncode == 2
    assert f"process {os.getpid()}" in out.stderr


@pytest.mark.parametrize(
    "argv", [["sweep", "--results", "loop/r"], ["run", "loop/c.yaml"], ["run", "own.yaml", "--results", "loop"]]
)
def test_links_that_lead_to_each_other_are_a_sentence(argv, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    npz(tmp_path / "d.npz", x=X, y=np.arange(40) % 3)
    (tmp_path / "own.yaml").write_text("data: {source: d.npz}\n")
    assert "loop" in refused(argv, capsys, tmp_path)


def test_a_path_of_two_thousand_folders_is_a_sentence(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    err = refused(["sweep", "--results", "x/" * 2000], capsys, tmp_path)
    assert "x/x...: more than 200 nested folders" in err
    assert len(err.splitlines()[-1]) < 200
