"""What the Tab key offers in a shell: the names that an option or argument takes, read from the tables that hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def _kinds() -> Iterable[str]:
    from dropexp.experiment.kinds import KINDS

    return KINDS


def _placements() -> Iterable[str]:
    from dropexp.experiment.layout import PLACES

    return PLACES


def _orders() -> Iterable[str]:
    from itertools import permutations

    return ("".join(letters) for letters in permutations("NAD"))


def _devices() -> Iterable[str]:
    from dropexp.workflow.planning import DEVICES

    return DEVICES


def _executors() -> Iterable[str]:
    from dropexp.executors.all_executors import EXECUTORS

    return EXECUTORS


def _formats() -> Iterable[str]:
    from dropexp.export.formats import EXPORTS

    return EXPORTS


def _sources() -> Iterable[str]:
    from dropexp.experiment.sources import SOURCES

    return SOURCES


def _studies() -> Iterable[str]:
    from dropexp.study_files.shipped import shipped

    return shipped()


# those whose tables are quick to load: a name of a law would take torch, one of a figure matplotlib
OFFERED: dict[str, Callable[[], Iterable[str]]] = {
    "kinds": _kinds,
    "placements": _placements,
    "orders": _orders,
    "devices": _devices,
    "executors": _executors,
    "formats": _formats,
    "sources": _sources,
    "studies": _studies,
}


def completing(what: str) -> Callable[[str], list[str]]:
    """Return typer's function from what was typed to the names that begin so; paths are the shell's own to complete."""
    return lambda incomplete: [name for name in OFFERED[what]() if name.startswith(incomplete)]
