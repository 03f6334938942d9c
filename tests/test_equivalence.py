"""The promise: how runs were executed leaves no trace in their rows, byte for byte."""

import itertools
from pathlib import Path

import pytest
from light_probes import LIGHT

from dropexp.data import load
from dropexp.executors.inline import run_inline
from dropexp.experiment.config import Config, Data
from dropexp.experiment.packs import plan
from dropexp.experiment.study import Run, Study
from dropexp.store.prediction_records import examples_record, run_record
from dropexp.study_files.parse import parse
from dropexp.study_files.path_values import Override
from dropexp.study_files.yaml_reader import read_text
from dropexp.train.pack import Work, train_pack
from dropexp.workflow.planning import Options, prepare
from dropexp.workflow.running import run

DIGITS = load(Data(), folder=Path())
SMALL = {"train_size": 149, "val_size": 51, "test_size": 101}


def runs_of(seeds=(0, 1), rates=(0.0, 0.2, 0.5), **sections) -> list[Run]:
    configs = []
    for rate in rates:
        parts = {**sections, "dropout": {**sections.get("dropout", {}), "rate": rate}}
        parts["data"] = {**SMALL, **sections.get("data", {})}
        parts["training"] = {"epochs": 2, "batch_size": 37, **sections.get("training", {})}
        configs.append(Config.model_validate(parts))
    return Study("s", Path(), configs[0], (), seeds, tuple(configs)).runs()


def trained(runs, size):
    works = [Work(tuple(pack), "digits", save_predictions="probabilities") for pack in plan(runs, {}, 1, size)]
    rows = {}
    for _, outcome in run_inline(train_pack, works, {"digits": DIGITS}, 1, lambda *heard: None):
        assert outcome.error is None, outcome.error
        for row in outcome.runs:
            (answers,) = (a for a in outcome.answers if a.run_id == row.run_id) if row.selected_epoch else (None,)
            kept = answers and run_record(answers, examples_record(answers)[1])
            rows[row.run_id] = (repr(row), [repr(e) for e in outcome.epochs if e.run_id == row.run_id], kept)
    return rows


NETWORKS = [
    {"model": {"hidden": [50, 30], "activation": activation, "norm": norm, "order": order}, "training": training}
    for activation, (norm, order, training) in itertools.product(
        ("relu", "tanh", "sigmoid", "selu", "gelu", "leaky_relu"),
        (
            ("none", "NAD", {"optimizer": "sgd", "weight_decay": 1e-3, "max_norm": 1.0}),
            ("batch", "DNA", {"optimizer": "adam", "lr": 0.01}),
            ("layer", "AND", {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.1, "l1": 1e-5}),
        ),
    )
]
FAST = [
    *NETWORKS[:3],
    *(NETWORKS[i] for i in (3, 7, 11, 12, 16)),
]  # relu with each norm, every other activation with one
OTHERS = [
    {"model": {"hidden": [64, 32]}, "training": {"batch_size": 64}},
    {"model": {"hidden": [1, 3]}},
    {"model": {"hidden": [7]}, "training": {"batch_size": 1, "steps_per_epoch": 40}},
    {"model": {"hidden": [50], "norm": "batch", "norm_group": 10}},
    {"model": {"hidden": [50]}, "data": {"label_noise": 0.3}, "training": {"nesterov": True}},
    {"model": {"hidden": [50]}, "dropout": {"kind": "vanilla", "placement": ["input", "hidden"]}},
    {"model": {"hidden": [50]}, "dropout": {"kind": "batch_shared"}},
    {"model": {"hidden": [50]}, "training": {"steps_per_epoch": 3, "schedule": {"shape": "cosine"}}},
    {"model": {"kind": "cnn", "channels": [5, 8], "hidden": [11]}},
    {"model": {"hidden": [50]}, "early_stopping": {"patience": 1, "min_delta": 0.02}, "training": {"epochs": 8}},
]
LSTMS = [
    {
        "model": {"kind": "lstm", "units": 13, "layers": layers, "bidirectional": both, "hidden": hidden},
        "dropout": {"placement": ["all"], "recurrent": recurrent, "kind": kind},
        "training": {"epochs": 1},
    }
    for layers, both, hidden, recurrent, kind in (
        (1, False, [], "step", "bernoulli"),
        (2, True, [7], "sequence", "vanilla"),
        (2, False, [], "candidate", "bernoulli"),
        (1, True, [], "step", "variational"),
    )
]
ROUNDED = [
    {"model": model, "training": {"epochs": 1, "precision": "bfloat16"}, "dropout": {"placement": ["all"]}}
    for model in (
        {"hidden": [50, 30]},
        {"kind": "cnn", "channels": [5, 8], "hidden": [11]},
        {"kind": "lstm", "units": 13, "hidden": []},
    )
]
CONVOLUTIONS = [
    {"model": {"kind": "cnn", "channels": [5, 8], "hidden": [11], "norm": norm, "pool": pool, "order": order},
     "dropout": {"placement": ["all"]}, "training": {"epochs": 2, "optimizer": optimizer, "lr": 0.01}}
    for norm, pool, order, optimizer in (
        ("none", "max", "NAD", "sgd"), ("batch", "avg", "DNA", "adam"), ("layer", "none", "NDA", "adamw")
    )
]  # fmt: skip


