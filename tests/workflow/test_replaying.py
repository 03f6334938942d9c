"""Replaying a rule on stored epochs is what training with it does: the same cells, byte for byte."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from dropexp.errors import StoreError
from dropexp.stopping import Setting
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.workflow.planning import Options
from dropexp.workflow.replaying import replay_rules
from dropexp.workflow.running import run

STUDY = """
data: {{train_size: 149, val_size: 51, test_size: 101, label_noise: 0.1}}
model: {{hidden: [30], norm: batch}}
training: {{epochs: 25, lr: 0.1, batch_size: 37, schedule: {{shape: cosine}}}}
dropout: {{schedule: {{shape: linear, epochs: 20}}}}
seeds: 2
sweep: {{dropout.rate: [0, 0.5]{more}}}
"""
STOPPED = ", early_stopping.patience: [1, 3], early_stopping.min_delta: [0, 0.02], early_stopping.monitor: [{}]"
MONITORS = ("val_loss", "val_accuracy", "test_accuracy")
AT_SELECTED = (
    *("train_loss", "train_accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy", "gap"),
    *("clean_train_accuracy", "memorised", "recovered"),
)


def trained(name: str, folder: Path, more: str = "") -> Path:
    return run(parse(read_text(STUDY.format(more=more), f"{name}.yaml"), name=name), Options(results=folder)).folder


def cells(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replay")
    return trained("whole", folder), trained("stopped", folder, STOPPED.format(", ".join(MONITORS)))


@pytest.mark.parametrize("monitor", MONITORS)
def test_a_replayed_rule_is_the_rule_that_trains(folders, monitor):
    whole, stopped = folders
    settings = [Setting("patience", p, d) for p in (1, 3) for d in (0.0, 0.02)]
    found = replay_rules(whole, settings, monitor).replay
    epochs = {(row["run_id"], int(row["epoch"])): row for row in cells(whole / "epochs.csv")}
    real = [row for row in cells(stopped / "runs.csv") if row["early_stopping.monitor"] == monitor]
    compared, ends = 0, set()
    for line in found.runs[found.runs["setting"] > 0].to_dict("records"):
        setting = found.settings[line["setting"]]
        rate = next(row["dropout.rate"] for row in cells(whole / "runs.csv") if row["run_id"] == line["run_id"])
        (own,) = [
            row
            for row in real
            if (row["dropout.rate"], int(row["seed"])) == (rate, line["seed"])
            and int(row["early_stopping.patience"]) == setting.threshold
            and float(row["early_stopping.min_delta"]) == setting.min_delta
        ]
        assert (own["epochs_run"], own["selected_epoch"]) == (str(line["stop_epoch"]), str(line["selected_epoch"]))
        assert own["stop_reason"] == ("patience" if line["stopped"] else "max_epochs")
        assert own["test_accuracy"] == repr(line["test_accuracy"])
        there, last = (epochs[line["run_id"], line[f"{which}_epoch"]] for which in ("selected", "stop"))
        assert {name: own[name] for name in AT_SELECTED} == {name: there[name] for name in AT_SELECTED}
        for name in ("train_accuracy", "test_accuracy", "gap"):
            assert own[f"final_{name}"] == last[name]
        compared, ends = compared + 1, ends | {line["stop_epoch"]}
    assert compared == len(real) == 2 * 2 * 4
    assert len(ends) > 3


def test_leaves_the_table_and_the_picture_in_the_folder(folders):
    settings = [Setting("patience", 2), Setting("gl", 2)]
    found = replay_rules(folders[0], settings, "val_loss")
    assert [path.name for path in found.files] == ["stopping.csv", "stopping-heat.png", "stopping-heat.svg"]
    before = [path.read_bytes() for path in found.files]
    assert len(cells(folders[0] / "stopping.csv")) == 2 * 3
    replay_rules(folders[0], settings, "val_loss")
    assert [path.read_bytes() for path in found.files] == before


def test_a_study_without_a_run_trained_to_the_end_says_so(folders, tmp_path):
    with pytest.raises(StoreError, match=r"nothing to replay.*16 runs trained with early stopping") as error:
        replay_rules(trained("some", tmp_path, STOPPED.format("val_loss")), [Setting("patience", 2)], "val_loss")
    assert "'run --patiences none' trains them to the end" in str(error.value)


def test_a_study_without_validation_says_which_monitors_there_are(tmp_path):
    text = "{data: {train_size: 50, val_size: 0}, model: {hidden: [5]}, training: {epochs: 3}, seeds: 1}"
    folder = run(parse(read_text(text, "bare.yaml"), name="bare"), Options(results=tmp_path)).folder
    with pytest.raises(StoreError, match=r"--monitor val_loss: no epoch has it, because data\.val_size is 0"):
        replay_rules(folder, [Setting("patience", 2)], "val_loss")
    assert replay_rules(folder, [Setting("patience", 2)], "test_loss").rows["n"].tolist() == [1, 1]
