"""What probes measured, by arm and seed, and how arms differ in it by the study's inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from dropexp.analysis.inference import Judged, Question, Side, judged, looks
from dropexp.analysis.stats import NO_DIFFERENCE, Difference, difference, welch
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm

Samples = Mapping[str, pd.Series]  # arm_id -> numbers by seed


def at_the_end(tidy: Tidy, probe: str, moment: str = "selected") -> pd.DataFrame:
    """Return a probe's rows of each finished run at its selected or, with `last`, at its last epoch.

    Columns are those of `measured`; the index is that of no row in particular.
    """
    own = measured(tidy, probe)
    return own[own["epoch"] == own[{"selected": "selected_epoch", "last": "epochs_run"}[moment]]].reset_index(drop=True)


def measured(tidy: Tidy, probe: str) -> pd.DataFrame:
    """Return a probe's rows of each finished run at all epochs, with the run's arm_id, seed, selected_epoch and epochs_run."""
    runs = tidy.runs.loc[
        tidy.runs["stop_reason"] != "diverged", ["run_id", "arm_id", "seed", "selected_epoch", "epochs_run"]
    ]
    return tidy.probes[tidy.probes["probe"] == probe].merge(runs, on="run_id")


def sample(rows: pd.DataFrame, layer: str, at: str = "") -> Samples:
    """Return one number of each run by arm and seed, from rows as `at_the_end` returns them."""
    own = rows[(rows["layer"] == layer) & (rows["at"].fillna("") == at)]
    return {
        str(arm): of_arm.set_index("seed")["value"].sort_index().astype(float) for arm, of_arm in own.groupby("arm_id")
    }


@dataclass(frozen=True)
class Measured(Question):
    """A difference in what a probe measured: `samples` by arm_id.

    Nothing is put in the place of runs that diverged, so that where one did nothing is said of the difference.
    """

    samples: Samples = field(default_factory=dict)

    def difference(self, filled: bool = False) -> Difference:
        a, b = (self.samples.get(side.arm.arm_id) for side in (self.a, self.b))
        if a is None or b is None or filled:
            return NO_DIFFERENCE
        return difference(a, b) if self.a.arm.population == self.b.arm.population else welch(a, b)


def against_baselines(tidy: Tidy, samples: Samples) -> list[tuple[Arm, Arm, Judged]]:
    """Return (arm, baseline, answer) for each arm that was measured beside its baseline, arms that are one function once.

    The answers are one family of the study's inference.
    """
    pairs = {
        (a.arm_id, b.arm_id): (a, b)
        for a, b in zip(tidy.arms, tidy.baselines, strict=True)
        if b is not None and a.arm_id in samples and b.arm_id in samples
    }
    questions = [Measured("probe", Side(tidy, a), Side(tidy, b), samples) for a, b in pairs.values()]
    answers = judged(questions, looks(tidy)) if questions else []
    return [(a, b, answer) for (a, b), answer in zip(pairs.values(), answers, strict=True)]


def measured_arms(tidy: Tidy, samples: Sequence[Samples]) -> list[Arm]:
    """Return the arms that have a number in any of some samples, each function once, in the order of the study."""
    there = {arm for own in samples for arm in own}
    found: dict[str, Arm] = {}
    for arm in tidy.arms:
        if arm.arm_id in there:
            found.setdefault(arm.arm_id, arm)
    return list(found.values())
