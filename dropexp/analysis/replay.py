"""Early-stopping rules replayed on stored curves: what each would have selected, saved and lost, without training again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from dropexp.analysis.family import family
from dropexp.analysis.inference import SAME, direction, looks
from dropexp.analysis.stats import Difference, Estimate, estimate, paired
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.stopping import CRITERIA, Setting, follow

MEASURES = ("stop_epoch", "selected_epoch", "test_accuracy", "epochs_saved", "regret")
COLUMNS = ("run_id", "arm_id", "seed", "setting", "stopped", *MEASURES)
STOPPED, DIVERGED, UNMONITORED, TORN = "trained with early stopping", "diverged", "without", "with missing epochs"
PATIENCES = tuple(Setting("patience", patience) for patience in CRITERIA["patience"].usual)


@dataclass(frozen=True)
class Versus:
    """A rule compared with training the same runs of an arm to the end, in test accuracy, seed by seed.

    The interval of `difference` holds together with those of all other rules and arms of the study, `family` in number
    and each at the two-sided level `level`. `word` is better or worse exactly if it excludes 0.
    """

    difference: Difference
    word: str
    family: int
    level: float


@dataclass(frozen=True)
class Replay:
    """What every setting would have done in every run that was trained to the end.

    `runs` has one row per run and setting: `setting` is its place in `settings`, `stopped` whether it ended training before
    the last epoch, `stop_epoch` the last epoch trained, `epochs_saved` those after it, `selected_epoch` the result and
    `test_accuracy` its accuracy, a fraction. `regret` is the best test accuracy of all epochs minus that: the best is an
    oracle, which looks at the test set. `left_out` counts the other runs by reason and arm_id.
    """

    monitor: str
    settings: tuple[Setting, ...]
    arms: tuple[Arm, ...]
    runs: pd.DataFrame
    left_out: dict[str, dict[str, int]]
    looks: tuple[int, ...] = ()  # at which the study is judged, where it grows

    def of(self, arm: Arm, setting: Setting) -> pd.DataFrame:
        """Return the rows of an arm under a setting, one row per run."""
        return self.runs.iloc[self._places.get((arm.arm_id, self.settings.index(setting)), [])]

    def versus(self, arm: Arm, setting: Setting) -> Versus | None:
        """Return a rule compared with training to the end, None for training to the end itself."""
        return self._versus.get((arm.arm_id, self.settings.index(setting)))

    @cached_property
    def _versus(self) -> dict[tuple[str, int], Versus]:
        """Each arm's rules against training to the end, one family: a rule that always selects its epoch is no member."""
        found, same = {}, set()
        for arm in self.arms:
            whole = self.of(arm, Setting()).set_index("seed")
            for at, setting in enumerate(self.settings[1:], start=1):
                own = self.of(arm, setting).set_index("seed")
                found[arm.arm_id, at] = paired(own["test_accuracy"], whole["test_accuracy"])
                if own["selected_epoch"].equals(whole["selected_epoch"]):
                    same.add((arm.arm_id, at))
        judged = family(list(found.values()), self.looks)
        made = {}
        for key, d in found.items():
            held = d.within(*d.at(1 - judged.level))
            word = SAME if key in same else direction("test", held)
            made[key] = Versus(held, word, judged.size, judged.level)
        return made

    @cached_property
    def _places(self) -> dict[tuple[str, int], np.ndarray]:
        """The rows of each arm and setting."""
        groups: dict[Any, Any] = self.runs.groupby(["arm_id", "setting"]).indices
        return groups


def replay(tidy: Tidy, settings: Sequence[Setting], monitor: str = "val_loss") -> Replay:
    """Replay settings, and training to the end before them, on the runs whose training nothing stopped.

    Those are the runs of arms without early stopping that reached their last epoch and have `monitor` in each.
    """
    chosen = (Setting(), *dict.fromkeys(s for s in settings if s != Setting()))
    left: dict[str, dict[str, int]] = {}
    rows: list[tuple[object, ...]] = []
    arms = list({arm.arm_id: arm for arm in reversed(tidy.arms)}.values())[::-1]
    curves = _curves(tidy, monitor)
    for arm in arms:
        runs = tidy.rows(arm)
        columns = (runs.index, runs["run_id"], runs["stop_reason"], runs["epochs_run"])
        for seed, name, reason, epochs in zip(*columns, strict=True):
            curve = curves.get(str(name))
            if why := _unfit(arm, reason, epochs, curve, monitor):
                counts = left.setdefault(why, {})
                counts[arm.arm_id] = counts.get(arm.arm_id, 0) + 1
            elif curve is not None:
                rows += [(name, arm.arm_id, seed, *line) for line in _replayed(curve, chosen, monitor)]
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    kept = set(found["arm_id"])
    return Replay(monitor, chosen, tuple(arm for arm in arms if arm.arm_id in kept), found, left, looks(tidy))


