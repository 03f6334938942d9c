"""ensemble: several networks of an arm averaged or voting, against one and against dropout, from stored predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropexp.cli.options import RESULTS, Everything, Folder, Json, of_each, print_each

if TYPE_CHECKING:
    from dropexp.workflow.ensembling import Ensembled


def ensemble(
    path: Folder = RESULTS,
    members: Annotated[
        int | None, typer.Option(help="Networks per ensemble; 5 by default.", show_default=False)
    ] = None,
    everything: Everything = False,
    as_json: Json = False,
) -> int:
    """Average networks, or let them vote: [bold]dropexp ensemble results/five-networks --members 5[/bold]."""
    from dropexp.workflow.ensembling import checked_members
    from dropexp.workflow.ensembling import ensemble as put_together
    from dropexp.workflow.reading import studies_below

    members = checked_members("--members", members)
    folders = studies_below(path)
    found = of_each(folders, lambda folder: put_together(folder, members, everything))
    return print_each(found, as_json, _fact, lambda one: _told(one, len(folders) > 1))


def _told(one: Ensembled, named: bool) -> str:
    from dropexp.tables.ensemble import ensemble_table

    parts = [f"{one.folder.as_posix()}\n"] if named else []
    return "\n".join([*parts, ensemble_table(one.found), "", f"written: {'  '.join(str(p) for p in one.files)}"])


def _fact(one: Ensembled) -> dict[str, Any]:
    from math import isfinite

    rows = [
        {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in row.items()}
        for row in one.rows.to_dict("records")
    ]
    compared = [
        {
            **{side: {"arm_id": arm.arm_id, "rule": rule, "members": m} for side, (arm, rule, m) in (("a", v.a), ("b", v.b))},
            **{end: x if isfinite(x := getattr(v.difference, end)) else None for end in ("mean", "low", "high")},
            "n": v.difference.n, "word": v.word,
        }
        for v in one.found.comparisons
    ]  # fmt: skip
    return {
        "study": str(one.folder), "members": one.found.members, "ensembles": rows, "comparisons": compared,
        "files": [str(p) for p in one.files],
    }  # fmt: skip
