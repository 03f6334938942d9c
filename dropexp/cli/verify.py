"""verify: a study's files against each other and, trained again, against the bytes of its runs."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.options import RESULTS, DataDir, Folder, Jobs, Json, Quiet, of_each, option_of

if TYPE_CHECKING:
    from dropexp.analysis.consistency import Mismatch
    from dropexp.workflow.verifying import Verified

SHOWN = 20


def verify(
    path: Folder = RESULTS,
    sample: Annotated[
        int | None, option_of("How many runs to train again; default: 5; 0 checks only the files.", None, min=0)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Train every run again.")] = False,
    seed: Annotated[
        int | None, option_of("Repeats an earlier choice of runs; default: a new choice.", None, min=0)
    ] = None,
    jobs: Jobs = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Check that stored results can be reproduced: [bold]dropexp verify results/[/bold]."""
    from dropexp.console.progress import Progress
    from dropexp.console.screen import say, tell
    from dropexp.errors import UsageError
    from dropexp.workflow.reading import studies_below
    from dropexp.workflow.request import Options
    from dropexp.workflow.running import Listener
    from dropexp.workflow.verifying import verify as verified

    if everything and sample is not None:
        raise UsageError(f"--sample {sample}: --all trains every run again; give one of the two")
    chosen = random.SystemRandom().randrange(10_000) if seed is None else seed
    size = None if everything else 5 if sample is None else sample

    def look(folder: Path) -> Verified:
        progress = Progress(sys.stderr)
        listener = Listener() if quiet else progress.listener()
        try:
            made = verified(folder, size, chosen, Options(jobs=jobs, data_dir=data_dir), listener)
        finally:
            progress.close()
        if not as_json and not (quiet and made.fine):
            tell("\n".join(lines(made)))
        return made

    folders = studies_below(path)
    found = of_each(folders, look)
    if as_json:
        say(json.dumps([facts(v) for v in found], indent=2))
    if not found:
        return 2
    return 0 if len(found) == len(folders) and all(v.fine for v in found) else 1


def facts(v: Verified) -> dict[str, object]:
    """Return what `verify --json` prints of a study."""
    return {
        "study": v.folder.as_posix(), "fine": v.fine, "runs": v.runs, "epochs": v.epochs, "seed": v.seed,
        "chosen": v.chosen, "trained_again": v.trained, "equal": list(v.equal), "elsewhere": list(v.elsewhere),
        "circumstances": list(v.circumstances), "arms": [vars(arm) for arm in v.arms], "left": list(v.left),
        "differences": [vars(m) for m in v.mismatches],
    }  # fmt: skip


def lines(v: Verified) -> list[str]:
    """Return a study's verification as lines for a person."""
    from dropexp.quoting import counted

    found = [f"{place(v, m)}: {sentence(m)}" for m in v.mismatches[:SHOWN]]
    if len(v.mismatches) > SHOWN:
        found.append(f"and {len(v.mismatches) - SHOWN} more differences; --json names them all")
    if not v.runs:
        return [*found, f"{v.folder.as_posix()}: no finished run, so nothing was verified"]
    files = "the files agree with each other" if not v.mismatches else counted(len(v.mismatches), "difference")
    found.append(f"{v.folder.as_posix()}: {counted(v.runs, 'run')}, {counted(v.epochs, 'epoch')}: {files}")
    if v.chosen:
        which = "all" if v.trained == v.runs else f"{v.trained} of {v.runs}"
        how = "" if v.chosen == v.runs else f" (--seed {v.seed} repeats this choice)"
        found.append(f"trained again: {which}{how}; equal to the byte: {len(v.equal)}")
    if v.elsewhere:
        found.append(f"not equal, but trained in another environment: {counted(len(v.elsewhere), 'run')}")
        found += [f"  {text}" for text in v.circumstances]
    for arm in v.arms:
        interval = (
            f"95% interval {100 * arm.low:+.1f} to {100 * arm.high:+.1f}" if arm.low == arm.low else "no interval"
        )
        word = "differs" if arm.differs else "no difference beyond chance"
        found.append(
            f"  {arm.arm_id}: {arm.metric}: stored minus retrained {100 * arm.mean:+.1f} points, n {arm.n}, {interval}: {word}"
        )
    found += [f"not trained again: {text}" for text in v.left]
    if v.trained < v.chosen:
        some = (
            "nothing was verified by training" if not v.trained else f"{v.chosen - v.trained} of them are not verified"
        )
        found.append(f"{v.chosen} runs were to be trained again, but only {v.trained} could be: {some}")
    return found


def place(v: Verified, m: Mismatch) -> str:
    return f"{(v.folder / m.file).as_posix()}{f':{m.line}' if m.line else ''}"


def sentence(m: Mismatch) -> str:
    """Return a difference in words: the column, what is stored and what it should be."""
    if not m.stored and not m.expected:
        return m.why
    column = f"{m.column}: " if m.column else ""
    return f"{column}{m.stored or 'nothing'} is stored, {m.expected or 'nothing'} expected ({m.why})"
