"""The table of early-stopping rules replayed: one block per arm, one row per rule."""

from __future__ import annotations

import textwrap

import pandas as pd

from dropexp.analysis.inference import SAME
from dropexp.analysis.replay import STOPPED, Replay, Versus, measures
from dropexp.analysis.stats import Estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.naming import label
from dropexp.experiment.study import Arm
from dropexp.stopping import CRITERIA
from dropexp.tables.arms import WIDTH, Column, side_by_side
from dropexp.wording.labels import OVER, half, percent, signed

BLOCKS = 12  # arms on screen; stopping.csv holds all
NAMED = 6


def stopping_table(tidy: Tidy, replayed: Replay) -> str:
    """Return the table as plain text: epochs as they are, test accuracy in percent, regret in points."""
    found = {(str(a), int(str(at))): rows for (a, at), rows in replayed.runs.groupby(["arm_id", "setting"])}
    shown = replayed.arms[:BLOCKS]
    cells = [(arm, at) for arm in shown for at in range(len(replayed.settings))]
    versus = [replayed.versus(arm, replayed.settings[at]) for arm, at in cells]
    columns = [
        *_columns(replayed, [found[arm.arm_id, at] for arm, at in cells]),
        Column("test vs the end", [_versus(one) for one in versus]),
    ]
    heading, *rows = side_by_side(columns)
    lines = [heading]
    for i, arm in enumerate(shown):
        n = len(found[arm.arm_id, 0])
        lines += [f" {label(arm, tidy.axes)}, n = {n}"]
        lines += [f" {row}" for row in rows[i * len(replayed.settings) : (i + 1) * len(replayed.settings)]]
    lines[0] = f" {heading}"
    notes = _notes(tidy, replayed)
    if len(replayed.arms) > len(shown):
        notes.insert(0, f"{len(replayed.arms) - len(shown)} more arms in stopping.csv")
    wrapped = [part for line in notes for part in textwrap.wrap(line, WIDTH - 1, subsequent_indent="  ")]
    return "\n".join([*lines, "", *(f" {line}" for line in wrapped)])


def _columns(replayed: Replay, groups: list[pd.DataFrame]) -> list[Column]:
    names = [replayed.settings[int(rows["setting"].iloc[0])].name for rows in groups]
    found = [measures(rows) for rows in groups]

    def cell(e: Estimate, unit: float) -> tuple[str, str]:
        return percent(unit * e.mean), half(unit * e.half)

    return [
        Column("rule", [("", name) for name in names]),
        Column("stops", [(f"{int(rows['stopped'].sum())}/{len(rows)}", "") for rows in groups]),
        Column("after epoch", [cell(m["stop_epoch"], 0.01) for m in found]),
        Column("selects", [cell(m["selected_epoch"], 0.01) for m in found]),
        Column("saved", [(percent(0.01 * m["epochs_saved"].mean), "") for m in found]),
        Column("test", [cell(m["test_accuracy"], 1) for m in found]),
        Column("regret", [cell(m["regret"], 1) for m in found]),
    ]


def _versus(one: Versus | None) -> tuple[str, str]:
    if one is None or one.word == SAME:
        return "", SAME if one else ""
    return signed(one.difference.mean), f"{half(one.difference.half)} {one.word}".strip()


def _notes(tidy: Tidy, replayed: Replay) -> list[str]:
    lines = [
        f"n: seeds; ±: half the {OVER}; each rule replayed on the stored epochs of runs trained to the end",
        "stops: runs that the rule ends before their last epoch; after epoch: the last epoch trained; selects: the epoch "
        f"kept, by {replayed.monitor}; saved: epochs not trained; test: accuracy in percent at the epoch kept",
        "regret: the best test accuracy of any epoch minus that at the epoch kept, in points; only the test set can tell "
        "which epoch is best",
        *_compared(replayed),
    ]
    if replayed.monitor.startswith("test_"):
        lines.append(f"oracle: {replayed.monitor} selects the epoch on the test set itself")
    used = [CRITERIA[name] for name in dict.fromkeys(s.criterion for s in replayed.settings) if name in CRITERIA]
    lines += [f"{row.title}: stops {row.stops}" for row in used]
    if names := ", ".join(row.title for row in used if row.rule):
        lines.append(
            f"{names}: from Prechelt (1998); the error is the monitored loss, or one minus the monitored accuracy"
        )
    return lines + left_out(tidy, replayed)


def _compared(replayed: Replay) -> list[str]:
    found = [v for arm in replayed.arms for setting in replayed.settings if (v := replayed.versus(arm, setting))]
    if not found:
        return []
    line = "test vs the end: test accuracy at the epoch kept minus that at the last epoch, in points, paired by seed"
    if (size := found[0].family) > 1:
        line += f"; verdicts are corrected for {size} comparisons, all rules and arms together"
    if any(v.word == SAME for v in found):
        line += f"; {SAME}: the rule keeps the last epoch of every run"
    return [line]


def left_out(tidy: Tidy, replayed: Replay) -> list[str]:
    """Return one line per reason why runs were not replayed, with the arms they belong to."""
    arms: dict[str, Arm] = {arm.arm_id: arm for arm in tidy.arms}
    lines = []
    for why, counts in replayed.left_out.items():
        total = sum(counts.values())
        names = [f"{count} at {label(arms[name], tidy.axes)}" for name, count in list(counts.items())[:NAMED]]
        more = f", and in {len(counts) - NAMED} more arms" if len(counts) > NAMED else ""
        hint = "; 'run --patiences none' trains them to the end" if why == STOPPED else ""
        lines.append(f"not replayed: {total} run{'s' * (total != 1)} {why}: {'; '.join(names)}{more}{hint}")
    return lines
