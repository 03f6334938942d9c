"""A made-up study in a folder, written through the store as training would."""

import numpy as np

from dropexp.records import Answers, EpochRow, Failure, Outcome, Provenance, RunRow
from dropexp.store.writer import Writer
from dropexp.study_files.parse import parse
from dropexp.study_files.writing import to_yaml
from dropexp.study_files.yaml_reader import read_text


def stored(folder, text, epochs=4, diverged=(), missing=(), failed=(), error="boom", answers=False):
    """Store runs of the study that YAML text describes, and return it.

    Test accuracy is 0.90 + 0.02 rate + 0.001 times the seed's own number, training accuracy 1. `diverged`, `missing`
    and `failed` hold (index of an arm, seed). With `answers` each run has kept its own for 20 examples.
    """
    rows, curves, places, failures = [], [], [], []
    study = parse(read_text(text, "made-up.yaml"), large=True)
    index = {arm_id: i for i, arm_id in enumerate(dict.fromkeys(a.arm_id for a in study.arms))}
    runs = [r for r in study.runs() if (index[r.arm_id], r.seed) not in {*missing, *failed}]
    for run in runs:
        ended = (index[run.arm_id], run.seed) in diverged
        rng = np.random.default_rng([run.seed, index[run.arm_id]])
        test = 0.90 + 0.02 * run.config.dropout.rate + 0.001 * rng.standard_normal() + 0.01 * np.sin(run.seed)
        name = (run.run_id, run.arm_id, run.seed)
        for epoch in range(1, epochs + 1):
            at = float(test - 0.2 / epoch)
            numbers = (0.5 / epoch, 1.0, 0.6 / epoch, 0.9, 0.7, at, 0.7, at, 1 - at)
            curves.append(EpochRow(*name, epoch, *numbers, run.config.dropout.rate))
        last = curves[-1]
        metrics = {m: getattr(last, m) for m in ("train_loss", "train_accuracy", "val_loss", "val_accuracy")}
        metrics |= {"test_loss": 0.7, "test_accuracy": last.test_accuracy, "gap": last.gap}
        reason, selected = ("diverged", None) if ended else ("max_epochs", epochs)
        rows.append(RunRow(*name, epochs, reason, selected, **({} if ended else metrics), parameters=1234))
        versions = ("0.1.0", "3.12.1", "2.9.1+cpu", "2.1.0", "", "ab12" * 16)
        places.append(Provenance(run.run_id, 0.5, "host", "cpu", 1, 4, *versions, "2030-01-01T09:00:00", "2030-01-02"))
    for run in study.runs():
        if (index[run.arm_id], run.seed) in failed:
            failures.append(Failure(run.run_id, run.arm_id, run.seed, error, "2030-01-02"))
    with Writer(folder) as writer:
        writer.write("study.yaml", to_yaml(study))
        kept = tuple(_answers(run) for run in runs) if answers else ()
        writer.append(runs, Outcome(tuple(rows), tuple(curves), (), tuple(places), answers=kept))
        writer.append_failures(failures)
    return study


def _answers(run):
    place, rng = np.arange(20), np.random.default_rng(list(map(ord, run.run_id)))
    return Answers(run.run_id, False, 10, place, place % 10, rng.integers(0, 10, 20))
