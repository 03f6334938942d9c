"""What a study leaves can be read again: every number, every kind of model in one sweep, a user's own files."""

import numpy as np
import pytest

from dropexp.cli import main

NUMBERS = ("1e-05", "1e-7", "1e16", "1e30", "3", "0.1", "2.5e-3")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("data: {train_size: 60}\nmodel: {hidden: [6]}\ntraining: {epochs: 1}\nseeds: 2\n")
    return tmp_path


def test_every_number_comes_back_from_study_yaml(folder, capsys):
    assert (
        main(["run", "c.yaml", "--study", "c", "--no-plot", "--set", f"training.weight_decay={','.join(NUMBERS)}"]) == 0
    )
    shown = capsys.readouterr().out
    assert "train, test: accuracy" in shown
    assert main(["run", "results/c/study.yaml", "--study", "c", "--no-plot"]) == 0
    assert "0 runs trained" in capsys.readouterr().out


def test_mlp_and_cnn_in_one_sweep(folder, capsys):
    (folder / "k.yaml").write_text(
        "data: {train_size: 40}\ntraining: {epochs: 1}\nseeds: 2\nsweep: {model.kind: [mlp, cnn, lstm], dropout.rate: [0]}\n"
    )
    assert main(["run", "k.yaml", "--no-plot"]) == 0
    shown = capsys.readouterr().out
    assert [line.split()[0] for line in shown.splitlines()[1:4]] == ["mlp", "cnn", "lstm"]


def test_own_files_can_be_swept_and_read_again(folder, capsys):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        np.savez(folder / f"{name}.npz", x=rng.normal(size=(90, 5)), y=np.arange(90) % 3)
    (folder / "f.yaml").write_text(
        "model: {hidden: [6]}\ntraining: {epochs: 1}\nseeds: 2\nsweep: {data.source: [a.npz, b.npz], dropout.rate: [0, 0.5]}\n"
    )
    assert main(["run", "f.yaml", "--no-plot", "--jobs", "1"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("a.npz") >= 2
    assert shown.count("b.npz") >= 2
    assert "not shown" not in shown
    assert main(["plot", "results", "--fresh"]) == 0
    assert main(["run", "results/f/study.yaml", "--study", "f", "--no-plot"]) == 0
    assert "0 runs trained" in capsys.readouterr().out


def test_widening_does_not_ask_for_runs_that_nobody_named(folder, capsys):
    assert main(["run", "c.yaml", "--rates", "0", "0.2", "--seeds", "2", "--no-plot"]) == 0
    assert main(["run", "c.yaml", "--rates", "0", "--seeds", "3", "--no-plot"]) == 0
    assert "trains the rest" not in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--rates", "--kinds", "--orders"])
def test_an_empty_list_is_refused(option, folder, capsys):
    assert main(["check", "c.yaml", option, ","]) == 2
    assert "no value" in capsys.readouterr().err


def test_an_edited_configuration_is_named_with_its_line(folder, capsys):
    assert main(["run", "c.yaml", "--no-plot"]) == 0
    path = folder / "results" / "c" / "runs.csv"
    text = path.read_text()
    assert ",0,1,max" in text
    path.write_text(text.replace(",0,1,max", ",abc,1,max", 1))
    assert main(["run", "c.yaml", "--no-plot"]) == 2
    err = capsys.readouterr().err
    assert "runs.csv:2: " in err
    assert "the file was edited" in err


def test_a_run_whose_rows_were_edited_is_left_out_named_and_trained_again(folder, capsys):
    assert main(["run", "c.yaml", "--no-plot"]) == 0
    path = folder / "results" / "c" / "epochs.csv"
    text = path.read_text()
    path.write_text(text.replace(",0,1,", ",0,7,", 1))
    capsys.readouterr()
    for verb in (["plot", "results/c"], ["report", "results/c"], ["export", "results/c", "--to", "csv"]):
        assert main(verb) == 0
        assert "runs.csv:2: " in capsys.readouterr().err
    assert main(["run", "c.yaml", "--no-plot"]) == 0
    said = capsys.readouterr()
    assert "differs from what was stored (rows_digest); moved to lost+found.csv" in said.err
    assert "2 runs, 1 stored: 1 to train in 1 pack" in said.err
    assert path.read_text() == text
    assert "epochs.csv,2," in (folder / "results" / "c" / "lost+found.csv").read_text()


def test_all_configs_are_read_before_any_is_trained(folder, capsys):
    (folder / "bad.yaml").write_text("dropout: {rate: 2}\n")
    assert main(["run", "c.yaml", "bad.yaml"]) == 2
    assert not (folder / "results").exists()


def test_what_data_and_config_disagree_on_has_its_line(folder, capsys):
    (folder / "v.yaml").write_text("model: {hidden: [6]}\ndata:\n  val_size: 5000\n")
    assert main(["run", "v.yaml"]) == 2
    assert capsys.readouterr().err.startswith("v.yaml:3:13: data.val_size: 5000")
    assert main(["run", "c.yaml", "--set", "data.train_size=100000"]) == 2
    assert capsys.readouterr().err.startswith("--set data.train_size=100000: data.train_size")


def test_one_mistake_is_told_once(folder, capsys):
    (folder / "m.yaml").write_text("early_stopping: {monitor: val_acc, patience: 3}\n")
    assert main(["check", "m.yaml"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
