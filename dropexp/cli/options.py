"""The options that run, sweep and check share, each declared once, and the request that they fill."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dropexp.workflow.request import AXES, MOST, Options, Request

LIST, RUNNING = "Axes and seeds", "Running"


def _list(help: str, panel: str = LIST) -> Any:
    return typer.Option(help=help, rich_help_panel=panel, show_default=False)


Rates = Annotated[list[str] | None, _list("Dropout rates, as in 0 0.2 0.5, 0,0.2 or 0:0.8:0.2.")]
Kinds = Annotated[list[str] | None, _list("Kinds of dropout, as in bernoulli vanilla.")]
Placements = Annotated[list[str] | None, _list("Places, as in hidden input+hidden.")]
Orders = Annotated[list[str] | None, _list("Orders of a block, as in NAD DNA.")]
Patiences = Annotated[list[str] | None, _list("Early-stopping patiences, as in none 5 20.")]
Seeds = Annotated[list[str] | None, _list("5 for seeds 0 to 4; 3 4 or [7] names seeds.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any field, as in lr=0.01,0.1.", rich_help_panel=LIST, show_default=False),
]
Results = Annotated[Path, typer.Option(help="The folder of all results.", rich_help_panel=RUNNING)]
Name = Annotated[
    str | None,
    typer.Option("--study", help="The study's folder below it.", rich_help_panel=RUNNING, show_default=False),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST["jobs"],
        help="Worker processes; without it, one per core.",
        rich_help_panel=RUNNING,
        show_default=False,
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        min=1,
        max=MOST["threads"],
        help="Threads per worker; above 1 results agree statistically, not by byte.",
        rich_help_panel=RUNNING,
    ),
]
PackSize = Annotated[
    int | None,
    typer.Option(
        "--pack",
        min=1,
        max=MOST["pack"],
        help="Runs trained together; no effect on results.",
        rich_help_panel=RUNNING,
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps or auto.", rich_help_panel=RUNNING)]
Executor = Annotated[
    str | None,
    typer.Option(
        help="inline (in this process) or pool (worker processes); without it, what suits the work.",
        rich_help_panel=RUNNING,
        show_default=False,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Where data sets lie; else $DROPEXP_DATA or a cache folder.",
        rich_help_panel=RUNNING,
        show_default=False,
    ),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Move the study's old folder aside first.", rich_help_panel=RUNNING)
]
Yes = Annotated[bool, typer.Option("--yes", help="Allow more than 100,000 runs.", rich_help_panel=RUNNING)]
Baseline = Annotated[
    list[str] | None,
    typer.Option(
        help="The arms to compare with, as in rate=0.2; else those without dropout.",
        rich_help_panel=LIST,
        show_default=False,
    ),
]


def request_of(
    *, rates: Rates = None, kinds: Kinds = None, placements: Placements = None, orders: Orders = None,
    patiences: Patiences = None, seeds: Seeds = None, sets: Sets = None, baseline: Baseline = None,
    results: Results = Options.results, study: Name = None, jobs: Jobs = None, threads: Threads = Options.threads,
    pack: PackSize = None, device: Device = Options.device, executor: Executor = None, data_dir: DataDir = None,
    fresh: Fresh = False, yes: Yes = False,
) -> Request:  # fmt: skip
    """Return what these options ask for; the command says of which config."""
    from dropexp.cli import arguments

    lists = dict(zip(AXES, (rates, kinds, placements, orders, patiences), strict=True))
    return Request(
        overrides=tuple(arguments.overrides(lists, sets)),
        seeds=arguments.seeds(seeds),
        name=study,
        large=yes,
        baseline=tuple(arguments.split(baseline)),
        options=Options(results, jobs, threads, pack, device, data_dir, fresh, executor),
    )
