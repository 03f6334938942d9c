"""show: a stored study's table once more, as run printed it, or the studies of a folder as a list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dropexp.cli.options import RESULTS, Baseline, Everything, Folder, Json, of_each

if TYPE_CHECKING:
    from dropexp.analysis.tidy import Tidy
    from dropexp.console.voice import Voice
    from dropexp.workflow.showing import Listed

UNITS = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))


def show(
    path: Folder = RESULTS,
    everything: Everything = False,
    baseline: Baseline = None,
    as_json: Json = False,
) -> int:
    """Print a stored study's table, or list a folder's studies with their answers: [bold]dropexp show results/[/bold]."""
    from dropexp.cli import arguments
    from dropexp.console.screen import say, tell
    from dropexp.console.voice import Voice
    from dropexp.errors import UsageError
    from dropexp.workflow.reading import reading, studies_below
    from dropexp.workflow.showing import document, listed, summed

    folders = studies_below(path)
    if folders == [path]:
        shown, note = reading(path, everything, arguments.split(baseline))
        if as_json:
            say(json.dumps(document(path, shown, note), indent=2))
        else:
            results(shown, note, Voice())
        return 0
    if everything or baseline:
        raise UsageError(
            f"{'--all' if everything else '--baseline'}: works only for one study, but {path} holds {len(folders)}"
        )
    found = of_each(folders, listed)
    if as_json:
        say(json.dumps({"studies": [summed(one) for one in found]}, indent=2))
    else:
        tell("\n\n".join(entry(one) for one in found))
    return 0 if found else 2


def results(shown: Tidy, note: str | None, voice: Voice) -> None:
    """Print a study's table, what it leaves out, and its claims; a sentence where no run is finished."""
    from dropexp.analysis.judging import judge
    from dropexp.tables.arms import table
    from dropexp.tables.claims import judgements

    voice.tell("no finished run yet" if shown.runs.empty else table(shown))
    if note:
        voice.tell(note)
    if shown.study.claims:
        voice.tell("\n" + judgements(judge(shown)))


def entry(one: Listed) -> str:
    """Return the lines of a study in a list."""
    from dropexp.quoting import counted

    facts = [counted(one.sums.runs, "run")]
    facts += [f"last run {one.sums.date}"] if one.sums.date else []
    return f"{one.folder.as_posix()}: {', '.join([*facts, weight(one.size)])}\n  {one.sums.answer}"


def weight(size: int) -> str:
    """Return a number of bytes as a person says it."""
    for unit, name in UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}" if size < 10 * unit else f"{size / unit:.0f} {name}"
    return f"{size} bytes"
