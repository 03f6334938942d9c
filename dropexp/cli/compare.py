"""compare: two studies or two arms side by side, or several folders read as one study."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropexp.cli.options import Json, Words, option_of

if TYPE_CHECKING:
    from dropexp.analysis.compare import Contrast, Pair

MOST = 100  # examples most often fixed, and broken, in JSON

Together = Annotated[bool, option_of("Read the folders as one study, written to --out.", None, "--together")]
Out = Annotated[Path | None, option_of("With --together: the folder of the joined study.", None, "--out")]
Prefer = Annotated[
    Path | None, option_of("With --together: the folder whose rows count if runs disagree.", None, "--prefer")
]


def compare(
    paths: Annotated[list[Path], typer.Argument(help="Two studies, or one with two --arm.", show_default=False)],
    arms: Annotated[Words, option_of("The arms of one side, such as rate=0.5 placement=input.", None, "--arm")] = None,
    together: Together = False,
    out: Out = None,
    prefer: Prefer = None,
    alone: Annotated[
        bool, option_of("Judge each pair on its own, outside its study; marked as exploratory.", None, "--alone")
    ] = False,
    examples: Annotated[
        bool,
        option_of("Show which test examples A gets right and B gets wrong, and vice versa.", None, "--examples"),
    ] = False,
    as_json: Json = False,
) -> int:
    """Compare two studies, or two arms: [bold]dropexp compare results/quickstart --arm rate=0.5 --arm rate=0[/bold]."""
    from dropexp.cli import arguments
    from dropexp.console.screen import say, tell, warn
    from dropexp.errors import UsageError
    from dropexp.tables.comparison import comparison
    from dropexp.tables.examples import examples as examples_table
    from dropexp.workflow.comparing import compare as compared
    from dropexp.workflow.reading import left_out

    if together or out or prefer:
        if arms:
            raise UsageError("--arm: --together makes one study of all arms; compare its arms afterwards")
        if examples:
            raise UsageError("--examples: --together makes one study of all arms; compare its arms afterwards")
        joined = join(paths, together, out, prefer)
        if as_json:
            say(json.dumps({"study": str(joined.folder), "runs": joined.runs, "notes": list(joined.notes)}, indent=2))
            return 0
        return _table_of(joined.folder)
    for doubt in left_out(paths):
        warn(doubt)
    pairs, names = compared(paths, [arguments.split([conditions]) for conditions in arms or ()], alone)
    if as_json:
        facts = [{**fact(pair), **({"examples": example_facts(pair)} if examples else {})} for pair in pairs]
        say(json.dumps({"a": names[0], "b": names[1], "pairs": facts}, indent=2))
    else:
        tell(comparison(pairs, names))
        if examples:
            tell(f"\n{examples_table(pairs)}")
    return 0


def join(paths: list[Path], together: bool, out: Path | None, prefer: Path | None) -> Any:
    """Write the joined study that the options ask for, and say on stderr what went into it."""
    from dropexp.console.screen import warn
    from dropexp.errors import UsageError
    from dropexp.workflow.reading import studies_below
    from dropexp.workflow.together import together as joined

    if not together:
        raise UsageError(
            f"{'--out' if out else '--prefer'}: works only with --together, which reads several folders as one"
        )
    if out is None:
        raise UsageError("--together: name the folder of the joined study, as in --together --out results/class")
    made = joined(studies_below(*paths), out, prefer)
    for note in made.notes:
        warn(note)
    return made


def _table_of(folder: Path) -> int:
    from dropexp.console.screen import say, tell, warn
    from dropexp.tables.arms import table
    from dropexp.workflow.reading import reading

    shown, note = reading(folder)
    tell(table(shown) if not shown.runs.empty else "no finished run yet")
    if note:
        warn(note)
    say(f"\n{folder.as_posix()}/")
    return 0


def fact(pair: Pair) -> dict[str, Any]:
    """Return a pair as plain data; numbers that do not exist are null."""
    return {
        "a": {"arm_id": pair.a.arm.arm_id, **_axes(pair.a)},
        "b": {"arm_id": pair.b.arm.arm_id, **_axes(pair.b)},
        "metrics": {c.metric: _numbers(c) for c in pair.contrasts},
    }


def example_facts(pair: Pair) -> dict[str, Any] | None:
    """Return the examples of a pair as plain data, null where no seed has outcomes of the same examples on both sides."""
    from dropexp.tables.examples import of_pair

    found = of_pair(pair)
    if found is None:
        return None
    return {
        "seeds": list(found.seeds), "all": asdict(found.all),
        "classes": {str(k): asdict(c) for k, c in found.classes.items()},
        "fixed": [asdict(x) for x in found.most("fixed", MOST)],
        "broken": [asdict(x) for x in found.most("broken", MOST)],
    }  # fmt: skip


def _axes(side: Any) -> dict[str, str]:
    return {path: side.arm.cells.get(path, "") for path in side.tidy.axes}


def _numbers(c: Contrast) -> dict[str, Any]:
    j, d = c.judged, c.judged.difference
    numbers = {
        "a_mean": c.a.mean, "a_low": c.a.low, "a_high": c.a.high, "a_n": c.a.n,
        "b_mean": c.b.mean, "b_low": c.b.low, "b_high": c.b.high, "b_n": c.b.n,
        "difference": d.mean, "low": d.low, "high": d.high, "p": d.p, "p_family": j.p_family,
        "family": j.family, "examples_low": j.examples[0], "examples_high": j.examples[1],
    }  # fmt: skip
    known = {name: number if isfinite(number) else None for name, number in numbers.items()}
    told = {"word": j.word, "reach": j.reach, "after_the_fact": j.told and j.after, "exploratory": j.exploratory}
    return {**known, "n": d.n, "paired": d.paired, **told}
