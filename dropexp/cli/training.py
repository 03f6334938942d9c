"""run and sweep: one function with the same options; run needs a config, sweep has one built in."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropexp.cli.options import RUNNING, Quiet, option_of, request_of
from dropexp.signatures import taking
from dropexp.workflow.request import Request

if TYPE_CHECKING:
    from dropexp.console.voice import Voice
    from dropexp.experiment.study import Study
    from dropexp.workflow.running import Finished

FIGURES_SHOWN = 6
Configs = Annotated[list[Path] | None, typer.Argument(help="YAML files, one study each.", show_default=False)]
OneConfig = Annotated[
    Path | None, typer.Argument(help="A YAML file; without one, the built-in quickstart.", show_default=False)
]
DryRun = Annotated[bool, option_of("Print what check prints, but train nothing.", RUNNING, "--dry-run")]
NoPlot = Annotated[bool, option_of("Do not draw figures at the end.", RUNNING, "--no-plot")]
Verbose = Annotated[bool, option_of("Also print packs, workers, times and file locations.", None, "--verbose", "-v")]
LastLine = Annotated[
    bool, option_of("Print the results as JSON on the last line of stdout; all else goes to stderr.", None, "--json")
]


@taking(request_of)
def run(
    request: Request, configs: Configs = None, dry_run: DryRun = False, no_plot: NoPlot = False,
    quiet: Quiet = False, verbose: Verbose = False, as_json: LastLine = False,
) -> int:  # fmt: skip
    """Train the study that a YAML file describes: [bold]dropexp run config.yaml[/bold]."""
    from dropexp.errors import UsageError

    if not configs:
        raise UsageError("run needs a config: 'dropexp init' writes one; 'dropexp sweep' has one built in")
    if request.name and len(configs) > 1:
        text = f"--study {request.name}: one name cannot be used for {len(configs)} configs; leave it out, or run them one by one"
        raise UsageError(text)
    asked = [replace(request, config=config) for config in configs]
    with _loading(request, dry_run):
        studies = [one.study() for one in asked]  # all, before any is trained
        return _each(list(zip(asked, studies, strict=True)), dry_run, no_plot, _voice(quiet, verbose, as_json))


@taking(request_of)
def sweep(
    request: Request, config: OneConfig = None, dry_run: DryRun = False, no_plot: NoPlot = False,
    quiet: Quiet = False, verbose: Verbose = False, as_json: LastLine = False,
) -> int:  # fmt: skip
    """Sweep axes from the command line: [bold]dropexp sweep --rates 0 0.2 0.5[/bold]."""
    from dropexp.study_files.shipped import shipped

    asked = replace(request, config=config or shipped()["quickstart"])
    with _loading(request, dry_run):
        return _each([(asked, asked.study())], dry_run, no_plot, _voice(quiet, verbose, as_json))


def _loading(request: Request, dry_run: bool) -> AbstractContextManager[None]:
    """Have torch loaded for workers on another core, while this process reads the study; few commands train without any."""
    from dropexp.executors.machine import may_start, usable_cores
    from dropexp.executors.template import loading

    asked = not dry_run and request.options.jobs != 1 and request.options.executor in (None, "pool")
    if not asked or "torch" in sys.modules or not may_start() or usable_cores() == 1:
        return nullcontext()
    return loading("dropexp.train.pack")  # TRAINS, whose own file would take as long as reading the study


def _voice(quiet: bool, verbose: bool, as_json: bool) -> Voice:
    from dropexp.console.voice import Voice
    from dropexp.errors import UsageError

    if quiet and verbose:
        raise UsageError("--quiet: cannot be combined with --verbose; give one of the two")
    return Voice(quiet, verbose, as_json)


def _each(asked: list[tuple[Request, Study]], dry_run: bool, no_plot: bool, voice: Voice) -> int:
    """Train studies one after another, and print the document of all that were trained; return the exit code."""
    said: list[dict[str, Any]] = []
    try:
        if dry_run:
            return max(_plan(*each, voice, said) for each in asked)
        return max(_train(*each, no_plot, voice, said) for each in asked)
    finally:
        if said:  # what an interruption leaves too
            voice.document({"studies": said})


def _plan(request: Request, made: Study, voice: Voice, said: list[dict[str, Any]]) -> int:
    if voice.as_json or voice.quiet:
        from dropexp.workflow.checking import facts

        said.append(facts(made, request.options, False))
    else:
        from dropexp.cli.describe import describe

        describe(made, request.options, show_config=False)
    return 0


def _train(request: Request, made: Study, no_plot: bool, voice: Voice, said: list[dict[str, Any]]) -> int:
    from dropexp.console.progress import Progress, duration
    from dropexp.workflow.drawing import load
    from dropexp.workflow.running import Listener
    from dropexp.workflow.running import run as train

    begun = time.monotonic()
    progress = Progress(sys.stderr, request.options if voice.verbose else None)
    listener = Listener() if voice.quiet else progress.listener()
    try:
        finished = train(made, request.options, listener if no_plot else replace(listener, waiting=load))
    finally:
        progress.close()
    trained = time.monotonic()
    try:
        return _conclude(finished, no_plot, request.baseline, voice, said)
    finally:
        times = (
            f"{duration(trained - begun)} for training, {duration(time.monotonic() - trained)} for table and figures"
        )
        voice.detail(f"{times}; each run's share is in {(finished.folder / 'provenance.csv').as_posix()}")


def _conclude(
    finished: Finished, no_plot: bool, baseline: tuple[str, ...], voice: Voice, said: list[dict[str, Any]]
) -> int:
    """Print the table and where the files are, and add to `said` what JSON holds of them; return the exit code."""
    from dropexp.cli.show import results
    from dropexp.console.screen import warn
    from dropexp.errors import Interrupted
    from dropexp.quoting import counted
    from dropexp.workflow.drawing import plot
    from dropexp.workflow.reading import accused, reading

    folder, say = finished.folder, voice.tell
    shown, note = reading(folder, baseline=baseline)
    results(shown, note, voice)
    if finished.trained == 0 and not finished.failures and not finished.interrupted:
        say(f"\nevery run of this study was already stored: 0 runs trained ({folder / 'runs.csv'})")
    figures: tuple[Path, ...] = ()  # those of what is stored now: older ones may answer another question
    if not no_plot and not finished.interrupted and not shown.runs.empty:
        figures = plot(folder, baseline=baseline, known=(shown, note)).paths
    found = len(accused(shown))  # by earlier commands too: a study that cannot be trusted does not end with 0
    if voice.as_json:
        from dropexp.workflow.showing import document

        said.append({
            **document(folder, shown, note), "trained": finished.trained, "interrupted": finished.interrupted,
            "failed": [{"run_id": f.run_id, "error": f.error} for f in finished.failures], "audited_wrong": found,
            "figures": [path.as_posix() for path in figures],
        })  # fmt: skip
    files = [p.name for p in (folder / "runs.csv", folder / "epochs.csv", folder / "summary.csv") if p.exists()]
    if files:
        say(f"\n{folder.as_posix()}/  {'  '.join(files)}")
    if figures:
        more = f"  and {len(figures) - FIGURES_SHOWN} more" if len(figures) > FIGURES_SHOWN else ""
        say(f"figures: {'  '.join(p.as_posix() for p in figures[:FIGURES_SHOWN])}{more}")
    if not finished.interrupted and not shown.runs.empty:
        say(f"next: dropexp report {quote(folder.as_posix())}")
    for failure in finished.failures[:5]:
        warn(f"failed: {failure.run_id}: {failure.error}")
    if finished.failures:
        warn(f"{len(finished.failures)} runs failed (failures.csv); the same command tries them again")
        return 1
    if found:
        warn(f"the audit of dropout found a problem in {counted(found, 'run')} (probes.csv): do not trust these runs")
    if finished.interrupted:
        raise Interrupted(f"interrupted: {_kept(finished)}; the same command trains the rest")
    return 1 if found else 0


def _kept(finished: Finished) -> str:
    """Say what an interruption leaves: runs that are done, and epochs of others."""
    from dropexp.quoting import counted

    text = f"{counted(finished.trained, 'run')} of this command finished"
    if epochs := sorted(set(finished.begun.values())):
        span = f"epoch {epochs[0]}" if len(epochs) == 1 else f"epochs {epochs[0]} to {epochs[-1]}"
        text += f", {len(finished.begun)} more kept at {span}"
    return text
