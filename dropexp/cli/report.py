"""report: a study as one HTML page, and the index of several."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from dropexp.cli.compare import Prefer, Together, join
from dropexp.cli.options import RESULTS, Baseline, Json, Studies, of_each, option_of


def report(
    paths: Studies = None,
    everything: Annotated[bool, typer.Option("--all", help="Show every stored run of a study.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Write again what is up to date.")] = False,
    baseline: Baseline = None,
    together: Together = False,
    out: Annotated[
        Path | None,
        option_of(
            "The file to write, or the folder for several; with --together that of the joined study.", None, "--out"
        ),
    ] = None,
    prefer: Prefer = None,
    as_json: Json = False,
) -> int:
    """Write a study as one page that needs nothing else: [bold]dropexp report results/quickstart[/bold]."""
    from dropexp.cli import arguments
    from dropexp.console.screen import say, warn
    from dropexp.errors import UsageError
    from dropexp.workflow.reading import studies_below
    from dropexp.workflow.reporting import index
    from dropexp.workflow.reporting import report as write

    given = paths or [RESULTS]
    folders = [join(given, together, out, prefer).folder] if together or prefer else studies_below(*given)
    several = not together and folders != given[:1]
    target = None if together else _target(out, several)
    if target and len({folder.name for folder in folders}) < len(folders):
        raise UsageError(f"--out {out}: two of the studies have one name; write them one by one")

    def page(folder: Path) -> Any:
        file = target / f"{folder.name}.html" if target and several else target
        return write(folder, everything, fresh, file, arguments.split(baseline))

    made = of_each(folders, page)
    front = index(given[0], made, target) if made and several and (target or len(given) == 1) else None
    if as_json:
        say(json.dumps({"index": front and str(front), "studies": [_facts(r) for r in made]}, indent=2))
        return 0 if made else 2
    for r in made:
        say(f"{r.path}: {'up to date; --fresh writes it again' if r.current else r.sums.answer}")
        if r.note:
            warn(r.note)
    if front:
        say(str(front))
    return 0 if made else 2


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
