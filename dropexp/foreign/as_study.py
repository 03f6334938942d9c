"""From a user's epochs.csv to a study: which rows are one run, which columns are axes, and how each run ended."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from dropexp.errors import StoreError
from dropexp.experiment.foreign_study import RATE, Foreign, ForeignArm, path_of
from dropexp.experiment.leaves import in_order, spell
from dropexp.experiment.vocabulary import near
from dropexp.foreign.epochs_csv import FACTS, MEASURED, Table
from dropexp.metrics import AVERAGED, RUNS
from dropexp.quoting import clean
from dropexp.study_files.yaml_scalars import core_value

CLEAN = "clean_train_accuracy"


def read_foreign(folder: Path) -> tuple[Foreign, pd.DataFrame, pd.DataFrame]:
    """Return the study that a folder's epochs.csv makes, its runs and its epochs; a run's result is its last epoch.

    `seed`, `epoch` (from 1, without gaps), `train_accuracy` and `test_accuracy` (fractions, dropout off) are needed;
    the other columns of EpochRow may be there, and every further column is an axis. Raises StoreError, with the line,
    for what is missing, no number, out of range, there twice or left out.
    """
    table = Table(folder / "epochs.csv")
    epochs = pd.DataFrame({"seed": table.whole("seed"), "epoch": table.whole("epoch", least=1)})
    epochs = epochs.assign(**{name: table.measured(name) for name in table.header if name in MEASURED})
    epochs["gap"] = _gap(table, epochs)
    cells = {column: _spelt(table.cells[column]) for column in table.further}
    paths = _paths(table, cells)
    keys = pd.DataFrame({**cells, "seed": epochs["seed"]})
    order = _whole_runs(table, keys, epochs["epoch"].to_numpy())
    epochs, keys = epochs.iloc[order], keys.iloc[order]

    number = keys.groupby(list(keys.columns), sort=False).ngroup().to_numpy()
    last = np.flatnonzero(np.append(np.diff(number) != 0, True))
    arms: dict[tuple[str, ...], ForeignArm] = {}
    rows = list(keys.iloc[last].itertuples(index=False, name=None))
    for *values, _ in rows:
        found = tuple((path, core_value(cell)) for path, cell in zip(paths.values(), values, strict=True))
        arms.setdefault(tuple(values), ForeignArm(found, CLEAN in epochs))
    own = [(arms[tuple(values)], seed) for *values, seed in rows]
    epochs = epochs.assign(
        arm_id=np.array([arm.arm_id for arm, _ in own], dtype=object)[number],
        run_id=np.array([arm.run_id(seed) for arm, seed in own], dtype=object)[number],
    ).reset_index(drop=True)
    runs = _runs(epochs).assign(**{name: keys[name].iloc[last].to_numpy() for name in FACTS if name in keys})
    wanted = frozenset((arm.arm_id, seed) for arm, seed in own)
    shown = tuple(in_order(arms.values(), list(paths.values()), ForeignArm.value))
    return Foreign(folder.resolve().name, tuple(sorted({seed for _, seed in own})), shown, wanted), runs, epochs


def _spelt(cells: list[str]) -> list[str]:
    """Return cells so that one value is spelt one way: 0.50 as 0.5."""
    known = {cell: spell(core_value(cell)) for cell in set(cells)}
    return [known[cell] for cell in cells]


def _gap(table: Table, epochs: pd.DataFrame) -> pd.Series[float]:
    gap = epochs["train_accuracy"] - epochs["test_accuracy"]
    if "gap" in epochs:
        for row in np.flatnonzero((epochs["gap"] - gap).abs() > 1e-6)[:1]:
            table.refuse(row, "gap", "is not train_accuracy minus test_accuracy; remove the column")
    return gap


def _paths(table: Table, cells: dict[str, list[str]]) -> dict[str, str]:
    """Return the path of each further column; raises StoreError where two mean the same or a rate is none."""
    paths = {column: path_of(column, [core_value(cell) for cell in set(found)]) for column, found in cells.items()}
    for one, other in combinations(paths, 2):
        if paths[one] == paths[other]:
            raise StoreError(
                f"{table.path}:1: the columns {clean(one)!r} and {clean(other)!r} both mean {paths[one]}; keep one"
            )
    for column in (c for c, path in paths.items() if path == RATE):
        for row, cell in enumerate(cells[column]):
            if not 0 <= core_value(cell) <= 1:
                says = (
                    "is not a probability of dropping a unit; write a fraction from 0 to below 1, or rename the column"
                )
                table.refuse(row, column, says)
    return paths


def _runs(epochs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run: its last epoch, or its last finite one where it ended with a loss that is no number."""
    ended = epochs.groupby("run_id", sort=False).tail(1).set_index("run_id")
    losses = [c.name for c in AVERAGED if c.name in epochs and np.isinf(c.metric.high)]
    finite = ~np.isinf(epochs[losses]).any(axis=1)
    runs = epochs[finite].groupby("run_id", sort=False).tail(1).set_index("run_id").reindex(ended.index)
    diverged = (runs["epoch"] != ended["epoch"]).to_numpy()
    runs = runs.rename(columns={"epoch": "selected_epoch"}).assign(
        arm_id=ended["arm_id"],
        seed=ended["seed"],
        epochs_run=ended["epoch"],
        stop_reason=np.where(diverged, "diverged", "max_epochs"),
        **{name: runs[c.last] for name, c in RUNS.items() if c.last},
    )
    for name, (a, b) in ((name, c.of) for name, c in RUNS.items() if c.of and name not in runs):
        if a in runs and b in runs:
            runs[name] = runs[a] - runs[b]
    return runs.reset_index()


