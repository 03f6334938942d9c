"""run and sweep: one function with the same options; run needs a config, sweep has one built in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from dropexp.experiment.study import Study
    from dropexp.workflow.running import Finished

LIST, RUNNING = "Axes and seeds", "Running"


def _list(help: str, panel: str = LIST) -> Any:
    return typer.Option(help=help, rich_help_panel=panel, show_default=False)


Configs = Annotated[list[Path] | None, typer.Argument(help="YAML files, one study each.", show_default=False)]
OneConfig = Annotated[
    Path | None, typer.Argument(help="A YAML file; without one, the built-in quickstart.", show_default=False)
]
Rates = Annotated[list[str] | None, _list("Dropout rates, as in 0 0.2 0.5, 0,0.2 or 0:0.8:0.2.")]
Kinds = Annotated[list[str] | None, _list("Kinds of dropout, as in bernoulli vanilla.")]
Placements = Annotated[list[str] | None, _list("Places, as in hidden input+hidden.")]
Orders = Annotated[list[str] | None, _list("Orders of a block, as in NAD DNA.")]
Patiences = Annotated[list[str] | None, _list("Early-stopping patiences, as in none 5 20.")]
Seeds = Annotated[list[str] | None, _list("5 for seeds 0 to 4; 3 4 or [7] names seeds.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any field, as in training.lr=0.01,0.1.", rich_help_panel=LIST, show_default=False),
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
        max=1024,
        help="Worker processes; without it, one per core.",
        rich_help_panel=RUNNING,
        show_default=False,
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        min=1,
        max=1024,
        help="Threads per worker; above 1 results agree statistically, not by byte.",
        rich_help_panel=RUNNING,
    ),
]
PackSize = Annotated[
    int | None,
    typer.Option(
        "--pack",
        min=1,
        max=4096,
        help="Runs trained together; no effect on results.",
        rich_help_panel=RUNNING,
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps or auto.", rich_help_panel=RUNNING)]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Where data sets lie; else $DROPEXP_DATA or a cache folder.",
        rich_help_panel=RUNNING,
        show_default=False,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Print what check prints, and train nothing.", rich_help_panel=RUNNING),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Move the study's old folder aside first.", rich_help_panel=RUNNING)
]
Yes = Annotated[bool, typer.Option("--yes", help="Allow more than 100,000 runs.", rich_help_panel=RUNNING)]
NoPlot = Annotated[bool, typer.Option("--no-plot", help="Draw no figures at the end.", rich_help_panel=RUNNING)]
Baseline = Annotated[
    list[str] | None,
    typer.Option(
        help="The arms to compare with, as in dropout.rate=0.2; else those without dropout.",
        rich_help_panel=LIST,
        show_default=False,
    ),
]


def run(
    configs: Configs = None,
    rates: Rates = None, kinds: Kinds = None, placements: Placements = None, orders: Orders = None,
    patiences: Patiences = None, seeds: Seeds = None, sets: Sets = None,
    results: Results = Path("results"), study: Name = None, jobs: Jobs = None, threads: Threads = 1, pack: PackSize = None,
    device: Device = "cpu", data_dir: DataDir = None, dry_run: DryRun = False, fresh: Fresh = False, yes: Yes = False,
    no_plot: NoPlot = False, baseline: Baseline = None,
) -> int:  # fmt: skip
    """Train the study that a YAML file describes: [bold]dropexp run config.yaml[/bold]."""
    from dropexp.errors import UsageError

    if not configs:
        raise UsageError("run needs a config: 'dropexp init' writes one; 'dropexp sweep' has one built in")
    if study and len(configs) > 1:
        raise UsageError(f"--study {study}: one name for {len(configs)} configs; leave it out, or run them one by one")
    lists = {
        "--rates": rates, "--kinds": kinds, "--placements": placements, "--orders": orders, "--patiences": patiences
    }  # fmt: skip
    options = (results, jobs, threads, pack, device, data_dir, fresh)
    studies = [_read(config, lists, sets, seeds, study, yes) for config in configs]  # all, before any is trained
    return max(_train(made, options, dry_run, no_plot, baseline) for made in studies)


def sweep(
    config: OneConfig = None,
    rates: Rates = None, kinds: Kinds = None, placements: Placements = None, orders: Orders = None,
    patiences: Patiences = None, seeds: Seeds = None, sets: Sets = None,
    results: Results = Path("results"), study: Name = None, jobs: Jobs = None, threads: Threads = 1, pack: PackSize = None,
    device: Device = "cpu", data_dir: DataDir = None, dry_run: DryRun = False, fresh: Fresh = False, yes: Yes = False,
    no_plot: NoPlot = False, baseline: Baseline = None,
) -> int:  # fmt: skip
    """Sweep axes from the command line: [bold]dropexp sweep --rates 0 0.2 0.5[/bold]."""
    from dropexp.study_files.shipped import shipped

    lists = {
        "--rates": rates, "--kinds": kinds, "--placements": placements, "--orders": orders, "--patiences": patiences
    }  # fmt: skip
    options = (results, jobs, threads, pack, device, data_dir, fresh)
    made = _read(config or shipped()["quickstart"], lists, sets, seeds, study, yes)
    return _train(made, options, dry_run, no_plot, baseline)


def _read(
    config: Path, lists: dict[str, Any], sets: list[str] | None, seeds: list[str] | None, name: str | None, large: bool
) -> Study:
    from dropexp.cli import arguments
    from dropexp.study_files.parse import parse
    from dropexp.study_files.yaml_reader import read

    return parse(read(config), arguments.overrides(lists, sets), name=name, seeds=arguments.seeds(seeds), large=large)


def _train(made: Study, options: tuple[Any, ...], dry_run: bool, no_plot: bool, baseline: list[str] | None) -> int:
    from dropexp.cli import arguments
    from dropexp.cli.describe import describe
    from dropexp.study_files.baseline import with_baseline
    from dropexp.workflow.planning import Options

    results, jobs, threads, pack, device, data_dir, fresh = options
    compared = arguments.split(baseline)
    with_baseline(made, compared)  # says now, not after a night, that no arm is like that
    chosen = Options(results, jobs, threads, pack, device, data_dir, fresh)
    if dry_run:
        describe(made, chosen, show_config=False)
        return 0

    from dropexp.cli.progress import Progress
    from dropexp.workflow.running import run as train

    progress = Progress(sys.stderr)
    try:
        finished = train(made, chosen, progress.listener())
    finally:
        progress.close()
    return _conclude(finished, no_plot, compared)


def _conclude(finished: Finished, no_plot: bool, baseline: list[str]) -> int:
    """Print the table and where the files are; return the exit code."""
    from dropexp.analysis.judging import judge
    from dropexp.cli.screen import say, warn
    from dropexp.errors import Interrupted
    from dropexp.tables.arms import table
    from dropexp.tables.claims import judgements
    from dropexp.workflow.drawing import plot
    from dropexp.workflow.reading import reading

    folder = finished.folder
    shown, note = reading(folder, baseline=baseline)
    if not shown.runs.empty:
        say(table(shown))
        if note:
            say(note)
    if shown.study.claims:
        say("\n" + judgements(judge(shown)))
    if finished.trained == 0 and not finished.failures and not finished.interrupted:
        say(f"\nevery run of this study was there already: 0 runs trained ({folder / 'runs.csv'})")
    if not no_plot and not finished.interrupted and not shown.runs.empty:
        plot(folder, baseline=baseline)
    figures = sorted((folder / "figures").glob("*.png"))
    files = [p.name for p in (folder / "runs.csv", folder / "epochs.csv", folder / "summary.csv") if p.exists()]
    if files:
        say(f"\n{folder.as_posix()}/  {'  '.join(files)}")
    if figures:
        say(f"figures: {'  '.join(str(p) for p in figures[:6])}")
    for failure in finished.failures[:5]:
        warn(f"failed: {failure.run_id}: {failure.error}")
    if finished.failures:
        warn(f"{len(finished.failures)} runs failed (failures.csv); the same command tries them again")
        return 1
    if finished.interrupted:
        raise Interrupted(f"interrupted: {_kept(finished)}; the same command trains the rest")
    return 0


def _kept(finished: Finished) -> str:
    """Say what an interruption leaves: runs that are done, and epochs of others."""
    from dropexp.cli.progress import counted

    text = f"{counted(finished.trained, 'run')} of this command done"
    if epochs := sorted(set(finished.begun.values())):
        span = f"epoch {epochs[0]}" if len(epochs) == 1 else f"epochs {epochs[0]} to {epochs[-1]}"
        text += f", {len(finished.begun)} more kept at {span}"
    return text
