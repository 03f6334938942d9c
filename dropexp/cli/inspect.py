"""inspect: everything that is stored of one run on one page, or the arms and runs of a study as a list."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropexp.cli.options import Json

if TYPE_CHECKING:
    from dropexp.workflow.finding import Match
    from dropexp.workflow.inspecting import Inspected

WIDTH = 80  # columns of a page
MARGIN = 11  # columns, in which a paragraph's name stands
LABEL = 26  # columns of a curve's name
ENDS = 18  # columns of the numbers behind it  # columns of a curve
MOST_PROBES = 10  # lines
STOPPED = {"max_epochs": "the last that it was allowed", "patience": "early stopping", "diverged": "it diverged"}
LISTED = ("train_accuracy", "test_accuracy", "gap")
SIZES = {
    "parameters": "parameters",
    "train_examples": "training examples",
    "val_examples": "validation examples",
    "test_examples": "test examples",
    "classes": "classes",
}


def inspect(
    path: Annotated[Path, typer.Argument(help="A study's folder.", show_default=False)],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="The run: its run_id or the beginning of it, or its arm and seed, as in rate=0.5 seed=3.",
            show_default=False,
        ),
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the run's curves, and name the pictures.")] = False,
    as_json: Json = False,
) -> int:
    """Show all that is stored of one run, or list the runs: [bold]dropexp inspect results/quickstart rate=0.5 seed=0[/bold]."""
    from dropexp.console.screen import say, tell, warn
    from dropexp.errors import UsageError
    from dropexp.workflow.inspecting import drawn, inspected, listed

    named = words or []
    match = listed(path, named)
    if named and len(match.runs) == 1:
        found = inspected(path, named)
        pictures = drawn(path, named) if plot else ()
        if as_json:
            say(json.dumps({**facts(found), "pictures": [picture.as_posix() for picture in pictures]}, indent=2))
            return 0
        tell("\n".join(page(found, sys.stdout)))
        say(again(found))
        for picture in pictures:
            say(picture.as_posix())
        if plot and not pictures:
            warn(f"{found.run_id}: no picture, as curves are drawn of runs that did not diverge")
    elif plot:
        raise UsageError(f"--plot: is of one run, and {len(match.runs)} meet these words; add its run_id or seed=N")
    elif as_json:
        say(json.dumps(runs(match), indent=2))
    else:
        tell("\n".join(listing(match)))
    if match.note:
        warn(match.note)
    return 0


def facts(found: Inspected) -> dict[str, Any]:
    """Return all that is known of a run as plain data."""
    from dataclasses import asdict

    files = [{"path": path, "what": what} for path, what in found.files]
    notes = (found.note or "").splitlines()
    return {**asdict(found), "folder": found.folder.as_posix(), "files": files, "note": None} | {"notes": notes}


def runs(match: Match) -> dict[str, Any]:
    """Return the arms and runs of a study as plain data."""
    from dropexp.experiment.naming import label

    axes = match.shown.axes
    arms: dict[str, dict[str, Any]] = {}
    for arm, row in match.runs:
        named = {"label": label(arm, axes), "axes": {path: arm.cells.get(path, "") for path in axes}}
        own = arms.setdefault(arm.arm_id, {"arm_id": arm.arm_id, **named, "runs": []})
        numbers = {name: _whole(row[name]) for name in ("seed", "epochs_run", "selected_epoch")}
        metrics = {name: None if row[name] != row[name] else float(row[name]) for name in LISTED}
        own["runs"].append({"run_id": row["run_id"], **numbers, "stop_reason": row["stop_reason"], **metrics})
    return {"study": match.shown.study.name, "folder": match.folder.as_posix(), "arms": list(arms.values())}


def listing(match: Match) -> list[str]:
    """Return the arms of a study, each with a line per run."""
    from dropexp.analysis.number_format import percent
    from dropexp.quoting import counted

    found, before = [f"{match.folder.as_posix()}: {counted(len(match.runs), 'run')}"], None
    for arm, row in match.runs:
        if arm is not before and match.shown.axes:
            found += ["", match.name(arm, row["seed"]).rpartition(", seed")[0]]
        before = arm
        numbers = "  ".join(f"{name.partition('_')[0]} {percent(row[name]):>5}" for name in LISTED)
        ended = "diverged" if row["stop_reason"] == "diverged" else numbers
        epochs = f"{int(row['epochs_run'])} epoch{'s' * (row['epochs_run'] != 1)}"
        found.append(f"  {row['run_id'].rpartition('-')[2]}  seed {row['seed']:<3}  {ended:<37}  {epochs}")
    first = match.runs[0][1]["run_id"].rpartition("-")[2]
    return [*found, "", f"one run: dropexp inspect {quote(match.folder.as_posix())} {first}"]


def page(found: Inspected, stream: Any) -> list[str]:
    """Return all that is known of a run as lines of at most 80 columns, but for long names."""
    from dropexp.console.fitting import room

    wide = min(WIDTH, room(stream) or WIDTH)
    lines = [f"{found.folder.as_posix()}: {found.name}"]
    lines += _paragraph("run_id", found.run_id, wide)
    lines += _paragraph("ended", _ended(found), wide)
    lines += _paragraph("results", ", ".join(_results(found)), wide)
    lines += _paragraph("size", ", ".join(f"{n:,} {SIZES[name]}" for name, n in found.counts.items()), wide)
    fields = [f"{path} {value}" for path, value in found.configuration.items()]
    what = "fields not at their default: " if found.audit is not None else ""
    lines += _paragraph("config", what + ", ".join(fields) if fields else "every field has its default", wide)
    lines += ["", *_curves(found, stream, wide), ""]
    if found.audit is not None:
        lines += _paragraph("audit", "; ".join(found.audit) or "the audit of dropout found nothing wrong", wide)
    lines += _probes(found, wide)
    if place := found.provenance:
        lines += _paragraph("trained", _place(place), wide)
    for i, (path, what) in enumerate(found.files):
        inside = path.removeprefix(f"{found.folder.as_posix()}/")
        lines += [f"{'' if i else 'files':<{MARGIN}}{inside}: {what}"]
    return lines


def again(found: Inspected) -> str:
    """Return how a run is trained again."""
    if found.audit is None:
        return "\nagain: dropexp did not train this run"
    return f"\nagain: {found.again or 'study.yaml no longer describes this run, so no command trains it again'}"


def _paragraph(name: str, text: str, wide: int) -> list[str]:
    if not text:
        return []
    wrapped = textwrap.wrap(text, wide - MARGIN, break_long_words=False, break_on_hyphens=False)
    return [f"{'' if i else name:<{MARGIN}}{line}" for i, line in enumerate(wrapped)]


def _ended(found: Inspected) -> str:
    selected = "none" if found.selected_epoch is None else str(found.selected_epoch)
    diverged = found.stop_reason == "diverged"
    known = found.audit is not None or diverged  # of a table of others nobody knows why it ends
    why = f" ({STOPPED.get(found.stop_reason, found.stop_reason)})" if known else ""
    return f"at epoch {found.epochs_run}{why}; selected epoch: {selected}"


def _results(found: Inspected) -> list[str]:
    """Return the metrics at the selected epoch; those of the last epoch where it is another."""
    from dropexp.metrics import RUNS

    return [
        f"{column.words} {_number(number, column.metric)}"
        for name, column in RUNS.items()
        if (number := found.metrics.get(name)) is not None
        and not (column.last and number == found.metrics.get(column.last))
    ]


def _number(number: float, metric: Any) -> str:
    from dropexp.analysis.number_format import percent

    if not metric.fraction:
        return f"{number:.4f}"
    return f"{percent(number)}%" if metric.unit == "%" else f"{percent(number)} {metric.unit}"


def _curves(found: Inspected, stream: Any, wide: int) -> list[str]:
    """Return a line per curve, accuracies on one scale and losses on another, and where the selected epoch is."""
    from dropexp.console.curve import curve, levels, place
    from dropexp.metrics import EPOCHS

    marks, across = levels(stream), max(1, wide - LABEL - ENDS)
    lines: list[str] = []
    shown = {name: column for name, column in EPOCHS.items() if name in found.curves and column.on}
    for metric in {column.metric.name: column.metric for column in shown.values()}.values():
        own = {name: found.curves[name] for name, column in shown.items() if column.metric is metric}
        known = [number for values in own.values() for number in values if number is not None]
        low, high = min(known), max(known)
        for name, values in own.items():
            ends = [_number(n, metric) if n is not None else "-" for n in (values[0], values[-1])]
            drawn = curve(values, low, high, across, marks)
            lines.append(f"{name:<{LABEL}}{drawn}  {ends[0]} to {ends[1]}")
    epochs = found.curves.get("epoch", [])
    if found.selected_epoch is not None and found.selected_epoch in epochs:
        at = place(epochs.index(found.selected_epoch), len(epochs), across)
        lines.append(f"{'epoch 1 to ' + str(found.epochs_run):<{LABEL}}{' ' * at}^ selected")
    return lines


def _probes(found: Inspected, wide: int) -> list[str]:
    """Return a line per probe, layer and place: the first epoch's number and the last one's; of many, the first per probe."""
    lines: list[str] = []
    many = len(found.probes) > MOST_PROBES
    shown = list({one.probe: one for one in reversed(found.probes)}.values())[::-1] if many else found.probes
    for one in shown[:MOST_PROBES]:
        numbers = [f"{n:.4g}" if n is not None else "-" for n in (one.first, one.last)]
        where = " ".join(filter(None, (one.probe, one.layer, one.at)))
        text = f"{numbers[0]} to {numbers[1]}" if one.epochs > 1 else numbers[0]
        lines.append(f"{'' if lines else 'probes':<{MARGIN}}{where:<{wide - MARGIN - ENDS}}  {text}")
    if left := len(found.probes) - len(lines):
        lines.append(f"{'':<{MARGIN}}and {left} more; --json has them all")
    return lines


def _place(place: dict[str, str]) -> str:
    seconds = f"{float(place['seconds']):.1f} seconds"
    threads = f"{place['threads']} thread{'s' * (place['threads'] != '1')}"
    versions = [f"{name} {place[name]}" for name in ("dropexp", "python", "torch", "numpy") if place[name]]
    commit = [f"git commit {place['git_commit']}"] if place["git_commit"] else []
    where = f"on {place['host']}, {place['device']}, {threads}, in a pack of {place['pack_runs']}"
    return ", ".join([f"ended {place['ended']}", seconds, where, *versions, *commit])


def _whole(number: Any) -> int | None:
    return None if number != number else int(number)
