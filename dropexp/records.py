"""What happened: the rows of runs.csv, epochs.csv, probes.csv and provenance.csv; field order is column order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from dropexp.metrics import EPOCHS, RUNS

if TYPE_CHECKING:
    import numpy as np

Number = float | int | None
T = TypeVar("T")


def with_metrics(after: Mapping[str, Sequence[str]]) -> Callable[[type[T]], type[T]]:
    """Return a decorator that gives a dataclass metrics as fields, None by default, after the fields named."""

    def extended(row: type[T]) -> type[T]:
        places: dict[str, Any] = {}
        for name, kind in row.__annotations__.items():
            places |= {name: kind, **dict.fromkeys(after.get(name, ()), "Number")}
        for name in places.keys() - row.__annotations__.keys():
            setattr(row, name, None)
        row.__annotations__ = places
        return row

    return extended


def words(row: type) -> tuple[str, ...]:
    """Return the columns of a kind of row that hold words and not numbers, by the types of its fields."""
    return tuple(f.name for f in fields(row) if f.type == "str")


_FIRST = [name for name, c in EPOCHS.items() if not c.noisy and not c.metric.since]  # columns never move


@dataclass(frozen=True)
@with_metrics({"epoch": _FIRST, "rate": [name for name in EPOCHS if name not in _FIRST]})
class EpochRow:
    """One run after one epoch, with its metrics. Accuracies and rates in [0, 1], losses in nats per example, dropout off.

    `dropout_on_*` is the running mean during the epoch with dropout on; `train_*` is scored on the labels trained on. With
    label noise `clean_train_accuracy` counts only examples whose label was left alone, `memorised` is the fraction of
    wrong labels predicted as such, `recovered` that of true labels predicted in spite of a wrong one. `rate` is dropout.rate
    in force; `rate_at` follows the same schedule.
    """

    run_id: str
    arm_id: str
    seed: int
    epoch: int
    rate: Number = None
    if TYPE_CHECKING:

        def __init__(self, *cells: Any, **metrics: Any) -> None: ...
        def __getattr__(self, metric: str) -> Any: ...


@dataclass(frozen=True)
@with_metrics({"selected_epoch": list(RUNS)})
class RunRow:
    """One trained run: how it ended, and its metrics at the selected and, `final_*`, at the last epoch.

    `stop_reason` is max_epochs, patience or diverged; `gap` is training minus test accuracy; `memorised` and `recovered`
    are those of EpochRow. `test_set` is `official`, or `pool` where each split sets its own test examples aside.

    The last six are the seal of the run, which the store fills in: the probes that were taken, joined by `+`, and how
    many rows of probes.csv they gave; digests of the weights that were kept, of the selected epoch and of all; that of
    its record in predictions.bin; and the digest of this row together with the run's `epochs_run` rows of epochs.csv and
    its rows of probes.csv. Rows of versions before 0.3.0 have none, those before 0.4.0 no `predictions`. The
    configuration's leaves follow these columns in runs.csv.
    """

    run_id: str
    arm_id: str
    seed: int
    epochs_run: int
    stop_reason: str
    selected_epoch: int | None
    parameters: int | None = None
    train_examples: int | None = None
    val_examples: int | None = None
    test_examples: int | None = None
    classes: int | None = None
    test_set: str = ""
    probes_taken: str = ""
    probe_rows: int | None = None
    weights_selected: str = ""
    weights_all: str = ""
    predictions: str = ""
    rows_digest: str = ""
    if TYPE_CHECKING:

        def __init__(self, *cells: Any, **metrics: Any) -> None: ...
        def __getattr__(self, metric: str) -> Any: ...


@dataclass(frozen=True)
class ProbeRow:
    """One number of a diagnostic: of a run, after an epoch, at a layer (for `gap_parts`: of one way to evaluate).

    `at` says which of several numbers it is where a probe runs across units, passes, bins or examples; it is empty where
    there is nothing to run across.
    """

    run_id: str
    epoch: int
    probe: str
    layer: str
    at: str
    value: float


@dataclass(frozen=True)
class Provenance:
    """Where and how a run was executed; nothing here is deterministic. `seconds` is its share of its pack's time.

    `row_digest`, which the store fills in, is that of the other cells.
    """

    run_id: str
    seconds: float
    host: str
    device: str
    threads: int
    pack_runs: int
    dropexp: str
    python: str
    torch: str
    numpy: str
    git_commit: str
    data_sha256: str
    started: str
    ended: str
    row_digest: str = ""


@dataclass(frozen=True)
class Failure:
    """A run that raised, with the last line of its error."""

    run_id: str
    arm_id: str
    seed: int
    error: str
    ended: str


@dataclass(frozen=True, eq=False)
class Answers:
    """What one run predicted for its N test examples at its selected epoch.

    `place` (N,) is where an example stands in the official test set, else in the pool of all examples; `label` and
    `predicted` (N,) are classes from 0; `probabilities` (N, classes) are float32, None where they were not asked for.
    """

    run_id: str
    official: bool
    classes: int
    place: np.ndarray
    label: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray | None = None


@dataclass(frozen=True)
class Outcome:
    """What a pack leaves: the rows of its runs, or the error that ended it, or that it was `paused` at its checkpoint."""

    runs: tuple[RunRow, ...] = ()
    epochs: tuple[EpochRow, ...] = ()
    probes: tuple[ProbeRow, ...] = ()
    provenance: tuple[Provenance, ...] = ()
    weights: tuple[tuple[str, dict[str, object]], ...] = field(default=(), repr=False)
    answers: tuple[Answers, ...] = field(default=(), repr=False)
    error: str | None = None
    paused: bool = False
    notes: tuple[str, ...] = ()  # what the user should hear
