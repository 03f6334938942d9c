"""What the functions of `import dropexp` return: results and comparisons as data frames, text and figures."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from dropexp.analysis.axis_differences import axis_differences
from dropexp.analysis.compare import Pair
from dropexp.analysis.fixed_broken import against_baseline
from dropexp.analysis.labelled_rows import epochs_frame, runs_frame
from dropexp.analysis.summary import summary
from dropexp.analysis.tidy import Tidy
from dropexp.analysis.verdicts import verdicts
from dropexp.errors import UsageError
from dropexp.experiment.naming import label
from dropexp.export.formats import export
from dropexp.inline import EnsemblesFound, Figures, Page, Rules, Verification, rules
from dropexp.metrics import MONITORS
from dropexp.quoting import spelt
from dropexp.records import Failure
from dropexp.study_files.arm_conditions import pick
from dropexp.tables.arms import columns, notes, table
from dropexp.tables.comparison import comparison
from dropexp.train.work import threads_kept
from dropexp.wording.movements import movements
from dropexp.workflow.drawing import ordered, plot
from dropexp.workflow.ensembling import checked_members, ensemble
from dropexp.workflow.reading import accused
from dropexp.workflow.replaying import replay_rules
from dropexp.workflow.reporting import report
from dropexp.workflow.request import Options
from dropexp.workflow.verifying import verify

Numbers = float | Sequence[float] | None  # one or several; None for the usual ones


def _html(headings: Iterable[str], rows: Iterable[Iterable[str]], notes: Iterable[str]) -> str:
    """Return a plain table with its notes below, everything escaped."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    lines = "<br>".join(escape(note) for note in notes)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p><small>{lines}</small></p>"