def check_packs(runs, sizes):
    alone = trained(runs, 1)
    assert len(alone) == len(runs)
    for size in sizes:
        assert trained(runs, size) == alone


@pytest.mark.parametrize("sections", FAST + OTHERS + CONVOLUTIONS + LSTMS[:2] + ROUNDED, ids=str)
def test_a_pack_of_any_size_gives_the_bytes_of_single_runs(sections):
    """Each kind of dropout has its packs in tests/nn/test_kinds.py, with rates and schedules that differ inside them."""
    check_packs(runs_of(rates=(0.0, 0.5), **sections)[:3], (3,))  # of two arms and two seeds


@pytest.mark.slow
@pytest.mark.parametrize("sections", NETWORKS + OTHERS + CONVOLUTIONS + LSTMS + ROUNDED, ids=str)
def test_larger_packs_do_too(sections):
    check_packs(runs_of((0, 1, 2), (0.0, 0.2, 0.5, 0.8), **sections), (2, 7, 30))


def test_values_that_differ_inside_a_pack_leave_each_run_its_bytes():
    """Learning rate, decay and patience are vectors along the pack, with a neighbour that stops early or diverges."""
    configs = [
        Config.model_validate({
            "data": SMALL, "model": {"hidden": [50]}, "dropout": {"rate": 0.3},
            "training": {"lr": lr, "epochs": epochs, "momentum": momentum},
            "early_stopping": {"patience": patience},
        })
        for lr, epochs, momentum, patience in (
            (0.05, 4, 0.9, None), (1e30, 4, 0.9, None), (0.01, 2, 0.0, 1), (0.1, 6, 0.5, 2)
        )
    ]  # fmt: skip
    runs = Study("s", Path(), configs[0], (), (0, 1), tuple(configs)).runs()
    assert len(plan(runs, {}, 1, 30)) == 1
    alone, together = trained(runs, 1), trained(runs, 30)
    assert together == alone
    assert sum("diverged" in row for row, *_ in alone.values()) == 2


TEXT = """
data: {source: digits, train_size: 149, val_size: 51, test_size: 101}
model: {hidden: [50]}
training: {epochs: 2}
probes: {PROBES}
seeds: 3
sweep:
  dropout.rate: [0, 0.5]
  model.activation: [relu, tanh]
""".replace("PROBES", ", ".join(LIGHT))
REORDERED = """
sweep: {model.activation: [relu, tanh], dropout.rate: [0, 0.5]}
seeds: [0, 1, 2]
probes: {PROBES}
training: {epochs: 2}
model: {hidden: [50]}
data: {test_size: 101, val_size: 51, train_size: 149, source: digits}
""".replace("PROBES", ", ".join(reversed(LIGHT)))


def folder_bytes(folder):
    return {name: (folder / name).read_bytes() for name in ("runs.csv", "epochs.csv", "probes.csv", "predictions.bin")}


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_order_of_keys_a_pool_of_workers_and_an_interruption_leave_no_trace(tmp_path, jobs):
    study = parse(read_text(TEXT, "a.yaml"), name="a")
    done = run(study, Options(results=tmp_path))
    whole = done.folder
    assert done.trained == 12
    assert run(study, Options(results=tmp_path)).trained == 0, "the same command again trains nothing"
    assert prepare(study, Options(results=tmp_path)).done == 12
    other = run(parse(read_text(REORDERED, "b.yaml"), name="b"), Options(results=tmp_path, jobs=jobs, pack=2)).folder
    assert folder_bytes(other) == folder_bytes(whole)

    study = parse(read_text(TEXT, "c.yaml"), name="c")
    part = parse(read_text(TEXT, "c.yaml"), [Override("dropout.rate", (0.5,), "--rates 0.5", axis=True)], name="c")
    half = run(part, Options(results=tmp_path)).folder
    lines = (half / "epochs.csv").read_text()
    (half / "epochs.csv").write_text(lines + lines.splitlines()[-1][:-5])  # as a kill leaves it
    with (half / "runs.csv").open("a") as file:
        file.write("digits-mlp-50-none-s0-0000000000,di")
    with (half / "predictions.bin").open("rb+") as file:
        file.seek(0, 2)
        file.write(b"DXP1R\x40\0\0\0\0\0\0\0torn")
    assert run(study, Options(results=tmp_path, pack=1)).trained == 6
    assert folder_bytes(half) == folder_bytes(whole)
