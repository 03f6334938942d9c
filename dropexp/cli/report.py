"""report: a study as one HTML page, and the index of several."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from dropexp.cli.compare import Prefer, Together, join
from dropexp.cli.options import RESULTS, Baseline, Everything, Json, Quiet, Studies, of_each, option_of


def report(
    paths: Studies = None,
    everything: Everything = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Write pages again even if they are up to date.")] = False,
    baseline: Baseline = None,
    together: Together = False,
    out: Annotated[
        Path | None,
        option_of(
            "The file to write, or the folder for several; with --together, the folder of the joined study.",
            None,
            "--out",
        ),
    ] = None,
    prefer: Prefer = None,
    opened: Annotated[
        bool, option_of("Open the page in the browser; for several studies, their index.", None, "--open")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Write a study as one self-contained page: [bold]dropexp report results/quickstart[/bold]."""
    from dropexp.cli import arguments
    from dropexp.console.screen import say, warn
    from dropexp.console.steps import Steps
    from dropexp.console.voice import Voice
    from dropexp.errors import UsageError
    from dropexp.workflow.reading import studies_below
    from dropexp.workflow.reporting import index
    from dropexp.workflow.reporting import report as write

    given = paths or [RESULTS]
    folders = [join(given, together, out, prefer).folder] if together or prefer else studies_below(*given)
    several = not together and folders != given[:1]
    target = None if together else _target(out, several)
    if target and len({folder.name for folder in folders}) < len(folders):
        raise UsageError(f"--out {out}: two of the studies have the same name; write them one by one")

    voice = Voice(quiet)
    steps = Steps(sys.stderr, len(folders), "reports", quiet)

    def page(folder: Path) -> Any:
        file = target / f"{folder.name}.html" if target and several else target
        with steps.step(folder.as_posix()):
            return write(folder, everything, fresh, file, arguments.split(baseline))

    with steps:
        made = of_each(folders, page)
    front = index(given[0], made, target) if made and several and (target or len(given) == 1) else None
    if as_json:
        say(json.dumps({"index": front and str(front), "studies": [_facts(r) for r in made]}, indent=2))
    for r in made if not as_json else ():
        voice.tell(f"{r.path}: {'up to date; --fresh writes it again' if r.current else r.sums.answer}")
        if r.note:
            voice.warn(r.note)
    if front and not as_json:
        voice.tell(str(front))
    if opened and made and not _open(front or made[0].path):
        warn(f"--open: no browser was found here; open {front or made[0].path} in one")
    return 0 if made else 2


def _open(page: Path) -> bool:
    """Have the browser open a page; return whether there is one."""
    import webbrowser

    try:
        return webbrowser.open(page.resolve().as_uri())
    except webbrowser.Error:
        return False


def _target(out: Path | None, several: bool) -> Path | None:
    """Return --out as a file for one study, as a folder for several; raises UsageError where it is the other."""
    from dropexp.errors import UsageError

    if out is None:
        return None
    page = out.suffix.lower() in (".html", ".htm")
    if several and (page or out.is_file()):
        raise UsageError(f"--out {out}: several studies are written to a folder; name a folder, or a single study")
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
