"""init, check and plot: before and after training."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.compare import Prefer, Together, join
from dropexp.cli.completion import completing
from dropexp.cli.options import RESULTS, Baseline, Everything, Json, Studies, Words, of_each, option_of, request_of
from dropexp.signatures import taking
from dropexp.workflow.request import Request

if TYPE_CHECKING:
    from dropexp.analysis.tidy import Tidy
    from dropexp.experiment.study import Study
    from dropexp.workflow.drawing import Drawn

ORDER = "Choice of figures"
WIDTH = 100


def init(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A study to copy that comes with dropexp, or the file to write.",
            show_default=False,
            autocompletion=completing("studies"),
        ),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the studies that come with dropexp.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of a study, for editors.")] = False,
) -> int:
    """Write a commented config.yaml, or copy a study that comes with dropexp: [bold]dropexp init bn-order[/bold]."""
    from dropexp.console.screen import say
    from dropexp.errors import UsageError
    from dropexp.experiment.vocabulary import meant
    from dropexp.quoting import spelt
    from dropexp.study_files.shipped import folder, question, shipped

    if schema:
        from dropexp.study_files.schema import schema as made

        say(json.dumps(made(), indent=2))
        return 0
    known = shipped()
    if listing:
        wide = max(map(len, known))
        for study, path in known.items():
            say(f"{study:<{wide}}  {question(path)}")
        return 0
    if name is None or name.endswith((".yaml", ".yml")):
        source, target = folder() / "template.yaml", Path(name or "config.yaml")
    elif name in known:
        source, target = known[name], Path(f"{name}.yaml")
    else:
        hint = meant(name, known, "'dropexp init --list' lists them")
        raise UsageError(f"init: no study that comes with dropexp is called {spelt(name)}{hint}")
    try:
        with target.open("x", encoding="utf-8", newline="\n") as file:
            file.write(source.read_text(encoding="utf-8"))
    except FileExistsError:
        raise UsageError(
            f"{target}: exists already, and init never overwrites a file; name another file or move this one"
        ) from None
    except OSError as error:
        raise UsageError(f"{target}: cannot be written ({error.strerror})") from None
    say(f"wrote {target}; look at it with\n  dropexp check {target}\nand train it with\n  dropexp run {target}")
    return 0


@taking(request_of)
def check(
    request: Request,
    config: Annotated[Path, typer.Argument(help="A YAML file.", show_default=False)],
    time: Annotated[bool, typer.Option("--time", help="Estimate the training time with a short calibration.")] = False,
    detect: Annotated[
        float | None, option_of("Print how many seeds would detect this difference; 0.005 is half a point.", None)
    ] = None,
    pilot: Annotated[Path | None, option_of("The study whose runs show the spread; default: this study.", None)] = None,
    as_json: Json = False,
) -> int:
    """Validate a config and show what it would train: network, masks, arms, runs and packs."""
    from dropexp.cli.describe import describe
    from dropexp.console.screen import say
    from dropexp.workflow.checking import facts

    made, options = replace(request, config=config).study(), request.options
    spread = _spread(detect, pilot, options.results / made.name, config)
    if as_json:
        say(json.dumps(facts(made, options, time) | _seeds(made, spread, detect), indent=2))
        return 0
    describe(made, options, timed=time)
    if spread is not None and detect is not None:
        from dropexp.wording.power import detectable

        say("\n".join(["", *detectable(spread, detect, _others(made, spread))]))
    return 0


def _seeds(made: Study, spread: Tidy | None, detect: float | None) -> dict[str, object]:
    if spread is None or detect is None:
        return {}
    from dropexp.wording.power import seeds_for

    return seeds_for(spread, detect, _others(made, spread))


def _others(made: Study, spread: Tidy) -> int | None:
    """Return how many differences the study judges together, None where it has the arms of the stored runs."""
    from dropexp.analysis.outlook import comparisons

    count = comparisons(made)
    return None if count == comparisons(spread.study) else count


def _spread(detect: float | None, pilot: Path | None, own: Path, config: Path) -> Tidy | None:
    """Return the stored runs that show how far seeds spread; None where nothing is to be detected.

    Raises UsageError for what is no fraction, and where there are no such runs.
    """
    from dropexp.errors import StoreError, UsageError

    if detect is None:
        if pilot is not None:
            raise UsageError(f"--pilot {pilot}: works only with --detect, as in --detect 0.005")
        return None
    if not 0 < detect < 0.5:
        raise UsageError(f"--detect {detect:g}: write a fraction between 0 and 0.5; half a point is 0.005")
    from dropexp.wording.power import detectable
    from dropexp.workflow.reading import reading

    folder = pilot or own
    try:
        found, _ = reading(folder)
    except StoreError:
        if pilot is not None:
            raise
        found = None
    if found is None or not detectable(found, detect):
        raise UsageError(
            f"--detect {detect:g}: needs the spread of runs, but in {folder} no arm shares two seeds with its "
            f"baseline; train a pilot with 'dropexp run {config} --seeds 5' and ask again, or name one with "
            "--pilot"
        )
    return found


def plot(
    paths: Studies = None,
    only: Annotated[Words, option_of("Figures by name, such as gap curves.", ORDER, "--only")] = None,
    metric: Annotated[str, option_of("accuracy or loss, for figures that exist for both.", ORDER)] = "",
    size: Annotated[str | None, option_of("WIDTHxHEIGHT in inches, such as 3.25x2.2.", ORDER)] = None,
    formats: Annotated[Words, option_of("png, svg or pdf; default: png svg.", ORDER, "--format")] = None,
    out: Annotated[
        Path | None,
        option_of("The folder to write to; with --together, the folder of the joined study.", ORDER, "--out"),
    ] = None,
    everything: Everything = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Draw figures again even if they are up to date.")] = False,
    baseline: Baseline = None,
    together: Together = False,
    prefer: Prefer = None,
    as_json: Json = False,
) -> int:
    """Draw the figures of every study at or below a folder: [bold]dropexp plot results/[/bold].

    For a paper: [bold]dropexp plot results/x --only gap curves --format pdf --size 3.25x2.2 --out paper[/bold].
    A figure with --size has no title; the title is printed instead, for the caption.
    """
    from dropexp.cli import arguments
    from dropexp.console.screen import say, warn
    from dropexp.workflow.drawing import ordered
    from dropexp.workflow.drawing import plot as draw
    from dropexp.workflow.reading import studies_below

    given = paths or [RESULTS]
    order = ordered(_words(only), _words(formats), size, metric, None if together else out)
    folders = [join(given, together, out, prefer).folder] if together or prefer else studies_below(*given)

    def one(folder: Path) -> Drawn:
        return draw(folder, everything, fresh, arguments.split(baseline), order=order.of(folder, folders))

    drawn = of_each(folders, one)
    if as_json:
        say(json.dumps([_fact(d) for d in drawn], indent=2))
    for d in drawn:
        if not as_json and (d.paths or d.current):
            say("\n".join(_told(d)))
        for line in (*d.left_out, *filter(None, [d.note])):
            warn(line)
    return 0 if any(d.paths for d in drawn) else 2


def _words(given: Sequence[str] | None) -> list[str]:
    """Return the words of a list, which may have commas."""
    from dropexp.cli import arguments

    return [word for text in arguments.split(given) for word in text.split(",") if word]


def _fact(d: Drawn) -> dict[str, object]:
    captions = {name: {"title": title, "note": note} for name, (title, note) in d.captions.items()}
    fact: dict[str, object] = {"study": str(d.folder), "figures": [str(p) for p in d.paths], "drawn": not d.current}
    return {**fact, "captions": captions, "left_out": list(d.left_out)} if captions or d.left_out else fact


def _told(d: Drawn) -> list[str]:
    """Return the paths of figures, each drawn to order with its title and note beneath it."""
    if d.current:
        return [f"{d.folder}: figures are up to date; --fresh draws them again"]
    lines, told = [], dict(d.captions)
    for path in d.paths:
        lines.append(str(path))
        last = path == [p for p in d.paths if p.stem == path.stem][-1]
        if last and path.stem in told:
            title, note = told[path.stem]
            lines.append(textwrap.fill(f"{title}. {note}.", WIDTH, initial_indent="  ", subsequent_indent="  "))
    return lines