@dataclass(frozen=True, repr=False)
class Results:
    """The stored results of one study; accuracies are fractions, losses nats per example.

    `trained` is how many runs this call trained, `failed` are those that raised an error, `note` says what is not shown.
    """

    folder: Path
    tidy: Tidy
    note: str | None = None
    trained: int = 0
    failed: tuple[Failure, ...] = ()

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per run: the axes, the metrics at the selected epoch and the configuration."""
        return runs_frame(self.tidy)

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row per run and epoch: the axes, and the metrics after that epoch."""
        return epochs_frame(self.tidy)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per arm: means, sds, 95% intervals and differences from its baseline, as in summary.csv."""
        return summary(self.tidy)

    @property
    def accused(self) -> tuple[str, ...]:
        """The runs in which the audit found that dropout did not work as it should; do not trust them."""
        return accused(self.tidy)

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """One row per arm and metric: the difference from its baseline with its interval, p and verdict (`word`).

        `movements` gives all three differences if training accuracy had a part in a smaller gap.
        """
        rows = []
        for v in verdicts(self.tidy):
            for metric in ("train", "test", "gap"):
                if (judged := getattr(v, metric)) is not None and v.baseline is not None:
                    d, axes = judged.difference, self.tidy.axes
                    row = {"arm": label(v.arm, axes), "baseline": label(v.baseline, axes), "metric": metric, "n": d.n}
                    row |= {"difference": d.mean, "low": d.low, "high": d.high, "p": d.p}
                    row |= {
                        "p_family": judged.p_family,
                        "word": judged.word,
                        "reach": judged.reach if judged.told else "",
                    }
                    row |= {"examples_low": judged.examples[0], "examples_high": judged.examples[1]}
                    row |= {"movements": movements(v) if metric == "gap" else ""}
                    rows.append(row | {"after_the_fact": judged.after})
        return pd.DataFrame(rows)

    @cached_property
    def axis_differences(self) -> pd.DataFrame:
        """One row per comparison along an axis and metric, as in axis_differences.csv; empty if there are none."""
        return axis_differences(self.tidy)

    def examples(self, *conditions: str) -> pd.DataFrame:
        """Return one row per test example of one arm, named as in "rate=0.5": in how many seeds it is fixed and broken.

        An example is fixed if the arm gets it right and its baseline gets it wrong in runs with the same seed, and broken in
        the reverse case. Raises UsageError if the conditions do not name exactly one arm with a baseline.
        """
        arms = {arm.arm_id: arm for arm in pick(self.tidy.study, conditions, "examples").arms}
        found = [
            (arm, base) for arm, base in zip(self.tidy.arms, self.tidy.baselines, strict=True) if arm.arm_id in arms
        ]
        arm, base = found[0]
        if len(arms) != 1 or base is None:
            those = ", ".join(label(arm, self.tidy.axes) for arm in arms.values())
            raise UsageError(f"examples: name one arm that has a baseline, such as 'rate=0.5'; there are {those}")
        made = against_baseline(self.tidy, arm, base)
        names = ("place", "label", "shared", "fixed", "broken")
        return pd.DataFrame({name: [] if made is None else getattr(made, name) for name in names}, dtype="int64")

    def table(self) -> str:
        """Return the table that the command line prints."""
        return "no finished run yet" if self.tidy.runs.empty else table(self.tidy)

    def plot(self, fresh: bool = False, **order: Any) -> Figures:
        """Draw the figures into the study's folder if anything has changed; return their paths.

        To choose figures, pass `only=["gap", "curves"]`, `formats=["pdf"]`, `size=(3.25, 2.2)` in inches or
        `metric="loss"`; they are written to the folder `out`, by default `plots` in the study's folder. Raises UsageError
        for an unknown name or an impossible size, and warns about figures that do not apply or do not fit.
        """
        drawn = plot(self.folder, again=fresh, order=ordered(**order))
        for line in drawn.left_out:
            warnings.warn(line, stacklevel=2)
        return Figures(drawn.paths)

    def report(self, out: str | Path | None = None, fresh: bool = False) -> Page:
        """Write the study as one page, report.html in its folder or `out`, if anything has changed."""
        made = report(self.folder, again=fresh, out=None if out is None else Path(out))
        return Page(made.path, made.sums.answer)

    def stopping(
        self,
        *,
        criteria: str | Sequence[str] | None = None,
        patiences: Numbers = None,
        min_deltas: Numbers = None,
        alphas: Numbers = None,
        strips: Numbers = None,
        monitor: str = "val_loss",
    ) -> Rules:
        """Replay early-stopping rules on the stored epochs, as `dropexp stopping` does: by default all rules, usual numbers.

        Raises UsageError for unknown rules and impossible numbers, StoreError if there is nothing to replay.
        """
        if monitor not in MONITORS:
            raise UsageError(f"monitor: {spelt(str(monitor))} is not one of {', '.join(MONITORS)}")
        numbers = {"patiences": patiences, "min_deltas": min_deltas, "alphas": alphas, "strips": strips}
        return Rules(replay_rules(self.folder, rules(numbers, criteria), monitor))

    def ensemble(self, members: int = 5) -> EnsemblesFound:
        """Average networks of each arm, or let them vote, as `dropexp ensemble` does.

        Raises UsageError for a number of members that cannot be, StoreError where runs are no members or kept no
        probabilities.
        """
        return EnsemblesFound(ensemble(self.folder, checked_members("members", members)))

    def verify(
        self, sample: int | None = 5, *, seed: int = 0, jobs: int | None = None, data_dir: str | Path | None = None
    ) -> Verification:
        """Check the files against each other, and train `sample` runs again, drawn by `seed`; None trains all of them.

        The result is true if everything agrees. Nothing in the folder is changed.
        """
        for name, number, least in (("sample", sample, 0), ("seed", seed, 0), ("jobs", jobs, 1)):
            if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < least):
                raise UsageError(f"{name}: {spelt(str(number))} is not a whole number of at least {least}")
        options = Options(jobs=jobs, data_dir=None if data_dir is None else Path(data_dir))
        with threads_kept():
            return Verification(verify(self.folder, sample, seed, options))

    def export(self, to: str, out: str | Path | None = None) -> str:
        """Return the study as latex, markdown or csv, or write it to `out`, which also allows parquet and tensorboard."""
        return export(self.tidy, to, None if out is None else Path(out))

    def __repr__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        if self.tidy.runs.empty:
            return f"<p>{self.table()}</p>"
        found = verdicts(self.tidy)
        body = [column for part in columns(self.tidy, found) for column in part]
        rows = zip(*([f"{number} {rest}".strip() for number, rest in column.cells] for column in body), strict=True)
        return _html([column.heading for column in body], rows, notes(self.tidy, found))


@dataclass(frozen=True, repr=False)
class Comparison:
    """A comparison of two studies or two arms: `frame` has one row per pair of arms and metric."""

    names: tuple[str, str]
    pairs: tuple[Pair, ...]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The means of A and B, and A minus B with its interval, p and verdict (`word`); losses in nats, the rest fractions."""
        rows = []
        for pair in self.pairs:
            arms = {f"{side}_arm": label(own.arm, own.tidy.axes) for side, own in (("a", pair.a), ("b", pair.b))}
            for c in pair.contrasts:
                d = c.judged.difference
                row = {**arms, "metric": c.metric, "a": c.a.mean, "b": c.b.mean, "n": d.n, "paired": d.paired}
                row |= {"difference": d.mean, "low": d.low, "high": d.high, "p": d.p, "p_family": c.judged.p_family}
                rows.append(
                    {
                        **row,
                        "word": c.judged.word,
                        "reach": c.judged.reach if c.judged.told else "",
                        "after_the_fact": c.judged.told and c.judged.after,
                    }
                )
        return pd.DataFrame(rows)

    def table(self) -> str:
        """Return the text that the command line prints."""
        return comparison(self.pairs, self.names)

    def __repr__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.table())}</pre>"
