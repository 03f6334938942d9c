"""Ensembles: networks of one arm that average or vote, from what each predicted, against one network and against dropout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from dropexp.analysis.inference import looks
from dropexp.analysis.outcomes import Outcome
from dropexp.analysis.stats import Estimate, estimate, paired
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.together import Held, together
from dropexp.experiment.design import Arm

MEMBERS = 5  # networks of an ensemble where nobody says how many
Key = tuple[str, str, int]  # arm_id, rule and number of members
SHARED, FREE = ("split", "labels"), ("init", "order", "mask")  # streams that members have in common, and that differ


def averaged(p_MNK: np.ndarray, predicted_MN: np.ndarray) -> np.ndarray:
    """Return the classes (N,) with the largest mean of M members' probabilities (M, N, K); of equal ones the first."""
    return np.asarray(p_MNK.astype(np.float64).sum(0).argmax(1))


def voted(p_MNK: np.ndarray, predicted_MN: np.ndarray) -> np.ndarray:
    """Return the classes (N,) that most of M members predict (M, N); of as many votes, that of the larger summed probability."""
    classes = np.arange(p_MNK.shape[2])
    votes_NK = (predicted_MN[:, :, None] == classes).sum(0)
    first = votes_NK == votes_NK.max(1, keepdims=True)
    return np.asarray(np.where(first, p_MNK.astype(np.float64).sum(0), -1.0).argmax(1))


RULES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {"mean": averaged, "vote": voted}


@dataclass(frozen=True)
class Versus(Held):
    """A comparison of test accuracies, a minus b, over ensembles of the same seeds.

    Each side is an arm, a rule and a number of members.
    """

    a: tuple[Arm, str, int]
    b: tuple[Arm, str, int]


