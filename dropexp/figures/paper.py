"""A figure drawn to a given size: its panels fill the space that is left, and its text is scaled to stay legible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from math import ceil

from matplotlib.figure import Figure

from dropexp.figures.scaled import scaled

FULL = 7.0  # inches at which type is as large as in a figure without a size
SMALLEST, LARGEST = 0.7, 2.0  # times that: 10 points become 7, which a column of a paper still bears
PANEL = (1.0, 0.5)  # inches, before scaling: a smaller panel shows nothing
CLOSE = 0.02  # inches
TRIES = 12
Drawn = Iterator[tuple[str, Figure]]


@dataclass(frozen=True)
class Paper:
    """How one figure is laid out: how many panels beside each other at most, and their size in times of their own."""

    columns: int = 4
    across: float = 1.0
    upwards: float = 1.0
    rows: bool = False  # whether panels have rows of text, which must not be pressed together
    tries: int = 0
    needs: tuple[float, float] | None = None  # inches before scaling, of a figure that cannot be made to fit


@dataclass
class Sheets:
    """The papers of the figures that one row of FIGURES draws, in their order; `at` is the one in work."""

    wide: float
    tall: float
    papers: list[Paper] = field(default_factory=list)
    at: int = 0

    @property
    def now(self) -> Paper:
        while len(self.papers) <= self.at:
            self.papers.append(Paper())
        return self.papers[self.at]

    def turn(self, **changes: object) -> None:
        self.papers[self.at] = replace(self.now, **changes)  # type: ignore[arg-type]


class AgainError(Exception):
    """A figure does not fill its paper yet: it is laid out anew."""


_sheets: ContextVar[Sheets | None] = ContextVar("sheets", default=None)


def panel(size: tuple[float, float], rows: bool = False) -> tuple[float, float]:
    """Return the inches of a panel: its own, unless the figure is drawn to a size.

    `rows`: it has rows of text, which need their height.
    """
    if (sheets := _sheets.get()) is None:
        return size
    if rows:
        sheets.turn(rows=True)
    paper = sheets.now
    return size[0] * paper.across, size[1] * (max(paper.upwards, 1.0) if rows else paper.upwards)


def most() -> int:
    """Return how many panels may stand beside each other."""
    sheets = _sheets.get()
    return 4 if sheets is None else sheets.now.columns


def given() -> tuple[float, float] | None:
    """Return the inches for the figure in work, before scaling; None where it takes what it needs."""
    sheets = _sheets.get()
    return None if sheets is None else (sheets.wide, sheets.tall)


def settle(wide: float, tall: float, columns: int, rows: int, size: tuple[float, float]) -> bool:
    """Take a layout of so many inches, `columns` x `rows` panels of `size` in it, or ask for another one.

    Returns whether it fits the paper that was asked for; a figure that cannot is laid out as without one. Raises
    AgainError where the figure is to be laid out anew.
    """
    sheets = _sheets.get()
    if sheets is None:
        return False
    paper = sheets.now
    filled = abs(wide - sheets.wide) < CLOSE and abs(tall - sheets.tall) < CLOSE
    inside = wide < sheets.wide + CLOSE and tall < sheets.tall + CLOSE
    if paper.needs or filled or (inside and paper.tries >= TRIES):
        sheets.at += 1
        return not paper.needs
    fixed = wide - columns * size[0], tall - rows * size[1]
    w, h = (sheets.wide - fixed[0]) / columns, (sheets.tall - fixed[1]) / rows
    least = size[1] / max(paper.upwards, 1.0) if paper.rows else PANEL[1]
    narrow, low = w < PANEL[0], h < least - CLOSE
    if narrow and columns > 1:
        sheets.turn(columns=columns - 1, across=1.0, upwards=1.0, tries=0)
    elif narrow or low or paper.tries > 2 * TRIES:
        needs = fixed[0] + columns * max(w, PANEL[0]), fixed[1] + rows * max(h, least)
        sheets.turn(needs=needs)
    else:
        press = 1.0 if paper.tries < TRIES else 0.98  # words that break anew can make it go to and fro
        ratios = press * w / size[0], press * h / size[1]
        sheets.turn(across=paper.across * ratios[0], upwards=paper.upwards * ratios[1], tries=paper.tries + 1)
    raise AgainError


def to_size(make: Callable[[], Drawn], wide: float, tall: float) -> Iterator[tuple[str, Figure | str]]:
    """Yield (name, figure) of exactly `wide` x `tall` inches, without title and note; a sentence for what does not fit."""
    factor = min(max(wide / FULL, SMALLEST), LARGEST)
    sheets = Sheets(wide / factor, tall / factor)
    while True:
        sheets.at = 0
        with _on(sheets):
            try:
                found = list(make())
            except AgainError:
                continue
        break
    for i, (name, figure) in enumerate(found):
        needs = sheets.papers[i].needs if i < len(sheets.papers) else None
        if needs:
            least = " x ".join(f"{ceil(10 * factor * inches - 1e-6) / 10:g}" for inches in needs)
            yield name, f"{name}: does not fit into {wide:g} x {tall:g} inches; it needs about {least}"
        else:
            yield name, scaled(figure, factor, (wide, tall))


@contextmanager
def _on(sheets: Sheets) -> Iterator[None]:
    token = _sheets.set(sheets)
    try:
        yield
    finally:
        _sheets.reset(token)
