"""The verdicts on each arm against its baseline, and along axes: one for test accuracy and one for the gap."""

from __future__ import annotations

from dataclasses import dataclass

from dropexp.analysis.inference import SAME, Judged, answers
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.levels import FLAT


@dataclass(frozen=True)
class Verdict:
    """An arm against its baseline, or along an axis; `train`, `test` and `gap` are None for a baseline itself.

    `twin` is the earlier arm that is the same function, if there is one. `axis` is the one along which the two are
    compared, '' for an arm and its baseline.
    """

    arm: Arm
    baseline: Arm | None
    twin: Arm | None
    train: Judged | None = None
    test: Judged | None = None
    gap: Judged | None = None
    axis: str = ""

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

    The words are those of the study's inference. Verdicts are computed once per study.
    """
    if "verdicts" not in tidy.kept:
        tidy.kept["verdicts"] = _found(tidy)
    return tidy.kept["verdicts"]


def along_axes(tidy: Tidy) -> tuple[Verdict, ...]:
    """Return one verdict per comparison along an axis, axis by axis, in the order of the arms."""
    if "along" not in tidy.kept:
        tidy.kept["along"] = tuple(
            Verdict(x.arm, x.against, None, *_judged(tidy, x.arm, x.against), x.axis) for x in tidy.along
        )
    found: tuple[Verdict, ...] = tidy.kept["along"]
    return found


def everything(tidy: Tidy) -> tuple[Verdict, ...]:
    """Return the verdicts against baselines, then those along axes: the whole family."""
    return (*verdicts(tidy), *along_axes(tidy))


def _found(tidy: Tidy) -> tuple[Verdict, ...]:
    first: dict[str, Arm] = {}
    found = []
    for arm, base in zip(tidy.arms, tidy.baselines, strict=True):
        twin = first.setdefault(arm.arm_id, arm)
        earlier = None if twin is arm else twin
        judged = (None, None, None) if base is None else _judged(tidy, arm, base)
        found.append(Verdict(arm, base, earlier, *judged))
    return tuple(found)


def _judged(tidy: Tidy, arm: Arm, against: Arm) -> tuple[Judged, Judged, Judged]:
    train, test, gap = (answers(tidy, what)[arm.arm_id, against.arm_id] for what in ("train", "test", "gap"))
    return train, test, gap
