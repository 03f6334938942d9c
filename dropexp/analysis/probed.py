"""What probes measured, by arm and seed, and how arms differ in it by the study's inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm

Samples = Mapping[str, pd.Series]  # arm_id -> numbers by seed


def at_the_end(tidy: Tidy, probe: str, moment: str = "selected") -> pd.DataFrame:
    """Return a probe's rows of each finished run at its selected or, with `last`, at its last epoch.

    Columns are those of ProbeRow, and arm_id and seed; the index is that of no row in particular.
    """
    runs = tidy.runs[tidy.runs["stop_reason"] != "diverged"]
    epoch = {"selected": "selected_epoch", "last": "epochs_run"}[moment]
    at = runs[["run_id", "arm_id", "seed", epoch]].rename(columns={epoch: "epoch"})
    return tidy.probes[tidy.probes["probe"] == probe].merge(at, on=["run_id", "epoch"]).reset_index(drop=True)


def sample(rows: pd.DataFrame, layer: str, at: str = "") -> Samples:
    """Return one number of each run by arm and seed, from rows as `at_the_end` returns them."""
    own = rows[(rows["layer"] == layer) & (rows["at"].fillna("") == at)]
    return {
        str(arm): of_arm.set_index("seed")["value"].sort_index().astype(float) for arm, of_arm in own.groupby("arm_id")
    }


def measured_arms(tidy: Tidy, samples: Sequence[Samples]) -> list[Arm]:
    """Return the arms that have a number in any of some samples, each function once, in the order of the study."""
    there = {arm for own in samples for arm in own}
    return [arm for arm in {a.arm_id: a for a in reversed(tidy.arms)}.values() if arm.arm_id in there][::-1]
