"""Pins what users and old results rely on: ids, defaults, columns and options may grow and never move."""

import hashlib

from dropexp.cli.app import VERBS, app
from dropexp.cli.arguments import LISTS
from dropexp.experiment.config import Config
from dropexp.experiment.identity import arm_id, canonical, run_id
from dropexp.experiment.leaves import leaves, spell
from dropexp.rows import COLUMNS, headers

IDS = [
    ({}, 0, "digits-mlp-512-bernoulli-0.5-s0-690f72a92a"),
    ({"dropout": {"kind": "vanilla", "rate": 0.0}, "model": {"order": "DAN"}}, 3, "digits-mlp-512-none-s3-ef1774d389"),
    (
        {
            "dropout": {"placement": ["hidden", "conv"], "rate_at": {"input": 0.2}},
            "model": {"kind": "cnn", "norm": "batch", "order": "DNA"},
        },
        7,
        "digits-cnn-32x64x128-batch-bernoulli-0.5-s7-05d7eae0d2",
    ),
    (
        {"data": {"label_noise": 0.2, "source": "mnist"}, "early_stopping": {}},
        12,
        "mnist-mlp-512-bernoulli-0.5-s12-b650a8d0f0",
    ),
    (
        {"data": {"sha256": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "source": "mine.npz"}},
        1,
        "mine-mlp-512-bernoulli-0.5-s1-c02a0a52d8",
    ),
]
DEFAULTS = {
    "data.source": "digits",
    "data.sha256": "",
    "data.label": "",
    "data.test_size": "",
    "data.val_size": "0.1",
    "data.train_size": "",
    "data.label_noise": "0",
    "data.noisy_validation": "false",
    "model.kind": "mlp",
    "model.hidden": "512",
    "model.channels": "",
    "model.kernel": "",
    "model.pool": "",
    "model.activation": "relu",
    "model.norm": "none",
    "model.norm_group": "",
    "model.order": "norm-activation-dropout",
    "model.init": "auto",
    "dropout.kind": "bernoulli",
    "dropout.rate": "0.5",
    "dropout.placement": "hidden",
    "dropout.rate_at": "none",
    "early_stopping.patience": "",
    "early_stopping.monitor": "val_loss",
    "early_stopping.min_delta": "0",
    "early_stopping.start_from_epoch": "1",
    "training.optimizer": "sgd",
    "training.lr": "0.05",
    "training.schedule.shape": "constant",
    "training.schedule.every": "20",
    "training.schedule.factor": "0.1",
    "training.momentum": "0.9",
    "training.nesterov": "false",
    "training.weight_decay": "0",
    "training.l1": "0",
    "training.max_norm": "",
    "training.batch_size": "64",
    "training.epochs": "60",
    "training.steps_per_epoch": "",
    "training.precision": "float32",
    "streams.init": "",
    "streams.order": "",
    "streams.mask": "",
    "streams.split": "",
    "streams.labels": "",
}
OPTIONS = {  # of each command, without their --
    "check": (
        "baseline data data-dir detect device epochs executor fresh jobs json kinds lr orders pack patiences pilot "
        "placements rates results seeds set study threads time yes"
    ),
    "compare": "alone arm examples json out prefer together",
    "data": "data-dir json",
    "ensemble": "all json members",
    "export": "all json out to",
    "init": "list schema",
    "laws": "figure json quiet",
    "plot": "all baseline format fresh json metric only out prefer size together",
    "remove": "arm dry-run json restore study",
    "report": "all baseline fresh json open out prefer quiet together",
    "run": (
        "baseline data data-dir device dry-run epochs executor fresh jobs json kinds lr no-plot orders pack patiences "
        "placements quiet rates results seeds set study threads verbose yes"
    ),
    "show": "all baseline json",
    "stopping": "all alphas criteria json min-deltas monitor patiences strips",
    "verify": "all data-dir jobs json quiet sample seed",
}


def test_ids_do_not_move():
    found = [run_id(canonical(Config.model_validate(sections)), seed) for sections, seed, _ in IDS]
    assert found == [expected for _, _, expected in IDS]


def test_a_default_written_out_changes_no_id():
    plain, written = (
        Config(),
        Config.model_validate({"training": {"lr": 0.05}, "model": {"order": "NAD", "hidden": [512]}}),
    )
    assert arm_id(canonical(plain)) == arm_id(canonical(written))


def test_defaults_are_what_they_were():
    now = {path: spell(value) for path, value in leaves(Config()).items()}
    assert {path: now[path] for path in DEFAULTS} == DEFAULTS


def test_columns_only_grow():
    begin = "run_id arm_id seed epochs_run stop_reason selected_epoch train_loss train_accuracy val_loss val_accuracy"
    assert COLUMNS["runs.csv"][:10] == tuple(begin.split())
    assert COLUMNS["epochs.csv"][:14] == (
        *("run_id", "arm_id", "seed", "epoch", "train_loss", "train_accuracy", "dropout_on_train_loss"),
        *("dropout_on_train_accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy", "gap", "rate"),
    )
    assert COLUMNS["probes.csv"] == ("run_id", "epoch", "probe", "layer", "at", "value")


def test_every_new_column_says_since_when():
    """A file's first header is pinned here; what came later stands in rows.ADDED, a version each, or old files are lost."""
    first = {
        "runs.csv": (63, "11a0967ab665"),
        "epochs.csv": (17, "6bcc8bdf5625"),
        "probes.csv": (5, "6da2aecacf65"),
        "provenance.csv": (14, "6a286d4d29ca"),
        "failures.csv": (5, "d4c625c2f9a4"),
    }
    digests = {name: hashlib.sha256(",".join(headers(name)[-1]).encode()).hexdigest()[:12] for name in COLUMNS}
    assert {name: (len(headers(name)[-1]), digests[name]) for name in COLUMNS} == first
    assert [len(header) for header in headers("runs.csv")] == sorted(
        {len(h) for h in headers("runs.csv")}, reverse=True
    )


def test_the_options_are_these():
    import typer

    command = typer.main.get_command(app)
    found = {
        name: sorted(o for p in sub.params for o in getattr(p, "opts", ()) if o.startswith("--"))
        for name, sub in command.commands.items()
    }
    assert set(found) == {name for name, _, _ in VERBS}
    assert found.pop("sweep") == found["run"]
    assert found == {name: [f"--{option}" for option in options.split()] for name, options in OPTIONS.items()}
    assert set(LISTS) <= {option for options in found.values() for option in options}
