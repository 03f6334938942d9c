"""The verbs and their panels; each command's words stand in the file of its group."""

from __future__ import annotations

from typing import Annotated

import typer

from dropexp import __version__
from dropexp.cli import everyday, learn, training
from dropexp.cli.compare import compare
from dropexp.cli.ensemble import ensemble
from dropexp.cli.examples import epilog
from dropexp.cli.export import export
from dropexp.cli.laws import laws
from dropexp.cli.remove import remove
from dropexp.cli.report import report
from dropexp.cli.show import show
from dropexp.cli.stopping import stopping
from dropexp.cli.verify import verify

app = typer.Typer(
    name="dropexp",
    help="Does dropout help this network on this data? At which rate, in which place? Answers with error bars.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

EVERYDAY, DEEPER, LEARN = "Everyday", "Dig deeper", "Learn"
VERBS = (
    ("init", everyday.init, EVERYDAY),
    ("check", everyday.check, EVERYDAY),
    ("run", training.run, EVERYDAY),
    ("sweep", training.sweep, EVERYDAY),
    ("plot", everyday.plot, EVERYDAY),
    ("report", report, EVERYDAY),
    ("show", show, EVERYDAY),
    ("compare", compare, DEEPER),
    ("stopping", stopping, DEEPER),
    ("ensemble", ensemble, DEEPER),
    ("export", export, DEEPER),
    ("verify", verify, DEEPER),
    ("remove", remove, DEEPER),
    ("laws", laws, LEARN),
    ("data", learn.data, LEARN),
)
for _name, _command, _panel in VERBS:
    app.command(_name, rich_help_panel=_panel, epilog=epilog(_name))(_command)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"dropexp {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass
