"""What may be said of each arm against its baseline: one word for test accuracy and one for the gap."""

from __future__ import annotations

from dataclasses import dataclass

from dropexp.analysis.inference import SAME, Judged, against_baselines
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.levels import FLAT


@dataclass(frozen=True)
class Verdict:
    """An arm against its baseline; `train`, `test` and `gap` are None for a baseline itself.

    `twin` is the earlier arm that is the same function, if there is one.
    """

    arm: Arm
    baseline: Arm | None
    twin: Arm | None
    train: Judged | None = None
    test: Judged | None = None
    gap: Judged | None = None

    @property
    def mirrored(self) -> bool:
        """Whether training accuracy differs in no seed, so that the gap's difference is minus that of test accuracy."""
        if not (self.test and self.gap) or self.test.word == SAME:
            return False
        test, gap = self.test.difference.sample, self.gap.difference.sample
        if test is None or gap is None or not test.index.equals(gap.index) or test.empty:
            return False
        return bool((abs(test + gap) <= FLAT).all())


def verdicts(tidy: Tidy) -> tuple[Verdict, ...]:
    """Return one verdict per arm, in the order of the arms.

    The words are those of the study's inference. Tables, titles and pages ask for the verdicts of one study many times;
    they are found once.
    """
    if "verdicts" not in tidy.kept:
        tidy.kept["verdicts"] = _found(tidy)
    return tidy.kept["verdicts"]


def _found(tidy: Tidy) -> tuple[Verdict, ...]:
    first: dict[str, Arm] = {}
    answers = {what: against_baselines(tidy, what) for what in ("train", "test", "gap")}
    found = []
    for arm, base in zip(tidy.arms, tidy.baselines, strict=True):
        twin = first.setdefault(arm.arm_id, arm)
        earlier = None if twin is arm else twin
        if base is None:
            found.append(Verdict(arm, None, earlier))
            continue
        train, test, gap = (answers[what][arm.arm_id, base.arm_id] for what in ("train", "test", "gap"))
        found.append(Verdict(arm, base, earlier, train, test, gap))
    return tuple(found)
