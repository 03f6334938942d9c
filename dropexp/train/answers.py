"""What runs answer to their test examples: cut out of an evaluation while they train, and put beside the examples at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dropexp.data import Dataset, test_rows
from dropexp.records import Answers
from dropexp.train.evaluate import Evaluated
from dropexp.train.recorder import Recorder

KIND = np.dtype(np.uint16)  # of a class: many runs keep one of many examples, and no data set has more


def answered(evaluated: Evaluated, i: int) -> dict[str, Any]:
    """Return a copy of one run's part of an evaluation: the classes that it counted, and logits where they are kept."""
    kept = {"predicted": evaluated.guess_RN[i].astype(KIND)}
    return kept if evaluated.logits_RNK is None else kept | {"logits": evaluated.logits_RNK[i].copy()}


def shapes(examples: int, classes: int, which: str) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Return the shape and type of what is kept of a run, by what a study asks for."""
    kept: dict[str, tuple[tuple[int, ...], np.dtype]] = {"predicted": ((examples,), KIND)}
    return kept | ({"logits": ((examples, classes), np.dtype(np.float32))} if which == "probabilities" else {})


def answers_of(recorders: Iterable[Recorder], dataset: Dataset) -> tuple[Answers, ...]:
    """Return what runs answered in their selected epochs; those without one have none."""
    seen: dict[tuple[object, ...], tuple[np.ndarray, np.ndarray]] = {}
    found = []
    for recorder in recorders:
        if (kept := recorder.answers) is None:
            continue
        run = recorder.run
        key = run.stream_seed("split"), run.config.data.test_size
        if key not in seen:
            rows = test_rows(dataset, run.config.data, key[0])
            first = 0 if dataset.n_test is None else len(dataset.y) - dataset.n_test
            seen[key] = (rows - first).astype(np.uint32), dataset.y[rows].astype(KIND)
        found.append(_joined(run.run_id, dataset, *seen[key], kept))
    return tuple(found)


def _joined(run_id: str, dataset: Dataset, place: np.ndarray, label: np.ndarray, kept: Mapping[str, Any]) -> Answers:
    logits = kept.get("logits")
    return Answers(
        run_id, dataset.n_test is not None, len(dataset.classes), place, label, kept["predicted"],
        None if logits is None else probabilities(logits),
    )  # fmt: skip


def probabilities(logits_NK: np.ndarray) -> np.ndarray:
    """Return the probabilities of the classes, float32, computed for one run alone in float64."""
    each = np.exp(logits_NK.astype(np.float64) - logits_NK.max(1, keepdims=True))
    return (each / each.sum(1, keepdims=True)).astype(np.float32)
