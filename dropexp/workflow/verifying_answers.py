"""Verification of predictions.bin: every record whole and some run's, and each run's answers those that its row counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from dropexp.analysis.consistency import Mismatch
from dropexp.errors import StoreError
from dropexp.experiment.sources import SOURCES
from dropexp.experiment.study import Study
from dropexp.records import Answers
from dropexp.store.folder import Store
from dropexp.store.prediction_order import arranged
from dropexp.store.predictions import NAME

LATER = (
    "study.yaml asks for it: it is missing, or the run was trained before this was requested ('dropexp "
    "run --fresh' trains it again)"
)


def predicted(folder: Path) -> Iterator[Mismatch]:
    """Yield what in predictions.bin is no record or of no run, and the runs whose rows it does not agree with."""
    store = Store(folder)
    try:
        held, stored = store.held(), store.predictions(thorough=True)
    except StoreError as error:
        if NAME in str(error):  # else it was told of the file
            yield Mismatch(NAME, 0, "", "", "", str(error))
        return
    rows = store.cells()
    lost = arranged(stored.index, {row["run_id"]: row["predictions"] for row in rows})[1]
    for gap in lost:
        yield Mismatch(NAME, 0, "", "", "", f"byte {gap.begin}: {gap.why}")
    for number, row in zip(held.numbers["runs.csv"], rows, strict=True):
        if not row["predictions"]:
            continue
        why = stored.fault(row["run_id"])
        if why is None:
            try:
                why = _fault(row, stored.get(row["run_id"]))
            except StoreError as error:
                why = str(error)
        if why:
            yield Mismatch("runs.csv", number, "predictions", row["predictions"], "", f"{NAME}: {why}")


def lacking(folder: Path, study: Study) -> Iterator[Mismatch]:
    """Yield the runs whose probabilities study.yaml asks for, and that were trained without keeping them."""
    store = Store(folder)
    try:
        stored = store.predictions()
    except StoreError:
        return  # it was told of the file
    named = {run.run_id for run in study.runs()} if study.save_predictions == "probabilities" else set()
    for number, row in zip(store.held().numbers["runs.csv"], store.cells(), strict=True):
        found = stored.index.of(row["run_id"], row["predictions"])[0]
        plain = found is not None and not found.head.probabilities
        if row["run_id"] in named and row["selected_epoch"] and (plain or not row["predictions"]):
            yield Mismatch("runs.csv", number, "predictions", "", "", f"has no probabilities in {NAME}, {LATER}")


def _fault(row: Mapping[str, str], answers: Answers | None) -> str | None:
    """Return in what a run's answers are not those that its row speaks of."""
    if answers is None:
        return "its record is missing"
    count, right = len(answers.place), int(np.sum(answers.predicted == answers.label))
    if row["test_accuracy"] != repr(right / count if count else 0.0):
        return f"{right} of {count} answers are right, but its row has test_accuracy {row['test_accuracy'] or 'empty'}"
    if str(count) != row["test_examples"] or str(answers.classes) != row["classes"]:
        return f"holds {count} answers of {answers.classes} classes, but its row has {row['test_examples']} of {row['classes']}"
    if row["test_set"] != ("official" if answers.official else "pool"):
        return f"its examples are not those of the test set {row['test_set']}"
    if len(np.unique(answers.place)) < count:
        return "the same example appears twice among its answers"
    source = SOURCES.get(row["data.source"])
    whole = None if source is None else source.test if answers.official else source.pool
    if whole is not None and count and int(answers.place.max()) >= whole:
        return f"example {int(answers.place.max())} is not one of the {whole} of {row['data.source']}"
    return None
