"""Commands as a user gives them: what is printed where, exit codes, and what lies in the folder afterwards."""

import io
import json
import sys

import pytest

from dropexp.cli import main
from dropexp.console.progress import duration

QUICK = ["--study", "quickstart", "--set", "training.epochs=2", "model.hidden=20", "data.train_size=100"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_sweep_prints_a_table_and_leaves_the_files(folder, capsys):
    assert main(["sweep", "--rates", "0", "0.5", "--seeds", "3", *QUICK]) == 0
    shown = capsys.readouterr()
    assert "test vs 0" in shown.out
    assert "± 95%" in shown.out or "95% interval" in shown.out
    assert "2 arms x 3 seeds = 6 runs: 6 to train in 1 pack, 1 worker" in shown.err
    made = folder / "results" / "quickstart"
    for name in (
        "study.yaml",
        "runs.csv",
        "epochs.csv",
        "summary.csv",
        "provenance.csv",
        "figures/gap.png",
        "figures/gap.svg",
    ):
        assert (made / name).stat().st_size > 0, name
    before = (made / "figures" / "gap.png").read_bytes()
    assert main(["sweep", "--rates", "0", "0.5", "--seeds", "3", *QUICK]) == 0
    assert "0 runs trained" in capsys.readouterr().out
    assert main(["plot", "results", "--fresh"]) == 0
    assert (made / "figures" / "gap.png").read_bytes() == before, "figures are the same bytes"
    assert main(["plot", "results"]) == 0
    assert "up to date" in capsys.readouterr().out


def test_two_more_rates_join_the_first(folder, capsys):
    assert main(["sweep", "--rates", "0", "0.5", "--seeds", "2", "--no-plot", *QUICK]) == 0
    assert main(["sweep", "--rates", "0.2", "--seeds", "2", "--no-plot", *QUICK]) == 0
    lines = capsys.readouterr().out.splitlines()
    last = max(i for i, line in enumerate(lines) if line.split()[:1] == ["rate"])
    assert [line.split()[0] for line in lines[last + 1 : last + 4]] == ["0", "0.2", "0.5"]
    assert not (folder / "results" / "quickstart" / "figures").exists()


AWAY = [  # sweeps in which the base configuration, whose fields study.yaml holds too, is no arm
    "--rates 0 0.5 --kinds gaussian",
    "--kinds alpha --set model.activation=selu",
    "--set training.optimizer=adam,adamw",
    "stopped.yaml --patiences none",
]


@pytest.mark.parametrize("options", AWAY)
def test_a_sweep_away_from_the_base_is_trained_and_continued(folder, capsys, options):
    (folder / "stopped.yaml").write_text("study: quickstart\nearly_stopping: {patience: 3, monitor: val_accuracy}")
    command = ["sweep", *options.split(), "--seeds", "1", "--no-plot", *QUICK]
    assert main(command) == 0
    assert main(command) == 0
    assert "0 runs trained" in capsys.readouterr().out
    assert main(["check", "results/quickstart/study.yaml"]) == 0


def test_check_names_the_oracle_that_arms_watch_where_the_base_watches_none(folder, capsys):
    (folder / "c.yaml").write_text("early_stopping: {patience: null, monitor: test_loss}")
    assert main(["check", "c.yaml", "--patiences", "3"]) == 0
    assert "early stopping watches test_loss: an oracle" in capsys.readouterr().out


def test_runs_trained_in_more_than_one_way_are_named(folder, capsys):
    assert main(["sweep", "--rates", "0", "--seeds", "2", "--no-plot", *QUICK]) == 0
    assert "more than one way" not in capsys.readouterr().out
    assert main(["sweep", "--rates", "0.5", "--seeds", "2", "--threads", "2", "--no-plot", *QUICK]) == 0
    shown = capsys.readouterr().out
    assert "trained in more than one way: 2 on cpu, 1 thread, torch" in shown
    assert "2 on cpu, 2 threads, torch" in shown


def test_run_takes_several_configs(folder, capsys):
    for name in ("one", "two"):
        (folder / f"{name}.yaml").write_text(
            "data: {train_size: 60}\nmodel: {hidden: [9]}\ntraining: {epochs: 1}\nseeds: 2\nprobes: "
            "[gradient_norms]\nsave_weights: all\n"
        )
    assert main(["run", "one.yaml", "two.yaml", "--no-plot"]) == 0
    for name in ("one", "two"):
        assert (folder / "results" / name / "runs.csv").read_text().count("\n") == 3
        assert "gradient_norms" in (folder / "results" / name / "probes.csv").read_text()
        assert len(list((folder / "results" / name / "weights").rglob("*.safetensors"))) == 2
    assert main(["plot", "results"]) == 0
    assert "one" in capsys.readouterr().out


def test_check_and_dry_run_train_nothing(folder, capsys):
    assert main(["init"]) == 0
    assert main(["check", "config.yaml", "--orders", "NAD", "DNA", "--set", "model.norm=batch"]) == 0
    shown = capsys.readouterr().out
    assert (
        "affine 64 -> 512, no bias > batch norm > relu > bernoulli 0.5" in shown
        or "affine 64 -> 512 > bernoulli 0.5 > batch norm > relu" in shown
    )
    assert "the same function as" in shown
    assert "6 arms x 5 seeds = 30 runs, 5 shared: 25 to train" in shown
    assert main(["sweep", "--dry-run"]) == 0
    assert "3 arms x 10 seeds = 30 runs: 30 to train" in capsys.readouterr().out
    assert main(["check", "config.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 15
    assert not (folder / "results").exists()


def test_check_prints_how_own_data_were_read(folder, capsys):
    rows = [f"{i % 7},{i * 3 % 11},{'ab'[i % 2]}" for i in range(60)]
    (folder / "mine.csv").write_text("width,height,species\n" + "\n".join(rows) + "\n")
    (folder / "c.yaml").write_text(
        "data: {source: mine.csv, label: species}\nmodel: {hidden: [8]}\ntraining: {epochs: 2}\nseeds: 2\n"
    )
    assert main(["check", "c.yaml"]) == 0
    shown = capsys.readouterr().out
    assert "a" in shown
    assert "affine 2 -> 8" in shown
    assert main(["run", "c.yaml", "--no-plot"]) == 0
    rows.append("1,2,a")
    (folder / "mine.csv").write_text("width,height,species\n" + "\n".join(rows) + "\n")
    assert main(["run", "c.yaml", "--no-plot"]) == 0
    shown = capsys.readouterr()
    assert "mine.csv has changed since 2 stored runs were trained on it" in shown.err
    assert (folder / "results" / "c" / "runs.csv").read_text().count("\n") == 5


def test_init_lists_copies_and_never_writes_over(folder, capsys):
    assert main(["init", "--list"]) == 0
    assert "bn-order" in capsys.readouterr().out
    assert main(["init", "bn-order"]) == 0
    assert main(["check", "bn-order.yaml"]) == 0
    assert main(["init", "bn-order"]) == 2
    assert "never overwrites" in capsys.readouterr().err
    assert main(["init", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$defs"]["Dropout"]["properties"]["rate"]["exclusiveMaximum"] == 1


def test_a_run_that_raises_is_a_failure_and_its_neighbours_finish(folder, capsys, monkeypatch):
    from dropexp.train import pack

    real = pack.Feed

    def breaks(dataset, runs, *rest):
        if any(run.seed == 1 for run in runs):
            raise RuntimeError("no luck")
        return real(dataset, runs, *rest)

    monkeypatch.setattr(pack, "Feed", breaks)
    assert main(["sweep", "--rates", "0", "0.5", "--seeds", "3", "--jobs", "1", "--no-plot", *QUICK]) == 1
    assert "2 runs failed" in capsys.readouterr().err
    made = folder / "results" / "quickstart"
    assert (made / "runs.csv").read_text().count("\n") == 5
    assert (made / "failures.csv").read_text().count("RuntimeError: no luck") == 2
    monkeypatch.setattr(pack, "Feed", real)
    assert main(["sweep", "--rates", "0", "0.5", "--seeds", "3", "--jobs", "1", "--no-plot", *QUICK]) == 0
    assert (made / "runs.csv").read_text().count("\n") == 7


def test_a_console_without_the_characters_still_gets_its_table(folder, monkeypatch):
    held = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(held, encoding="ascii"))
    assert main(["sweep", "--rates", "0", "0.5", "--seeds", "2", "--no-plot", *QUICK]) == 0
    sys.stdout.flush()
    assert b"+/-" in held.getvalue() or b"+-" in held.getvalue()
    assert b"?" not in held.getvalue()


def test_data_lists_the_sources(folder, capsys):
    assert main(["data", "--data-dir", "empty"]) == 0
    shown = capsys.readouterr().out
    assert "mnist" in shown
    assert "missing" in shown
    assert main(["data", "--data-dir", "empty", "--json"]) == 0
    assert {row["source"] for row in json.loads(capsys.readouterr().out)} >= {"digits", "cifar100"}


def test_durations_are_said_as_people_say_them():
    assert [duration(s) for s in (0.2, 45, 300, 8000)] == ["1 s", "45 s", "5 min", "2.2 h"]


def test_only_the_figures_of_what_is_stored_now_are_listed(folder, capsys):
    short = ["--seeds", "2", "--epochs", "1", "--set", "model.hidden=4", "data.train_size=60"]
    command = ["sweep", "--rates", "0", "0.5", *short]
    assert main(command) == 0
    shown = capsys.readouterr().out
    made = "results/quickstart-epochs-1-hidden-4-train_size-60"
    assert f"figures: {made}/figures/" in shown
    (folder / made / "figures" / "old.png").write_bytes(b"another question's")
    assert main([*command, "--no-plot"]) == 0
    assert "figures:" not in capsys.readouterr().out


@pytest.mark.parametrize("options", [["--data", "mine.csv"], ["--set", "data.source=mine.csv"]])
def test_a_path_on_the_command_line_begins_where_it_is_given(folder, capsys, options):
    (folder / "mine.csv").write_text("a,b,k\n" + "\n".join(f"{i % 7},{i % 5},{i % 2}" for i in range(60)))
    (folder / "deep").mkdir()
    (folder / "deep" / "c.yaml").write_text("data: {label: k}\nmodel: {hidden: [4]}\ntraining: {epochs: 1}\nseeds: 1")
    assert main(["check", "deep/c.yaml", *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["study"] == "c-data-mine"


def test_a_field_that_two_options_set_is_a_sentence(folder, capsys):
    assert main(["sweep", "--epochs", "5", "--set", "epochs=6", "--dry-run"]) == 2
    assert "--set training.epochs=6: --epochs sets training.epochs already" in capsys.readouterr().err
