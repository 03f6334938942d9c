"""run and sweep: one function with the same options; run needs a config, sweep has one built in."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.options import RUNNING, option_of, request_of
from dropexp.signatures import taking
from dropexp.workflow.request import Request

if TYPE_CHECKING:
    from dropexp.experiment.study import Study
    from dropexp.workflow.running import Finished

FIGURES_SHOWN = 6
Configs = Annotated[list[Path] | None, typer.Argument(help="YAML files, one study each.", show_default=False)]
OneConfig = Annotated[
    Path | None, typer.Argument(help="A YAML file; without one, the built-in quickstart.", show_default=False)
]
DryRun = Annotated[bool, option_of("Print what check prints, and train nothing.", RUNNING, "--dry-run")]
NoPlot = Annotated[bool, option_of("Draw no figures at the end.", RUNNING, "--no-plot")]


@taking(request_of)
def run(request: Request, configs: Configs = None, dry_run: DryRun = False, no_plot: NoPlot = False) -> int:
    """Train the study that a YAML file describes: [bold]dropexp run config.yaml[/bold]."""
    from dropexp.errors import UsageError

    if not configs:
        raise UsageError("run needs a config: 'dropexp init' writes one; 'dropexp sweep' has one built in")
    if request.name and len(configs) > 1:
        text = f"--study {request.name}: one name for {len(configs)} configs; leave it out, or run them one by one"
        raise UsageError(text)
    asked = [replace(request, config=config) for config in configs]
    with _loading(request, dry_run):
        studies = [one.study() for one in asked]  # all, before any is trained
        return max(_train(*each, dry_run, no_plot) for each in zip(asked, studies, strict=True))


@taking(request_of)
def sweep(request: Request, config: OneConfig = None, dry_run: DryRun = False, no_plot: NoPlot = False) -> int:
    """Sweep axes from the command line: [bold]dropexp sweep --rates 0 0.2 0.5[/bold]."""
    from dropexp.study_files.shipped import shipped

    asked = replace(request, config=config or shipped()["quickstart"])
    with _loading(request, dry_run):
        return _train(asked, asked.study(), dry_run, no_plot)


def _loading(request: Request, dry_run: bool) -> AbstractContextManager[None]:
    """Have torch loaded for workers on another core, while this process reads the study; few commands train without any."""
    from dropexp.executors.machine import may_start, usable_cores
    from dropexp.executors.template import loading

    asked = not dry_run and request.options.jobs != 1 and request.options.executor in (None, "pool")
    if not asked or "torch" in sys.modules or not may_start() or usable_cores() == 1:
        return nullcontext()
    return loading("dropexp.train.pack")  # TRAINS, whose own file would take as long as reading the study


def _train(request: Request, made: Study, dry_run: bool, no_plot: bool) -> int:
    if dry_run:
        from dropexp.cli.describe import describe

        describe(made, request.options, show_config=False)
        return 0

    from dropexp.console.progress import Progress
    from dropexp.workflow.drawing import load
    from dropexp.workflow.running import run as train

    progress = Progress(sys.stderr)
    listener = progress.listener() if no_plot else replace(progress.listener(), waiting=load)
    try:
        finished = train(made, request.options, listener)
    finally:
        progress.close()
    return _conclude(finished, no_plot, request.baseline)


def _conclude(finished: Finished, no_plot: bool, baseline: tuple[str, ...]) -> int:
    """Print the table and where the files are; return the exit code."""
    from dropexp.analysis.judging import judge
    from dropexp.console.screen import say, warn
    from dropexp.errors import Interrupted
    from dropexp.quoting import counted
    from dropexp.tables.arms import table
    from dropexp.tables.claims import judgements
    from dropexp.workflow.drawing import plot
    from dropexp.workflow.reading import accused, reading

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
    figures: tuple[Path, ...] = ()  # those of what is stored now: older ones may answer another question
    if not no_plot and not finished.interrupted and not shown.runs.empty:
        figures = plot(folder, baseline=baseline, known=(shown, note)).paths
    files = [p.name for p in (folder / "runs.csv", folder / "epochs.csv", folder / "summary.csv") if p.exists()]
    if files:
        say(f"\n{folder.as_posix()}/  {'  '.join(files)}")
    if figures:
        more = f"  and {len(figures) - FIGURES_SHOWN} more" if len(figures) > FIGURES_SHOWN else ""
        say(f"figures: {'  '.join(p.as_posix() for p in figures[:FIGURES_SHOWN])}{more}")
    for failure in finished.failures[:5]:
        warn(f"failed: {failure.run_id}: {failure.error}")
    if finished.failures:
        warn(f"{len(finished.failures)} runs failed (failures.csv); the same command tries them again")
        return 1
    found = len(accused(shown))  # by earlier commands too: a study that cannot be trusted does not end with 0
    if found:
        warn(
            f"the audit of dropout found what should not be in {counted(found, 'run')} (probes.csv): do not trust these runs"
        )
    if finished.interrupted:
        raise Interrupted(f"interrupted: {_kept(finished)}; the same command trains the rest")
    return 1 if found else 0


def _kept(finished: Finished) -> str:
    """Say what an interruption leaves: runs that are done, and epochs of others."""
    from dropexp.quoting import counted

    text = f"{counted(finished.trained, 'run')} of this command done"
    if epochs := sorted(set(finished.begun.values())):
        span = f"epoch {epochs[0]}" if len(epochs) == 1 else f"epochs {epochs[0]} to {epochs[-1]}"
        text += f", {len(finished.begun)} more kept at {span}"
    return text