@dataclass(frozen=True, eq=False)
class Ensembles:
    """Test accuracies of ensembles: `accuracy` by (arm_id, rule, number of members), one number per replicate.

    A replicate is one ensemble of `members` networks, of consecutive seeds and none in two of them; its index is its first
    seed. With m members its accuracy is the mean over the ensembles of m that it can be cut into, so that m = 1 is the mean
    of its networks. `left_out` counts ensembles that lack a finished run, by arm_id, and `spare` the seeds beyond the last.
    """

    tidy: Tidy
    members: int
    arms: tuple[Arm, ...]
    accuracy: Mapping[tuple[str, str, int], pd.Series[float]]
    left_out: Mapping[str, int]
    spare: int

    def estimate(self, arm: Arm, rule: str, members: int) -> Estimate:
        return estimate(self.accuracy[arm.arm_id, rule, members])

    def versus(self, a: tuple[Arm, str, int], b: tuple[Arm, str, int]) -> Versus | None:
        """Return one of the study's comparisons, None where it is none of them."""
        return self._judged[0].get((_key(a), _key(b)))

    @property
    def comparisons(self) -> list[Versus]:
        return list(self._judged[0].values())

    @property
    def family(self) -> int:
        """How many comparisons have intervals that hold together."""
        return self._judged[1]

    @cached_property
    def _judged(self) -> tuple[dict[tuple[Key, Key], Versus], int]:
        """All against one network, votes against means, and arms against the ensemble of their baseline: one family."""
        bases = {arm.arm_id: base for arm, base in zip(self.tidy.arms, self.tidy.baselines, strict=True) if base}
        n, pairs = self.members, []
        for arm in self.arms:
            pairs += [((arm, "mean", n), (arm, "mean", 1)), ((arm, "vote", n), (arm, "mean", n))]
            base = bases.get(arm.arm_id)
            if base is not None and any(base.arm_id == other.arm_id for other in self.arms):
                pairs += [((arm, "mean", 1), (base, "mean", n)), ((arm, "mean", n), (base, "mean", n))]
        found = [paired(self.accuracy[_key(a)], self.accuracy[_key(b)]) for a, b in pairs]
        held, size, _ = together("test", found, [k // n for k in looks(self.tidy) if k // n > 1])
        made = {(_key(a), _key(b)): Versus(h.difference, h.word, a, b) for (a, b), h in zip(pairs, held, strict=True)}
        return made, size


def _key(side: tuple[Arm, str, int]) -> Key:
    return side[0].arm_id, side[1], side[2]


def unfit(tidy: Tidy, arm: Arm) -> str | None:
    """Return why the runs of an arm are no members of ensembles by their streams, with what to do; None where they are."""
    for name in SHARED:
        needed = name != "labels" or arm.label_noise > 0
        if needed and arm.value(f"streams.{name}") is None:
            what = {"split": "training and test examples", "labels": "wrong labels"}[name]
            return (
                f"streams.{name} is not pinned, so each seed has {what} of its own, and members of an ensemble share them; "
                f"run the study with --set streams.{name}=0"
            )
    for name in FREE:
        if (pinned := arm.value(f"streams.{name}")) is not None:
            what = {"init": "initial weights", "order": "order of the examples", "mask": "dropout masks"}[name]
            return (
                f"streams.{name} is pinned to {pinned}, so all seeds have the same {what}, in which members of an ensemble "
                f"differ; run the study with --set streams.{name}=none"
            )
    return None


def groups(seeds: Sequence[int], members: int) -> list[tuple[int, ...]]:
    """Return the ensembles among seeds: consecutive ones, none in two, those beyond the last whole ensemble left out."""
    ordered = sorted(seeds)
    return [tuple(ordered[i : i + members]) for i in range(0, len(ordered) - members + 1, members)]


def ensembles(tidy: Tidy, members: int = MEMBERS) -> Ensembles:
    """Return the ensembles of a study's arms whose runs are fit for it; an arm without a whole ensemble is left out.

    Reads the outcomes of one ensemble at a time. A run without probabilities counts as one that has not finished.
    """
    arms = {a.arm_id: a for a in reversed(tidy.arms) if unfit(tidy, a) is None}
    found: dict[tuple[str, str, int], pd.Series[float]] = {}
    left_out, kept = {}, []
    chosen = groups(tidy.study.seeds, members)
    for arm in reversed(arms.values()):
        runs = tidy.finished(arm)["run_id"]
        rows: dict[int, dict[tuple[str, int], float]] = {}
        for group in chosen:
            outcomes = [tidy.outcomes.get(str(runs[seed])) for seed in group if seed in runs.index]
            whole = [o for o in outcomes if o is not None and o.probabilities is not None]
            if len(whole) == members:
                rows[group[0]] = _accuracies(whole)
        left_out[arm.arm_id] = len(chosen) - len(rows)
        if rows:
            kept.append(arm)
            table = pd.DataFrame.from_dict(rows, orient="index")
            found |= {(arm.arm_id, rule, m): table[rule, m] for rule, m in next(iter(rows.values()))}
    return Ensembles(tidy, members, tuple(kept), found, left_out, len(tidy.study.seeds) - len(chosen) * members)


def _accuracies(outcomes: Sequence[Outcome]) -> dict[tuple[str, int], float]:
    """Return the accuracies of one replicate by rule and number of members."""
    first = outcomes[0]
    same = all(np.array_equal(o.place, first.place) and np.array_equal(o.label, first.label) for o in outcomes)
    assert same, "runs of one split are tested on the same examples"
    p_MNK = np.stack([np.asarray(o.probabilities) for o in outcomes])
    predicted_MN = np.stack([o.predicted for o in outcomes])
    found = {}
    for rule, decide in RULES.items():
        for m in range(1, len(outcomes) + 1):
            parts = [slice(i, i + m) for i in range(0, len(outcomes) - m + 1, m)]
            right = [np.mean(decide(p_MNK[part], predicted_MN[part]) == first.label) for part in parts]
            found[rule, m] = float(np.mean(right))
    return found


def table(found: Ensembles) -> pd.DataFrame:
    """Return ensemble.csv: one row per arm, rule and number of members, then the configuration as cells.

    Accuracies are fractions, with their mean, sd and 95% interval over replicates. The whole ensemble has the difference
    to one network of its arm (of a vote: to the mean), with the interval that holds together with all of the study and
    its word.
    """
    rows = []
    for arm in found.arms:
        for rule in RULES:
            for m in range(1, found.members + 1):
                e = found.estimate(arm, rule, m)
                row: dict[str, object] = {"arm_id": arm.arm_id, "rule": rule, "members": m, "n": e.n}
                row |= {"accuracy_mean": e.mean, "accuracy_sd": e.sd, "accuracy_low": e.low, "accuracy_high": e.high}
                to = (arm, "mean", 1 if rule == "mean" else m)
                v = found.versus((arm, rule, m), to) if m > 1 else None
                d = v.difference if v else None
                row |= {f"diff_{end}": getattr(d, end) if d else np.nan for end in ("mean", "low", "high")}
                rows.append(row | {"diff_word": v.word if v else ""} | arm.cells)
    return pd.DataFrame(rows)
