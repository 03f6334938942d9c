"""The table of overfitting: gaps, when it begins, the area between the curves, and the parts of a training log's gap."""

from __future__ import annotations

import textwrap
from math import inf, isnan

import pandas as pd

from dropexp.analysis.overfit import PARTS, overfit
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.naming import headings, label, value
from dropexp.tables.arms import WIDTH, Column, side_by_side
from dropexp.wording.labels import OVER, epoch_rule, half, percent

HEADINGS = {
    "weights_moving": "weights",
    "dropout_noise": "dropout",
    "batch_to_running": "batch norm",
    "train_to_val": "train-val",
    "val_to_test": "val-test",
    "train_to_test": "train-test",
}
MEDIAN_SEEDS = 6  # with fewer no order statistics hold the median with 95%


def overfit_table(tidy: Tidy) -> str:
    """Return the table as plain text: accuracies in percent, gaps in points, area in points times epochs.

    The onset is the mean with its t-interval if overfitting began before the last tenth of the epochs in every seed of
    every arm, else the median with its order-statistic interval. A second part has the gap that a training log shows
    and its parts, if the probe `gap_parts` measured them.
    """
    columns, parts, notes = overfit_columns(tidy)
    arms = [Column(h, [("", value(arm, path)) for arm in tidy.arms]) for path, h in headings(tidy.axes).items()]
    arms = arms or [Column("arm", [("", tidy.study.name)])]
    lines = _set(tidy, arms, columns)
    if parts:
        lines += ["", *_set(tidy, arms, parts)]
    wrapped = [part for line in notes for part in textwrap.wrap(line, WIDTH - 1, subsequent_indent="  ")]
    return "\n".join([*lines, "", *(f" {line}" for line in wrapped)])


def overfit_columns(tidy: Tidy) -> tuple[list[Column], list[Column], list[str]]:
    """Return the columns of the table, those of its second part, and what the numbers are; each has one cell per arm."""
    found = overfit(tidy)
    gap = "clean gap" if tidy.noisy else "gap"
    columns = [Column("n", [(str(n), "") for n in found["n"]]), Column(gap, _points(found, "gap"))]
    if (found["gap_mean"] - found["last_gap_mean"]).abs().max() > 0:
        columns.append(Column("at the end", _points(found, "last_gap")))
    columns.append(Column("area", _points(found, "area")))
    seen = bool((found["onset_n"] > 0).any())
    if seen:
        columns.append(Column("onset, epoch", _onsets(found)))
    if seen and found["onset_censored"].any():
        counts = zip(found["onset_censored"], found["onset_n"], strict=True)
        columns.append(Column("not seen", [(f"{late} of {n}", "") if n else ("", "") for late, n in counts]))
    if tidy.noisy:
        columns += [Column(name, _points(found, name)) for name in ("memorised", "recovered", "neither")]
    parts = []
    if "apparent_mean" in found:
        named = [name for name in PARTS if found[f"{name}_mean"].notna().any()]
        parts = [Column(f"{'+' if i else '='} {HEADINGS[n]}", _points(found, n)) for i, n in enumerate(named)]
        parts = [Column("in the log", _points(found, "apparent")), *parts]
    return columns, parts, _notes(tidy, found, seen)


def _set(tidy: Tidy, arms: list[Column], columns: list[Column]) -> list[str]:
    """Set columns beside the names of the arms, or below them if that would be too wide."""
    lines = side_by_side(arms + columns)
    if max(map(len, lines)) <= WIDTH:
        return lines
    heading, *rows = side_by_side(columns)
    stacked = [f"  {heading}"]
    for arm, row in zip(tidy.arms, rows, strict=True):
        stacked += [f" {label(arm, tidy.axes)}", f"  {row}"]
    return stacked


def _points(found: pd.DataFrame, name: str) -> list[tuple[str, str]]:
    ends = zip(found[f"{name}_mean"], found[f"{name}_low"], found[f"{name}_high"], strict=True)
    return [(percent(mean), half((high - low) / 2)) for mean, low, high in ends]


def _onsets(found: pd.DataFrame) -> list[tuple[str, str]]:
    if not found["onset_censored"].any():
        ends = zip(found["onset_mean"], found["onset_low"], found["onset_high"], strict=True)
        return [(percent(mean / 100), half((high - low) / 200)) for mean, low, high in ends]
    cells = []
    for row in found.to_dict("records"):
        ends = (row["onset_median"], row["onset_median_low"], row["onset_median_high"])
        middle, low, high = (_epoch(epoch, row["onset_after"]) for epoch in ends)
        cells.append((middle or "-", f"[{low}, {high}]" if low else ""))
    return cells


def _epoch(epoch: float, bound: float) -> str:
    if isnan(epoch):
        return ""
    return f">{bound:g}" if epoch == inf else f"{epoch:g}"


def _notes(tidy: Tidy, found: pd.DataFrame, seen: bool) -> list[str]:
    clean = "clean training" if tidy.noisy else "training"
    lines = [
        f"n: seeds; ±: half the {OVER}",
        f"gap: {clean} minus test accuracy in points, dropout off, {epoch_rule(tidy)}; area: its sum over the epochs, "
        "in points times epochs",
    ]
    if seen and not found["onset_censored"].any():
        lines.append("onset of overfitting: the epoch of minimal validation loss, mean over seeds")
    elif seen:
        lines.append(
            "onset of overfitting: the epoch of minimal validation loss, median over seeds with an order-statistic "
            "interval of at least 95%; not seen: seeds with the minimum in the last tenth of the epochs, so it may be later"
        )
        if (found["onset_n"] < MEDIAN_SEEDS).any():
            lines.append(
                f"the interval of a median takes at least {MEDIAN_SEEDS} seeds; 'run --seeds {MEDIAN_SEEDS}' trains them"
            )
    elif tidy.runs.empty:
        lines.append("no run is stored yet")
    elif tidy.epochs["val_loss"].isna().all():
        lines.append("no onset of overfitting: there is no validation loss (data.val_size 0)")
    else:
        lines.append("no onset of overfitting: every run was stopped early, before it could be seen")
    if (found["onset_n"] < found["n"]).any() and seen:
        lines.append(
            "onset: only from runs trained to the end; area: over the epochs trained, fewer if a run was stopped early"
        )
    if found["n"].max() == 1:
        lines.append("one seed gives no interval; 'run --seeds 5' would")
    if diverged := sum(dict(zip(found["arm_id"], found["n_diverged"], strict=True)).values()):
        lines.append(f"{diverged} diverged run{'s' * (diverged != 1)} left out")
    if tidy.noisy:
        lines.append("memorised, recovered, neither: percentage of wrong labels for which the network predicts the wrong "
                     "label, the true one, or another")  # fmt: skip
    if "apparent_mean" in found:
        lines.append(
            "in the log: training accuracy measured while training, with dropout on, minus test accuracy; its parts: weights "
            "that change during the epoch, dropout, batch against running statistics, and the gap in two steps, training to "
            "validation and validation to test"
            + ("; measured on the labels trained on, wrong ones included" if tidy.noisy else "")
        )
    return lines
