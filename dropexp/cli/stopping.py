"""stopping: where overfitting begins, and early-stopping rules replayed on what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropexp.cli.options import RESULTS, Everything, Folder, Json, Words, of_each, option_of, print_each

if TYPE_CHECKING:
    from dropexp.stopping import Setting
    from dropexp.workflow.replaying import Replayed

RULES = "Rules"


def stopping(
    path: Folder = RESULTS,
    criteria: Annotated[Words, option_of("Any of patience, gl, pq, up; all by default.", RULES)] = None,
    patiences: Annotated[Words, option_of("Epochs without improvement; 1 2 3 5 10 20 by default.", RULES)] = None,
    min_deltas: Annotated[
        Words, option_of("The smallest improvement that counts for patience; 0 by default.", RULES)
    ] = None,
    alphas: Annotated[Words, option_of("Thresholds of gl and pq; 1 2 5 and 0.5 1 2 by default.", RULES)] = None,
    strips: Annotated[Words, option_of("Numbers of five-epoch strips for up; 2 4 8 by default.", RULES)] = None,
    monitor: Annotated[str, typer.Option(help="val_loss, val_accuracy, or test_* as an oracle.")] = "val_loss",
    everything: Everything = False,
    as_json: Json = False,
) -> int:
    """Replay early-stopping rules without retraining: [bold]dropexp stopping results/x --patiences 1 5 20[/bold]."""
    from dropexp.workflow.reading import studies_below
    from dropexp.workflow.replaying import replay_rules

    lists = {"--patiences": patiences, "--min-deltas": min_deltas, "--alphas": alphas, "--strips": strips}
    settings = _settings(criteria, lists)
    _check_monitor(monitor)
    folders = studies_below(path)
    found = of_each(folders, lambda folder: replay_rules(folder, settings, monitor, everything))
    return print_each(found, as_json, _fact, lambda one: _told(one, len(folders) > 1))


def _settings(criteria: Sequence[str] | None, lists: dict[str, list[str] | None]) -> tuple[Setting, ...]:
    """Return every criterion at every threshold given, or at its usual ones."""
    from dropexp.cli.arguments import split
    from dropexp.errors import UsageError
    from dropexp.experiment.vocabulary import meant
    from dropexp.stopping import CRITERIA, settings

    names = list(dict.fromkeys(w for word in split(criteria) for w in word.lower().split(",") if w)) or list(CRITERIA)
    for name in names:
        if name not in CRITERIA:
            hint = meant(name, CRITERIA, f"they are {', '.join(CRITERIA)}")
            raise UsageError(f"--criteria: no criterion is called {name!r}{hint}; put the folder before the lists")
    for option, words in lists.items():
        users = [n for n, row in CRITERIA.items() if option == row.option] or ["patience"]
        if words and not set(users) & set(names):
            raise UsageError(f"{option}: --criteria {' '.join(names)} does not use it; add {' or '.join(users)}")
    numbers = {option: _numbers(option, words) for option, words in lists.items()}
    return settings(names, numbers, numbers["--min-deltas"] or (0.0,))


def _numbers(option: str, given: list[str] | None) -> tuple[float, ...]:
    """Return the numbers of a list, () where there is none."""
    from dropexp.cli.arguments import split
    from dropexp.errors import UsageError
    from dropexp.stopping import NUMBERS
    from dropexp.study_files.command_words import read_words

    words = split(given)
    what = NUMBERS[option].words
    found = []
    for value in read_words("early_stopping.patience", words, f"{option} {' '.join(words)}"):
        if not NUMBERS[option].allows(value):
            hint = "training to the end is always shown" if value is None else "put the folder before the lists"
            said = "none" if value is None else value
            raise UsageError(f"{option}: {said} is not {what}" + (f"; {hint}" if isinstance(said, str) else ""))
        found.append(value)
    if given and not found:
        raise UsageError(f"{option}: no value; list at least one, each {what}")
    return tuple(found)


def _check_monitor(monitor: str) -> None:
    from dropexp.errors import UsageError
    from dropexp.experiment.vocabulary import meant
    from dropexp.metrics import MONITORS

    if monitor not in MONITORS:
        raise UsageError(f"--monitor: {monitor!r} is not one of {', '.join(MONITORS)}{meant(monitor, MONITORS)}")


def _told(one: Replayed, named: bool) -> str:
    from dropexp.tables.overfit import overfit_table
    from dropexp.tables.stopping import stopping_table

    parts = [f"{one.folder.as_posix()}\n"] if named else []
    parts += [overfit_table(one.tidy), "", stopping_table(one.tidy, one.replay)]
    return "\n".join([*parts, "", f"written: {'  '.join(str(p) for p in one.files)}"])


def _fact(one: Replayed) -> dict[str, Any]:
    from math import isfinite

    from dropexp.analysis.overfit import overfit

    def rows(frame: Any) -> list[dict[str, Any]]:
        return [
            {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in row.items()}
            for row in frame.to_dict("records")
        ]

    return {
        "study": str(one.folder), "monitor": one.replay.monitor, "left_out": one.replay.left_out,
        "overfitting": rows(overfit(one.tidy)), "rules": rows(one.rows), "files": [str(p) for p in one.files],
    }  # fmt: skip