def _whole_runs(table: Table, keys: pd.DataFrame, epoch: np.ndarray) -> np.ndarray:
    """Return the rows run by run and epoch by epoch; raises StoreError where an epoch is missing or there twice."""
    order, fault = _ordered(keys, epoch)
    if fault is None:
        return order
    axes = [c for c in keys.columns if c != "seed"]
    for left_out in (*combinations(axes, 1), *combinations(axes, 2)):
        if _ordered(keys.drop(columns=list(left_out)), epoch)[1] is None:
            words = " and ".join(repr(clean(c)) for c in left_out)
            verb, be = ("change", "are no axes") if len(left_out) > 1 else ("changes", "is no axis")
            guess = near(left_out[0], MEASURED)
            hint = f", or call {'it' if len(left_out) == 1 else 'the first'} {guess!r}" if guess else ""
            raise StoreError(f"{table.path}:1: {words} {verb} within a run, so {be}; leave out{hint}")
    row, before = fault
    run = ", ".join(f"{clean(str(c))} {clean(str(keys[c].iloc[row]))}" for c in keys.columns)
    here = f"{table.path}:{table.lines[row]}: epoch {epoch[row]} of {run}"
    if before is None:
        raise StoreError(f"{here} is its first; epochs count from 1, one row each")
    if epoch[before] == epoch[row]:
        both = f"is in line {table.lines[before]} too"
        raise StoreError(f"{here} {both}; delete one, or add the column that tells the two runs apart")
    raise StoreError(f"{here} follows epoch {epoch[before]}; each epoch needs a row")


def _ordered(keys: pd.DataFrame, epoch: np.ndarray) -> tuple[np.ndarray, tuple[int, int | None] | None]:
    """Return rows by run and epoch, and the first row that is not one epoch after the row before it, with that row."""
    number = keys.groupby(list(keys.columns), sort=False).ngroup().to_numpy()
    order = np.lexsort((np.arange(len(epoch)), epoch, number))
    starts = np.append(True, np.diff(number[order]) != 0)
    bad = np.flatnonzero(epoch[order] != np.where(starts, 0, np.roll(epoch[order], 1)) + 1)
    if not bad.size:
        return order, None
    at = min(bad, key=lambda i: order[i])
    return order, (int(order[at]), None if starts[at] else int(order[at - 1]))
