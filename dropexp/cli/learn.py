"""data: the sources, what is cached, and fetching ahead of time."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from dropexp.cli.completion import completing
from dropexp.cli.options import DataDir, Json


def data(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Data sets to download and check.", show_default=False, autocompletion=completing("sources")
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> int:
    """List the data sets and what is cached, or fetch some: [bold]dropexp data mnist cifar10[/bold]."""
    from dropexp.console.progress import Progress
    from dropexp.console.screen import say
    from dropexp.data import cache_dir, fetch, listing
    from dropexp.experiment.sources import SOURCES

    rows = fetch(names, data_dir, Progress(sys.stderr).downloading) if names else listing(data_dir)
    if as_json:
        say(json.dumps([
            {"source": r.source, "origin": r.origin, "state": r.state, "folder": r.folder and str(r.folder),
             "files": [{"name": f.name, "state": f.state, "md5": f.expected} for f in r.files]}
            for r in rows
        ], indent=2))  # fmt: skip
        return 0
    for row in rows:
        say(f"{row.source}: {SOURCES[row.source].title} ({row.origin})")
        for file in row.files:
            say(f"  {file.name}: {file.state}")
        if not row.files:
            say("  comes with the package")
    say(f"\ndata folder: {cache_dir(data_dir)} (--data-dir or DROPEXP_DATA chooses another)")
    return 0
