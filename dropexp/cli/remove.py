"""remove: runs of a study, or a whole study, moved aside and put back; nothing is ever deleted."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.options import Json, Words, option_of

if TYPE_CHECKING:
    from dropexp.workflow.removing import Removed


def remove(
    path: Annotated[Path, typer.Argument(help="A study's folder.", show_default=False)],
    arms: Annotated[
        Words,
        option_of("Arms whose runs are moved aside, such as rate=0.5 placement=input; may be repeated.", None, "--arm"),
    ] = None,
    study: Annotated[bool, option_of("Move the whole study aside.", None, "--study")] = False,
    restore: Annotated[
        Path | None,
        option_of("Put back the runs in this folder, which an earlier remove moved aside.", None, "--restore"),
    ] = None,
    dry_run: Annotated[bool, option_of("Show what would be moved, but move nothing.", None, "--dry-run")] = False,
    as_json: Json = False,
) -> int:
    """Move runs or a whole study aside; nothing is deleted: [bold]dropexp remove results/quickstart --arm rate=0.5[/bold]."""
    from dropexp.cli import arguments
    from dropexp.console.screen import say
    from dropexp.errors import UsageError
    from dropexp.workflow.reading import is_study
    from dropexp.workflow.removing import remove_arms, remove_study
    from dropexp.workflow.removing import restore as put_back

    if sum((bool(arms), study, restore is not None)) != 1:
        raise UsageError("remove: choose --arm PATH=VALUE for runs, --study for the whole study, or --restore FOLDER")
    if path.name in ("", ".."):  # the folder one is in has a name too
        path = path.resolve()
    if restore is not None:
        if dry_run:
            raise UsageError("--dry-run: works only with --arm or --study; --restore removes nothing")
        runs, unfinished = put_back(path, restore)
        text = (
            f"{path.as_posix()}: {_runs(runs, unfinished)} put back from {restore.as_posix()}, which is left as it is"
        )
        fact = {"study": path.as_posix(), "from": restore.as_posix(), "runs": runs, "unfinished_runs": unfinished}
        say(json.dumps(fact, indent=2) if as_json else text)
        return 0
    if not is_study(path):
        raise UsageError(
            f"{path}: not a study's folder; name one study, as in dropexp remove results/quickstart --study"
        )
    if study:
        made = remove_study(path, dry_run)
    else:
        made = remove_arms(path, [arguments.split([conditions]) for conditions in arms or ()], dry_run)
    say(json.dumps(facts(made, dry_run), indent=2) if as_json else "\n".join(lines(made, dry_run)))
    return 0


def facts(made: Removed, dry_run: bool) -> dict[str, object]:
    """Return what `remove --json` prints."""
    return {
        "study": made.folder.as_posix(), "moved": not dry_run, "to": made.aside.as_posix(), "whole_study": made.whole,
        "arms": list(made.arms), "runs": made.runs, "unfinished_runs": made.unfinished,
        "failed_runs": made.failed, "notes": list(made.notes),
    }  # fmt: skip


def lines(made: Removed, dry_run: bool) -> list[str]:
    """Return what was moved, where to, and how to get it back, as lines for a person."""
    folder, aside = made.folder.as_posix(), made.aside.as_posix()
    of = "the study" if made.whole else "; ".join(made.arms)
    runs = _runs(made.runs, made.unfinished, made.failed)
    found = [f"{'would move' if dry_run else 'moved'} {runs} of {folder} ({of}) to {aside}"]
    found += list(made.notes)
    if dry_run:
        return [*found, "nothing was moved; leave out --dry-run to move it"]
    if made.by_hand:
        return [*found, f"to get the study back, rename {aside} to {folder}"]
    here, there = quote(folder), quote(aside)
    found.append(f"to get {'it' if made.whole else 'them'} back: dropexp remove {here} --restore {there}")
    if made.whole and (made.folder / "design.csv").exists():
        found.append(
            f"{folder}/design.csv stays, so that a claim made after these results were seen is still after the fact"
        )
    if not made.whole:
        figures = (
            f"; 'dropexp plot {here}' draws the figures without them" if (made.folder / "figures").is_dir() else ""
        )
        found.append(f"'dropexp run' with the same study trains them again{figures}")
    return found


def _runs(finished: int, unfinished: int, failed: int = 0) -> str:
    from dropexp.quoting import counted

    kinds = ((finished, "run"), (unfinished, "unfinished run"), (failed, "failed run"))
    return " and ".join(counted(count, name) for count, name in kinds if count) or "0 runs"
