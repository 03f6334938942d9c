"""report: a study as one HTML page, and the index of several."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def report(
    path: Annotated[Path, typer.Argument(help="A study's folder, or a folder of studies.", show_default=False)] = Path(
        "results"
    ),
    everything: Annotated[bool, typer.Option("--all", help="Show every stored run of a study.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Write again what is up to date.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The file to write, or the folder for several studies.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Write a study as one page that needs nothing else: [bold]dropexp report results/quickstart[/bold]."""
    from dropexp.cli.screen import say, warn
    from dropexp.errors import StoreError
    from dropexp.reading import studies_below
    from dropexp.reporting import index
    from dropexp.reporting import report as write

    folders = studies_below(path)
    several = folders != [path]
    target = _target(out, several)
    made, failed = [], 0
    for folder in folders:
        try:
            file = target / f"{folder.name}.html" if target and several else target
            made.append(write(folder, everything, fresh, file))
        except StoreError as error:
            if not several:
                raise
            failed += 1
            warn(str(error))
    front = index(path, made, target) if several and made else None
    if as_json:
        say(json.dumps({"index": front and str(front), "studies": [_facts(r) for r in made]}, indent=2))
        return 2 if failed and not made else 0
    for r in made:
        say(f"{r.path}: {'up to date; --fresh writes it again' if r.current else r.sums.answer}")
        if r.note:
            warn(r.note)
    if front:
        say(str(front))
    return 2 if failed and not made else 0


def _target(out: Path | None, several: bool) -> Path | None:
    """Return --out as a file for one study, as a folder for several; raises UsageError where it is the other."""
    from dropexp.errors import UsageError

    if out is None:
        return None
    page = out.suffix.lower() in (".html", ".htm")
    if several and (page or out.is_file()):
        raise UsageError(f"--out {out}: a folder of studies is written to a folder; name one, or a single study")
    if not several and not page:
        raise UsageError(f"--out {out}: not the name of a page; end it in .html")
    if not several and out.is_dir():
        raise UsageError(f"--out {out}: a folder of that name is there; name a file that ends in .html")
    return out


def _facts(reported: Any) -> dict[str, Any]:
    sums = reported.sums
    return {
        "study": str(reported.folder),
        "report": str(reported.path),
        "written": not reported.current,
        "answer": sums.answer,
        "n": sums.n,
        "runs": sums.runs,
        "last_run": sums.date,
    }
