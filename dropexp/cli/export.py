"""export: a study's table for a paper, or its rows for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dropexp.cli.completion import completing
from dropexp.cli.options import Everything, Json


def export(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Studies, or folders of studies. With --to torch a study and one of its runs: a run_id or its beginning, or "
            "rate=0.5 seed=0.",
            show_default=False,
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            help=(
                "latex, markdown, csv, parquet, tensorboard or torch. In csv, words that a spreadsheet would run as "
                "formulas start with an apostrophe."
            ),
            show_default=False,
            autocompletion=completing("formats"),
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to write, or the folder for events; by default, text is printed. With --to torch, NAME.py; "
            "NAME.safetensors is written beside it."
        ),
    ] = None,
    everything: Everything = False,
    as_json: Json = False,
) -> int:
    """Write a study for a paper or another program: [bold]dropexp export results/quickstart --to latex[/bold]."""
    from dropexp.console.screen import hand_over, say, warn
    from dropexp.errors import UsageError
    from dropexp.export.formats import EXPORTS
    from dropexp.export.formats import export as write
    from dropexp.workflow.reading import reading, studies_below

    if to in EXPORTS and EXPORTS[to].of_run:
        return network(paths, to, out, everything, as_json)
    folders = studies_below(*paths)
    if len(folders) > 1 and (out is not None or to == "csv"):
        names = ", ".join(str(folder) for folder in folders[:5])
        raise UsageError(
            f"export: {len(folders)} studies ({names}); name one, or make them one with compare --together"
        )
    made = []
    for folder in folders:
        shown, note = reading(folder, everything)
        made.append({"study": str(folder), "to": to, "out": out and str(out), "text": write(shown, to, out)})
        if note:
            warn(note)
    if as_json:
        say(json.dumps(made, indent=2))
    else:
        texts = [str(one["text"]).rstrip("\n") + "\n" * (len(made) > 1) for one in made]
        say(str(out)) if out else hand_over("\n".join(texts))
    return 0


def network(paths: list[Path], to: str, out: Path | None, everything: bool, as_json: bool) -> int:
    """Write one run's network; `paths` are its study and the words that name it."""
    from dropexp.console.screen import say, warn
    from dropexp.errors import UsageError
    from dropexp.workflow.networks import check_name, write
    from dropexp.workflow.networks import network as stored

    if everything:
        raise UsageError(f"--all: goes with a whole study; --to {to} is of one run")
    if out is None:
        raise UsageError(f"--to {to}: two files are written; add --out NAME.py for NAME.py and NAME.safetensors")
    check_name(out)
    found = stored(paths[0], [str(word) for word in paths[1:]])
    made = write(found, out)
    for note in found.notes:
        warn(note)
    if as_json:
        fact = {"study": str(paths[0]), "to": to, "run_id": found.run.run_id, "epoch": found.epoch}
        say(json.dumps({**fact, "out": [str(path) for path in made], "notes": list(found.notes)}, indent=2))
    else:
        say("\n".join(map(str, made)))
    return 0
