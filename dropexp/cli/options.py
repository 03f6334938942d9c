"""Options that commands share, each declared once, the request that run, sweep and check fill, and a loop over studies."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

import typer

from dropexp.cli.completion import completing
from dropexp.workflow.request import AXES, MOST, SHORTCUTS, Options, Request

T = TypeVar("T")


class Noted(Protocol):
    """What was made of a study, and a line on what is not read of it, if anything is not."""

    @property
    def note(self) -> str | None: ...


N = TypeVar("N", bound=Noted)
LIST, RUNNING = "Axes and seeds", "Running"
Words = list[str] | None


def option_of(help: str, panel: str | None, *names: str, shown: bool = False, **limits: Any) -> Any:
    """Return an option of a panel, whose default help shows only where that is `shown`."""
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=shown, **limits)


Rates = Annotated[Words, option_of("Dropout rates, such as 0 0.2 0.5, 0,0.2 or 0:0.8:0.2.", LIST)]
Kinds = Annotated[
    Words, option_of("Kinds of dropout, such as bernoulli vanilla.", LIST, autocompletion=completing("kinds"))
]
Placements = Annotated[
    Words, option_of("Places, such as hidden input+hidden.", LIST, autocompletion=completing("placements"))
]
Orders = Annotated[
    Words, option_of("Orders within a block, such as NAD DNA.", LIST, autocompletion=completing("orders"))
]
Patiences = Annotated[Words, option_of("Early-stopping patiences, such as none 5 20.", LIST)]
Seeds = Annotated[Words, option_of("5 means seeds 0 to 4; 3 4 or [7] names seeds.", LIST)]
Data = Annotated[Words, option_of("Data sets, such as mnist, or a path to your own data.", LIST)]
Epochs = Annotated[Words, option_of("Passes over the training data, such as 20.", LIST)]
Lr = Annotated[Words, option_of("Learning rates, such as 0.01 0.1.", LIST)]
Sets = Annotated[Words, option_of("Values of any field, such as batch_size=32,64.", LIST, "--set")]
Baseline = Annotated[
    Words, option_of("The arms to compare with, such as rate=0.2; default: those without dropout.", LIST)
]
Results = Annotated[Path, option_of("The folder for all results.", RUNNING, shown=True)]
Name = Annotated[
    str | None,
    option_of("The name of the study's folder; default: the file's name and what options change.", RUNNING, "--study"),
]
Jobs = Annotated[int | None, option_of("Worker processes; default: one per core.", RUNNING, min=1, max=MOST["jobs"])]
Threads = Annotated[
    int,
    option_of(
        "Threads per worker; above 1, results agree statistically but not to the byte.",
        RUNNING, shown=True, min=1, max=MOST["threads"],
    ),
]  # fmt: skip
PackSize = Annotated[
    int | None,
    option_of("Runs trained together; this does not change results.", RUNNING, "--pack", min=1, max=MOST["pack"]),
]
Device = Annotated[str, option_of("cpu, cuda, mps or auto.", RUNNING, shown=True, autocompletion=completing("devices"))]
Executor = Annotated[
    str | None,
    option_of(
        "inline (in this process) or pool (worker processes); default: chosen by the amount of work.",
        RUNNING, autocompletion=completing("executors"),
    ),
]  # fmt: skip
DataDir = Annotated[
    Path | None, option_of("Where data sets are stored; default: $DROPEXP_DATA or a cache folder.", RUNNING)
]
Fresh = Annotated[bool, option_of("Move the study's old folder aside first.", RUNNING, "--fresh")]
Yes = Annotated[bool, option_of("Allow more than 100,000 runs.", RUNNING, "--yes")]
Json = Annotated[bool, option_of("Print JSON.", None, "--json")]
Everything = Annotated[bool, option_of("Include stored runs that are no longer part of the study.", None, "--all")]
Quiet = Annotated[bool, option_of("Print only errors, or with --json only the JSON.", None, "--quiet", "-q")]
Studies = Annotated[
    list[Path] | None, typer.Argument(help="Studies, or folders of studies; default: results.", show_default=False)
]
Folder = Annotated[Path, typer.Argument(help="A study's folder, or a folder of studies.", show_default=False)]
RESULTS = Options.results


def request_of(
    *, rates: Rates = None, kinds: Kinds = None, placements: Placements = None, orders: Orders = None,
    patiences: Patiences = None, data: Data = None, epochs: Epochs = None, lr: Lr = None, seeds: Seeds = None,
    sets: Sets = None, baseline: Baseline = None,
    results: Results = Options.results, study: Name = None, jobs: Jobs = None, threads: Threads = Options.threads,
    pack: PackSize = None, device: Device = Options.device, executor: Executor = None, data_dir: DataDir = None,
    fresh: Fresh = False, yes: Yes = False,
) -> Request:  # fmt: skip
    """Return what these options ask for; the command says of which config."""
    from dropexp.cli import arguments

    words = (rates, kinds, placements, orders, patiences, data, epochs, lr)
    lists = dict(zip((*AXES, *SHORTCUTS), words, strict=True))
    return Request(
        overrides=tuple(arguments.overrides(lists, sets)),
        seeds=arguments.seeds(seeds),
        name=study,
        large=yes,
        baseline=tuple(arguments.split(baseline)),
        options=Options(results, jobs, threads, pack, device, data_dir, fresh, executor),
    )


def of_each(folders: Sequence[Path], make: Callable[[Path], T]) -> list[T]:
    """Return what is made of each study; one that cannot be read is a warning and hides no other, unless it is alone."""
    from dropexp.console.screen import warn
    from dropexp.errors import StoreError

    made = []
    for folder in folders:
        try:
            made.append(make(folder))
        except StoreError as error:
            if len(folders) == 1:
                raise
            warn(str(error))
    return made


def print_each(found: Sequence[N], as_json: bool, fact: Callable[[N], dict[str, Any]], told: Callable[[N], str]) -> int:
    """Print what was made of each study, in words or as JSON, after what is not read of it; return the exit code."""
    from dropexp.console.screen import say, tell, warn

    for note in [one.note for one in found if one.note]:
        warn(note)
    if as_json:
        say(json.dumps([fact(one) for one in found], indent=2))
    else:
        tell("\n\n".join(map(told, found)))
    return 0 if found else 2
