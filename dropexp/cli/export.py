"""export: a study's table for a paper, or its rows for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dropexp.cli.completion import completing
from dropexp.cli.options import Json


def export(
    paths: Annotated[list[Path], typer.Argument(help="Studies, or folders of studies.", show_default=False)],
    to: Annotated[
        str,
        typer.Option(
            help=(
                "latex, markdown, csv, parquet or tensorboard. In csv, words that a spreadsheet would run as "
                "formulas start with an apostrophe."
            ),
            show_default=False,
            autocompletion=completing("formats"),
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The file to write, or the folder for events; by default, text is printed.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Include stored runs that are no longer part of the study.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Write a study for a paper or another program: [bold]dropexp export results/quickstart --to latex[/bold]."""
    from dropexp.console.screen import hand_over, say, warn
    from dropexp.errors import UsageError
    from dropexp.export.formats import export as write
    from dropexp.workflow.reading import reading, studies_below

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