def _curves(tidy: Tidy, monitor: str) -> dict[str, np.ndarray]:
    """Return each run's epoch, monitored number, training loss and test accuracy, (4, epochs), in order."""
    rows = tidy.epochs.sort_values(["run_id", "epoch"], kind="stable")
    names, first = np.unique(rows["run_id"].to_numpy(dtype=str), return_index=True)
    numbers = rows[["epoch", monitor, "train_loss", "test_accuracy"]].to_numpy(dtype=float).T
    return dict(zip(names.tolist(), np.split(numbers, first[1:], axis=1), strict=True)) if len(names) else {}


def _unfit(arm: Arm, reason: str, epochs: float, curve: np.ndarray | None, monitor: str) -> str:
    """Return why a run cannot be replayed, '' if it can."""
    if reason == "diverged":
        return DIVERGED
    if arm.monitor is not None or reason != "max_epochs":
        return STOPPED
    if curve is None or not np.array_equal(curve[0], np.arange(1, epochs + 1)):
        return TORN
    return f"{UNMONITORED} {monitor}" if np.isnan(curve[1]).any() else ""


def _replayed(curve: np.ndarray, settings: Sequence[Setting], monitor: str) -> list[tuple[object, ...]]:
    _, numbers, losses, test = curve.tolist()
    best, last = max(test), len(test)
    found: list[tuple[object, ...]] = []
    for at, setting in enumerate(settings):
        state = follow(setting.begin(monitor), numbers, losses)
        selected = state.selected_epoch or last
        accuracy = test[selected - 1]
        found.append((at, state.epoch < last, state.epoch, selected, accuracy, last - state.epoch, best - accuracy))
    return found


def stopping(tidy: Tidy, replayed: Replay) -> pd.DataFrame:
    """Return stopping.csv: one row per arm and setting with its counts, its measures, and the configuration as cells.

    `n` runs were replayed, `n_stopped` of them would have ended early, `n_diverged` are left out. Each measure has mean,
    sd and the 95% t-interval over seeds, NaN where it does not exist; `threshold` is empty for training to the end.
    `vs_end` is the difference of its test accuracy to training to the end, with the interval that holds for all rules and
    arms together, at the level `vs_end_level` each.
    """
    rows = []
    numbers, ended = replayed.runs[list(MEASURES)].to_numpy(dtype=float), replayed.runs["stopped"].to_numpy()
    for arm in replayed.arms:
        cells = arm.cells
        for at, setting in enumerate(replayed.settings):
            own = replayed._places[arm.arm_id, at]
            row: dict[str, object] = {
                "arm_id": arm.arm_id, "criterion": setting.criterion, "threshold": setting.threshold,
                "min_delta": setting.min_delta if setting.criterion == "patience" else None, "monitor": replayed.monitor,
                "n": len(own), "n_stopped": int(ended[own].sum()), "n_diverged": tidy.diverged(arm),
            }  # fmt: skip
            for measure, values in zip(MEASURES, numbers[own].T, strict=True):
                e = estimate(values)
                row |= {f"{measure}_mean": e.mean, f"{measure}_sd": e.sd}
                row |= {f"{measure}_low": e.low, f"{measure}_high": e.high}
            rows.append(row | _against_the_end(replayed.versus(arm, setting)) | cells)
    return pd.DataFrame(rows)


def _against_the_end(versus: Versus | None) -> dict[str, object]:
    if versus is None:
        return dict.fromkeys(f"vs_end_{part}" for part in ("mean", "low", "high", "level", "word"))
    d = versus.difference
    return {
        "vs_end_mean": d.mean, "vs_end_low": d.low, "vs_end_high": d.high, "vs_end_level": versus.level,
        "vs_end_word": versus.word,
    }  # fmt: skip


def measures(rows: pd.DataFrame) -> dict[str, Estimate]:
    """Return the estimate of every measure over the rows of one arm and setting, one row per run."""
    return {measure: estimate(rows[measure]) for measure in MEASURES}
