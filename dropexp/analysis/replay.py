"""Early-stopping rules replayed on stored curves: what each would have selected, saved and lost, without retraining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dropexp.analysis.stats import Estimate, estimate
from dropexp.analysis.tidy import Tidy
from dropexp.spec.study import Arm
from dropexp.stopping import CRITERIA, Setting, follow

MEASURES = ("stop_epoch", "selected_epoch", "test_accuracy", "epochs_saved", "regret")
COLUMNS = ("run_id", "arm_id", "seed", "setting", "stopped", *MEASURES)
STOPPED, DIVERGED, UNMONITORED, TORN = "trained with early stopping", "diverged", "without", "with missing epochs"
PATIENCES = tuple(Setting("patience", patience) for patience in CRITERIA["patience"].usual)


@dataclass(frozen=True)
class Replay:
    """What every setting would have done in every run that was trained to the end.

    `runs` has a row a run and setting: `setting` is its place in `settings`, `stopped` whether it ended training before
    the last epoch, `stop_epoch` the last epoch trained, `epochs_saved` those after it, `selected_epoch` the result and
    `test_accuracy` its accuracy, a fraction. `regret` is the best test accuracy of all epochs minus that: the best is an
    oracle, which looks at the test set. `left_out` counts the other runs by reason and arm_id.
    """

    monitor: str
    settings: tuple[Setting, ...]
    arms: tuple[Arm, ...]
    runs: pd.DataFrame
    left_out: dict[str, dict[str, int]]

    def of(self, arm: Arm, setting: Setting) -> pd.DataFrame:
        """Return the rows of an arm under a setting, a run each."""
        at = self.settings.index(setting)
        return self.runs[(self.runs["arm_id"] == arm.arm_id) & (self.runs["setting"] == at)]


def replay(tidy: Tidy, settings: Sequence[Setting], monitor: str = "val_loss") -> Replay:
    """Replay settings, and training to the end before them, on the runs whose training nothing stopped.

    Those are the runs of arms without early stopping that reached their last epoch and have `monitor` in each.
    """
    chosen = (Setting(), *dict.fromkeys(s for s in settings if s != Setting()))
    left: dict[str, dict[str, int]] = {}
    rows: list[tuple[object, ...]] = []
    arms = list({arm.arm_id: arm for arm in reversed(tidy.arms)}.values())[::-1]
    for arm in arms:
        curves = {str(name): own.sort_values("epoch") for name, own in tidy.curves(arm).groupby("run_id")}
        for seed, run in tidy.rows(arm).iterrows():
            curve = curves.get(run["run_id"])
            if why := _unfit(arm, run, curve, monitor):
                counts = left.setdefault(why, {})
                counts[arm.arm_id] = counts.get(arm.arm_id, 0) + 1
            elif curve is not None:
                rows += [(run["run_id"], arm.arm_id, seed, *line) for line in _replayed(curve, chosen, monitor)]
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    kept = set(found["arm_id"])
    return Replay(monitor, chosen, tuple(arm for arm in arms if arm.arm_id in kept), found, left)


def _unfit(arm: Arm, run: pd.Series[float], curve: pd.DataFrame | None, monitor: str) -> str:
    """Return why a run cannot be replayed, '' where it can."""
    if run["stop_reason"] == "diverged":
        return DIVERGED
    if arm.monitor is not None or run["stop_reason"] != "max_epochs":
        return STOPPED
    if curve is None or list(curve["epoch"]) != list(range(1, int(run["epochs_run"]) + 1)):
        return TORN
    return f"{UNMONITORED} {monitor}" if curve[monitor].isna().any() else ""


def _replayed(curve: pd.DataFrame, settings: Sequence[Setting], monitor: str) -> list[tuple[object, ...]]:
    numbers, losses, test = (curve[name].tolist() for name in (monitor, "train_loss", "test_accuracy"))
    best, last = float(np.max(test)), len(test)
    found: list[tuple[object, ...]] = []
    for at, setting in enumerate(settings):
        state = follow(setting.begin(monitor), numbers, losses)
        selected = state.selected_epoch or last
        accuracy = test[selected - 1]
        found.append((at, state.epoch < last, state.epoch, selected, accuracy, last - state.epoch, best - accuracy))
    return found


def stopping(tidy: Tidy, replayed: Replay) -> pd.DataFrame:
    """Return stopping.csv: a row an arm and setting with its counts, its measures, and the configuration as cells.

    `n` runs were replayed, `n_stopped` of them would have ended early, `n_diverged` are left out. Each measure has mean,
    sd and the 95% t-interval over seeds, NaN where it does not exist; `threshold` is empty for training to the end.
    """
    rows = []
    by_arm = {str(name): rows_of for name, rows_of in replayed.runs.groupby("arm_id")}
    for arm in replayed.arms:
        cells = arm.cells
        own = {int(str(at)): rows_of for at, rows_of in by_arm[arm.arm_id].groupby("setting")}
        for at, setting in enumerate(replayed.settings):
            row: dict[str, object] = {
                "arm_id": arm.arm_id, "criterion": setting.criterion, "threshold": setting.threshold,
                "min_delta": setting.min_delta if setting.criterion == "patience" else None, "monitor": replayed.monitor,
                "n": len(own[at]), "n_stopped": int(own[at]["stopped"].sum()), "n_diverged": tidy.diverged(arm),
            }  # fmt: skip
            for measure, e in measures(own[at]).items():
                row |= {f"{measure}_mean": e.mean, f"{measure}_sd": e.sd}
                row |= {f"{measure}_low": e.low, f"{measure}_high": e.high}
            rows.append(row | cells)
    return pd.DataFrame(rows)


def measures(rows: pd.DataFrame) -> dict[str, Estimate]:
    """Return the estimate of every measure over rows of one arm and setting, a run each."""
    return {measure: estimate(rows[measure]) for measure in MEASURES}
