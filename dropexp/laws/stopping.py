"""The law of early stopping: when training ends, and which epoch is the result."""

from __future__ import annotations

import math

import numpy as np

from dropexp.data import Dataset
from dropexp.experiment.config import Config
from dropexp.experiment.identity import arm_id, run_id
from dropexp.experiment.study import Run
from dropexp.laws.board import table
from dropexp.laws.law import Result, exactly
from dropexp.laws.small_networks import SEED, normal
from dropexp.records import RunRow
from dropexp.stopping import Stopper
from dropexp.train.pack import Work, train_pack

NAN = math.nan
CURVES = (  # what, monitor, patience, min_delta, curve, epochs trained, best epoch
    ("rises from epoch 3", "val_loss", 2, 0.0, (3, 2, 1, 4, 5, 6, 7), 5, 3),
    ("patience 1 ends at the first rise", "val_loss", 1, 0.0, (3, 2, 2.5, 1), 3, 2),
    ("a gain in the last epoch of patience", "val_loss", 3, 0.0, (3, 4, 4, 2, 4, 4, 4), 7, 4),
    ("ties go to the earlier epoch", "val_loss", 3, 0.0, (3, 1, 1, 1, 1), 5, 2),
    ("a gain of exactly min_delta does not count", "val_loss", 2, 0.25, (1, 0.75, 0.75), 3, 1),
    ("a gain of more than min_delta counts", "val_loss", 2, 0.25, (1, 0.75, 0.5, 1, 1), 5, 3),
    ("accuracy counts upwards", "val_accuracy", 2, 0.0, (0.5, 0.7, 0.6, 0.7), 4, 2),
    ("NaN does not count as a gain", "val_loss", 2, 0.0, (2, NAN, NAN, 1), 3, 1),
    ("no rise, no stop", "val_loss", 2, 0.0, (4, 3, 2, 1), 4, 4),
)


def _follow(monitor: str, patience: int, min_delta: float, curve: tuple[float, ...]) -> tuple[int, int | None]:
    """Return how many epochs are trained and which is selected."""
    stopper = Stopper(patience, monitor, min_delta)
    for number in curve:
        stopper = stopper.observe(number)
        if stopper.stopped:
            break
    return stopper.epoch, stopper.selected_epoch


def early_stop_rule() -> Result:
    """Nine curves with known answers, and a network trained until it stops."""
    wrong = sum(_follow(*case[1:5]) != case[5:] for case in CURVES)
    row, best, kept = _stopped()
    return Result((
        exactly(f"curves that stop at, or select, another epoch (of {len(CURVES)})", wrong),
        exactly("a trained network: epochs after the best one, patience 3", row.epochs_run - (row.selected_epoch or 0), 3.0),
        exactly("epochs with a lower validation loss than the selected epoch", best),
        exactly("weights that are not those of the selected epoch", kept),
    ))  # fmt: skip


def _stopped() -> tuple[RunRow, int, int]:
    """Return the row of a run stopped early, the epochs better than its selected one, and its weights that differ."""
    config = Config.model_validate({
        "data": {"val_size": 40},
        "model": {"hidden": [30]},
        "training": {"epochs": 60, "lr": 0.2, "batch_size": 20},
        "early_stopping": {"patience": 3},
    })  # fmt: skip
    y = np.arange(200, dtype=np.int64) % 3
    x = normal("stopping", 200, 9).numpy() + y[:, None] * 0.3
    data = Dataset("drawn", x.astype(np.float32), y, None, ("a", "b", "c"))
    run = Run(config, SEED, arm_id(config), run_id(config, SEED))
    chosen, every = (train_pack(Work((run,), "drawn", (), which), data) for which in ("selected", "all"))
    row = chosen.runs[0]
    losses = [epoch.val_loss for epoch in chosen.epochs]
    better = sum(loss < losses[(row.selected_epoch or 0) - 1] for loss in losses)
    (_, kept), selected = chosen.weights[0], dict(every.weights)[f"{run.run_id}/epoch-{row.selected_epoch:05d}"]
    return row, better, sum(int(np.sum(kept[name] != selected[name])) for name in selected)


def curves_board() -> list[str]:
    """Draw the curves, where each ends and which epoch it selects."""
    rows = []
    for what, monitor, patience, min_delta, curve, *_ in CURVES:
        shown = " ".join(f"{number:g}" for number in curve)
        rows.append((what, shown, patience, min_delta, *_follow(monitor, patience, min_delta, curve)))
    return [*table(("curve", "validation", "patience", "min_delta", "stops after", "selects"), rows), ""]
