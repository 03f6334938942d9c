"""The stored rows of one study with its arms, filtered and numeric, ready for analysis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import pairwise
from math import nan
from typing import Any

import pandas as pd

from dropexp.analysis.history import NO_HISTORY, History
from dropexp.analysis.outcomes import NoOutcomes, Outcome, Outcomes
from dropexp.experiment.design import Along, Arm, Design
from dropexp.metrics import EPOCHS, RUNS, Column
from dropexp.records import EpochRow, ProbeRow, RunRow, words


@dataclass(frozen=True)
class Lead:
    """The metric columns that every output leads with: with label noise, those of the clean labels."""

    train: str
    test: str
    gap: str


@dataclass(frozen=True)
class Facts:
    """What an arm was trained and tested on, NaN if the rows do not say.

    `redrawn` is whether each seed sets its own test examples aside from one pool.
    """

    train: float
    test: float
    classes: float
    redrawn: bool


@dataclass(frozen=True, eq=False)
class Tidy:
    """A study's arms and the rows that belong to them.

    `runs` has the columns of RunRow and the configuration's where stored; `epochs` those of EpochRow, `probes` those of
    ProbeRow. Accuracies are fractions, losses nats per example, absent numbers NaN. `noisy` is whether any arm has label
    noise; arms without it then carry their plain numbers as clean ones. Arms that are the same function share an arm_id,
    and so their rows.
    """

    study: Design
    arms: tuple[Arm, ...]
    axes: tuple[str, ...]
    runs: pd.DataFrame
    epochs: pd.DataFrame
    noisy: bool
    probes: pd.DataFrame = field(default_factory=pd.DataFrame)
    judged: tuple[Mapping[str, str], ...] = ()
    outcomes: Outcomes = field(default_factory=NoOutcomes)
    history: History = NO_HISTORY
    along_axes: bool = (
        True  # whether arms are compared along axes too, and without dropout at all; before 0.5.0 they were not
    )

    @property
    def lead(self) -> Lead:
        if self.noisy:
            return Lead("clean_train_accuracy", "test_accuracy", "clean_gap")
        return Lead("train_accuracy", "test_accuracy", "gap")

    @property
    def baselines(self) -> tuple[Arm | None, ...]:
        """The baseline of each arm, in the order of the arms; None for a baseline itself."""
        if not self.along_axes and not any(arm.masked for arm in self.arms):
            return (None,) * len(self.arms)
        return self.study.baselines

    @property
    def along(self) -> tuple[Along, ...]:
        """The comparisons along axes beside those with the baselines."""
        return self.study.along if self.along_axes else ()

    @cached_property
    def _by_arm(self) -> dict[str, pd.DataFrame]:
        return _parted(self.runs)

    @cached_property
    def _finished_by_arm(self) -> dict[str, pd.DataFrame]:
        return _parted(self.runs[self.runs["stop_reason"] != "diverged"])

    @cached_property
    def _diverged_by_arm(self) -> pd.Series[int]:
        return self.runs.loc[self.runs["stop_reason"] == "diverged", "arm_id"].value_counts()

    def rows(self, arm: Arm) -> pd.DataFrame:
        """Return all runs of an arm, the diverged too, indexed by seed."""
        return self._by_arm.get(arm.arm_id, self._no_runs)

    def finished(self, arm: Arm) -> pd.DataFrame:
        """Return the runs of an arm that did not diverge, indexed by seed: means are over these."""
        return self._finished_by_arm.get(arm.arm_id, self._no_runs)

    def diverged(self, arm: Arm) -> int:
        return int(self._diverged_by_arm.get(arm.arm_id, 0))

    def values(self, arm: Arm, metric: str) -> pd.Series[float]:
        """Return a metric of an arm's finished runs by seed, absent numbers left out."""
        key = arm.arm_id, metric
        if key not in self._values:
            self._values[key] = self.finished(arm)[metric].dropna()
        return self._values[key]

    @cached_property
    def kept(self) -> dict[Any, Any]:
        """What has been computed from these tables, under the names of what was asked."""
        return {}

    @cached_property
    def _no_runs(self) -> pd.DataFrame:
        return self.runs.iloc[:0].set_index("seed")

    @cached_property
    def _values(self) -> dict[tuple[str, str], pd.Series[float]]:
        return {}

    def with_chance(self, arm: Arm, column: str, values: pd.Series[float], lost: Iterable[int]) -> pd.Series[float]:
        """Return a metric by seed with what a guess has in the place of the seeds whose runs diverged."""
        absent = sorted(set(lost) - set(values.index))
        if not absent:
            return values
        chance = RUNS[column].metric.chance(self.facts(arm).classes)
        return pd.concat([values, pd.Series(chance, index=absent, dtype=float)]).sort_index()

    def facts(self, arm: Arm) -> Facts:
        """Return the numbers of examples and classes of an arm's data."""
        rows = self.rows(arm)
        if rows.empty:
            return Facts(nan, nan, nan, False)
        redrawn = rows["test_set"].iloc[0] == "pool" and arm.value("streams.split") is None
        train, test, classes = (float(rows[name].iloc[0]) for name in ("train_examples", "test_examples", "classes"))
        return Facts(train, test, classes, redrawn)

    def curves(self, arm: Arm) -> pd.DataFrame:
        """Return the epochs of an arm's finished runs."""
        kept = self.finished(arm)["run_id"]
        return self._epochs_by_arm.get(arm.arm_id, self.epochs.iloc[:0]).loc[lambda rows: rows["run_id"].isin(kept)]

    def outcomes_of(self, arm: Arm) -> dict[int, Outcome]:
        """Return the outcomes of an arm's finished runs by seed; runs without one are left out."""
        runs = self.finished(arm)["run_id"]
        found = {seed: self.outcomes.get(run_id) for seed, run_id in zip(map(int, runs.index), runs, strict=True)}
        return {seed: outcome for seed, outcome in found.items() if outcome is not None}

    @cached_property
    def _epochs_by_arm(self) -> dict[str, pd.DataFrame]:
        return {str(name): rows for name, rows in self.epochs.groupby("arm_id")}


