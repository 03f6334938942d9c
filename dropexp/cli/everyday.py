"""init, check and plot: before and after training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dropexp.cli.training import (
    DataDir,
    Device,
    Jobs,
    Kinds,
    Name,
    Orders,
    PackSize,
    Patiences,
    Placements,
    Rates,
    Results,
    Seeds,
    Sets,
    Threads,
    Yes,
)  # fmt: skip

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def init(
    name: Annotated[
        str | None, typer.Argument(help="A shipped study to copy, or the file to write.", show_default=False)
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="Name the shipped studies.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of a study, for editors.")] = False,
) -> int:
    """Write a commented config.yaml, or copy a shipped study: [bold]dropexp init bn-order[/bold]."""
    from dropexp.cli.screen import say
    from dropexp.cli.shipped import folder, question, shipped
    from dropexp.errors import UsageError
    from dropexp.spec.words import near, spelt

    if schema:
        from dropexp.spec.schema import schema as made

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
        guess = near(name, known)
        hint = f"did you mean {guess!r}?" if guess else "'dropexp init --list' names them"
        raise UsageError(f"init: no shipped study is called {spelt(name)}; {hint}")
    try:
        with target.open("x", encoding="utf-8", newline="\n") as file:
            file.write(source.read_text(encoding="utf-8"))
    except FileExistsError:
        raise UsageError(
            f"{target}: exists already, and init never writes over a file; name another or move it"
        ) from None
    except OSError as error:
        raise UsageError(f"{target}: cannot be written ({error.strerror})") from None
    say(f"wrote {target}; look at it with\n  dropexp check {target}\nand train it with\n  dropexp run {target}")
    return 0


def check(
    config: Annotated[Path, typer.Argument(help="A YAML file.", show_default=False)],
    time: Annotated[bool, typer.Option("--time", help="Estimate the time by a short calibration.")] = False,
    as_json: Json = False,
    rates: Rates = None, kinds: Kinds = None, placements: Placements = None, orders: Orders = None,
    patiences: Patiences = None, seeds: Seeds = None, sets: Sets = None,
    results: Results = Path("results"), study: Name = None, jobs: Jobs = None, threads: Threads = 1, pack: PackSize = None,
    device: Device = "cpu", data_dir: DataDir = None, yes: Yes = False,
) -> int:  # fmt: skip
    """Validate a config and show what it would train: network, masks, arms, runs and packs."""
    from dropexp.cli import words
    from dropexp.cli.describe import describe, facts
    from dropexp.cli.screen import say
    from dropexp.planning import Options
    from dropexp.spec.parse import parse
    from dropexp.spec.reader import read

    lists = {
        "--rates": rates, "--kinds": kinds, "--placements": placements, "--orders": orders, "--patiences": patiences
    }  # fmt: skip
    made = parse(read(config), words.overrides(lists, sets), name=study, seeds=words.seeds(seeds), large=yes)
    options = Options(results, jobs, threads, pack, device, data_dir)
    if as_json:
        say(json.dumps(facts(made, options, time), indent=2))
    else:
        describe(made, options, timed=time)
    return 0


def plot(
    path: Annotated[Path, typer.Argument(help="A study's folder, or a folder of studies.", show_default=False)] = Path(
        "results"
    ),
    everything: Annotated[bool, typer.Option("--all", help="Show every stored run of a study.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Draw again what is up to date.")] = False,
    as_json: Json = False,
) -> int:
    """Draw the figures of every study at or below a folder: [bold]dropexp plot results/[/bold]."""
    from dropexp.cli.screen import say, warn
    from dropexp.drawing import plot as draw
    from dropexp.errors import StoreError
    from dropexp.reading import studies_below

    drawn, failed = [], 0
    folders = studies_below(path)
    for folder in folders:
        try:
            drawn.append(draw(folder, everything, fresh))
        except StoreError as error:
            if len(folders) == 1:
                raise
            failed += 1
            warn(str(error))
    if as_json:
        say(
            json.dumps(
                [{"study": str(d.folder), "figures": [str(p) for p in d.paths], "drawn": not d.current} for d in drawn],
                indent=2,
            )
        )
        return 0
    for d in drawn:
        if d.current:
            say(f"{d.folder}: figures are up to date; --fresh draws them again")
        else:
            say("\n".join(str(p) for p in d.paths))
        if d.note:
            say(d.note)
    return 2 if failed and not drawn else 0
