"""What may be said of each arm against its baseline: one word for test accuracy and one for the gap."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import isnan

from dropexp.analysis.sampling import Reach, reach
from dropexp.analysis.stats import ALPHA, Difference, difference, holm
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.study import Arm
from dropexp.metrics import AVERAGED

SAME = "the same function"
UNDECIDED = "undecided"
UNDERFITTING = "underfitting"
ONE_SEED = "no interval with one seed"
RISE_AND_FALL = {"train": ("higher", "lower"), "test": ("better", "worse"), "gap": ("larger", "smaller")}
WORDS = {word for pair in RISE_AND_FALL.values() for word in pair} | {UNDERFITTING}
ON_THIS_DATA = "on this data"
FEWEST = 3  # seeds: two agree by chance too often, accuracies being counts
BITS = tuple(column.name for column in AVERAGED if column.on and not column.noisy)


@dataclass(frozen=True)
class Judged:
    """A difference to the baseline, its Holm-corrected p among `family` differences, and the word.

    `reach` is how far it goes beyond these seeds; where it goes no further, `said` adds that it is on this data.
    """

    difference: Difference
    p_holm: float
    family: int
    word: str
    reach: Reach = field(default=Reach())

    @property
    def local(self) -> bool:
        """Whether the word holds for this pool of examples and this test set only."""
        return self.word in WORDS and not self.reach.survives

    @property
    def said(self) -> str:
        return f"{self.word} {ON_THIS_DATA}" if self.local else self.word


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


def verdicts(tidy: Tidy) -> tuple[Verdict, ...]:
    """Return one verdict per arm, in the order of the arms.

    A word other than `undecided` needs three seeds and a Holm-corrected p below 0.05 in the family of all
    arm-minus-baseline differences of that metric, arms that are one function counted once. With one seed, or with
    variance 0, there is no interval and no p. A gap is called `underfitting` where it is smaller, test accuracy is not
    better, training accuracy is lower, and its fall makes at least half of the change. Tables, titles and pages ask for
    the verdicts of one study many times; they are found once.
    """
    if "verdicts" not in tidy.kept:
        tidy.kept["verdicts"] = _found(tidy)
    return tidy.kept["verdicts"]


def _found(tidy: Tidy) -> tuple[Verdict, ...]:
    first: dict[str, Arm] = {}
    pairs = list(zip(tidy.arms, tidy.baselines, strict=True))
    keys = {(a.arm_id, b.arm_id): (a, b) for a, b in pairs if b is not None}
    same = {key for key, (a, b) in keys.items() if identical(tidy, a, b)}
    lead = tidy.lead
    judged = {
        what: _judge(tidy, metric, what, keys, same)
        for what, metric in (("train", lead.train), ("test", lead.test), ("gap", lead.gap))
    }
    found = []
    for arm, base in pairs:
        twin = first.setdefault(arm.arm_id, arm)
        earlier = None if twin is arm else twin
        if base is None:
            found.append(Verdict(arm, None, earlier))
            continue
        train, test, gap = (judged[what][arm.arm_id, base.arm_id] for what in ("train", "test", "gap"))
        if _underfits(train, test, gap):
            gap = replace(gap, word=UNDERFITTING)
        found.append(Verdict(arm, base, earlier, train, test, gap))
    return tuple(found)


Keys = dict[tuple[str, str], tuple[Arm, Arm]]


def _judge(tidy: Tidy, metric: str, what: str, keys: Keys, same: set[tuple[str, str]]) -> dict[tuple[str, str], Judged]:
    differences = {k: difference(tidy.values(a, metric), tidy.values(b, metric)) for k, (a, b) in keys.items()}
    corrected = dict(zip(differences, holm([d.p for d in differences.values()]), strict=True))
    family = sum(not isnan(d.p) for d in differences.values())
    return {
        key: Judged(
            d,
            corrected[key],
            family,
            SAME if key in same else _word(what, d, corrected[key]),
            _reach(tidy, what, keys[key], d),
        )
        for key, d in differences.items()
    }


def _reach(tidy: Tidy, what: str, pair: tuple[Arm, Arm], d: Difference) -> Reach:
    own, base = (float(tidy.values(arm, "test_accuracy").mean()) for arm in pair)
    return reach(d, tidy.facts(pair[0]), None if what == "train" else (own, base))


def _word(what: str, d: Difference, p: float) -> str:
    if d.why == "one seed":
        return ONE_SEED
    if d.why == "no runs":
        return "no runs"
    if isnan(p) or p >= ALPHA or d.n < FEWEST:
        return UNDECIDED
    rise, fall = RISE_AND_FALL[what]
    return rise if d.mean > 0 else fall


def _underfits(train: Judged, test: Judged, gap: Judged) -> bool:
    fell, shrank = -train.difference.mean, -gap.difference.mean
    return gap.word == "smaller" and test.word != "better" and train.word == "lower" and fell >= shrank / 2


def identical(tidy: Tidy, a: Arm, b: Arm, other: Tidy | None = None) -> bool:
    """Whether two arms, `b` of another study if one is given, have the same seeds and in each the same bits everywhere."""
    same = all(tidy.values(a, metric).equals((other or tidy).values(b, metric)) for metric in BITS)
    return same and len(tidy.values(a, "test_loss")) > 0  # equal counts alone may be chance
