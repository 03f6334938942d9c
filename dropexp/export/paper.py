"""What a table in a paper says: one row per arm, the axes that vary, and a caption that says what the numbers are."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dropexp.analysis.inference import UNDERFITTING
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import Verdict, verdicts
from dropexp.quoting import counted
from dropexp.tables.arms import Column, columns
from dropexp.wording.labels import OVER, epoch_rule, named, oracle, seeds


@dataclass(frozen=True)
class Paper:
    """The table of a study as words: columns whose cells are (number, what follows it), and a caption."""

    name: str
    columns: list[Column]
    axes: int
    caption: str


def paper(tidy: Tidy) -> Paper:
    """Return a study's table: accuracies in percent, gaps and differences in points, with half the 95% interval."""
    found = verdicts(tidy)
    axes, numbers, versus = columns(tidy, found)
    if "dropout.rate" in tidy.axes:  # a paper speaks of more than one rate
        i = tidy.axes.index("dropout.rate")
        axes[i] = replace(axes[i], heading="dropout rate")
    return Paper(tidy.study.name, [*axes, *numbers, *versus], len(axes), " ".join(_sentences(tidy, found)))


def _sentences(tidy: Tidy, found: tuple[Verdict, ...]) -> list[str]:
    clean = " on the training examples with correct labels," if tidy.noisy else ""
    interval = f"Mean over seeds, {seeds(tidy)}, and ± half the {OVER}."
    lines = [
        f"Training and test accuracy in percent and the gap between them in points,{clean} with dropout off, "
        f"{epoch_rule(tidy)}.",
        "One seed, so without intervals." if seeds(tidy) == "n = 1" else interval,
    ]
    judged = [j for v in found for j in (v.test, v.gap) if j]
    if judged and seeds(tidy) != "n = 1":
        family = max(j.family for j in judged)
        together = f", simultaneous over all {family}" if family > 1 else ""
        pairs = "paired by seed" if all(j.difference.paired for j in judged) else "paired by seed where seeds agree"
        lines.append(
            f"Differences from {named(tidy)} are in points, {pairs}, with 95% intervals{together}; a verdict marks "
            f"each interval that excludes 0."
        )
    if any(j.word == UNDERFITTING for j in judged):
        lines.append("Underfitting: the gap shrank because training accuracy fell, and test accuracy did not rise.")
    arms = {arm.arm_id: arm for arm in tidy.arms}.values()
    if diverged := sum(tidy.diverged(arm) for arm in arms):
        lines.append(f"{counted(diverged, 'diverged run')} left out.")
    if sentence := oracle(tidy):
        lines.append(f"{sentence[:1].upper()}{sentence[1:]}.")
    return [*lines, f"Data: {tidy.study.data}."]
