"""Early-stopping rules on a stored study: the replay, stopping.csv in its folder and the picture among its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropexp.errors import StoreError
from dropexp.files import make_folder
from dropexp.stopping import Setting
from dropexp.store.writer import write_whole
from dropexp.workflow.reading import reading


@dataclass(frozen=True)
class Replayed:
    """What the rules would have done in one study: tidy rows, the replay, the rows of stopping.csv and the files."""

    folder: Path
    tidy: Any
    replay: Any
    rows: Any
    files: tuple[Path, ...]
    note: str | None


def replay_rules(folder: Path, settings: Sequence[Setting], monitor: str, everything: bool = False) -> Replayed:
    """Replay rules on a study's stored epochs and write stopping.csv and figures/stopping-heat.

    Raises StoreError where no run was trained to the end, or none has the monitored number.
    """
    shown, note = reading(folder, everything)
    from dropexp.analysis.replay import replay, stopping
    from dropexp.figures.stopping_heat import draw_replay
    from dropexp.tables.stopping import left_out

    if shown.runs.empty:
        raise StoreError([f"{folder}: no finished run to replay yet; run its study again", *(note or "").splitlines()])
    if shown.epochs[monitor].isna().all():
        raise StoreError(
            f"{folder}: --monitor {monitor}: no epoch has it, because data.val_size is 0; "
            "train with a validation set, or name test_loss or test_accuracy, which are oracles"
        )
    found = replay(shown, settings, monitor)
    if not found.arms:
        raise StoreError(f"{folder}: nothing to replay; {'; '.join(left_out(shown, found))}")
    rows = stopping(shown, found)
    path, figures = folder / "stopping.csv", folder / "figures"
    write_whole(path, rows.to_csv(index=False, lineterminator="\n"))
    try:
        make_folder(figures)
        drawn = draw_replay(shown, found, figures)
    except OSError as error:
        raise StoreError(f"{figures}: cannot be written ({error.strerror})") from None
    return Replayed(folder, shown, found, rows, (path, *drawn), note)
