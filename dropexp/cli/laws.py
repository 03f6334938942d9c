"""laws: every law checked in seconds, or one drawn on the board."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.options import Json, Quiet

if TYPE_CHECKING:
    from dropexp.laws.law import Check, Law, Result

FIGURE_OF = "variance-shift"
HEADINGS = ("law", "source", "expected", "measured", "interval", "holds")


def laws(
    name: Annotated[str | None, typer.Argument(help="One law, shown in detail.", show_default=False)] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help=f"Draw {FIGURE_OF} as a .png or .svg file.", show_default=False)
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Check the laws of dropout on the training code: [bold]dropexp laws per-sample[/bold]."""
    from dropexp.console.screen import say
    from dropexp.console.steps import Steps
    from dropexp.console.voice import Voice

    if figure is not None:
        _check_figure(name, figure)
    from dropexp.laws.all_laws import chosen, examine

    voice, results, every = Voice(quiet), [], chosen(name)
    with Steps(sys.stderr, len(every), "laws", quiet) as steps:
        for law in every:
            with steps.step(law.id):
                results.append((law, examine(law)))
    if figure is not None:
        _draw(figure)
    if as_json:
        say(
            json.dumps(
                [{"id": law.id, "source": law.source, **r.numbers(), "holds": r.holds} for law, r in results], indent=2
            )
        )
    elif name is None:
        voice.tell("\n".join(_overview(results)))
    else:
        voice.tell("\n".join(_detail(*results[0])))
        if figure is not None:
            voice.tell(f"\n{figure}")
    return 0 if all(result.holds for _, result in results) else 1


def _check_figure(name: str | None, figure: Path) -> None:
    from dropexp.errors import UsageError

    if name != FIGURE_OF:
        raise UsageError(f"--figure draws one law; write dropexp laws {FIGURE_OF} --figure {figure}")
    if figure.suffix.lower() not in (".png", ".svg"):
        raise UsageError(f"--figure {figure}: the name must end in .png or .svg")
    if not figure.parent.is_dir():
        raise UsageError(f"--figure {figure}: there is no folder {figure.parent}; create it first")


def _draw(path: Path) -> None:
    from dropexp.errors import UsageError
    from dropexp.figures.shift_law import draw_shift
    from dropexp.laws.norm import KINDS, closed_form, shift_points

    curve = [(keep / 100, closed_form(keep / 100)) for keep in range(45, 101)]
    try:
        draw_shift({kind: shift_points(kind) for kind in KINDS}, curve, path)
    except OSError as error:
        raise UsageError(f"--figure {path}: cannot be written ({error.strerror})") from None


def _interval(check: Check, digits: int = 4) -> str:
    from dropexp.laws.board import number

    if check.low is not None and check.low == check.high:
        return "exact"
    if check.high is None:
        return f"{number(check.low, digits)} or more"
    return f"[{number(check.low, digits)}, {number(check.high, digits)}]"


def _overview(results: list[tuple[Law, Result]]) -> list[str]:
    from dropexp.laws.board import table

    rows = [
        (
            law.id,
            law.source,
            r.headline.expected,
            r.headline.measured,
            _interval(r.headline),
            "yes" if r.holds else "NO",
        )
        for law, r in results
    ]
    lines = table(HEADINGS, rows)
    failed = [law.id for law, r in results if not r.holds]
    lines += ["", "one measured number per law; 'dropexp laws ID' explains it and shows the law's other numbers"]
    lines.append(
        f"{len(results) - len(failed)} of {len(results)} laws hold" + (f"; not {', '.join(failed)}" if failed else "")
    )
    return lines


def _detail(law: Law, result: Result) -> list[str]:
    import textwrap

    from dropexp.laws.board import number

    lines = [law.id, *textwrap.wrap(law.says, 96, initial_indent="  ", subsequent_indent="  ")]
    lines += [f"  source: {law.source}", ""]
    if law.board is not None:
        lines += law.board()
    for check in result.checks:
        lines += textwrap.wrap(check.what, 96)
        measured = f"measured {number(check.measured, 6)}"
        asked = (
            f"must be {_interval(check, 6)}"
            if check.high is None
            else f"expected {number(check.expected, 6)}, {_interval(check, 6)}"
        )
        lines.append(f"  {measured}; {asked}: {'holds' if check.holds else 'DOES NOT HOLD'}")
    return [*lines, "", f"the law {'holds' if result.holds else 'does NOT hold'}"]