def _parted(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each arm, indexed by seed and in its order: cut out of one sorted table, as there may be many."""
    rows = runs.sort_values(["arm_id", "seed"], kind="stable").set_index("seed")
    names = rows["arm_id"].to_numpy(dtype=object)
    starts = [i for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    return {str(names[i]): rows.iloc[i:j] for i, j in pairwise([*starts, len(names)])}


def tidy(
    study: Design,
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    probes: pd.DataFrame | None = None,
    judged: Sequence[Mapping[str, str]] = (),
    outcomes: Outcomes | None = None,
    history: History = NO_HISTORY,
) -> Tidy:
    """Return the rows whose arm and seed belong to a study; missing columns become empty ones."""
    noise = {arm.arm_id: arm.label_noise for arm in study.arms}
    noisy = any(q > 0 for q in noise.values())
    runs = _kept(study, _numeric(runs, RunRow)).drop_duplicates("run_id", keep="last").reset_index(drop=True)
    epochs = _kept(study, _numeric(epochs, EpochRow)).drop_duplicates(["run_id", "epoch"], keep="last")
    if noisy:
        runs, epochs = _clean(runs, noise, RUNS), _clean(epochs, noise, EPOCHS)
        runs = _filled(runs, epochs, [name for name, c in RUNS.items() if c.noisy and name in EPOCHS and not c.plain])
    taken = _numeric(pd.DataFrame() if probes is None else probes, ProbeRow)
    taken = taken[taken["run_id"].isin(runs["run_id"])].reset_index(drop=True)
    epochs = epochs.reset_index(drop=True)
    kept = NoOutcomes() if outcomes is None else outcomes
    return Tidy(study, study.arms, study.axes, runs, epochs, noisy, taken, tuple(judged), kept, history)


def _numeric(rows: pd.DataFrame, record: type) -> pd.DataFrame:
    names, text = [f.name for f in fields(record)], words(record)
    rows = rows.reindex(columns=[*names, *(c for c in rows.columns if c not in names)])
    made = dict(rows.items())
    for name in names:
        if name in text:
            made[name] = made[name].astype(object)
        elif made[name].dtype != float:
            made[name] = pd.to_numeric(made[name], errors="coerce").astype(float)
    return pd.DataFrame(made)  # at once: a column at a time takes twice as long


def _kept(study: Design, rows: pd.DataFrame) -> pd.DataFrame:
    names = {arm.arm_id for arm in study.arms}
    rows = rows[rows["arm_id"].isin(names) & rows["seed"].isin(study.seeds)].copy()
    rows["seed"] = rows["seed"].astype("int64")
    return rows


def _clean(rows: pd.DataFrame, noise: dict[str, float], columns: Mapping[str, Column]) -> pd.DataFrame:
    """Where no label is wrong, every training example is a clean one."""
    untouched = rows["arm_id"].map(noise) == 0
    for name, source in ((name, column.plain) for name, column in columns.items() if column.plain):
        rows[name] = rows[name].where(~untouched | rows[name].notna(), rows[source])
    return rows


def _filled(runs: pd.DataFrame, epochs: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Fill columns that an older runs.csv lacks from the selected epoch's row."""
    at = epochs[["run_id", "epoch", *names]].rename(columns={"epoch": "selected_epoch"})
    found = runs[["run_id", "selected_epoch"]].merge(at, how="left", on=["run_id", "selected_epoch"])
    for name in names:
        runs[name] = runs[name].fillna(found[name])
    return runs
